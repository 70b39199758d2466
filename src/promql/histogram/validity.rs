//! Whether a histogram makes sense.

use thiserror::Error;

use super::{BucketSpan, FloatHistogram, text::General};

/// What is wrong with a histogram.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum Invalid {
    /// Its schema is none.
    #[error(
        "histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom buckets, got schema {0}"
    )]
    Schema(i32),
    /// Something is wrong with the buckets of one sign, or with custom buckets.
    #[error("{side}: {error}")]
    In {
        /// Which ones.
        side: &'static str,
        /// What.
        error: Box<Self>,
    },
    /// A custom bound is NaN.
    #[error("histogram custom bounds must not be NaN")]
    BoundIsNan,
    /// Custom bounds do not increase.
    #[error(
        "previous bound is {previous:.6} and current is {current:.6}: histogram custom bounds must be in strictly increasing order"
    )]
    BoundsNotIncreasing {
        /// A bound.
        previous: f64,
        /// The one behind it.
        current: f64,
    },
    /// The last custom bound is `+Inf`, which goes without saying.
    #[error(
        "last +Inf bound must not be explicitly defined: histogram custom bounds must be finite"
    )]
    BoundIsInfinite,
    /// The gap before a span is negative.
    #[error(
        "span number {number} with offset {offset}: histogram has a span whose offset is negative"
    )]
    NegativeOffset {
        /// Which span, from 1.
        number: usize,
        /// Its offset.
        offset: i32,
    },
    /// There are more or less counts than buckets.
    #[error(
        "spans need {needed} buckets, have {found} buckets: histogram spans specify different number of buckets than provided"
    )]
    SpansAndBuckets {
        /// How many buckets the spans have.
        needed: u64,
        /// How many counts there are.
        found: usize,
    },
    /// There are buckets beyond the last custom bound.
    #[error(
        "only {bounds} custom bounds defined which is insufficient to cover total span length of {length}: histogram custom bounds are too few"
    )]
    TooFewBounds {
        /// How many bounds there are.
        bounds: usize,
        /// How many buckets the spans and their gaps cover.
        length: u64,
    },
    /// A bucket counts less than nothing.
    #[error("bucket number {number} has observation count of {}: histogram has a bucket whose observation count is negative", General(*.count))]
    NegativeBucket {
        /// Which one, from 1.
        number: usize,
        /// What it counts.
        count: f64,
    },
    /// The zero bucket counts less than nothing.
    #[error("zero bucket has observation count of {}: histogram has a bucket whose observation count is negative", General(*.0))]
    NegativeZeroBucket(f64),
    /// There are less than no observations.
    #[error("observation count is  {}: histogram's observation count is negative", General(*.0))]
    NegativeCount(f64),
    /// Custom buckets have no zero bucket.
    #[error("custom buckets: must have zero count of 0")]
    CustomWithZeroCount,
    /// Custom buckets have no zero bucket.
    #[error("custom buckets: must have zero threshold of 0")]
    CustomWithZeroThreshold,
    /// Custom buckets are all on one side.
    #[error("custom buckets: must not have negative spans")]
    CustomWithNegativeSpans,
    /// Custom buckets are all on one side.
    #[error("custom buckets: must not have negative buckets")]
    CustomWithNegativeBuckets,
    /// Exponential buckets have no bounds of their own.
    #[error("histogram with exponential schema must not have custom bounds")]
    ExponentialWithBounds,
}

impl Invalid {
    fn within(side: &'static str) -> impl Fn(Self) -> Self {
        move |error| Self::In {
            side,
            error: Box::new(error),
        }
    }
}

impl FloatHistogram {
    /// Looks whether spans and counts fit each other, nothing is negative that cannot be, and nothing is there that the schema has not.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong.
    pub fn validate(&self) -> Result<(), Invalid> {
        if self.is_custom() {
            self.check_custom()?;
        } else {
            self.check_exponential()?;
        }
        if self.count < 0.0 {
            return Err(Invalid::NegativeCount(self.count));
        }
        check_counts(&self.positive.counts).map_err(Invalid::within("positive side"))
    }

    fn check_custom(&self) -> Result<(), Invalid> {
        let positive = &self.positive;
        check_bounds(&self.custom_bounds)
            .and_then(|()| check_spans(&positive.spans, positive.counts.len(), 0))
            .and_then(|()| self.check_enough_bounds())
            .map_err(Invalid::within("custom buckets"))?;
        if self.zero_count != 0.0 {
            return Err(Invalid::CustomWithZeroCount);
        }
        if self.zero_threshold != 0.0 {
            return Err(Invalid::CustomWithZeroThreshold);
        }
        if !self.negative.spans.is_empty() {
            return Err(Invalid::CustomWithNegativeSpans);
        }
        if !self.negative.counts.is_empty() {
            return Err(Invalid::CustomWithNegativeBuckets);
        }
        Ok(())
    }

    fn check_exponential(&self) -> Result<(), Invalid> {
        if !(-4..=8).contains(&self.schema) {
            return Err(Invalid::Schema(self.schema));
        }
        let (positive, negative) = (&self.positive, &self.negative);
        check_spans(&positive.spans, positive.counts.len(), 1)
            .map_err(Invalid::within("positive side"))?;
        check_spans(&negative.spans, negative.counts.len(), 1)
            .and_then(|()| check_counts(&negative.counts))
            .map_err(Invalid::within("negative side"))?;
        if self.zero_count < 0.0 {
            return Err(Invalid::NegativeZeroBucket(self.zero_count));
        }
        if !self.custom_bounds.is_empty() {
            return Err(Invalid::ExponentialWithBounds);
        }
        Ok(())
    }

    fn check_enough_bounds(&self) -> Result<(), Invalid> {
        let spans = self.positive.spans.iter();
        let length = spans
            .map(|span| u64::from(span.length) + u64::from(span.offset.unsigned_abs()))
            .sum();
        let bounds = self.custom_bounds.len();
        if (bounds as u64) + 1 < length {
            return Err(Invalid::TooFewBounds { bounds, length });
        }
        Ok(())
    }
}

fn check_bounds(bounds: &[f64]) -> Result<(), Invalid> {
    let mut previous: Option<f64> = None;
    for &current in bounds {
        if current.is_nan() {
            return Err(Invalid::BoundIsNan);
        }
        if let Some(previous) = previous
            && current <= previous
        {
            return Err(Invalid::BoundsNotIncreasing { previous, current });
        }
        previous = Some(current);
    }
    if previous == Some(f64::INFINITY) {
        return Err(Invalid::BoundIsInfinite);
    }
    Ok(())
}

/// The first `free` spans may begin anywhere.
fn check_spans(spans: &[BucketSpan], found: usize, free: usize) -> Result<(), Invalid> {
    for (place, span) in spans.iter().enumerate().skip(free) {
        if span.offset < 0 {
            return Err(Invalid::NegativeOffset {
                number: place + 1,
                offset: span.offset,
            });
        }
    }
    let needed: u64 = spans.iter().map(|span| u64::from(span.length)).sum();
    if needed != found as u64 {
        return Err(Invalid::SpansAndBuckets { needed, found });
    }
    Ok(())
}

fn check_counts(counts: &[f64]) -> Result<(), Invalid> {
    match counts.iter().position(|count| *count < 0.0) {
        Some(place) => Err(Invalid::NegativeBucket {
            number: place + 1,
            count: counts.get(place).copied().unwrap_or_default(),
        }),
        None => Ok(()),
    }
}
