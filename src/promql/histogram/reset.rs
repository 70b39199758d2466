//! Whether a counter started anew.

use super::{
    Buckets, CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram,
    bounds::{exponential, upper},
    resolution::folded,
    spans::Indexed,
};

impl FloatHistogram {
    /// Whether the counter started anew since `previous`: if the hint knows nothing,
    /// it did if a count became smaller, a bucket with observations is gone, or buckets became narrower.
    ///
    /// A gauge is looked at as if it were a counter.
    #[must_use]
    pub fn detect_reset(&self, previous: &Self) -> bool {
        match self.counter_reset_hint {
            CounterResetHint::Reset => return true,
            CounterResetHint::NotReset => return false,
            CounterResetHint::Unknown | CounterResetHint::Gauge => {}
        }
        if self.count < previous.count {
            return true;
        }
        if self.is_custom() {
            if !previous.is_custom() {
                return true;
            }
            if self.custom_bounds != previous.custom_bounds {
                return self.fell_between_common_bounds(previous);
            }
        }
        self.schema > previous.schema
            || self.zero_bucket_fell(previous)
            || self.side_fell(&self.positive, &previous.positive, previous.schema)
            || self.side_fell(&self.negative, &previous.negative, previous.schema)
    }

    fn zero_bucket_fell(&self, previous: &Self) -> bool {
        if self.zero_threshold < previous.zero_threshold {
            return true;
        }
        let (count, threshold) = previous.zero_count_for(self.zero_threshold);
        threshold != self.zero_threshold || self.zero_count < count.sum
    }

    fn side_fell(&self, now: &Buckets, before: &Buckets, before_schema: i32) -> bool {
        let hides = self.zero_threshold != 0.0 && self.schema != CUSTOM_BUCKETS_SCHEMA;
        if !hides && self.schema == before_schema && now.spans == before.spans {
            return (now.counts.iter().zip(&before.counts)).any(|(now, before)| now < before);
        }
        let hidden = |(index, _): &(i64, f64)| {
            hides && exponential(*index, self.schema) <= self.zero_threshold
        };
        let before = folded(before.indexed(), before_schema, self.schema);
        fell(now.indexed().skip_while(hidden), before.skip_while(hidden))
    }

    /// Compares what both counted between the bounds that both have.
    fn fell_between_common_bounds(&self, previous: &Self) -> bool {
        let (mut now, mut before) = (Rest::new(self), Rest::new(previous));
        let (mut own, mut theirs) = (0, 0);
        while own <= now.bounds.len() && theirs <= before.bounds.len() {
            let (own_bound, their_bound) = (now.bound(own), before.bound(theirs));
            if own_bound == their_bound {
                if now.take_up_to(own_bound) < before.take_up_to(own_bound) {
                    return true;
                }
                own += 1;
                theirs += 1;
            } else if own_bound < their_bound {
                own += 1;
            } else {
                theirs += 1;
            }
        }
        false
    }
}

/// Whether a bucket counts less than before, or is gone with what it counted.
fn fell(now: impl Iterator<Item = (i64, f64)>, before: impl Iterator<Item = (i64, f64)>) -> bool {
    let mut now = now.peekable();
    for (index, old) in before {
        while now.next_if(|(at, _)| *at < index).is_some() {}
        let fell = match now.peek() {
            Some((at, count)) if *at == index => *count < old,
            _ => old != 0.0,
        };
        if fell {
            return true;
        }
    }
    false
}

/// The custom buckets that were not looked at yet.
struct Rest<'a> {
    bounds: &'a [f64],
    cells: std::iter::Peekable<Indexed<'a, f64>>,
}

impl<'a> Rest<'a> {
    fn new(histogram: &'a FloatHistogram) -> Self {
        Self {
            bounds: &histogram.custom_bounds,
            cells: histogram.positive.indexed().peekable(),
        }
    }

    fn bound(&self, place: usize) -> f64 {
        self.bounds.get(place).copied().unwrap_or(f64::INFINITY)
    }

    fn take_up_to(&mut self, bound: f64) -> f64 {
        let mut sum = 0.0;
        while let Some((_, count)) = self
            .cells
            .next_if(|(index, _)| upper(*index, CUSTOM_BUCKETS_SCHEMA, self.bounds) <= bound)
        {
            sum += count;
        }
        sum
    }
}
