//! Sums and means of many histograms.

use super::{
    Buckets, CounterResetHint, FloatHistogram, Histogram, IncompatibleSchemas, Outcome, cell::Cell,
};
use crate::promql::Kahan;

/// Numbers up to here can be added by the million without overflow.
const SAFE: f64 = 1e300;

/// What was seen of the histograms that were added.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    reset: bool,
    no_reset: bool,
    nhcb_bounds_reconciled: bool,
}

impl Seen {
    fn hint(&mut self, hint: CounterResetHint) {
        self.reset |= hint == CounterResetHint::Reset;
        self.no_reset |= hint == CounterResetHint::NotReset;
    }

    fn outcome(self) -> Outcome {
        Outcome {
            counter_reset_collision: self.reset && self.no_reset,
            nhcb_bounds_reconciled: self.nhcb_bounds_reconciled,
        }
    }
}

/// A sum of histograms that keeps what rounding would lose.
#[derive(Clone, Debug)]
pub struct HistogramSum {
    total: Histogram<Kahan>,
    seen: Seen,
    several: bool,
}

impl HistogramSum {
    /// The sum of one histogram.
    #[must_use]
    pub fn new(first: &FloatHistogram) -> Self {
        let mut seen = Seen::default();
        seen.hint(first.counter_reset_hint);
        Self {
            total: first.compensated(),
            seen,
            several: false,
        }
    }

    /// Adds a histogram.
    ///
    /// # Errors
    ///
    /// If only one of both has custom buckets.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<(), IncompatibleSchemas> {
        self.seen.hint(other.counter_reset_hint);
        let outcome = self.total.accumulate(other, 1.0)?;
        self.seen.nhcb_bounds_reconciled |= outcome.nhcb_bounds_reconciled;
        self.several = true;
        Ok(())
    }

    /// What is worth a remark about all that was added.
    pub fn outcome(&self) -> Outcome {
        self.seen.outcome()
    }

    /// The sum, not compacted.
    #[must_use]
    pub fn finish(self) -> FloatHistogram {
        if self.several {
            self.total.corrected(Kahan::total)
        } else {
            self.total.corrected(|cell| cell.sum)
        }
    }
}

/// A mean of histograms: their sum divided by their number,
/// or a running mean from where the sum would be too large for its numbers.
#[derive(Clone, Debug)]
pub struct HistogramMean {
    sum: HistogramSum,
    count: f64,
    running: bool,
}

impl HistogramMean {
    /// The mean of one histogram.
    #[must_use]
    pub fn new(first: &FloatHistogram) -> Self {
        Self {
            sum: HistogramSum::new(first),
            count: 1.0,
            running: false,
        }
    }

    /// Adds a histogram.
    ///
    /// # Errors
    ///
    /// If only one of both has custom buckets.
    pub fn add(&mut self, other: &FloatHistogram) -> Result<(), IncompatibleSchemas> {
        self.count += 1.0;
        if !self.running {
            if self.sum.total.is_safe() && other.is_safe() {
                return self.sum.add(other);
            }
            let before = self.sum.total.clone();
            self.sum.add(other)?;
            if !self.sum.total.corrected(|cell| cell.sum).has_overflow() {
                return Ok(());
            }
            self.running = true;
            self.sum.total = before;
            self.sum.total.scale(|cell| cell.over(self.count - 1.0));
        }
        let kept = (self.count - 1.0) / self.count;
        self.sum.total.scale(|cell| cell.times(kept));
        let mut share = other.clone();
        share.div(self.count);
        self.sum.add(&share)
    }

    /// What is worth a remark about all that was added.
    pub fn outcome(&self) -> Outcome {
        self.sum.outcome()
    }

    /// The mean, not compacted.
    #[must_use]
    pub fn finish(self) -> FloatHistogram {
        if self.running {
            return self.sum.finish();
        }
        let mut sum = self.sum;
        sum.total.scale(|cell| cell.over(self.count));
        sum.finish()
    }
}

impl<C: Cell> Histogram<C> {
    fn map<D>(&self, number: impl Fn(C) -> D, positive: Vec<D>, negative: Vec<D>) -> Histogram<D> {
        Histogram {
            counter_reset_hint: self.counter_reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: number(self.zero_count),
            count: number(self.count),
            sum: number(self.sum),
            positive: Buckets {
                spans: self.positive.spans.clone(),
                counts: positive,
            },
            negative: Buckets {
                spans: self.negative.spans.clone(),
                counts: negative,
            },
            custom_bounds: self.custom_bounds.clone(),
        }
    }

    /// Whether all numbers are far from overflow.
    fn is_safe(&self) -> bool {
        let safe = |number: f64| number.abs() <= SAFE;
        [&self.zero_count, &self.count, &self.sum]
            .into_iter()
            .chain(&self.positive.counts)
            .chain(&self.negative.counts)
            .all(|cell| safe(cell.to_sum().sum))
            && self.custom_bounds.iter().all(|bound| safe(*bound))
    }
}

impl FloatHistogram {
    fn compensated(&self) -> Histogram<Kahan> {
        let lift = |counts: &[f64]| counts.iter().map(|count| (*count).into()).collect();
        let (positive, negative) = (lift(&self.positive.counts), lift(&self.negative.counts));
        self.map(Kahan::from, positive, negative)
    }
}

impl Histogram<Kahan> {
    /// The numbers, corrected, but for buckets within the zero bucket: what is added to these is lost.
    fn corrected(&self, number: impl Fn(Kahan) -> f64) -> FloatHistogram {
        let correct = |buckets: &Buckets<Kahan>| {
            let hidden = self.in_zero_bucket(buckets);
            (0..)
                .zip(&buckets.counts)
                .map(|(place, cell)| {
                    if place < hidden {
                        cell.sum
                    } else {
                        number(*cell)
                    }
                })
                .collect()
        };
        let (positive, negative) = (correct(&self.positive), correct(&self.negative));
        self.map(&number, positive, negative)
    }
}
