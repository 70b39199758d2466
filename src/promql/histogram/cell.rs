//! What a bucket can hold: a count, or a count with its rounding error.

use crate::promql::Kahan;

/// The content of a bucket.
pub trait Cell: Copy + Default + From<f64> {
    /// Adds another.
    fn join(&mut self, other: Self);
    /// Multiplied by a number.
    fn times(self, factor: f64) -> Self;
    /// Divided by a number.
    fn over(self, divisor: f64) -> Self;
    /// Whether nothing is in it.
    fn is_empty(&self) -> bool;
    /// From a sum.
    fn from_sum(sum: Kahan) -> Self;
    /// As a sum.
    fn to_sum(self) -> Kahan;
}

impl Cell for f64 {
    fn join(&mut self, other: Self) {
        *self += other;
    }

    fn times(self, factor: f64) -> Self {
        self * factor
    }

    fn over(self, divisor: f64) -> Self {
        self / divisor
    }

    fn is_empty(&self) -> bool {
        *self == 0.0
    }

    fn from_sum(sum: Kahan) -> Self {
        sum.sum
    }

    fn to_sum(self) -> Kahan {
        self.into()
    }
}

impl From<f64> for Kahan {
    fn from(sum: f64) -> Self {
        Self { sum, rest: 0.0 }
    }
}

impl Cell for Kahan {
    fn join(&mut self, other: Self) {
        *self = self.add(other.sum);
        if other.rest != 0.0 {
            *self = self.add(other.rest);
        }
    }

    fn times(self, factor: f64) -> Self {
        Self {
            sum: self.sum * factor,
            rest: self.rest * factor,
        }
    }

    fn over(self, divisor: f64) -> Self {
        Self {
            sum: self.sum / divisor,
            rest: self.rest / divisor,
        }
    }

    fn is_empty(&self) -> bool {
        self.sum == 0.0 && self.rest == 0.0
    }

    fn from_sum(sum: Kahan) -> Self {
        sum
    }

    fn to_sum(self) -> Kahan {
        self
    }
}
