//! Functions of one number. Where Go's `math` differs from Rust's, it is Go's that counts.

use std::f64::consts::{LN_2, LOG10_2, PI};

use crate::promql::FunctionId;

/// A function of one number.
pub type MathFunction = fn(f64) -> f64;

/// The function of an id, if it takes one number and nothing else; see [`round`] and [`clamp`] for others.
#[must_use]
pub fn math_function(id: FunctionId) -> Option<MathFunction> {
    use FunctionId as Id;
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "all others take something else"
    )]
    Some(match id {
        Id::Abs => f64::abs,
        Id::Ceil => f64::ceil,
        Id::Floor => f64::floor,
        Id::Exp => f64::exp,
        Id::Sqrt => f64::sqrt,
        Id::Ln => f64::ln,
        Id::Log2 => log2,
        Id::Log10 => log10,
        Id::Sgn => sign,
        Id::Sin => f64::sin,
        Id::Cos => f64::cos,
        Id::Tan => f64::tan,
        Id::Asin => f64::asin,
        Id::Acos => f64::acos,
        Id::Atan => f64::atan,
        Id::Sinh => f64::sinh,
        Id::Cosh => f64::cosh,
        Id::Tanh => f64::tanh,
        Id::Asinh => asinh,
        Id::Acosh => acosh,
        Id::Atanh => f64::atanh,
        Id::Rad => radians,
        Id::Deg => degrees,
        _ => return None,
    })
}

/// Go has no more than this product.
fn log10(value: f64) -> f64 {
    value.log2() * LOG10_2
}

/// The exponent, and the logarithm of the fraction: less exact near 1 than could be, but Go's.
fn log2(value: f64) -> f64 {
    /// What is added to the exponent of a fraction from 0.5 to 1.
    const BIAS: u64 = 1022;
    const FRACTION_BITS: u32 = 52;
    if !value.is_normal() || value < 0.0 {
        return value.log2();
    }
    let bits = value.to_bits();
    let exponent = (bits >> FRACTION_BITS) as f64 - BIAS as f64;
    let fraction = f64::from_bits(bits & ((1 << FRACTION_BITS) - 1) | BIAS << FRACTION_BITS);
    if fraction == 0.5 {
        return exponent - 1.0;
    }
    fraction.ln() * (1.0 / LN_2) + exponent
}

fn sign(value: f64) -> f64 {
    if value < 0.0 {
        -1.0
    } else if value > 0.0 {
        1.0
    } else {
        value
    }
}

/// From here on the squares below would overflow, or add nothing.
const LARGE: f64 = (1_u64 << 28) as f64;

fn asinh(value: f64) -> f64 {
    if value.is_finite() && value.abs() > LARGE {
        return (value.abs().ln() + LN_2).copysign(value);
    }
    value.asinh()
}

fn acosh(value: f64) -> f64 {
    if value.is_finite() && value > LARGE {
        return value.ln() + LN_2;
    }
    value.acosh()
}

fn radians(degrees: f64) -> f64 {
    degrees * PI / 180.0
}

fn degrees(radians: f64) -> f64 {
    radians * 180.0 / PI
}

/// The nearest multiple of `to_nearest`, the higher one of two.
#[must_use]
pub fn round(value: f64, to_nearest: f64) -> f64 {
    // Dividing by the inverse gives 0.3 for 3 * 0.1.
    let inverse = 1.0 / to_nearest;
    (value * inverse + 0.5).floor() / inverse
}

/// The value between two bounds; the vector is empty, `None`, if the upper one is below the lower one. `clamp_min` has
/// +Inf above, `clamp_max` has -Inf below.
#[must_use]
pub fn clamp(value: f64, lowest: f64, highest: f64) -> Option<f64> {
    if highest < lowest {
        return None;
    }
    Some(max_of(lowest, min_of(highest, value)))
}

/// Go's `math.Max`: +Inf before NaN before other numbers; 0 is more than -0.
#[must_use]
pub fn max_of(left: f64, right: f64) -> f64 {
    if left == f64::INFINITY || right == f64::INFINITY {
        f64::INFINITY
    } else if left.is_nan() || right.is_nan() {
        f64::NAN
    } else if left == 0.0 && right == 0.0 {
        if left.is_sign_negative() { right } else { left }
    } else if left > right {
        left
    } else {
        right
    }
}

