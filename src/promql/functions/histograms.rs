//! Functions over windows of histograms alone.

use std::{borrow::Cow, sync::Arc};

use super::{
    extended_histograms,
    notes::{self, HistogramOperation},
    rate::{DELTA, Extent, INCREASE, Kind, RATE, starts, starts_anew, warn_overlap},
    window::WindowContext,
};
use crate::promql::{
    Annotations, FloatHistogram, Point, Slice, Window,
    ast::Extended,
    histogram::{CounterResetHint, HistogramMean, HistogramSum, IncompatibleSchemas, Outcome},
};

pub(super) type Histograms<'a> = Slice<'a, Arc<FloatHistogram>>;
type Context<'a> = WindowContext<'a>;

pub(super) fn point(histogram: FloatHistogram) -> Option<Point> {
    Some(Point::Histogram(Arc::new(histogram)))
}

pub(super) fn rate(
    window: Window<'_>,
    context: &Context<'_>,
    notes: &mut Annotations,
) -> Option<Point> {
    of_kind(window.histograms, context, notes, RATE)
}

pub(super) fn increase(
    window: Window<'_>,
    context: &Context<'_>,
    notes: &mut Annotations,
) -> Option<Point> {
    of_kind(window.histograms, context, notes, INCREASE)
}

pub(super) fn delta(
    window: Window<'_>,
    context: &Context<'_>,
    notes: &mut Annotations,
) -> Option<Point> {
    of_kind(window.histograms, context, notes, DELTA)
}

fn of_kind(
    histograms: Histograms<'_>,
    context: &Context<'_>,
    notes: &mut Annotations,
    kind: Kind,
) -> Option<Point> {
    if context.extended != Extended::No {
        return extended_histograms::rate(histograms, context, notes, kind);
    }
    let first = histograms.values.first()?;
    let starts = starts(histograms, context, kind);
    let mut extent = Extent::of(histograms.times)?;
    let several = histograms.len() > 1;
    let mut result = match several {
        true => Some(growth(histograms, starts, kind, context, notes)?),
        false => None,
    };
    let mut ratio = None;
    if extent.start_with_sample(starts, context) {
        match &mut result {
            None => result = Some(FloatHistogram::clone(first)),
            Some(result) => add(result, first, context, notes)?,
        }
    } else if kind.counter
        && let Some(result) = &result
        && result.count > 0.0
        && first.count >= 0.0
    {
        ratio = Some(first.count / result.count);
    }
    let factor = extent.factor(context, kind, ratio)?;
    let mut result = result?;
    result.mul(factor);
    point(result)
}

/// What a window of at least two histograms grew between the first and the last one.
fn growth(
    histograms: Histograms<'_>,
    starts: &[i64],
    kind: Kind,
    context: &Context<'_>,
    notes: &mut Annotations,
) -> Option<FloatHistogram> {
    let [first, between @ .., last] = histograms.values else {
        return None;
    };
    let gauge =
        |histogram: &FloatHistogram| histogram.counter_reset_hint == CounterResetHint::Gauge;
    // What is remarked until a mix of schemas is found does not count then.
    let mut found = Annotations::default();
    if kind.counter && (gauge(first) || gauge(last)) {
        notes::not_counter(&mut found, context);
    }
    let start = origin(histograms, starts, kind)?;
    let custom = start.is_custom();
    if last.is_custom() != custom {
        notes::mixed_exponential_custom(&mut found, context);
        notes.merge(found);
        return None;
    }
    let mut schema = last.schema.min(start.schema);
    for histogram in between.iter().filter(|_| kind.counter) {
        if gauge(histogram) {
            notes::not_counter(&mut found, context);
        }
        schema = schema.min(histogram.schema);
        if histogram.is_custom() != custom {
            notes::mixed_exponential_custom(notes, context);
            return None;
        }
    }
    let mut result = in_schema(last, schema)?;
    let mut outcome = Outcomes::default();
    let added = outcome.subtract(&mut result, &start).and_then(|()| {
        let resets = histograms.values.iter().skip(1).filter(|_| kind.counter);
        outcome.add_before_resets(&mut result, &start, resets, histograms.times, starts)
    });
    if let Err(IncompatibleSchemas) = added {
        notes::mixed_exponential_custom(notes, context);
        return None;
    }
    outcome.remark(&mut found, context);
    if kind.counter {
        warn_overlap(histograms.times, starts, context, &mut found);
    } else if !gauge(first) || !gauge(last) {
        notes::not_gauge(&mut found, context);
    }
    notes.merge(found);
    result.counter_reset_hint = CounterResetHint::Gauge;
    result.compact(0);
    Some(result)
}

