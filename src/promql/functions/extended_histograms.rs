//! `anchored` and `smoothed` for windows of histograms.

use std::{borrow::Cow, sync::Arc};

use super::{
    extended::Bounds,
    histograms::{Histograms, Outcomes, point},
    notes,
    rate::Kind,
    window::WindowContext,
};
use crate::promql::{
    Annotations, FloatHistogram, Point,
    ast::Extended,
    histogram::{CounterResetHint, IncompatibleSchemas},
};

type Context<'a> = WindowContext<'a>;
type Result<T> = std::result::Result<T, IncompatibleSchemas>;

fn is_gauge(histogram: &FloatHistogram) -> bool {
    histogram.counter_reset_hint == CounterResetHint::Gauge
}

/// The samples that tell about a window, from first to last, and what was remarked about their bounds.
struct Sampled<'a> {
    histograms: Histograms<'a>,
    bounds: Bounds,
    counter: bool,
    outcomes: Outcomes,
}

pub(super) fn rate(
    histograms: Histograms<'_>,
    context: &Context<'_>,
    notes: &mut Annotations,
    kind: Kind,
) -> Option<Point> {
    let smoothed = context.extended == Extended::Smoothed;
    let bounds = Bounds::find(histograms.times, context.start, context.end, smoothed)?;
    if smoothed && *histograms.times.get(bounds.first)? > context.end {
        return None;
    }
    let used = histograms.values.get(bounds.first..=bounds.last)?;
    if !check_schemas(used, kind, context, notes) {
        return None;
    }
    let mut sampled = Sampled {
        histograms,
        bounds,
        counter: kind.counter,
        outcomes: Outcomes::default(),
    };
    let growth = sampled.growth(context, notes);
    sampled.outcomes.remark(notes, context);
    let Ok(growth) = growth else {
        notes::mixed_exponential_custom(notes, context);
        return None;
    };
    let mut growth = growth?;
    if kind.per_second {
        growth.div(context.range_seconds());
    }
    growth.counter_reset_hint = CounterResetHint::Gauge;
    growth.compact(0);
    point(growth)
}

/// Whether all have buckets of one kind; says so if not, and if a counter is a gauge.
fn check_schemas(
    used: &[Arc<FloatHistogram>],
    kind: Kind,
    context: &Context<'_>,
    notes: &mut Annotations,
) -> bool {
    let custom = used.first().is_some_and(|first| first.is_custom());
    for histogram in used {
        if histogram.is_custom() != custom {
            notes::mixed_exponential_custom(notes, context);
            return false;
        }
        if kind.counter && is_gauge(histogram) {
            notes::not_counter(notes, context);
        }
    }
    true
}

impl<'a> Sampled<'a> {
    /// From the left end to the right one, with what was lost in resets; `None` if there are no samples.
    fn growth(
        &mut self,
        context: &Context<'_>,
        notes: &mut Annotations,
    ) -> Result<Option<FloatHistogram>> {
        let (Some(left), Some(right)) = (self.left()?, self.right()?) else {
            return Ok(None);
        };
        if !(self.counter || is_gauge(&left) && is_gauge(&right)) {
            notes::not_gauge(notes, context);
        }
        let mut growth = FloatHistogram::clone(&right);
        self.outcomes.subtract(&mut growth, &left)?;
        if self.counter
            && let Some(lost) = self.lost_in_resets(&left, &right)?
        {
            self.outcomes.add(&mut growth, &lost)?;
        }
        Ok(Some(growth))
    }

    fn at(&self, place: usize) -> Option<(i64, &'a FloatHistogram)> {
        let time = self.histograms.times.get(place)?;
        self.histograms
            .values
            .get(place)
            .map(|value| (*time, &**value))
    }

