//! Which part of the observations is between two bounds.

use super::{Bucket, FloatHistogram, scale::log2};

/// A fraction and what is worth a remark about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fraction {
    /// The fraction.
    pub value: f64,
    /// There are observations of NaN, which are in no fraction.
    pub excludes_nan: bool,
}

/// How many observations are below the bounds asked for, as far as that is known.
#[derive(Debug)]
pub(super) struct Ranks {
    bounds: [f64; 2],
    ranks: [Option<f64>; 2],
}

impl Ranks {
    pub(super) fn new(lower: f64, upper: f64) -> Self {
        Self {
            bounds: [lower, upper],
            ranks: [None; 2],
        }
    }

    /// Looks whether the bounds are at the start of a bucket, where `below` observations are below,
    /// or within it, where `inside` interpolates; returns whether both are known then.
    pub(super) fn look(
        &mut self,
        lower: f64,
        upper: f64,
        below: f64,
        inside: impl Fn(f64) -> f64,
    ) -> bool {
        for (bound, rank) in self.bounds.iter().zip(&mut self.ranks) {
            if rank.is_none() && lower >= *bound {
                *rank = Some(below);
            }
        }
        if self.known() {
            return true;
        }
        for (bound, rank) in self.bounds.iter().zip(&mut self.ranks) {
            if rank.is_none() && lower < *bound && upper > *bound {
                *rank = Some(inside(*bound));
            }
        }
        self.known()
    }

    fn known(&self) -> bool {
        self.ranks.iter().all(Option::is_some)
    }

    /// How many observations are between the bounds, of `all`.
    pub(super) fn between(&self, all: f64) -> f64 {
        let [lower, upper] = self.ranks.map(|rank| match rank {
            Some(rank) if rank > all => all,
            Some(rank) => rank,
            None => all,
        });
        upper - lower
    }
}

impl Bucket {
    /// Which part of the bucket is below a value within it, on a linear or on a logarithmic scale; its bounds are finite.
    #[must_use]
    pub fn fraction_below(&self, value: f64, linear: bool) -> f64 {
        if linear {
            return (value - self.lower) / (self.upper - self.lower);
        }
        let lower = log2(self.lower.abs());
        let upper = log2(self.upper.abs());
        let at = log2(value.abs());
        if value > 0.0 {
            (at - lower) / (upper - lower)
        } else {
            1.0 - ((at - upper) / (lower - upper))
        }
    }
}

impl FloatHistogram {
    /// Which part of the observations is between two bounds, interpolated as a [`quantile`](Self::quantile) is.
    #[must_use]
    pub fn fraction(&self, lower: f64, upper: f64) -> Fraction {
        let plain = |value| Fraction {
            value,
            excludes_nan: false,
        };
        if self.count == 0.0 || lower.is_nan() || upper.is_nan() {
            return plain(f64::NAN);
        }
        if lower >= upper {
            return plain(0.0);
        }
        let (mut count, mut rank) = (0.0, 0.0);
        let mut ranks = Ranks::new(lower, upper);
        let mut buckets = self.buckets();
        for mut bucket in buckets.by_ref() {
            count += bucket.count;
            let zero = bucket.lower <= 0.0 && bucket.upper >= 0.0;
            if zero {
                self.halve_zero_bucket(&mut bucket);
            }
            let linear = zero || self.is_custom();
            let known = ranks.look(bucket.lower, bucket.upper, rank, |bound| {
                if linear && bucket.lower == f64::NEG_INFINITY {
                    bucket.count
                } else {
                    rank + bucket.count * bucket.fraction_below(bound, linear)
                }
            });
            if known {
                break;
            }
            rank += bucket.count;
        }
        let nan = self.sum.is_nan();
        let all = if nan {
            buckets.fold(count, |count, bucket| count + bucket.count)
        } else {
            self.count
        };
        Fraction {
            value: ranks.between(all) / self.count,
            excludes_nan: nan && all < self.count,
        }
    }
}