/// What the difference is taken from: the first histogram, or nothing if the second one starts anew. Then it does not
/// matter what the first one looks like.
fn origin<'a>(
    histograms: Histograms<'a>,
    starts: &[i64],
    kind: Kind,
) -> Option<Cow<'a, FloatHistogram>> {
    let [first, second, ..] = histograms.values else {
        return None;
    };
    let anew = || starts_anew(histograms.times, starts).next() == Some(true);
    if kind.counter && (anew() || second.detect_reset(first)) {
        return Some(Cow::Owned(FloatHistogram {
            schema: second.schema,
            custom_bounds: Arc::clone(&second.custom_bounds),
            ..FloatHistogram::default()
        }));
    }
    Some(Cow::Borrowed(first))
}

fn in_schema(histogram: &FloatHistogram, schema: i32) -> Option<FloatHistogram> {
    let mut copy = histogram.clone();
    if schema != histogram.schema {
        copy.reduce_resolution(schema).ok()?;
    }
    Some(copy)
}

/// Whether custom bounds had to be reconciled on the way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Outcomes {
    added: bool,
    subtracted: bool,
}

impl Outcomes {
    pub(super) fn add(
        &mut self,
        sum: &mut FloatHistogram,
        other: &FloatHistogram,
    ) -> Result<(), IncompatibleSchemas> {
        self.added |= sum.add(other)?.nhcb_bounds_reconciled;
        Ok(())
    }

    pub(super) fn subtract(
        &mut self,
        from: &mut FloatHistogram,
        other: &FloatHistogram,
    ) -> Result<(), IncompatibleSchemas> {
        self.subtracted |= from.sub(other)?.nhcb_bounds_reconciled;
        Ok(())
    }

    /// Adds to a difference each histogram that a reset follows.
    fn add_before_resets<'a>(
        &mut self,
        result: &mut FloatHistogram,
        start: &FloatHistogram,
        others: impl Iterator<Item = &'a Arc<FloatHistogram>>,
        times: &[i64],
        starts: &[i64],
    ) -> Result<(), IncompatibleSchemas> {
        let mut anew = starts_anew(times, starts);
        let mut before: &FloatHistogram = start;
        for histogram in others {
            if anew.next() == Some(true) || histogram.detect_reset(before) {
                self.add(result, before)?;
            }
            before = histogram;
        }
        Ok(())
    }

    pub(super) fn remark(self, notes: &mut Annotations, context: &Context<'_>) {
        if self.subtracted {
            notes::bounds_reconciled(notes, context.span, HistogramOperation::Subtraction);
        }
        if self.added {
            notes::bounds_reconciled(notes, context.span, HistogramOperation::Addition);
        }
    }
}

/// Adds a histogram and remarks what is to be remarked; `None` if it cannot be added.
fn add(
    sum: &mut FloatHistogram,
    other: &FloatHistogram,
    context: &Context<'_>,
    notes: &mut Annotations,
) -> Option<()> {
    let mut outcomes = Outcomes::default();
    let added = outcomes.add(sum, other);
    outcomes.remark(notes, context);
    if added.is_err() {
        notes::mixed_exponential_custom(notes, context);
    }
    added.ok()
}

pub(super) fn sum(
    window: Window<'_>,
    context: &Context<'_>,
    notes: &mut Annotations,
) -> Option<Point> {
    let (first, others) = window.histograms.values.split_first()?;
    let mut sum = HistogramSum::new(first);
    let added = others.iter().try_for_each(|histogram| sum.add(histogram));
    remark_total(added, sum.outcome(), context, notes)?;
    point(sum.finish())
}

pub(super) fn avg(
    window: Window<'_>,
    context: &Context<'_>,
    notes: &mut Annotations,
) -> Option<Point> {
    let (first, others) = window.histograms.values.split_first()?;
    let mut mean = HistogramMean::new(first);
    let added = others.iter().try_for_each(|histogram| mean.add(histogram));
    remark_total(added, mean.outcome(), context, notes)?;
    point(mean.finish())
}

fn remark_total(
    added: Result<(), IncompatibleSchemas>,
    outcome: Outcome,
    context: &Context<'_>,
    notes: &mut Annotations,
) -> Option<()> {
    if added.is_err() {
        notes::mixed_exponential_custom(notes, context);
        return None;
    }
    if outcome.counter_reset_collision {
        notes::reset_collision(notes, context.span, HistogramOperation::Aggregation);
    }
    if outcome.nhcb_bounds_reconciled {
        notes::bounds_reconciled(notes, context.span, HistogramOperation::Aggregation);
    }
    Some(())
}