    fn left(&mut self) -> Result<Option<Cow<'a, FloatHistogram>>> {
        let Bounds {
            first,
            start,
            smoothed,
            ..
        } = self.bounds;
        match (self.at(first), self.at(first + 1)) {
            (Some(sample), Some(next)) if smoothed && sample.0 < start => {
                interpolate(sample, next, start, self.counter, &mut self.outcomes).map(Some)
            }
            (sample, _) => Ok(sample.map(|(_, histogram)| Cow::Borrowed(histogram))),
        }
    }

    fn right(&mut self) -> Result<Option<Cow<'a, FloatHistogram>>> {
        let Bounds {
            last,
            end,
            smoothed,
            ..
        } = self.bounds;
        let before = last.checked_sub(1).and_then(|before| self.at(before));
        match (before, self.at(last)) {
            (Some(before), Some(sample)) if smoothed && sample.0 > end => {
                interpolate(before, sample, end, self.counter, &mut self.outcomes).map(Some)
            }
            (_, sample) => Ok(sample.map(|(_, histogram)| Cow::Borrowed(histogram))),
        }
    }

    /// The sum of all that resets follow within the window.
    fn lost_in_resets(
        &mut self,
        left: &FloatHistogram,
        right: &FloatHistogram,
    ) -> Result<Option<FloatHistogram>> {
        let Bounds {
            first,
            last,
            start,
            smoothed,
            ..
        } = self.bounds;
        let (mut from, mut before) = (first + 1, left);
        if let (Some((time, sample)), Some((_, next))) = (self.at(first), self.at(first + 1))
            && smoothed
            && time < start
            && next.detect_reset(sample)
        {
            // The left end lies within this reset, and the interpolation has counted it.
            (from, before) = (from + 1, next);
        }
        if from > last {
            return Ok(None);
        }
        // The last sample is the right end, or the right end has its hint.
        let inner = self.histograms.values.get(from..last).unwrap_or_default();
        let mut lost: Option<FloatHistogram> = None;
        for histogram in inner.iter().map(|histogram| &**histogram).chain([right]) {
            if histogram.detect_reset(before) {
                match &mut lost {
                    None => lost = Some(before.clone()),
                    Some(lost) => self.outcomes.add(lost, before)?,
                }
            }
            before = histogram;
        }
        Ok(lost)
    }
}

/// The histogram at a time on the line from one to the next; a counter that was reset comes from nothing.
fn interpolate<'a>(
    (from, before): (i64, &'a FloatHistogram),
    (to, after): (i64, &'a FloatHistogram),
    time: i64,
    counter: bool,
    outcomes: &mut Outcomes,
) -> Result<Cow<'a, FloatHistogram>> {
    if time == from {
        return Ok(Cow::Borrowed(before));
    }
    if time == to {
        return Ok(Cow::Borrowed(after));
    }
    let fraction = (time - from) as f64 / (to - from) as f64;
    let mut result = after.clone();
    if counter && after.detect_reset(before) {
        result.mul(fraction);
        return Ok(Cow::Owned(result));
    }
    outcomes.subtract(&mut result, before)?;
    result.mul(fraction);
    outcomes.add(&mut result, before)?;
    Ok(Cow::Owned(result))
}

/// The histogram of an instant selector that is `smoothed`, at a time.
pub(super) fn smoothed_at(
    histograms: Histograms<'_>,
    time: i64,
    context: &Context<'_>,
    notes: &mut Annotations,
) -> Option<Point> {
    let after = histograms.times.partition_point(|at| *at < time);
    let next = histograms
        .times
        .get(after)
        .zip(histograms.values.get(after));
    if let Some((at, histogram)) = next
        && *at == time
    {
        return Some(Point::Histogram(Arc::clone(histogram)));
    }
    let place = after.checked_sub(1)?;
    let (from, before) = (*histograms.times.get(place)?, histograms.values.get(place)?);
    let Some((to, next)) = next else {
        let mut carried = FloatHistogram::clone(before);
        // A hint tells of two neighbouring samples, not of a value.
        carried.counter_reset_hint = CounterResetHint::Unknown;
        return point(carried);
    };
    let counter = !is_gauge(before) || !is_gauge(next);
    let mut outcomes = Outcomes::default();
    // A reset between different kinds of buckets would hide that they are different.
    let result = match before.is_custom() == next.is_custom() {
        true => interpolate((from, before), (*to, next), time, counter, &mut outcomes),
        false => Err(IncompatibleSchemas),
    };
    outcomes.remark(notes, context);
    match result {
        Ok(histogram) => point(histogram.into_owned()),
        Err(IncompatibleSchemas) => {
            notes::mixed_exponential_custom(notes, context);
            None
        }
    }
}
