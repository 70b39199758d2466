//! Native histograms in series: `{{schema:0 sum:1 count:2 buckets:[1 1]}}`.

use super::{
    chars::is_alpha,
    parser::{Parsed, Stop},
    series::Values,
};
use crate::{
    labels::go_quote,
    promql::{
        FloatHistogram, Span,
        histogram::{BucketSpan, Buckets, CounterResetHint},
    },
};

impl Values<'_, '_> {
    /// What follows `{{`, up to the braces that close it; and whether the counter reset hint is given.
    pub(super) fn histogram(&mut self) -> Parsed<(FloatHistogram, bool)> {
        let mut parts = Parts::default();
        let spaced = self.skip_space();
        if self.accept_text("}}") {
            return Ok((parts.built(), false));
        }
        if spaced {
            return Err(self.unexpected());
        }
        loop {
            self.part(&mut parts)?;
            let spaced = self.skip_space();
            if self.accept_text("}}") {
                let hint_given = parts.seen.contains(&"counter_reset_hint");
                return Ok((parts.built(), hint_given));
            }
            if !spaced {
                return Err(self.unexpected());
            }
        }
    }

    /// One `key:value`.
    fn part(&mut self, parts: &mut Parts) -> Parsed<()> {
        let start = self.pos;
        let word = self.run(is_alpha);
        if word.is_empty() {
            return Err(self.unexpected());
        }
        let lower = word.to_ascii_lowercase();
        let Some(key) = KEYS.iter().copied().find(|key| *key == lower) else {
            let word = go_quote(word);
            return Err(self.fail(start, format!("bad histogram descriptor found: {word}")));
        };
        if !self.accept(b':') {
            let message = "missing `:` for histogram descriptor";
            return Err(self.fail(start, message.to_owned()));
        }
        if parts.seen.contains(&key) {
            let message = format!("duplicate key {} in histogram", go_quote(key));
            self.parser.error(Span::default(), message);
            return Err(Stop::Reported);
        }
        parts.seen.push(key);
        let made = &mut parts.made;
        match key {
            "schema" => made.schema = self.whole()?,
            "sum" => made.sum = self.signed_number()?,
            "count" => made.count = self.signed_number()?,
            "z_bucket" => made.zero_count = self.signed_number()?,
            "z_bucket_w" => made.zero_threshold = self.number()?,
            "custom_values" => made.custom_bounds = self.numbers()?.into(),
            "buckets" => made.positive.counts = self.numbers()?,
            "n_buckets" => made.negative.counts = self.numbers()?,
            "offset" => parts.offset = self.whole()?,
            "n_offset" => parts.negative_offset = self.whole()?,
            _ => made.counter_reset_hint = self.hint()?,
        }
        Ok(())
    }

    fn whole(&mut self) -> Parsed<i32> {
        let start = self.pos;
        let minus = self.accept(b'-');
        let digits = self.run(|byte| byte.is_ascii_digit());
        if digits.is_empty() {
            return Err(self.unexpected());
        }
        let number = digits.parse::<i32>().map_err(|_out_of_range| {
            self.fail(
                start,
                format!("{digits} is too large for a schema or an offset"),
            )
        })?;
        Ok(if minus { -number } else { number })
    }

    /// Numbers between brackets.
    fn numbers(&mut self) -> Parsed<Vec<f64>> {
        if !self.accept(b'[') {
            return Err(self.unexpected());
        }
        let mut numbers = Vec::new();
        loop {
            numbers.push(self.signed_number()?);
            let spaced = self.skip_space();
            if self.accept(b']') {
                return Ok(numbers);
            }
            if !spaced {
                return Err(self.unexpected());
            }
        }
    }

    fn hint(&mut self) -> Parsed<CounterResetHint> {
        let start = self.pos;
        let word = self.run(is_alpha);
        match word.to_ascii_lowercase().as_str() {
            "unknown" => Ok(CounterResetHint::Unknown),
            "reset" => Ok(CounterResetHint::Reset),
            "not_reset" => Ok(CounterResetHint::NotReset),
            "gauge" => Ok(CounterResetHint::Gauge),
            "" => Err(self.unexpected()),
            _ => {
                let word = go_quote(word);
                Err(self.fail(start, format!("bad histogram descriptor found: {word}")))
            }
        }
    }
}

const KEYS: [&str; 11] = [
    "schema",
    "sum",
    "count",
    "z_bucket",
    "z_bucket_w",
    "custom_values",
    "buckets",
    "n_buckets",
    "offset",
    "n_offset",
    "counter_reset_hint",
];

#[derive(Default)]
struct Parts {
    made: FloatHistogram,
    offset: i32,
    negative_offset: i32,
    seen: Vec<&'static str>,
}

impl Parts {
    fn built(mut self) -> FloatHistogram {
        set_span(&mut self.made.positive, self.offset);
        set_span(&mut self.made.negative, self.negative_offset);
        self.made
    }
}

/// All buckets stand side by side, from `offset` on.
fn set_span(buckets: &mut Buckets, offset: i32) {
    if let Ok(length @ 1..) = u32::try_from(buckets.counts.len()) {
        buckets.spans = vec![BucketSpan { offset, length }];
    }
}
