//! Native histograms with custom bounds from the series of classic ones.

use thiserror::Error;

use super::{
    BucketSpan, Buckets, CUSTOM_BUCKETS_SCHEMA, ClassicBucket, FloatHistogram, text::General,
};

/// Why a classic histogram cannot be a native one.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub enum NotConvertible {
    /// A bucket's bound is NaN.
    #[error("bucket boundary must not be NaN")]
    NanBound,
    /// A bucket counts less than nothing.
    #[error("bucket count must be non-negative: le={}, count={}", General(*.bound), General(*.count))]
    NegativeBucket {
        /// Its bound.
        bound: f64,
        /// What it counts.
        count: f64,
    },
    /// There are less than no observations.
    #[error("count must be non-negative: count={}", General(*.0))]
    NegativeCount(f64),
    /// A bucket counts less than one with a lower bound.
    #[error("count is not cumulative: {} {relation} {}", General(*.count), General(*.neighbour))]
    NotCumulative {
        /// What it counts.
        count: f64,
        /// `<` for the bucket before it, `>` for the one behind.
        relation: char,
        /// What that one counts.
        neighbour: f64,
    },
    /// The highest bucket does not count all observations.
    #[error("count mismatch: count={} != le={} count={}", General(*.count), General(*.bound), General(*.highest))]
    CountMismatch {
        /// All observations.
        count: f64,
        /// The bound of the highest bucket.
        bound: f64,
        /// What it counts.
        highest: f64,
    },
}

/// The samples of a classic histogram at one time, as they come.
#[derive(Clone, Debug, Default)]
pub struct ClassicHistogram {
    buckets: Vec<ClassicBucket>,
    count: Option<f64>,
    sum: f64,
    error: Option<NotConvertible>,
}

impl ClassicHistogram {
    /// Takes the sample of a bucket; what came first for a bound counts.
    pub fn set_bucket(&mut self, upper_bound: f64, count: f64) {
        if self.error.is_none() {
            self.error = self.insert(upper_bound, count).err();
        }
    }

    /// Takes the count of all observations.
    pub fn set_count(&mut self, count: f64) {
        if self.error.is_some() {
            return;
        }
        if count < 0.0 {
            self.error = Some(NotConvertible::NegativeCount(count));
        } else {
            self.count = Some(count);
        }
    }

    /// Takes their sum.
    pub fn set_sum(&mut self, sum: f64) {
        if self.error.is_none() {
            self.sum = sum;
        }
    }

    fn insert(&mut self, upper_bound: f64, count: f64) -> Result<(), NotConvertible> {
        if upper_bound.is_nan() {
            return Err(NotConvertible::NanBound);
        }
        if count < 0.0 {
            return Err(NotConvertible::NegativeBucket {
                bound: upper_bound,
                count,
            });
        }
        let place = (self.buckets).partition_point(|bucket| bucket.upper_bound < upper_bound);
        let behind = self.buckets.get(place);
        if behind.is_some_and(|bucket| bucket.upper_bound == upper_bound) {
            return Ok(());
        }
        let before = place
            .checked_sub(1)
            .and_then(|before| self.buckets.get(before));
        let wrong = |neighbour: &ClassicBucket, relation| NotConvertible::NotCumulative {
            count,
            relation,
            neighbour: neighbour.count,
        };
        if let Some(before) = before.filter(|before| count < before.count) {
            return Err(wrong(before, '<'));
        }
        if let Some(behind) = behind.filter(|behind| count > behind.count) {
            return Err(wrong(behind, '>'));
        }
        self.buckets
            .insert(place, ClassicBucket { upper_bound, count });
        Ok(())
    }

    /// The native histogram of what came.
    ///
    /// # Errors
    ///
    /// The first sample that was impossible, or if the highest bucket does not count all observations.
    pub fn convert(mut self) -> Result<FloatHistogram, NotConvertible> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let highest = self.buckets.last();
        let count = (self.count)
            .or_else(|| highest.map(|bucket| bucket.count))
            .unwrap_or(0.0);
        let infinite = ClassicBucket {
            upper_bound: f64::INFINITY,
            count,
        };
        let highest = match highest {
            Some(last) if last.upper_bound == f64::INFINITY => *last,
            _ => {
                self.buckets.push(infinite);
                infinite
            }
        };
        if count != highest.count {
            return Err(NotConvertible::CountMismatch {
                count,
                bound: highest.upper_bound,
                highest: highest.count,
            });
        }
        let whole = self
            .buckets
            .iter()
            .all(|bucket| bucket.count.fract() == 0.0);
        let mut histogram = self.native(count);
        histogram.compact(if whole { 2 } else { 0 });
        Ok(histogram)
    }

    fn native(self, count: f64) -> FloatHistogram {
        let mut before = 0.0;
        let counts: Vec<f64> = (self.buckets.iter())
            .map(|bucket| bucket.count - std::mem::replace(&mut before, bucket.count))
            .collect();
        let bounds = self.buckets.iter().map(|bucket| bucket.upper_bound);
        FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum,
            positive: Buckets {
                spans: vec![BucketSpan {
                    offset: 0,
                    length: u32::try_from(counts.len()).unwrap_or(u32::MAX),
                }],
                counts,
            },
            custom_bounds: bounds.filter(|bound| *bound != f64::INFINITY).collect(),
            ..FloatHistogram::default()
        }
    }
}
