//! `anchored` and `smoothed`: what they need beyond a window, and what they make of it.
//!
//! The engine hands over the samples of `start - reach.before < time <= end + reach.after`, with
//! [`WindowContext::extended`] set; the functions allowed do the rest.

use super::{extended_histograms, notes, rate::Kind, window::WindowContext};
use crate::promql::{
    Annotations, FunctionId, Point, Samples, Slice, Window, ast::Extended, engine::EvalError,
};

/// How far beyond a window samples are needed; milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Before its start.
    pub before: i64,
    /// After its end.
    pub after: i64,
}

impl Reach {
    /// That of a range selector; and that of an instant selector, whose window is empty and ends at the step.
    #[must_use]
    pub fn of(extended: Extended, lookback: i64) -> Self {
        match extended {
            Extended::No => Self::default(),
            Extended::Anchored => Self {
                before: lookback,
                after: 0,
            },
            Extended::Smoothed => Self {
                before: lookback,
                after: lookback,
            },
        }
    }
}

/// Refuses a modifier with a function that does not know it.
///
/// # Errors
/// With the functions that do.
pub fn check_function(extended: Extended, id: FunctionId, name: &str) -> Result<(), EvalError> {
    use FunctionId::{Changes, Delta, Increase, Rate, Resets};
    let (modifier, known, names): (_, &[FunctionId], _) = match extended {
        Extended::No => return Ok(()),
        Extended::Anchored => (
            "anchored",
            &[Changes, Delta, Increase, Rate, Resets],
            "changes, delta, increase, rate, resets",
        ),
        Extended::Smoothed => (
            "smoothed",
            &[Delta, Increase, Rate],
            "delta, increase, rate",
        ),
    };
    if known.contains(&id) {
        return Ok(());
    }
    Err(EvalError::Failed(format!(
        "{modifier} modifier can only be used with: {names} - not with {name}"
    )))
}

/// The samples of a range selector with a modifier that is a result itself: interpolated or carried to both ends of the
/// window.
///
/// # Errors
/// When there are histograms.
pub fn extend(
    window: Window<'_>,
    (start, end): (i64, i64),
    extended: Extended,
) -> Result<Samples<f64>, EvalError> {
    let smoothed = extended == Extended::Smoothed;
    if !window.histograms.is_empty() {
        let modifier = if smoothed { "smoothed" } else { "anchored" };
        let text = format!("{modifier} modifier is not supported with histograms");
        return Err(EvalError::Failed(text));
    }
    let floats = window.floats;
    let mut out = Samples::default();
    let Some(bounds) = Bounds::find(floats.times, start, end, smoothed) else {
        return Ok(out);
    };
    // Whether it is a counter is not known.
    let (Some(left), Some(right)) = (bounds.left(floats, false), bounds.right(floats, false))
    else {
        return Ok(out);
    };
    let (from, to) = bounds.inner(floats.times);
    let mut push = |time, value| {
        out.times.push(time);
        out.values.push(value);
    };
    push(start, left);
    for (time, value) in floats.iter().take(to).skip(from) {
        push(time, *value);
    }
    push(end, right);
    Ok(out)
}

/// The value of an instant selector that is `smoothed`, at a time: from samples of both sides, or the last one.
pub fn smoothed_at(
    window: Window<'_>,
    time: i64,
    context: &WindowContext<'_>,
    notes: &mut Annotations,
) -> Option<Point> {
    if window.histograms.is_empty() {
        let (floats, times) = (window.floats, window.floats.times);
        let after = times.partition_point(|at| *at < time);
        if times.get(after) == Some(&time) {
            return floats.values.get(after).copied().map(Point::Float);
        }
        let before = after.checked_sub(1)?;
        let value = match times.get(after) {
            Some(_) => interpolate(floats, before, time, false),
            None => floats.values.get(before).copied(),
        };
        return value.map(Point::Float);
    }
    if window.floats.is_empty() {
        return extended_histograms::smoothed_at(window.histograms, time, context, notes);
    }
    notes::mixed_floats_histograms(notes, context);
    None
}

/// The samples at or around the ends of a window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The last one at or before the start, or the first of all.
    pub first: usize,
    /// The last one, or, if smoothed, the first at or after the end.
    pub last: usize,
    pub start: i64,
    pub end: i64,
    pub smoothed: bool,
}