/// Go's `math.Min`: -Inf before NaN before other numbers; -0 is less than 0.
#[must_use]
pub fn min_of(left: f64, right: f64) -> f64 {
    -max_of(-left, -right)
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;
    const NAN: f64 = f64::NAN;

    #[track_caller]
    fn same(got: f64, expected: f64) {
        let equal = got.to_bits() == expected.to_bits() || got.is_nan() && expected.is_nan();
        assert!(equal, "{got} instead of {expected}");
    }

    #[track_caller]
    fn of(id: FunctionId, value: f64) -> f64 {
        math_function(id).expect("a function of one number")(value)
    }

    #[test]
    fn extremes_are_those_of_go() {
        for (left, right, highest, lowest) in [
            (1.0, 2.0, 2.0, 1.0),
            (0.0, -0.0, 0.0, -0.0),
            (-0.0, -0.0, -0.0, -0.0),
            (NAN, INF, INF, NAN),
            (NAN, -INF, NAN, -INF),
            (NAN, 1.0, NAN, NAN),
            (-INF, INF, INF, -INF),
        ] {
            for (left, right) in [(left, right), (right, left)] {
                same(max_of(left, right), highest);
                same(min_of(left, right), lowest);
            }
        }
    }

    #[test]
    fn values_are_clamped() {
        assert_eq!(clamp(5.0, 1.0, 3.0), Some(3.0));
        assert_eq!(clamp(-5.0, 1.0, 3.0), Some(1.0));
        assert_eq!(clamp(2.0, 1.0, 3.0), Some(2.0));
        assert_eq!(clamp(2.0, 3.0, 1.0), None);
        assert!(clamp(NAN, 1.0, 3.0).is_some_and(f64::is_nan));
        assert!(clamp(2.0, NAN, 3.0).is_some_and(f64::is_nan));
    }

    #[test]
    fn ties_are_rounded_up() {
        for (value, to_nearest, expected) in [
            (2.5, 1.0, 3.0),
            (-2.5, 1.0, -2.0),
            (-0.4, 1.0, 0.0),
            (0.37, 0.1, 0.4),
            (7.0, 5.0, 5.0),
            (7.5, 5.0, 10.0),
            (INF, 1.0, INF),
            (1.0, 0.0, NAN),
            (1.0, NAN, NAN),
        ] {
            same(round(value, to_nearest), expected);
        }
    }

    #[test]
    fn special_numbers() {
        use FunctionId as Id;
        for (id, value, expected) in [
            (Id::Abs, -0.0, 0.0),
            (Id::Sgn, -0.0, -0.0),
            (Id::Sgn, NAN, NAN),
            (Id::Sgn, -INF, -1.0),
            (Id::Ceil, -0.5, -0.0),
            (Id::Floor, -0.5, -1.0),
            (Id::Sqrt, -1.0, NAN),
            (Id::Sqrt, -0.0, -0.0),
            (Id::Ln, 0.0, -INF),
            (Id::Ln, -1.0, NAN),
            (Id::Log2, 0.125, -3.0),
            (Id::Log2, 3.0, 1.584_962_500_721_156_3),
            (Id::Log2, f64::MIN_POSITIVE, -1022.0),
            (Id::Log2, INF, INF),
            (Id::Log2, -1.0, NAN),
            // As Prometheus has it.
            (Id::Log2, 1.001_023_541_453_428_8, 0.001_475_902_983_848_254),
            (Id::Log10, 1000.0, 3.0),
            (Id::Log10, 100.0, 2.0),
            (Id::Log10, -0.0, -INF),
            (Id::Exp, -INF, 0.0),
            (Id::Acosh, 0.5, NAN),
            (Id::Acosh, f64::MAX, 710.475_860_073_943_9),
            (Id::Asinh, -f64::MAX, -710.475_860_073_943_9),
            (Id::Asinh, -0.0, -0.0),
            (Id::Atanh, 1.0, INF),
            (Id::Sin, INF, NAN),
            (Id::Deg, PI, 180.0),
            (Id::Rad, 180.0, PI),
        ] {
            same(of(id, value), expected);
        }
    }
}
