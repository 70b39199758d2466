//! Series as the tests of Prometheus and of rules write them: a metric and its values, `up{job="a"} 0+1x5 _ stale`.

use std::sync::Arc;

use super::{
    Features, ParseErrors,
    chars::{is_alpha, is_alphanumeric, is_space},
    number,
    parser::{Parsed, Parser, Stop},
    run,
};
use crate::{
    labels::{LabelSet, go_quote},
    promql::{FloatHistogram, STALE, Span},
};

/// More values are refused: `1x99999999` is short to write.
const MAX_VALUES: u64 = 1_000_000;

/// One value of a series.
#[derive(Clone, Debug, PartialEq)]
pub enum SeriesValue {
    /// There is no sample.
    Omitted,
    /// A number; [`STALE`] ends the series.
    Float(f64),
    /// A native histogram.
    Histogram {
        /// The histogram.
        histogram: Arc<FloatHistogram>,
        /// Whether its counter reset hint is written.
        hint_given: bool,
    },
}

/// Parses a metric and the values after it.
///
/// # Errors
/// With the texts of Prometheus, or when there are more than a million values.
pub fn parse_series(input: &str) -> Result<(LabelSet, Vec<SeriesValue>), ParseErrors> {
    run(input, Features::none(), |parser| {
        let labels = parser.metric_before_values()?;
        let (pos, _) = parser.rest();
        let mut values = Values {
            text: parser.input,
            parser,
            pos,
            found: Vec::new(),
        };
        values.all()?;
        Ok((labels, values.found))
    })
}

/// Reads values.
pub(super) struct Values<'p, 'a> {
    pub(super) parser: &'p mut Parser<'a>,
    pub(super) text: &'a str,
    pub(super) pos: usize,
    found: Vec<SeriesValue>,
}

