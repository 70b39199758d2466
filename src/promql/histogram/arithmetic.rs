//! Sums, differences and multiples of histograms.

use thiserror::Error;

use super::{
    Buckets, CounterResetHint, FloatHistogram, Histogram, bounds::exponential, cell::Cell,
    custom::common_bounds,
};

/// Two histograms of which only one has custom buckets have no sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "cannot apply this operation on histograms with a mix of exponential and custom bucket schemas"
)]
pub struct IncompatibleSchemas;

/// What is worth a remark about a sum or a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Outcome {
    /// One of both says that there was a reset, the other that there was none.
    pub counter_reset_collision: bool,
    /// Their custom bounds differed: the result has those that both had.
    pub nhcb_bounds_reconciled: bool,
}

impl FloatHistogram {
    /// Multiplies all counts and the sum.
    pub fn mul(&mut self, factor: f64) -> &mut Self {
        self.scale(|cell| cell.times(factor));
        if factor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
        self
    }

    /// Divides all counts and the sum; division by zero leaves no buckets.
    pub fn div(&mut self, divisor: f64) -> &mut Self {
        self.scale(|cell| cell.over(divisor));
        if divisor == 0.0 {
            self.positive = Buckets::default();
            self.negative = Buckets::default();
        } else if divisor < 0.0 {
            self.counter_reset_hint = CounterResetHint::Gauge;
        }
        self
    }

    /// Adds another histogram. Buckets may become empty, spans may touch: [`compact`](Self::compact) mends that.
    ///
    /// Schema and zero bucket become such that both fit, custom bounds those that both have.
    ///
    /// # Errors
    ///
    /// If only one of both has custom buckets; this one stays as it is then.
    pub fn add(&mut self, other: &Self) -> Result<Outcome, IncompatibleSchemas> {
        self.accumulate(other, 1.0)
    }

    /// Subtracts another histogram, as [`add`](Self::add) adds.
    ///
    /// The hint becomes that of a sum: who implements the operator `-` makes the result a gauge.
    ///
    /// # Errors
    ///
    /// If only one of both has custom buckets; this one stays as it is then.
    pub fn sub(&mut self, other: &Self) -> Result<Outcome, IncompatibleSchemas> {
        self.accumulate(other, -1.0)
    }
}

impl<C: Cell> Histogram<C> {
    pub(super) fn scale(&mut self, scaled: impl Fn(C) -> C) {
        let cells = [&mut self.zero_count, &mut self.count, &mut self.sum]
            .into_iter()
            .chain(&mut self.positive.counts)
            .chain(&mut self.negative.counts);
        for cell in cells {
            *cell = scaled(*cell);
        }
    }

    /// Adds a multiple of another histogram, by 1 or -1.
    pub(super) fn accumulate(
        &mut self,
        other: &FloatHistogram,
        sign: f64,
    ) -> Result<Outcome, IncompatibleSchemas> {
        if self.is_custom() != other.is_custom() {
            return Err(IncompatibleSchemas);
        }
        let mut outcome = Outcome {
            counter_reset_collision: self.adjust_hint(other.counter_reset_hint),
            nhcb_bounds_reconciled: false,
        };
        if !self.is_custom() {
            let zero = self.reconcile_zero_buckets(other);
            self.zero_count.join(C::from_sum(zero).times(sign));
        }
        self.count.join(C::from(other.count * sign));
        self.sum.join(C::from(other.sum * sign));
        if self.is_custom() && self.custom_bounds != other.custom_bounds {
            outcome.nhcb_bounds_reconciled = true;
            self.accumulate_common(other, sign);
        } else {
            self.accumulate_buckets(other, sign);
        }
        Ok(outcome)
    }

    fn accumulate_common(&mut self, other: &FloatHistogram, sign: f64) {
        let common = common_bounds(&self.custom_bounds, &other.custom_bounds);
        self.positive = self.positive.merge_custom(
            &self.custom_bounds,
            &other.positive,
            &other.custom_bounds,
            sign,
            &common,
        );
        self.custom_bounds = common;
    }

    fn accumulate_buckets(&mut self, other: &FloatHistogram, sign: f64) {
        if other.schema > self.schema {
            let positive: Buckets<C> = other.positive.reduced(other.schema, self.schema);
            let negative: Buckets<C> = other.negative.reduced(other.schema, self.schema);
            self.merge_sides(&positive, &negative, sign);
            return;
        }
        if other.schema < self.schema {
            self.positive = self.positive.reduced(self.schema, other.schema);
            self.negative = self.negative.reduced(self.schema, other.schema);
            self.schema = other.schema;
        }
        self.merge_sides(&other.positive, &other.negative, sign);
    }

    fn merge_sides<D>(&mut self, positive: &Buckets<D>, negative: &Buckets<D>, sign: f64)
    where
        D: Copy + Into<C>,
    {
        let hidden = self.in_zero_bucket(positive);
        self.positive.merge(positive, hidden, sign);
        let hidden = self.in_zero_bucket(negative);
        self.negative.merge(negative, hidden, sign);
    }

    /// How many of some buckets of this schema are in the zero bucket as a whole.
    pub(super) fn in_zero_bucket<D: Copy>(&self, buckets: &Buckets<D>) -> usize {
        if !(-4..=8).contains(&self.schema) {
            return 0;
        }
        (buckets.indexed())
            .take_while(|(index, _)| exponential(*index, self.schema) <= self.zero_threshold)
            .count()
    }

    /// Takes over what another's hint says; returns whether both contradict each other.
    fn adjust_hint(&mut self, other: CounterResetHint) -> bool {
        use CounterResetHint::{Gauge, Unknown};
        let own = self.counter_reset_hint;
        if own == other || own == Gauge {
            return false;
        }
        self.counter_reset_hint = if other == Gauge { Gauge } else { Unknown };
        other != Gauge && own != Unknown && other != Unknown
    }
}
