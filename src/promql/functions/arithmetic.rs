//! Binary operators on numbers, and on elements of vectors (`promql/engine.go`, `vectorElemBinop`).

use std::sync::Arc;

use super::notes::{self, HistogramOperation};
use crate::promql::{
    Annotations, FloatHistogram, Point, Span,
    ast::BinaryOp,
    histogram::{CounterResetHint, IncompatibleSchemas, Outcome},
};

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
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all others compare or have no value"
    )]
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
    use BinaryOp::{Add, Div, Equal, Mul, NotEqual, Sub, TrimLower, TrimUpper};
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
        (Point::Histogram(histogram), Point::Float(bound), TrimUpper) => {
            kept(changed(histogram, |result| result.trim_upper(*bound)))
        }
        (Point::Histogram(histogram), Point::Float(bound), TrimLower) => {
            kept(changed(histogram, |result| result.trim_lower(*bound)))
        }
        (Point::Histogram(left), Point::Histogram(right), Equal | NotEqual) => {
            let equal = left.equals(right);
            let point = Point::Histogram(Arc::clone(left));
            Some(Operated {
                point,
                keep: equal == (op == Equal),
            })
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
    Some(Operated {
        point: Point::Float(value),
        keep,
    })
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
        Ok(Outcome {
            counter_reset_collision: true,
            ..
        }) => {
            notes::reset_collision(notes, span, operation);
            None
        }
        Ok(Outcome {
            nhcb_bounds_reconciled,
            ..
        }) => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::histogram::{BucketSpan, Buckets, CUSTOM_BUCKETS_SCHEMA};

    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;

    #[test]
    fn special_numbers_are_those_of_go() {
        use BinaryOp::{Atan2, Div, Mod, Mul, Pow};
        for (op, left, right, expected) in [
            (Mod, 5.5, 2.0, 1.5),
            (Mod, -5.5, 2.0, -1.5),
            (Mod, 5.5, -2.0, 1.5),
            (Mod, -4.0, 2.0, -0.0),
            (Mod, -0.0, 2.0, -0.0),
            (Mod, 1.0, INF, 1.0),
            (Mod, 1.0, 0.0, NAN),
            (Mod, INF, 1.0, NAN),
            (Mod, NAN, 1.0, NAN),
            (Pow, NAN, 0.0, 1.0),
            (Pow, 1.0, NAN, 1.0),
            (Pow, -1.0, INF, 1.0),
            (Pow, -1.0, -INF, 1.0),
            (Pow, 0.0, -1.0, INF),
            (Pow, -0.0, -1.0, -INF),
            (Pow, -0.0, -2.0, INF),
            (Pow, -0.0, -INF, INF),
            (Pow, -0.0, 3.0, -0.0),
            (Pow, 0.5, -INF, INF),
            (Pow, -INF, -3.0, -0.0),
            (Pow, -INF, 3.0, -INF),
            (Pow, -8.0, 1.0 / 3.0, NAN),
            (Pow, 2.0, 10.0, 1024.0),
            (Div, 1.0, -0.0, -INF),
            (Div, 0.0, 0.0, NAN),
            (Mul, 0.0, INF, NAN),
            (Atan2, 0.0, -0.0, std::f64::consts::PI),
            (Atan2, -0.0, 0.0, -0.0),
            (Atan2, INF, INF, std::f64::consts::FRAC_PI_4),
        ] {
            let got = of_numbers(op, left, right).expect("a number");
            let same = got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
            assert!(same, "{left} {} {right} is {got}", op.as_str());
        }
    }

    #[test]
    fn nan_equals_nothing() {
        use BinaryOp::{Add, Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
        for op in [Equal, Greater, GreaterOrEqual, Less, LessOrEqual] {
            assert_eq!(compare(op, NAN, NAN), Some(false));
        }
        assert_eq!(compare(NotEqual, NAN, NAN), Some(true));
        assert_eq!(compare(Equal, 0.0, -0.0), Some(true));
        assert_eq!(of_numbers(GreaterOrEqual, 2.0, 2.0), Some(1.0));
        assert_eq!(compare(Add, 1.0, 1.0), None);
        assert_eq!(of_numbers(BinaryOp::And, 1.0, 1.0), None);
    }

    fn operate(op: BinaryOp, left: &Point, right: &Point) -> (Option<Operated>, Vec<String>) {
        let mut notes = Annotations::default();
        let result = of_points(op, left, right, Span::default(), &mut notes);
        (result, notes.iter().map(|note| note.to_text("")).collect())
    }

    fn exponential(hint: CounterResetHint) -> FloatHistogram {
        FloatHistogram {
            counter_reset_hint: hint,
            count: 4.0,
            sum: 6.0,
            positive: Buckets {
                spans: vec![BucketSpan {
                    offset: 0,
                    length: 2,
                }],
                counts: vec![1.0, 3.0],
            },
            ..FloatHistogram::default()
        }
    }

    fn custom(bounds: &[f64]) -> FloatHistogram {
        FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            custom_bounds: bounds.into(),
            ..exponential(CounterResetHint::Unknown)
        }
    }

    fn histogram(histogram: FloatHistogram) -> Point {
        Point::Histogram(Arc::new(histogram))
    }

    #[track_caller]
    fn result(operated: Option<Operated>) -> Arc<FloatHistogram> {
        match operated {
            Some(Operated {
                point: Point::Histogram(histogram),
                keep: true,
            }) => histogram,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn histograms_are_scaled_by_numbers() {
        let (two, left) = (
            Point::Float(2.0),
            histogram(exponential(CounterResetHint::Unknown)),
        );
        for (op, a, b, count) in [
            (BinaryOp::Mul, &left, &two, 8.0),
            (BinaryOp::Mul, &two, &left, 8.0),
            (BinaryOp::Div, &left, &two, 2.0),
            (BinaryOp::TrimUpper, &left, &Point::Float(1.0), 1.0),
            (BinaryOp::TrimLower, &left, &Point::Float(1.0), 3.0),
        ] {
            let (got, notes) = operate(op, a, b);
            assert_eq!(result(got).count, count);
            assert_eq!(notes, [""; 0]);
        }
    }

    #[test]
    fn histograms_are_added_and_compared() {
        let point = histogram(exponential(CounterResetHint::Unknown));
        let (sum, _) = operate(BinaryOp::Add, &point, &point);
        assert_eq!(result(sum).count, 8.0);
        let (difference, _) = operate(BinaryOp::Sub, &point, &point);
        let difference = result(difference);
        assert_eq!(difference.counter_reset_hint, CounterResetHint::Gauge);
        assert!(difference.positive.counts.is_empty());
        let (equal, _) = operate(BinaryOp::Equal, &point, &point);
        assert_eq!(equal.map(|equal| equal.keep), Some(true));
        let (different, _) = operate(BinaryOp::NotEqual, &point, &point);
        assert_eq!(different.map(|different| different.keep), Some(false));
    }

    #[test]
    fn what_does_not_fit_is_remarked() {
        use CounterResetHint::{NotReset, Reset};
        let float = Point::Float(1.0);
        let plain = histogram(exponential(CounterResetHint::Unknown));
        let types = "PromQL info: incompatible sample types encountered for binary operator";
        let collision = "PromQL warning: conflicting counter resets during histogram";
        let layout = "PromQL warning: incompatible bucket layout encountered for binary operator";
        for (op, left, right, note) in [
            (
                BinaryOp::Add,
                &float,
                &plain,
                format!("{types} \"+\": float + histogram"),
            ),
            (
                BinaryOp::Div,
                &float,
                &plain,
                format!("{types} \"/\": float / histogram"),
            ),
            (
                BinaryOp::Greater,
                &plain,
                &float,
                format!("{types} \">\": histogram > float"),
            ),
            (
                BinaryOp::Mul,
                &plain,
                &plain,
                format!("{types} \"*\": histogram * histogram"),
            ),
            (
                BinaryOp::TrimUpper,
                &float,
                &float,
                format!("{types} \"</\": float </ float"),
            ),
            (
                BinaryOp::Sub,
                &histogram(exponential(Reset)),
                &histogram(exponential(NotReset)),
                format!("{collision} subtraction"),
            ),
            (
                BinaryOp::Add,
                &plain,
                &histogram(custom(&[1.0])),
                format!("{layout} +"),
            ),
        ] {
            assert_eq!(operate(op, left, right), (None, vec![note]));
        }
        let (left, right) = (histogram(custom(&[1.0])), histogram(custom(&[2.0])));
        let (sum, notes) = operate(BinaryOp::Add, &left, &right);
        assert_eq!(result(sum).count, 8.0);
        let note = "PromQL info: mismatched custom buckets were reconciled during addition";
        assert_eq!(notes, [note]);
    }
}
