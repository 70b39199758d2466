//! Selectors: the latest sample at each step, and the window of samples at each step.

use std::{borrow::Cow, sync::Arc};

use super::{
    Steps,
    plan::{Instant, Shift},
    table::{Row, Table},
};
use crate::promql::{FloatHistogram, Point, Samples, Series, Slice, Window, is_stale};

/// A sample that an instant selector found.
pub(super) struct Found<'a> {
    /// Unix milliseconds.
    pub(super) time: i64,
    /// When its counter started; 0 for unknown.
    pub(super) start: i64,
    pub(super) value: Latest<'a>,
}

pub(super) enum Latest<'a> {
    Float(f64),
    Histogram(&'a Arc<FloatHistogram>),
}

impl Latest<'_> {
    fn point(&self) -> Point {
        match self {
            Self::Float(float) => Point::Float(*float),
            Self::Histogram(histogram) => Point::Histogram(Arc::clone(histogram)),
        }
    }
}

/// How many of `times` are not after `limit`, of which at least `known` are not.
fn advance(times: &[i64], known: usize, limit: i64) -> usize {
    let rest = times.get(known..).unwrap_or_default();
    let near = rest.iter().take(8).take_while(|time| **time <= limit);
    let near = near.count();
    if near < 8 {
        return known + near;
    }
    known + rest.partition_point(|time| *time <= limit)
}

/// Walks through a series with steps that only go forward.
pub(super) struct Cursor<'a> {
    series: &'a Series,
    floats: usize,
    histograms: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(series: &'a Series) -> Self {
        Self {
            series,
            floats: 0,
            histograms: 0,
        }
    }

    /// The latest sample at a time, if it is within the lookback and no stale marker.
    pub(super) fn latest(&mut self, time: i64, lookback: i64) -> Option<Found<'a>> {
        let Series {
            floats, histograms, ..
        } = self.series;
        self.floats = advance(&floats.times, self.floats, time);
        self.histograms = advance(&histograms.times, self.histograms, time);
        let last =
            |at: usize, times: &[i64]| at.checked_sub(1).and_then(|at| times.get(at).copied());
        let float = last(self.floats, &floats.times);
        let histogram = last(self.histograms, &histograms.times);
        let found = if float >= histogram {
            let at = self.floats.checked_sub(1)?;
            let value = *floats.values.get(at)?;
            Found {
                time: float?,
                start: floats.starts.get(at).copied().unwrap_or_default(),
                value: (!is_stale(value)).then_some(Latest::Float(value))?,
            }
        } else {
            let at = self.histograms.checked_sub(1)?;
            let value = histograms.values.get(at)?;
            Found {
                time: histogram?,
                start: histograms.starts.get(at).copied().unwrap_or_default(),
                value: (!is_stale(value.sum)).then_some(Latest::Histogram(value))?,
            }
        };
        (found.time > time.saturating_sub(lookback)).then_some(found)
    }
}

/// Adds the latest sample of a series at each step, if there is any.
pub(super) fn push_latest(
    table: &mut Table,
    series: &Series,
    shift: Shift,
    steps: Steps,
    lookback: i64,
) {
    let row = table.push(Row {
        labels: series.labels.clone(),
        drop_name: false,
    });
    let mut cursor = Cursor::new(series);
    let mut found_any = false;
    if series.histograms.times.is_empty() {
        let floats = table.floats_mut(row);
        for (place, step) in floats.iter_mut().zip(steps.iter()) {
            if let Some(found) = cursor.latest(shift.apply(step), lookback)
                && let Latest::Float(value) = found.value
            {
                *place = value;
                found_any = true;
            }
        }
    } else {
        for (index, step) in steps.iter().enumerate() {
            if let Some(found) = cursor.latest(shift.apply(step), lookback) {
                table.set(row, index, Some(found.value.point()));
                found_any = true;
            }
        }
    }
    if !found_any {
        table.pop();
    }
}

/// A function of the samples that an instant selector finds, such as their times.
pub(super) fn instant_map(
    series: &[Series],
    node: &Instant,
    steps: Steps,
    lookback: i64,
    value: impl Fn(&Found<'_>) -> Option<f64>,
) -> Table {
    let mut table = Table::with_capacity(steps.count(), series.len());
    for series in series {
        let mut cursor = Cursor::new(series);
        let floats = steps.iter().map(|step| {
            let found = cursor.latest(node.shift.apply(step), lookback);
            found
                .and_then(|found| value(&found))
                .unwrap_or(crate::promql::STALE)
        });
        let row = Row {
            labels: series.labels.clone(),
            drop_name: true,
        };
        table.push_floats(row, floats);
    }
    table.drop_empty_rows();
    table
}

/// A series whose histograms have no buckets any more, but hints of resets that were found by them.
pub(super) fn statistics(series: &Series) -> Series {
    let mut result = series.clone();
    let mut previous: Option<&Arc<FloatHistogram>> = None;
    for (histogram, place) in series
        .histograms
        .values
        .iter()
        .zip(&mut result.histograms.values)
    {
        if is_stale(histogram.sum) {
            continue;
        }
        *place = Arc::new(histogram.without_buckets(previous.map(Arc::as_ref)));
        previous = Some(histogram);
    }
    result
}

/// The samples of a series without stale markers.
pub(super) struct Fresh<'a> {
    pub(super) floats: Cow<'a, Samples<f64>>,
    pub(super) histograms: Cow<'a, Samples<Arc<FloatHistogram>>>,
}

impl<'a> Fresh<'a> {
    pub(super) fn new(series: &'a Series) -> Self {
        let float_is_stale = |value: &f64| is_stale(*value);
        let histogram_is_stale = |value: &Arc<FloatHistogram>| is_stale(value.sum);
        Self {
            floats: without(&series.floats, float_is_stale),
            histograms: without(&series.histograms, histogram_is_stale),
        }
    }
}

fn without<T: Clone>(samples: &Samples<T>, stale: impl Fn(&T) -> bool) -> Cow<'_, Samples<T>> {
    if !samples.values.iter().any(&stale) {
        return Cow::Borrowed(samples);
    }
    let mut fresh = Samples::default();
    for (at, value) in samples.values.iter().enumerate() {
        if stale(value) {
            continue;
        }
        fresh.times.extend(samples.times.get(at));
        fresh.starts.extend(samples.starts.get(at));
        fresh.values.push(value.clone());
    }
    Cow::Owned(fresh)
}

/// The places of a window that only goes forward.
#[derive(Default)]
struct Bounds {
    from: usize,
    to: usize,
}

impl Bounds {
    /// Moves to the samples of `after < time <= until`.
    fn slide<'a, T>(&mut self, samples: &'a Samples<T>, after: i64, until: i64) -> Slice<'a, T> {
        self.from = advance(&samples.times, self.from, after);
        self.to = advance(&samples.times, self.to.max(self.from), until);
        samples.slice(self.from, self.to)
    }
}

/// Slides over the samples of a series.
pub(super) struct Windows<'a> {
    fresh: &'a Fresh<'a>,
    floats: Bounds,
    histograms: Bounds,
}

impl<'a> Windows<'a> {
    pub(super) fn new(fresh: &'a Fresh<'a>) -> Self {
        Self {
            fresh,
            floats: Bounds::default(),
            histograms: Bounds::default(),
        }
    }

    /// The samples of `after < time <= until`, neither of which may be before those of the last call.
    pub(super) fn slide(&mut self, after: i64, until: i64) -> Window<'a> {
        Window {
            floats: self.floats.slide(&self.fresh.floats, after, until),
            histograms: self.histograms.slide(&self.fresh.histograms, after, until),
        }
    }
}
