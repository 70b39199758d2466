//! `rate`, `increase` and `delta`: what a window tells of its whole range.

use super::{extended, notes, over_time::number, window::WindowContext};
use crate::promql::{Annotations, Slice, Window, ast::Extended, engine::EvalError};

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Whether a fall means that a counter started again.
    pub counter: bool,
    /// Whether the result is per second.
    pub per_second: bool,
}

pub(super) const RATE: Kind = Kind {
    counter: true,
    per_second: true,
};
pub(super) const INCREASE: Kind = Kind {
    counter: true,
    per_second: false,
};
pub(super) const DELTA: Kind = Kind {
    counter: false,
    per_second: false,
};

pub(super) fn rate(floats: Slice<'_, f64>, context: &WindowContext<'_>) -> Option<f64> {
    of_floats(floats, context, RATE)
}

pub(super) fn increase(floats: Slice<'_, f64>, context: &WindowContext<'_>) -> Option<f64> {
    of_floats(floats, context, INCREASE)
}

pub(super) fn delta(floats: Slice<'_, f64>, context: &WindowContext<'_>) -> Option<f64> {
    of_floats(floats, context, DELTA)
}

#[inline]
fn of_floats(floats: Slice<'_, f64>, context: &WindowContext<'_>, kind: Kind) -> Option<f64> {
    if context.extended != Extended::No {
        return extended::rate(floats, context, kind);
    }
    let (&first, &last) = (floats.values.first()?, floats.values.last()?);
    let starts = starts(floats, context, kind);
    let mut result = last - first;
    if kind.counter {
        result = add_resets(result, floats, starts);
    }
    let mut extent = Extent::of(floats.times)?;
    let ratio = if extent.start_with_sample(starts, context) {
        result += first;
        None
    } else if kind.counter && result > 0.0 && first >= 0.0 {
        Some(first / result)
    } else {
        None
    };
    Some(result * extent.factor(context, kind, ratio)?)
}

/// The start timestamps that count; none if they are not used.
pub(super) fn starts<'a, T>(
    samples: Slice<'a, T>,
    context: &WindowContext<'_>,
    kind: Kind,
) -> &'a [i64] {
    if kind.counter && context.use_start_timestamps {
        samples.starts
    } else {
        &[]
    }
}

fn add_resets(mut result: f64, floats: Slice<'_, f64>, starts: &[i64]) -> f64 {
    if starts.is_empty() {
        for (block, next) in blocks(floats.values) {
            if !falls(block, next) {
                continue;
            }
            for (before, value) in block.iter().zip(next) {
                if value < before {
                    result += before;
                }
            }
        }
        return result;
    }
    let values = floats.values.iter().zip(floats.values.iter().skip(1));
    let started = starts_anew(floats.times, starts);
    for ((before, value), anew) in values.zip(started) {
        if value < before || anew {
            result += before;
        }
    }
    result
}

/// Values in blocks, and beside each block the values that follow its own.
fn blocks(values: &[f64]) -> impl Iterator<Item = (&[f64], &[f64])> {
    const BLOCK: usize = 64;
    let next = values.get(1..).unwrap_or_default();
    values.chunks(BLOCK).zip(next.chunks(BLOCK))
}

/// Whether any value is followed by a smaller one. Most counters seldom start again, and without a branch for each
/// value the compiler compares many at once.
#[inline]
fn falls(values: &[f64], next: &[f64]) -> bool {
    let pairs = values.iter().zip(next);
    pairs.fold(false, |falls, (before, value)| falls | (value < before))
}

/// For each sample after the first, whether it started after the one before it.
pub(super) fn starts_anew<'a>(
    times: &'a [i64],
    starts: &'a [i64],
) -> impl Iterator<Item = bool> + 'a {
    let samples = times.iter().copied().zip(starts.iter().copied());
    let next = samples.clone().skip(1);
    samples
        .zip(next)
        .map(|(before, now)| started_anew(before, now))
}

/// Whether a sample of a time and a start, 0 for unknown, says that its counter started after the one before it.
pub(super) fn started_anew((before, start_before): (i64, i64), (time, start): (i64, i64)) -> bool {
    if start == 0 || start >= time || start < before {
        return false;
    }
    // A start at the time of the sample before means a reset for deltas; for those whose start is not known, or is
    // impossible, it means nothing.
    start > before || start_before != 0 && start_before < before
}

pub(super) fn check_overlap(
    window: Window<'_>,
    context: &WindowContext<'_>,
    notes: &mut Annotations,
) -> Result<(), EvalError> {
    if context.extended == Extended::No && window.histograms.is_empty() {
        let starts = starts(window.floats, context, RATE);
        warn_overlap(window.floats.times, starts, context, notes);
    }
    Ok(())
}

/// Warns if a sample started before the one before it was taken, but not with it.
pub(super) fn warn_overlap(
    times: &[i64],
    starts: &[i64],
    context: &WindowContext<'_>,
    notes: &mut Annotations,
) {
    let pairs = starts.iter().zip(starts.iter().skip(1)).zip(times);
    let overlaps = pairs
        .into_iter()
        .any(|((start_before, start), time)| *start != 0 && start < time && start != start_before);
    if overlaps {
        notes::start_time_overlap(notes, context);
    }
}

/// What of its window the samples cover.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    first: i64,
    last: i64,
    intervals: usize,
    /// Where a counter starts within the window.
    start: Option<i64>,
}

impl Extent {
    pub(super) fn of(times: &[i64]) -> Option<Self> {
        Some(Self {
            first: *times.first()?,
            last: *times.last()?,
            intervals: times.len() - 1,
            start: None,
        })
    }

    /// Whether the first sample started within the window: then it is as if there were a sample of 0 at that time.
    pub(super) fn start_with_sample(
        &mut self,
        starts: &[i64],
        context: &WindowContext<'_>,
    ) -> bool {
        let within = |start: &i64| *start != 0 && *start > context.start && *start < self.first;
        self.start = starts.first().copied().filter(within);
        self.start.is_some()
    }

    /// What the increase between first and last sample is multiplied with to get that of the window, or that per second.
    /// `ratio`, for a counter that grew, is its first value by its growth: it did not start before it was zero.
    pub(super) fn factor(
        self,
        context: &WindowContext<'_>,
        kind: Kind,
        ratio: Option<f64>,
    ) -> Option<f64> {
        let sampled = seconds(self.last - self.start.unwrap_or(self.first));
        let average = match self.intervals {
            0 => 0.0,
            intervals => seconds(self.last - self.first) / number(intervals),
        };
        // A gap of more than this does not mean that a sample is about to come: the series starts or ends there.
        let threshold = average * 1.1;
        let near = |gap: f64| if gap >= threshold { average / 2.0 } else { gap };
        let before = match (self.start, self.intervals) {
            (Some(_), _) => 0.0,
            (None, 0) => return None,
            (None, _) => {
                let gap = near(seconds(self.first - context.start));
                ratio
                    .map(|ratio| sampled * ratio)
                    .filter(|zero| *zero < gap)
                    .unwrap_or(gap)
            }
        };
        let after = near(seconds(context.end - self.last));
        let mut factor = 1.0;
        if sampled != 0.0 {
            factor = (sampled + before + after) / sampled;
        }
        if kind.per_second {
            factor /= context.range_seconds();
        }
        Some(factor)
    }
}

pub(super) fn seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1000.0
}
