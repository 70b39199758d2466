//! Binary operators on numbers, and on elements of vectors (`promql/engine.go`, `vectorElemBinop`).

use std::sync::Arc;

use super::notes::{self, HistogramOperation};
use crate::promql::ast::BinaryOp;
use crate::promql::histogram::{CounterResetHint, IncompatibleSchemas, Outcome};
use crate::promql::{Annotations, FloatHistogram, Point, Span};

/// What an operator makes of two elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Operated {
    /// The result; the left element if the operator compares.
    pub point: Point,
    /// Whether it is part of the vector; false if a comparison is.
    pub keep: bool,
}

/// The value of an operator between two numbers; comparisons yield 1 or 0. `None` for operators of sets and histograms.
#[inline]
#[must_use]
pub fn of_numbers(op: BinaryOp, left: f64, right: f64) -> Option<f64> {
    Some(match op {
        BinaryOp::Add => left + right,
        BinaryOp::Sub => left - right,
        BinaryOp::Mul => left * right,
        BinaryOp::Div => left / right,
        BinaryOp::Mod => left % right,
        BinaryOp::Pow => left.powf(right),
        BinaryOp::Atan2 => left.atan2(right),
        _ => f64::from(u8::from(compare(op, left, right)?)),
    })
}

/// Whether a comparison holds; `None` if the operator compares nothing.
#[inline]
#[must_use]
pub fn compare(op: BinaryOp, left: f64, right: f64) -> Option<bool> {
    #[expect(clippy::float_cmp, reason = "it is what `==` means")]
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others compare nothing")]
    Some(match op {
        BinaryOp::Equal => left == right,
        BinaryOp::NotEqual => left != right,
        BinaryOp::Less => left < right,
        BinaryOp::LessOrEqual => left <= right,
        BinaryOp::Greater => left > right,
        BinaryOp::GreaterOrEqual => left >= right,
        _ => return None,
    })
}

/// The value of an operator between two elements of vectors, or of one and a scalar; `None` if there is none, which a
/// remark explains.
pub fn of_points(
    op: BinaryOp,
    left: &Point,
    right: &Point,
    span: Span,
    notes: &mut Annotations,
) -> Option<Operated> {
    use BinaryOp::{Add, Div, Equal, Mul, NotEqual, Sub};
    let kept = |point| Some(Operated { point, keep: true });
    let result = match (left, right, op) {
        (Point::Float(left), Point::Float(right), _) => numbers(op, *left, *right),
        (Point::Float(factor), Point::Histogram(histogram), Mul)
        | (Point::Histogram(histogram), Point::Float(factor), Mul) => {
            kept(changed(histogram, |result| result.mul(*factor).compact(0)))
        }
        (Point::Histogram(histogram), Point::Float(divisor), Div) => {
            kept(changed(histogram, |result| result.div(*divisor).compact(0)))
        }
        (Point::Histogram(left), Point::Histogram(right), Equal | NotEqual) => {
            let equal = left.equals(right);
            let point = Point::Histogram(Arc::clone(left));
            Some(Operated { point, keep: equal == (op == Equal) })
        }
        (Point::Histogram(left), Point::Histogram(right), Add | Sub) => {
            return sum(op, left, right, span, notes).and_then(kept);
        }
        _ => None,
    };
    if result.is_none() {
        incompatible(op, left, right, span, notes);
    }
    result
}

fn numbers(op: BinaryOp, left: f64, right: f64) -> Option<Operated> {
    let (value, keep) = match compare(op, left, right) {
        Some(keep) => (left, keep),
        None => (of_numbers(op, left, right)?, true),
    };
    Some(Operated { point: Point::Float(value), keep })
}

fn changed(
    histogram: &FloatHistogram,
    change: impl FnOnce(&mut FloatHistogram) -> &mut FloatHistogram,
) -> Point {
    let mut result = histogram.clone();
    change(&mut result);
    Point::Histogram(Arc::new(result))
}

fn sum(
    op: BinaryOp,
    left: &FloatHistogram,
    right: &FloatHistogram,
    span: Span,
    notes: &mut Annotations,
) -> Option<Point> {
    let mut result = left.clone();
    let (outcome, operation) = if op == BinaryOp::Add {
        (result.add(right), HistogramOperation::Addition)
    } else {
        let outcome = result.sub(right);
        result.counter_reset_hint = CounterResetHint::Gauge;
        (outcome, HistogramOperation::Subtraction)
    };
    match outcome {
        // Prometheus gives up the result for the warning.
        Ok(Outcome { counter_reset_collision: true, .. }) => {
            notes::reset_collision(notes, span, operation);
            None
        }
        Ok(Outcome { nhcb_bounds_reconciled, .. }) => {
            if nhcb_bounds_reconciled {
                notes::bounds_reconciled(notes, span, operation);
            }
            result.compact(0);
            Some(Point::Histogram(Arc::new(result)))
        }
        Err(IncompatibleSchemas) => {
            let text = "incompatible bucket layout encountered for binary operator";
            notes.warn(span, format!("{text} {}", op.as_str()));
            None
        }
    }
}

fn incompatible(op: BinaryOp, left: &Point, right: &Point, span: Span, notes: &mut Annotations) {
    let kind = |point: &Point| match point {
        Point::Float(_) => "float",
        Point::Histogram(_) => "histogram",
    };
    let (left, op, right) = (kind(left), op.as_str(), kind(right));
    let text = "incompatible sample types encountered for binary operator";
    notes.info(span, format!("{text} \"{op}\": {left} {op} {right}"));
}
