//! Whether two results are the same but for the last digits.

use std::{collections::BTreeMap, fmt::Debug};

use watchfire::promql::{
    FunctionId, Point, Sample, Series, Value,
    ast::{AggregateOp, Expr, ExprKind},
    engine::Output,
};

use crate::{
    compare::{alike, samples_at},
    storage::order,
};

/// By how much two numbers may differ, relative to the larger one.
const EPSILON: f64 = 1e-9;

/// Below functions that take only counts and sums of native histograms, Prometheus compares each with the one before it
/// to find resets, and remarks on sums of what was reset and what was not. The samples before it are not at hand where
/// values come from endpoints.
const RESETS: &str = "conflicting counter resets during histogram aggregation";

type Key = (Vec<(String, String)>, i64);

/// Says how two results of an expression differ.
pub(crate) fn outputs(expr: &Expr, wanted: &Output, found: &Output) -> Result<(), String> {
    let (points, others) = (points(&wanted.value), points(&found.value));
    let picks = picks_among_equals(expr);
    let unseen = |text: &str| text == RESETS && takes_statistics(expr);
    let texts = |output: &Output| -> Vec<_> {
        let notes = output.annotations.iter();
        let notes = notes.filter(|note| !unseen(&note.text));
        notes.map(|note| (note.severity, note.text)).collect()
    };
    if texts(wanted) != texts(found) {
        return Err(format!(
            "expected remarks {:?} but got {:?}",
            texts(wanted),
            texts(found)
        ));
    }
    match picks {
        Picks::None => compare(&points, &others),
        Picks::AtRoot => compare(&by_size(&points), &by_size(&others)),
        Picks::Within => Ok(()),
    }
}

fn compare<K: Debug + Ord>(
    points: &BTreeMap<K, Point>,
    others: &BTreeMap<K, Point>,
) -> Result<(), String> {
    for (key, point) in points {
        match others.get(key) {
            Some(other) if near(point, other) => {}
            Some(other) => return Err(format!("expected {point:?} of {key:?} but got {other:?}")),
            None => return Err(format!("expected {point:?} of {key:?} but got nothing")),
        }
    }
    match others.iter().find(|(key, _)| !points.contains_key(key)) {
        Some((key, point)) => Err(format!("expected nothing of {key:?} but got {point:?}")),
        None => Ok(()),
    }
}

/// Whether two errors are the same but for the elements that they name as examples.
pub(crate) fn errors(wanted: &str, found: &str) -> bool {
    let kind = |text: &str| {
        let (kind, _) = text
            .split_once(" for the match group")
            .unwrap_or((text, ""));
        kind.to_owned()
    };
    kind(wanted) == kind(found)
}

/// Whether an expression takes only counts and sums of native histograms.
pub(crate) fn takes_statistics(expr: &Expr) -> bool {
    use FunctionId::{HistogramAvg, HistogramCount, HistogramSum};
    let takes = |id| matches!(id, HistogramAvg | HistogramCount | HistogramSum);
    let here = matches!(&expr.kind, ExprKind::Call(call) if takes(call.function.id));
    here || expr.children().into_iter().any(takes_statistics)
}

/// Where an expression takes any of several elements that are equally good.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Picks {
    None,
    /// What is taken may differ, but for the values.
    AtRoot,
    /// What comes of it may differ.
    Within,
}

fn picks_among_equals(expr: &Expr) -> Picks {
    use AggregateOp::{Bottomk, Limitk, Topk};
    let below = expr.children().into_iter();
    if below
        .map(picks_among_equals)
        .any(|picks| picks != Picks::None)
    {
        return Picks::Within;
    }
    let ExprKind::Aggregate(aggregate) = &expr.kind else {
        return Picks::None;
    };
    if matches!(aggregate.op, Topk | Bottomk) {
        Picks::AtRoot
    } else if aggregate.op == Limitk {
        Picks::Within
    } else {
        Picks::None
    }
}

/// The values at each time from the smallest to the largest.
fn by_size(points: &BTreeMap<Key, Point>) -> BTreeMap<(i64, usize), Point> {
    let mut sorted: Vec<(i64, f64)> = points
        .iter()
        .map(|((_, time), point)| match point {
            Point::Float(value) => (*time, *value),
            Point::Histogram(histogram) => (*time, histogram.count),
        })
        .collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let numbered = sorted.into_iter().enumerate();
    numbered
        .map(|(at, (time, value))| ((time, at), Point::Float(value)))
        .collect()
}

fn points(value: &Value) -> BTreeMap<Key, Point> {
    match value {
        Value::Scalar { time, value } => {
            BTreeMap::from([((Vec::new(), *time), Point::Float(*value))])
        }
        Value::String { time, value } => {
            let text = vec![(value.clone(), String::new())];
            BTreeMap::from([((text, *time), Point::Float(0.0))])
        }
        Value::Vector(vector) => vector.iter().map(keyed).collect(),
        Value::Matrix(matrix) => matrix.iter().flat_map(all).map(|one| keyed(&one)).collect(),
    }
}

fn keyed(sample: &Sample) -> (Key, Point) {
    ((order(&sample.labels), sample.time), sample.point.clone())
}

fn all(series: &Series) -> Vec<Sample> {
    let times = series.floats.times.iter().chain(&series.histograms.times);
    times.flat_map(|time| samples_at(series, *time)).collect()
}

fn near(a: &Point, b: &Point) -> bool {
    match (a, b) {
        (Point::Float(a), Point::Float(b)) => {
            a.to_bits() == b.to_bits()
                || a == b
                || a.is_nan() && b.is_nan()
                || (a - b).abs() <= EPSILON * a.abs().max(b.abs())
        }
        (Point::Histogram(a), Point::Histogram(b)) => alike(a, b, true),
        _ => false,
    }
}
