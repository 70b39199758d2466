//! Mean and spread of a histogram's observations.

use super::{Bucket, FloatHistogram};
use crate::promql::Kahan;

impl FloatHistogram {
    /// The mean of all observations.
    #[must_use]
    pub fn avg(&self) -> f64 {
        self.sum / self.count
    }

    /// The variance of the observations, each taken to be in the middle of its bucket.
    #[must_use]
    pub fn stdvar(&self) -> f64 {
        let mean = self.avg();
        let squares = self
            .populated_buckets()
            .fold(Kahan::default(), |sum, bucket| {
                let delta = self.middle(&bucket) - mean;
                sum.add(bucket.count * delta * delta)
            });
        squares.total() / self.count
    }

    /// The standard deviation of the observations.
    #[must_use]
    pub fn stddev(&self) -> f64 {
        self.stdvar().sqrt()
    }

    fn middle(&self, bucket: &Bucket) -> f64 {
        if self.is_custom() {
            return (bucket.upper + bucket.lower) / 2.0;
        }
        if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            return 0.0;
        }
        let geometric = (bucket.upper * bucket.lower).sqrt();
        if bucket.upper < 0.0 {
            -geometric
        } else {
            geometric
        }
    }
}
