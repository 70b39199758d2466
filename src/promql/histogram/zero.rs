//! One zero bucket for two histograms.

use super::{FloatHistogram, Histogram, cell::Cell};
use crate::promql::Kahan;

impl<C: Cell> Histogram<C> {
    /// What the zero bucket would count if it were wider, and how wide it has to be then:
    /// a bucket with observations is either in it as a whole or not at all.
    pub(super) fn zero_count_for(&self, mut threshold: f64) -> (Kahan, f64) {
        let own = self.zero_count.to_sum();
        if threshold == self.zero_threshold {
            return (own, threshold);
        }
        let mut sum = own;
        'widened: loop {
            sum.sum = own.sum;
            for (bucket, cell) in self.positive_cells() {
                if bucket.lower >= threshold {
                    break;
                }
                sum.join(cell.to_sum());
                if bucket.upper > threshold {
                    if bucket.count != 0.0 {
                        threshold = bucket.upper;
                    }
                    break;
                }
            }
            for (bucket, cell) in self.negative_cells() {
                if bucket.upper <= -threshold {
                    break;
                }
                sum.join(cell.to_sum());
                if bucket.lower < -threshold {
                    if bucket.count != 0.0 {
                        threshold = -bucket.lower;
                        continue 'widened;
                    }
                    break;
                }
            }
            return (sum, threshold);
        }
    }

    /// Widens the zero bucket until that of the other can be as wide; returns what the other's would count then.
    pub(super) fn reconcile_zero_buckets(&mut self, other: &FloatHistogram) -> Kahan {
        let mut theirs = (Kahan::from(other.zero_count), other.zero_threshold);
        if self.zero_threshold.is_nan() || other.zero_threshold.is_nan() {
            return theirs.0;
        }
        while theirs.1 != self.zero_threshold {
            if self.zero_threshold > theirs.1 {
                theirs = other.zero_count_for(self.zero_threshold);
            }
            if theirs.1 > self.zero_threshold {
                let (count, threshold) = self.zero_count_for(theirs.1);
                self.zero_count = C::from_sum(count);
                self.zero_threshold = threshold;
                self.drop_buckets_in_zero_bucket();
            }
        }
        theirs.0
    }

    /// Empties and leaves out the buckets that begin within the zero bucket.
    pub(super) fn drop_buckets_in_zero_bucket(&mut self) {
        let threshold = self.zero_threshold;
        let positive = (self.positive_cells())
            .take_while(|(bucket, _)| bucket.lower < threshold)
            .count();
        let negative = (self.negative_cells())
            .take_while(|(bucket, _)| bucket.upper > -threshold)
            .count();
        let emptied = (self.positive.counts.iter_mut().take(positive))
            .chain(self.negative.counts.iter_mut().take(negative));
        for cell in emptied {
            *cell = C::default();
        }
        self.compact_cells(0);
    }
}
