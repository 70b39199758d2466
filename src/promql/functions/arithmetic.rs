//! Binary operators on numbers, and on elements of vectors (`promql/engine.go`, `vectorElemBinop`).

use crate::promql::ast::BinaryOp;
use crate::promql::{Annotations, Point, Span};

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

/// The value of an operator between two elements of vectors, or of a vector and a scalar; `None` if there is none.
pub fn of_points(
    op: BinaryOp,
    left: &Point,
    right: &Point,
    span: Span,
    notes: &mut Annotations,
) -> Option<Operated> {
    match (left, right) {
        (Point::Float(left), Point::Float(right)) => {
            if let Some(keep) = compare(op, *left, *right) {
                return Some(Operated { point: Point::Float(*left), keep });
            }
            if let Some(value) = of_numbers(op, *left, *right) {
                return Some(Operated { point: Point::Float(value), keep: true });
            }
        }
        _ => {}
    }
    incompatible(op, left, right, span, notes);
    None
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
