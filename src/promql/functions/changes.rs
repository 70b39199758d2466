//! `changes` and `resets`: what happens between neighbouring samples.

use super::{
    extended::anchored,
    merged::{Either, Moment, merged},
    over_time::number,
    rate::{started_anew, starts_anew},
    window::WindowContext,
};
use crate::promql::{Annotations, Point, Slice, Window};

type Context<'a> = WindowContext<'a>;

fn floats_only(floats: Slice<'_, f64>) -> Window<'_> {
    let histograms = Slice {
        times: &[],
        values: &[],
        starts: &[],
    };
    Window { floats, histograms }
}

pub(super) fn resets(floats: Slice<'_, f64>, context: &Context<'_>) -> Option<f64> {
    let floats = anchored(floats_only(floats), context)?.floats;
    let pairs = floats.values.iter().zip(floats.values.iter().skip(1));
    if floats.starts.is_empty() || !context.use_start_timestamps {
        return Some(number(
            pairs.filter(|(before, value)| value < before).count(),
        ));
    }
    let anew = starts_anew(floats.times, floats.starts);
    let resets = pairs
        .zip(anew)
        .filter(|((before, value), anew)| value < before || *anew);
    Some(number(resets.count()))
}

pub(super) fn changes(floats: Slice<'_, f64>, context: &Context<'_>) -> Option<f64> {
    let floats = anchored(floats_only(floats), context)?.floats;
    let pairs = floats.values.iter().zip(floats.values.iter().skip(1));
    let changes = pairs.filter(|(before, value)| differ(**before, **value));
    Some(number(changes.count()))
}

fn differ(before: f64, value: f64) -> bool {
    before != value && !(before.is_nan() && value.is_nan())
}

pub(super) fn resets_any(
    window: Window<'_>,
    context: &Context<'_>,
    _: &mut Annotations,
) -> Option<Point> {
    count_pairs(anchored(window, context)?, |before, now| {
        let anew = || {
            context.use_start_timestamps
                && started_anew((before.time, before.start), (now.time, now.start))
        };
        match (before.value, now.value) {
            (Either::Float(before), Either::Float(value)) => value < before || anew(),
            (Either::Histogram(before), Either::Histogram(histogram)) => {
                anew() || histogram.detect_reset(before)
            }
            _ => true,
        }
    })
}

pub(super) fn changes_any(
    window: Window<'_>,
    context: &Context<'_>,
    _: &mut Annotations,
) -> Option<Point> {
    count_pairs(anchored(window, context)?, |before, now| {
        match (before.value, now.value) {
            (Either::Float(before), Either::Float(value)) => differ(before, value),
            (Either::Histogram(before), Either::Histogram(histogram)) => !histogram.equals(before),
            _ => true,
        }
    })
}

fn count_pairs(
    window: Window<'_>,
    mut counts: impl FnMut(Moment<'_>, Moment<'_>) -> bool,
) -> Option<Point> {
    let mut samples = merged(window);
    let mut before = samples.next()?;
    let mut count = 0;
    for now in samples {
        count += usize::from(counts(before, now));
        before = now;
    }
    Some(Point::Float(number(count)))
}
