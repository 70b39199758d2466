//! `*_over_time` of numbers, and of any samples where it does not matter what they are.

use std::sync::Arc;

use super::{
    notes,
    quantile::{quantile, with_copy},
    window::WindowContext,
};
use crate::promql::{Annotations, Kahan, Point, Slice, Window, engine::EvalError};

type Floats<'a> = Slice<'a, f64>;
type Context<'a> = WindowContext<'a>;

pub(super) fn number(count: usize) -> f64 {
    count as f64
}

fn seconds(time: i64) -> f64 {
    time as f64 / 1000.0
}

pub(super) fn sum(floats: Floats<'_>, _: &Context<'_>) -> Option<f64> {
    let sum = floats
        .values
        .iter()
        .fold(Kahan::default(), |sum, value| sum.add(*value));
    Some(if sum.sum.is_infinite() {
        sum.sum
    } else {
        sum.total()
    })
}

/// The mean of the sum; as soon as the sum would overflow, a mean that is moved by each number.
pub(super) fn avg(floats: Floats<'_>, _: &Context<'_>) -> Option<f64> {
    let (first, others) = floats.values.split_first()?;
    let mut sum = Kahan {
        sum: *first,
        rest: 0.0,
    };
    for (at, value) in others.iter().enumerate() {
        let next = sum.add(*value);
        if next.sum.is_infinite() {
            return Some(moving_mean(
                sum,
                at + 1,
                others.get(at..).unwrap_or_default(),
            ));
        }
        sum = next;
    }
    let count = number(floats.len());
    Some(sum.sum / count + sum.rest / count)
}

/// The mean of `done` numbers of that sum and of others.
fn moving_mean(sum: Kahan, done: usize, others: &[f64]) -> f64 {
    let before = number(done);
    let mut mean = Kahan {
        sum: sum.sum / before,
        rest: sum.rest / before,
    };
    for (at, value) in others.iter().enumerate() {
        let count = number(done + at + 1);
        let share = (count - 1.0) / count;
        let shrunk = Kahan {
            sum: share * mean.sum,
            rest: share * mean.rest,
        };
        mean = shrunk.add(value / count);
    }
    mean.total()
}

/// The value that no other one replaces, NaN only if there is nothing else.
fn extreme(floats: Floats<'_>, replaces: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let (first, others) = floats.values.split_first()?;
    let choose = |best: f64, value: &f64| {
        if replaces(*value, best) || best.is_nan() {
            *value
        } else {
            best
        }
    };
    Some(others.iter().fold(*first, choose))
}

pub(super) fn max(floats: Floats<'_>, _: &Context<'_>) -> Option<f64> {
    extreme(floats, |value, best| value > best)
}

pub(super) fn min(floats: Floats<'_>, _: &Context<'_>) -> Option<f64> {
    extreme(floats, |value, best| value < best)
}

/// The time of the last of the values that no other one replaces.
fn time_of_extreme(floats: Floats<'_>, replaces: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let (mut time, mut best) = floats.first().map(|(time, value)| (time, *value))?;
    for (at, value) in floats.iter() {
        if replaces(*value, best) || best.is_nan() {
            (time, best) = (at, *value);
        }
    }
    Some(seconds(time))
}

pub(super) fn ts_of_max(floats: Floats<'_>, _: &Context<'_>) -> Option<f64> {
    time_of_extreme(floats, |value, best| value >= best)
}

pub(super) fn ts_of_min(floats: Floats<'_>, _: &Context<'_>) -> Option<f64> {
    time_of_extreme(floats, |value, best| value <= best)
}

pub(super) fn stdvar(floats: Floats<'_>, _: &Context<'_>) -> Option<f64> {
    let mut count = 0.0;
    let (mut mean, mut squares) = (Kahan::default(), Kahan::default());
    for value in floats.values {
        count += 1.0;
        let distance = value - mean.total();
        mean = mean.add(distance / count);
        squares = squares.add(distance * (value - mean.total()));
    }
    Some(squares.total() / count)
}

pub(super) fn stddev(floats: Floats<'_>, context: &Context<'_>) -> Option<f64> {
    stdvar(floats, context).map(f64::sqrt)
}

