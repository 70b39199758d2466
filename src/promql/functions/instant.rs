//! `irate` and `idelta`: what the last two samples of a window tell.

use super::histograms;
use super::rate::{seconds, started_anew};
use super::window::WindowContext;
use crate::promql::{Annotations, Point, Slice, Window};

pub(super) fn irate(floats: Slice<'_, f64>, context: &WindowContext<'_>) -> Option<f64> {
    let before_last = floats.len().checked_sub(2)?;
    let (time, last) = (*floats.times.get(before_last + 1)?, *floats.values.get(before_last + 1)?);
    let (time_before, before) = (*floats.times.get(before_last)?, *floats.values.get(before_last)?);
    let start = |at| floats.starts.get(at).copied().unwrap_or_default();
    let anew = context.use_start_timestamps
        && started_anew((time_before, start(before_last)), (time, start(before_last + 1)));
    if time == time_before {
        return None;
    }
    let growth = if last < before || anew { last } else { last - before };
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
    histograms::of_last_two(window, context, notes, true)
}

pub(super) fn idelta_any(
    window: Window<'_>,
    context: &WindowContext<'_>,
    notes: &mut Annotations,
) -> Option<Point> {
    histograms::of_last_two(window, context, notes, false)
}
