//! `irate` and `idelta`: what the last two samples of a window tell.

use std::sync::Arc;

use super::{
    extended::tail,
    histograms::{Outcomes, point},
    merged::{Either, Moment, merged},
    notes,
    rate::{seconds, started_anew},
    window::WindowContext,
};
use crate::promql::{
    Annotations, FloatHistogram, Point, Slice, Window, histogram::CounterResetHint,
};

pub(super) fn irate(floats: Slice<'_, f64>, context: &WindowContext<'_>) -> Option<f64> {
    let before_last = floats.len().checked_sub(2)?;
    let (time, last) = (
        *floats.times.get(before_last + 1)?,
        *floats.values.get(before_last + 1)?,
    );
    let (time_before, before) = (
        *floats.times.get(before_last)?,
        *floats.values.get(before_last)?,
    );
    let start = |at| floats.starts.get(at).copied().unwrap_or_default();
    let anew = context.use_start_timestamps
        && started_anew(
            (time_before, start(before_last)),
            (time, start(before_last + 1)),
        );
    if time == time_before {
        return None;
    }
    let growth = if last < before || anew {
        last
    } else {
        last - before
    };
    Some(growth / seconds(time - time_before))
}

pub(super) fn idelta(floats: Slice<'_, f64>, _: &WindowContext<'_>) -> Option<f64> {
    let [.., before, last] = *floats.values else {
        return None;
    };
    Some(last - before)
}

pub(super) fn irate_any(
    window: Window<'_>,
    context: &WindowContext<'_>,
    notes: &mut Annotations,
) -> Option<Point> {
    of_last_two(window, context, notes, true)
}

pub(super) fn idelta_any(
    window: Window<'_>,
    context: &WindowContext<'_>,
    notes: &mut Annotations,
) -> Option<Point> {
    of_last_two(window, context, notes, false)
}

fn of_last_two(
    window: Window<'_>,
    context: &WindowContext<'_>,
    notes: &mut Annotations,
    per_second: bool,
) -> Option<Point> {
    let [before, last] = last_two(window)?;
    if last.time == before.time {
        return None;
    }
    let seconds = seconds(last.time - before.time);
    let anew = per_second
        && context.use_start_timestamps
        && started_anew((before.time, before.start), (last.time, last.start));
    match (before.value, last.value) {
        (Either::Float(before), Either::Float(last)) => {
            let fell = per_second && (last < before || anew);
            let growth = if fell { last } else { last - before };
            Some(Point::Float(if per_second {
                growth / seconds
            } else {
                growth
            }))
        }
        (Either::Histogram(before), Either::Histogram(last)) => {
            let mut growth = difference(before, last, anew, per_second, context, notes)?;
            if per_second {
                growth.div(seconds);
            }
            point(growth)
        }
        _ => {
            notes::mixed_floats_histograms(notes, context);
            None
        }
    }
}

/// The last two samples of both kinds together.
fn last_two(window: Window<'_>) -> Option<[Moment<'_>; 2]> {
    let Window { floats, histograms } = window;
    let last_two = Window {
        floats: tail(floats, floats.len().saturating_sub(2)),
        histograms: tail(histograms, histograms.len().saturating_sub(2)),
    };
    let samples: Vec<_> = merged(last_two).collect();
    samples.last_chunk().copied()
}

fn difference(
    before: &FloatHistogram,
    last: &Arc<FloatHistogram>,
    anew: bool,
    counter: bool,
    context: &WindowContext<'_>,
    notes: &mut Annotations,
) -> Option<FloatHistogram> {
    let gauge =
        |histogram: &FloatHistogram| histogram.counter_reset_hint == CounterResetHint::Gauge;
    if counter && (gauge(last) || gauge(before)) {
        notes::not_counter(notes, context);
    }
    if !(counter || gauge(last) && gauge(before)) {
        notes::not_gauge(notes, context);
    }
    let mut growth = FloatHistogram::clone(last);
    if !counter || !anew && !last.detect_reset(before) {
        let mut outcomes = Outcomes::default();
        let subtracted = outcomes.subtract(&mut growth, before);
        outcomes.remark(notes, context);
        if subtracted.is_err() {
            notes::mixed_exponential_custom(notes, context);
            return None;
        }
    }
    growth.counter_reset_hint = CounterResetHint::Gauge;
    growth.compact(0);
    Some(growth)
}
