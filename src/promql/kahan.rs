//! Sums that keep what rounding would lose (`util/kahansum`).

/// A sum and what rounding took from it so far: Kahan's algorithm with Neumaier's improvement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Kahan {
    /// The rounded sum.
    pub sum: f64,
    /// What is to be added to it in the end.
    pub rest: f64,
}

impl Kahan {
    /// Adds a number.
    #[expect(
        clippy::should_implement_trait,
        reason = "it adds a number to a sum, not a sum to a sum"
    )]
    #[inline]
    #[must_use]
    pub fn add(self, value: f64) -> Self {
        let sum = self.sum + value;
        let rest = if sum.is_infinite() {
            0.0
        } else if self.sum.abs() >= value.abs() {
            self.rest + ((self.sum - sum) + value)
        } else {
            self.rest + ((value - sum) + self.sum)
        };
        Self { sum, rest }
    }

    /// The sum, as exactly as it is known.
    #[inline]
    #[must_use]
    pub fn total(self) -> f64 {
        self.sum + self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> Kahan {
        values.iter().fold(Kahan::default(), |sum, v| sum.add(*v))
    }

    #[test]
    fn small_numbers_survive_large_ones() {
        assert_eq!(sum(&[1.0, 1e100, 1.0, -1e100]).total(), 2.0);
    }

    #[test]
    fn infinity_clears_the_rest() {
        let sum = sum(&[1.0, 1e100, f64::INFINITY]);
        assert_eq!((sum.sum, sum.rest), (f64::INFINITY, 0.0));
    }
}
