//! The samples of both kinds of a window in the order of their times.

use std::sync::Arc;

use crate::promql::{FloatHistogram, Slice, Window};

/// A sample of either kind.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub time: i64,
    /// When its counter started, 0 for unknown.
    pub start: i64,
    pub value: Either<'a>,
}

/// What it holds.
#[derive(Clone, Copy)]
pub(super) enum Either<'a> {
    Float(f64),
    Histogram(&'a Arc<FloatHistogram>),
}

/// All samples, ordered by time; start timestamps as they are.
pub(super) fn merged<'a>(window: Window<'a>) -> impl Iterator<Item = Moment<'a>> {
    let mut floats = moments(window.floats, |value| Either::Float(*value)).peekable();
    let mut histograms = moments(window.histograms, Either::Histogram).peekable();
    std::iter::from_fn(move || match (floats.peek(), histograms.peek()) {
        (Some(float), Some(histogram)) if float.time > histogram.time => histograms.next(),
        (Some(_), _) => floats.next(),
        (None, _) => histograms.next(),
    })
}

fn moments<'a, T>(
    samples: Slice<'a, T>,
    value: impl Fn(&'a T) -> Either<'a>,
) -> impl Iterator<Item = Moment<'a>> {
    let moments = samples.times.iter().zip(samples.values).enumerate();
    moments.map(move |(at, (time, sample))| Moment {
        time: *time,
        start: samples.starts.get(at).copied().unwrap_or_default(),
        value: value(sample),
    })
}
