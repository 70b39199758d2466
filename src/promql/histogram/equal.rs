//! Whether two histograms are the same data.

use super::{BucketSpan, Buckets, FloatHistogram};

impl FloatHistogram {
    /// Whether both have the same buckets with the same numbers, bit by bit.
    ///
    /// Empty spans do not count, hints neither; buckets that are empty do.
    #[must_use]
    pub fn equals(&self, other: &Self) -> bool {
        let same = |a: f64, b: f64| a.to_bits() == b.to_bits();
        self.schema == other.schema
            && same(self.count, other.count)
            && same(self.sum, other.sum)
            && (!self.is_custom() || self.custom_bounds == other.custom_bounds)
            && self.zero_threshold == other.zero_threshold
            && same(self.zero_count, other.zero_count)
            && self.negative.equals(&other.negative)
            && self.positive.equals(&other.positive)
    }
}

impl Buckets {
    fn equals(&self, other: &Self) -> bool {
        runs(&self.spans).eq(runs(&other.spans))
            && (self.counts.iter().map(|count| count.to_bits()))
                .eq(other.counts.iter().map(|count| count.to_bits()))
    }
}

/// The spans that are not empty, with their distances to each other.
fn runs(spans: &[BucketSpan]) -> impl Iterator<Item = (i64, u32)> {
    let mut gap = 0;
    spans.iter().filter_map(move |span| {
        gap += i64::from(span.offset);
        (span.length > 0).then(|| (std::mem::take(&mut gap), span.length))
    })
}