impl<'a> Values<'_, 'a> {
    fn all(&mut self) -> Parsed<()> {
        while self.peek().is_some() {
            if !self.skip_space() {
                return Err(self.unexpected());
            }
            if self.peek().is_some() {
                self.item()?;
            }
        }
        Ok(())
    }

    fn item(&mut self) -> Parsed<()> {
        if self.accept(b'_') {
            let times = if self.accept(b'x') { self.count()? } else { 1 };
            return self.push(times, |_| SeriesValue::Omitted);
        }
        if self.accept_text("{{") {
            return self.histograms();
        }
        let mut value = self.number_or_stale()?;
        let mut step = 0.0;
        let stepped = matches!(self.peek(), Some(b'+' | b'-'));
        if stepped {
            step = self.signed_number()?;
        }
        // Without a count there is one value; with one, that is the first, and so many follow.
        let more = if self.accept(b'x') {
            self.count()?
        } else if stepped {
            return Err(self.unexpected());
        } else {
            0
        };
        self.push(more.saturating_add(1), |index| {
            if index > 0 && stepped {
                value += step;
            }
            SeriesValue::Float(value)
        })
    }

    fn histograms(&mut self) -> Parsed<()> {
        let (base, mut hint_given) = self.histogram()?;
        let plus = self.accept_text("+{{");
        let minus = !plus && self.accept_text("-{{");
        let mut step = None;
        if plus || minus {
            let (histogram, given) = self.histogram()?;
            step = Some(histogram);
            hint_given = given;
        }
        let more = if self.accept(b'x') {
            self.count()?
        } else if step.is_some() {
            return Err(self.unexpected());
        } else {
            0
        };
        self.room(more)?;
        let count_at = self.pos.saturating_sub(more.to_string().len());
        let mut histogram = Arc::new(base);
        for index in 0..=more {
            if let Some(step) = step.as_ref().filter(|_| index > 0) {
                histogram = Arc::new(
                    combined(&histogram, step, minus).map_err(|why| self.fail(count_at, why))?,
                );
            }
            let histogram = Arc::clone(&histogram);
            self.found.push(SeriesValue::Histogram {
                histogram,
                hint_given,
            });
        }
        Ok(())
    }

    fn push(&mut self, times: u64, mut value: impl FnMut(u64) -> SeriesValue) -> Parsed<()> {
        self.room(times)?;
        self.found.extend((0..times).map(&mut value));
        Ok(())
    }

    /// Refuses more values than there may be.
    fn room(&mut self, more: u64) -> Parsed<()> {
        if more.saturating_add(self.found.len() as u64) > MAX_VALUES {
            return Err(self.fail(
                self.pos,
                format!("a series of more than {MAX_VALUES} values"),
            ));
        }
        Ok(())
    }

    fn number_or_stale(&mut self) -> Parsed<f64> {
        let start = self.pos;
        if !self.peek().is_some_and(is_alpha) {
            return self.signed_number();
        }
        let word = self.run(|byte| is_alphanumeric(byte) || byte == b':');
        match word.to_ascii_lowercase().as_str() {
            "stale" if word == "stale" => Ok(STALE),
            "inf" => Ok(f64::INFINITY),
            "nan" => Ok(f64::NAN),
            _ => {
                let word = go_quote(word);
                let message = format!(
                    "unexpected identifier {word} in series values, expected number or \"stale\""
                );
                Err(self.fail(start, message))
            }
        }
    }

    /// A number, perhaps with a sign.
    pub(super) fn signed_number(&mut self) -> Parsed<f64> {
        let minus = self.accept(b'-');
        if !minus {
            self.accept(b'+');
        }
        let value = self.number()?;
        Ok(if minus { -value } else { value })
    }

    pub(super) fn number(&mut self) -> Parsed<f64> {
        let start = self.pos;
        let word = self.run(is_alpha_but_x);
        if word.eq_ignore_ascii_case("inf") {
            return Ok(f64::INFINITY);
        } else if word.eq_ignore_ascii_case("nan") {
            return Ok(f64::NAN);
        }
        self.pos = start;
        if !self
            .peek()
            .is_some_and(|byte| byte.is_ascii_digit() || byte == b'.')
        {
            return Err(self.unexpected());
        }
        let mut before = 0;
        let text = self.run(|byte| {
            let sign = matches!(byte, b'+' | b'-') && matches!(before, b'e' | b'E');
            before = byte;
            sign || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'e' | b'E')
        });
        number::value(text).map_err(|message| self.fail(start, message))
    }

    /// How many times a value is repeated.
    fn count(&mut self) -> Parsed<u64> {
        let start = self.pos;
        let text = self.run(|byte| byte.is_ascii_digit());
        if text.is_empty() {
            return Err(self.unexpected());
        }
        text.parse().map_err(|_out_of_range| {
            let text = go_quote(text);
            let message = format!(
                "invalid repetition in series values: strconv.ParseUint: parsing {text}: value out of range"
            );
            self.fail(start, message)
        })
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    pub(super) fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.pos += usize::from(found);
        found
    }

    pub(super) fn accept_text(&mut self, text: &str) -> bool {
        let rest = self.text.get(self.pos..).unwrap_or_default();
        let found = rest.starts_with(text);
        if found {
            self.pos += text.len();
        }
        found
    }

    pub(super) fn skip_space(&mut self) -> bool {
        !self.run(is_space).is_empty()
    }

    pub(super) fn run(&mut self, mut fits: impl FnMut(u8) -> bool) -> &'a str {
        let start = self.pos;
        while self.peek().is_some_and(&mut fits) {
            self.pos += 1;
        }
        self.text.get(start..self.pos).unwrap_or_default()
    }

    pub(super) fn fail(&mut self, start: usize, message: String) -> Stop {
        self.parser
            .error(Span::new(start, self.text.len()), message);
        Stop::Reported
    }

    /// Complains about the next character.
    pub(super) fn unexpected(&mut self) -> Stop {
        let rest = self.text.get(self.pos..).unwrap_or_default();
        let what = match rest.chars().next() {
            Some(c) => go_quote(&c.to_string()),
            None => "end of input".to_owned(),
        };
        self.fail(self.pos, format!("unexpected {what} in series values"))
    }
}

/// An `x` after a number counts it.
fn is_alpha_but_x(byte: u8) -> bool {
    is_alpha(byte) && byte != b'x'
}

fn combined(
    base: &FloatHistogram,
    step: &FloatHistogram,
    minus: bool,
) -> Result<FloatHistogram, String> {
    if base.schema > step.schema {
        return Err(format!(
            "error combining histograms: cannot merge from schema {} to {}",
            step.schema, base.schema
        ));
    }
    let mut sum = base.clone();
    let outcome = if minus { sum.sub(step) } else { sum.add(step) };
    match outcome {
        Ok(_) => Ok(sum),
        Err(error) => Err(error.to_string()),
    }
}