impl Bounds {
    /// `None` if no sample says anything about the window.
    pub(super) fn find(times: &[i64], start: i64, end: i64, smoothed: bool) -> Option<Self> {
        let mut last = times.len().checked_sub(1)?;
        let but_last = times.get(..last)?;
        let first = but_last
            .partition_point(|time| *time <= start)
            .saturating_sub(1);
        if smoothed {
            last = but_last.partition_point(|time| *time < end);
        }
        (*times.get(last)? > start).then_some(Self {
            first,
            last,
            start,
            end,
            smoothed,
        })
    }

    fn left(self, floats: Slice<'_, f64>, counter: bool) -> Option<f64> {
        if self.smoothed && *floats.times.get(self.first)? < self.start {
            return interpolate(floats, self.first, self.start, counter);
        }
        floats.values.get(self.first).copied()
    }

    fn right(self, floats: Slice<'_, f64>, counter: bool) -> Option<f64> {
        if self.smoothed && self.last > 0 && *floats.times.get(self.last)? > self.end {
            return interpolate(floats, self.last - 1, self.end, counter);
        }
        floats.values.get(self.last).copied()
    }

    /// The places, the last excluded, of the samples that lie between the ends.
    fn inner(self, times: &[i64]) -> (usize, usize) {
        let at_start = times
            .get(self.first)
            .is_some_and(|time| *time <= self.start);
        let at_end = times.get(self.last).is_some_and(|time| *time >= self.end);
        let from = self.first + usize::from(at_start);
        (from, (self.last + 1 - usize::from(at_end)).max(from))
    }
}

pub(super) fn rate(floats: Slice<'_, f64>, context: &WindowContext<'_>, kind: Kind) -> Option<f64> {
    let smoothed = context.extended == Extended::Smoothed;
    let bounds = Bounds::find(floats.times, context.start, context.end, smoothed)?;
    if smoothed && *floats.times.get(bounds.first)? > context.end {
        return None;
    }
    let left = bounds.left(floats, kind.counter)?;
    let right = bounds.right(floats, kind.counter)?;
    let mut result = right - left;
    if kind.counter {
        let (from, to) = bounds.inner(floats.times);
        let inner = floats.values.get(from..to).unwrap_or_default();
        result += lost_in_resets(left, inner, right);
    }
    if kind.per_second {
        result /= context.range_seconds();
    }
    Some(result)
}

fn lost_in_resets(left: f64, inner: &[f64], right: f64) -> f64 {
    let (mut lost, mut before) = (0.0, left);
    for value in inner.iter().copied().chain([right]) {
        if value < before {
            lost += before;
        }
        before = value;
    }
    lost
}

/// The value at a time on the line from one sample to the next; a counter that fell comes from 0.
fn interpolate(floats: Slice<'_, f64>, before: usize, time: i64, counter: bool) -> Option<f64> {
    let (from, to) = (*floats.times.get(before)?, *floats.times.get(before + 1)?);
    let (mut low, high) = (*floats.values.get(before)?, *floats.values.get(before + 1)?);
    if counter && high < low {
        low = 0.0;
    }
    let (passed, whole) = ((time - from) as f64, (to - from) as f64);
    Some(low + (high - low) * passed / whole)
}

/// The samples from that on which `anchored` measures from: the last one at or before the start, if there is one; `None`
/// if there is none after the start.
pub(super) fn anchored<'a>(window: Window<'a>, context: &WindowContext<'_>) -> Option<Window<'a>> {
    if context.extended != Extended::Anchored {
        return Some(window);
    }
    let until = |times: &[i64]| times.partition_point(|time| *time <= context.start);
    let (floats, histograms) = (until(window.floats.times), until(window.histograms.times));
    if floats == window.floats.len() && histograms == window.histograms.len() {
        return None;
    }
    let anchor =
        |times: &[i64], until: usize| until.checked_sub(1).and_then(|at| times.get(at)).copied();
    let float = anchor(window.floats.times, floats);
    let is_float = float.is_some() && float >= anchor(window.histograms.times, histograms);
    let is_histogram = !is_float && histograms > 0;
    Some(Window {
        floats: tail(window.floats, floats - usize::from(is_float)),
        histograms: tail(window.histograms, histograms - usize::from(is_histogram)),
    })
}

/// The samples from a place on.
pub(super) fn tail<T>(samples: Slice<'_, T>, from: usize) -> Slice<'_, T> {
    Slice {
        times: samples.times.get(from..).unwrap_or_default(),
        values: samples.values.get(from..).unwrap_or_default(),
        starts: samples.starts.get(from..).unwrap_or_default(),
    }
}
