//! Histograms as text.

use std::fmt::{self, Display, Formatter, Write as _};

use super::{Bucket, Buckets, CounterResetHint, FloatHistogram};

/// A number as `%g` of Go prints it, in as few digits as tell it apart.
pub(super) struct General(pub(super) f64);

impl Display for General {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() {
            return f.write_str(if self.0 > 0.0 { "+Inf" } else { "-Inf" });
        }
        let text = format!("{:e}", self.0);
        let Some((mantissa, exponent)) = text.split_once('e') else {
            return f.write_str(&text);
        };
        let exponent: i32 = exponent.parse().unwrap_or(0);
        if (-4..6).contains(&exponent) {
            write!(f, "{}", self.0)
        } else {
            let sign = if exponent < 0 { '-' } else { '+' };
            write!(f, "{mantissa}e{sign}{:02}", exponent.unsigned_abs())
        }
    }
}

/// `[lower,upper]:count`, with round brackets where a bound is not in it.
impl Display for Bucket {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let open = if self.lower_inclusive { '[' } else { '(' };
        let close = if self.upper_inclusive { ']' } else { ')' };
        let (lower, upper) = (General(self.lower), General(self.upper));
        write!(f, "{open}{lower},{upper}{close}:{}", General(self.count))
    }
}

/// `{count:…, sum:…, [lower,upper]:…}`, without empty buckets.
impl Display for FloatHistogram {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{count:{}, sum:{}",
            General(self.count),
            General(self.sum)
        )?;
        let populated = |(bucket, count): (Bucket, f64)| (count != 0.0).then_some(bucket);
        for bucket in self.negative_cells().rev().filter_map(populated) {
            write!(f, ", {bucket}")?;
        }
        if self.zero_count != 0.0 && !self.is_custom() {
            write!(f, ", {}", self.zero_bucket())?;
        }
        for bucket in self.positive_cells().filter_map(populated) {
            write!(f, ", {bucket}")?;
        }
        f.write_char('}')
    }
}

impl FloatHistogram {
    /// `{{schema:… count:… buckets:[…]}}`, as it is written in tests of rules.
    #[must_use]
    pub fn to_test_expression(&self) -> String {
        let mut compact = self.clone();
        compact.compact(usize::MAX);
        let mut parts = Vec::new();
        if self.schema != 0 {
            parts.push(format!("schema:{}", self.schema));
        }
        for (name, number) in [
            ("count", self.count),
            ("sum", self.sum),
            ("z_bucket", self.zero_count),
            ("z_bucket_w", self.zero_threshold),
        ] {
            if number != 0.0 {
                parts.push(format!("{name}:{}", General(number)));
            }
        }
        if self.is_custom() {
            parts.push(format!("custom_values:{}", list(&self.custom_bounds)));
        }
        parts.extend(match self.counter_reset_hint {
            CounterResetHint::Unknown => None,
            CounterResetHint::Reset => Some("counter_reset_hint:reset".to_owned()),
            CounterResetHint::NotReset => Some("counter_reset_hint:not_reset".to_owned()),
            CounterResetHint::Gauge => Some("counter_reset_hint:gauge".to_owned()),
        });
        push_side(&mut parts, "offset", "buckets", &compact.positive);
        push_side(&mut parts, "n_offset", "n_buckets", &compact.negative);
        format!("{{{{{}}}}}", parts.join(" "))
    }
}

fn push_side(parts: &mut Vec<String>, offset: &str, name: &str, buckets: &Buckets) {
    if let Some(first) = buckets.spans.first()
        && first.offset != 0
    {
        parts.push(format!("{offset}:{}", first.offset));
    }
    if !buckets.counts.is_empty() {
        parts.push(format!("{name}:{}", list(&buckets.counts)));
    }
}

fn list(numbers: &[f64]) -> String {
    let mut text = String::from("[");
    for (place, number) in numbers.iter().enumerate() {
        let gap = if place == 0 { "" } else { " " };
        let _ = write!(text, "{gap}{}", General(*number));
    }
    text.push(']');
    text
}