pub(super) fn quantile_of(floats: Floats<'_>, context: &Context<'_>) -> Option<f64> {
    let q = context.param(0);
    Some(with_copy(floats.values, |values| quantile(q, values)))
}

pub(super) fn check_quantile(
    window: Window<'_>,
    context: &Context<'_>,
    notes: &mut Annotations,
) -> Result<(), EvalError> {
    if !window.floats.is_empty() {
        notes::check_quantile(notes, context.param(0), context.span);
    }
    Ok(())
}

/// The median of the distances from the median.
pub(super) fn mad(floats: Floats<'_>, _: &Context<'_>) -> Option<f64> {
    if floats.values.iter().any(|value| value.is_nan()) {
        return Some(f64::NAN);
    }
    Some(with_copy(floats.values, |values| {
        let median = quantile(0.5, values);
        for value in &mut *values {
            *value = (*value - median).abs();
        }
        quantile(0.5, values)
    }))
}

pub(super) fn count(floats: Floats<'_>, _: &Context<'_>) -> Option<f64> {
    Some(number(floats.len()))
}

pub(super) fn count_any(window: Window<'_>, _: &Context<'_>, _: &mut Annotations) -> Option<Point> {
    let count = window.floats.len() + window.histograms.len();
    Some(Point::Float(number(count)))
}

pub(super) fn present(_: Floats<'_>, _: &Context<'_>) -> Option<f64> {
    Some(1.0)
}

pub(super) fn present_any(_: Window<'_>, _: &Context<'_>, _: &mut Annotations) -> Option<Point> {
    Some(Point::Float(1.0))
}

pub(super) fn first(floats: Floats<'_>, _: &Context<'_>) -> Option<f64> {
    floats.first().map(|(_, value)| *value)
}

pub(super) fn first_any(window: Window<'_>, _: &Context<'_>, _: &mut Annotations) -> Option<Point> {
    match (window.floats.first(), window.histograms.first()) {
        (Some((time, value)), Some((other, _))) if time < other => Some(Point::Float(*value)),
        (_, Some((_, histogram))) => Some(Point::Histogram(Arc::clone(histogram))),
        (float, None) => float.map(|(_, value)| Point::Float(*value)),
    }
}

pub(super) fn last(floats: Floats<'_>, _: &Context<'_>) -> Option<f64> {
    floats.last().map(|(_, value)| *value)
}

pub(super) fn last_any(window: Window<'_>, _: &Context<'_>, _: &mut Annotations) -> Option<Point> {
    match (window.floats.last(), window.histograms.last()) {
        (Some((time, value)), Some((other, _))) if time > other => Some(Point::Float(*value)),
        (_, Some((_, histogram))) => Some(Point::Histogram(Arc::clone(histogram))),
        (float, None) => float.map(|(_, value)| Point::Float(*value)),
    }
}

pub(super) fn ts_of_first(floats: Floats<'_>, _: &Context<'_>) -> Option<f64> {
    floats.first().map(|(time, _)| seconds(time))
}

pub(super) fn ts_of_first_any(
    window: Window<'_>,
    _: &Context<'_>,
    _: &mut Annotations,
) -> Option<Point> {
    let float = window.floats.first().map(|(time, _)| time);
    let histogram = window.histograms.first().map(|(time, _)| time);
    let first = float.into_iter().chain(histogram).min()?;
    Some(Point::Float(seconds(first)))
}

/// The latest time, or 0 if that is later: a kind without samples counts as one at 0, as Prometheus has it.
pub(super) fn ts_of_last(floats: Floats<'_>, _: &Context<'_>) -> Option<f64> {
    floats.last().map(|(time, _)| seconds(time.max(0)))
}

pub(super) fn ts_of_last_any(
    window: Window<'_>,
    _: &Context<'_>,
    _: &mut Annotations,
) -> Option<Point> {
    let float = window.floats.last().map_or(0, |(time, _)| time);
    let histogram = window.histograms.last().map_or(0, |(time, _)| time);
    Some(Point::Float(seconds(float.max(histogram))))
}
