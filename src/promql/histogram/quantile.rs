//! Quantiles of native histograms.

use super::{
    Bucket, FloatHistogram,
    scale::{exp2, log2},
};

/// A quantile and what is worth a remark about it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantile {
    /// The quantile.
    pub value: f64,
    /// What observations of NaN did to it.
    pub nan: Option<NanEffect>,
}

/// What observations of NaN did to a quantile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NanEffect {
    /// It is above all buckets, thus NaN.
    Result,
    /// It is higher than it would be without them.
    Skew,
}

/// The bucket that a quantile is in.
struct Found {
    bucket: Bucket,
    /// How many observations there are up to this bucket, it included.
    count: f64,
}

impl FloatHistogram {
    /// The quantile `q`, 0 to 1, interpolated within its bucket: on a logarithmic scale,
    /// but linearly in custom buckets and in the zero bucket.
    ///
    /// A histogram without buckets below zero is taken to have no observations there, and the other way round.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Quantile {
        let plain = |value| Quantile { value, nan: None };
        if q < 0.0 {
            return plain(f64::NEG_INFINITY);
        }
        if q > 1.0 {
            return plain(f64::INFINITY);
        }
        if self.count == 0.0 || q.is_nan() {
            return plain(f64::NAN);
        }
        // Observations of NaN are in no bucket: they come behind the highest.
        if self.sum.is_nan() || q < 0.5 {
            self.quantile_at(q * self.count, self.buckets(), true)
        } else {
            self.quantile_at((1.0 - q) * self.count, self.buckets().rev(), false)
        }
    }

    fn quantile_at(
        &self,
        rank: f64,
        mut buckets: impl Iterator<Item = Bucket>,
        ascending: bool,
    ) -> Quantile {
        let Found { mut bucket, count } = find(rank, &mut buckets);
        let plain = |value| Quantile { value, nan: None };
        if self.is_custom() {
            if bucket.lower == f64::NEG_INFINITY {
                if bucket.upper <= 0.0 {
                    return plain(bucket.upper);
                }
                bucket.lower = 0.0;
            } else if bucket.upper == f64::INFINITY {
                return plain(bucket.lower);
            }
        } else if bucket.lower < 0.0 && bucket.upper > 0.0 {
            self.halve_zero_bucket(&mut bucket);
        }
        // What is added up can exceed the whole by rounding.
        let mut count = if count > self.count {
            self.count
        } else {
            count
        };
        if count < rank {
            return if self.sum.is_nan() {
                Quantile {
                    value: f64::NAN,
                    nan: Some(NanEffect::Result),
                }
            } else {
                plain(bucket.upper)
            };
        }
        let rank = if ascending {
            rank - (count - bucket.count)
        } else {
            count - rank
        };
        let mut nan = None;
        if self.sum.is_nan() {
            // Prometheus goes on with the last bucket from here, and so does this.
            for last in buckets {
                bucket = last;
                count += last.count;
            }
            nan = (count < self.count).then_some(NanEffect::Skew);
        }
        Quantile {
            value: self.interpolate(&bucket, rank / bucket.count),
            nan,
        }
    }

    /// A histogram with buckets on one side of zero only has no observations on the other side of the zero bucket.
    pub(super) fn halve_zero_bucket(&self, bucket: &mut Bucket) {
        match (
            self.negative.counts.is_empty(),
            self.positive.counts.is_empty(),
        ) {
            (true, false) => bucket.lower = 0.0,
            (false, true) => bucket.upper = 0.0,
            _ => {}
        }
    }

    fn interpolate(&self, bucket: &Bucket, fraction: f64) -> f64 {
        let Bucket { lower, upper, .. } = *bucket;
        if self.is_custom() || (lower <= 0.0 && upper >= 0.0) {
            return lower + (upper - lower) * fraction;
        }
        let (log_lower, log_upper) = (log2(lower.abs()), log2(upper.abs()));
        if lower > 0.0 {
            exp2(log_lower + (log_upper - log_lower) * fraction)
        } else {
            -exp2(log_upper + (log_lower - log_upper) * (1.0 - fraction))
        }
    }
}

/// The first bucket up to which there are at least `rank` observations; the last if there is none.
fn find(rank: f64, buckets: &mut impl Iterator<Item = Bucket>) -> Found {
    let mut found = Found {
        bucket: Bucket {
            lower: 0.0,
            upper: 0.0,
            lower_inclusive: false,
            upper_inclusive: false,
            count: 0.0,
            index: 0,
        },
        count: 0.0,
    };
    for bucket in buckets {
        found.bucket = bucket;
        if bucket.count == 0.0 {
            continue;
        }
        found.count += bucket.count;
        if found.count >= rank {
            break;
        }
    }
    found
}
