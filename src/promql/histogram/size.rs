//! What a histogram counts for, and whether its numbers are too large.

use super::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Histogram};

impl<C> Histogram<C> {
    /// Whether its buckets have custom bounds.
    #[must_use]
    pub fn is_custom(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }
}

impl FloatHistogram {
    /// How many bytes Prometheus needs for it; its limit of samples counts by that.
    #[must_use]
    pub fn byte_size(&self) -> usize {
        let items = self.positive.spans.len()
            + self.negative.spans.len()
            + self.positive.counts.len()
            + self.negative.counts.len()
            + self.custom_bounds.len();
        168 + 8 * items
    }

    /// How many samples it counts for in an instant vector.
    #[must_use]
    pub fn size(&self) -> usize {
        self.byte_size() / 16
    }

    /// How many samples it counts for in a series, with its time.
    #[must_use]
    pub fn point_size(&self) -> usize {
        (self.byte_size() + 8) / 16
    }

    /// Whether one of its numbers is infinite.
    #[must_use]
    pub fn has_overflow(&self) -> bool {
        [self.zero_count, self.count, self.sum]
            .iter()
            .chain(&self.positive.counts)
            .chain(&self.negative.counts)
            .chain(&*self.custom_bounds)
            .any(|number| number.is_infinite())
    }

    /// The histogram without its buckets: its count, its sum, and what is known of a reset since `previous`.
    ///
    /// Prometheus reads histograms so where a query needs no buckets; `previous` is the whole one before it, if it was read.
    #[must_use]
    pub fn without_buckets(&self, previous: Option<&Self>) -> Self {
        use super::CounterResetHint::{NotReset, Reset, Unknown};
        let counter_reset_hint = match (self.counter_reset_hint, previous) {
            (Unknown, Some(previous)) if self.detect_reset(previous) => Reset,
            (Unknown, Some(_)) => NotReset,
            (hint, _) => hint,
        };
        Self {
            counter_reset_hint,
            schema: self.schema,
            count: self.count,
            sum: self.sum,
            ..Self::default()
        }
    }
}
