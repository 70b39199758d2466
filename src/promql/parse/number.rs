//! Numbers, durations and quoted strings: their extent and their values.

use super::chars::is_alphanumeric;
use crate::{
    labels::go_quote,
    promql::text::from_bytes,
    time::{DurationError, parse_prom_duration},
};

/// What stands where a number begins, and how long it is.
pub(super) enum Scanned {
    Number(usize),
    Duration(usize),
    /// Neither; what was read until that was clear.
    Bad(usize),
}

/// Finds the end of a number or a duration.
pub(super) fn scan(text: &[u8]) -> Scanned {
    let mut scan = Scan { text, pos: 0 };
    if scan.number() {
        return Scanned::Number(scan.pos);
    }
    if scan.duration() {
        return Scanned::Duration(scan.pos);
    }
    Scanned::Bad(scan.pos.min(text.len()))
}

struct Scan<'a> {
    text: &'a [u8],
    pos: usize,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.pos).copied()
    }

    fn accept(&mut self, fits: impl Fn(u8) -> bool) -> bool {
        let found = self.peek().is_some_and(fits);
        self.pos += usize::from(found);
        found
    }

    fn number(&mut self) -> bool {
        let mut hex = false;
        if self.accept(|b| b == b'0') && self.accept(|b| matches!(b, b'x' | b'X')) {
            self.accept(|b| b == b'_');
            hex = true;
        }
        let digit = move |b: u8| b.is_ascii_digit() || (hex && b.is_ascii_hexdigit());
        let exponent = |b: u8| matches!(b, b'e' | b'E');
        self.accept(|b| b == b'.');
        self.accept(digit);
        let (mut dot_seen, mut exponent_seen) = (false, false);
        while let Some(byte) = self.peek() {
            match byte {
                b'.' => {
                    self.pos += 1;
                    let repeated = dot_seen || self.accept(|b| matches!(b, b'_' | b'.'));
                    dot_seen = true;
                    if repeated || hex {
                        return false;
                    }
                }
                b'e' | b'E' => {
                    self.pos += 1;
                    if exponent_seen {
                        return false;
                    }
                    exponent_seen = true;
                    self.accept(|b| matches!(b, b'+' | b'-'));
                    if self.ends_badly(exponent) {
                        return false;
                    }
                }
                b'_' => {
                    self.pos += 1;
                    if self.ends_badly(exponent) {
                        return false;
                    }
                }
                _ if digit(byte) => while self.accept(digit) {},
                _ => break,
            }
        }
        !self.peek().is_some_and(is_alphanumeric)
    }

    /// Neither an exponent nor an underscore may be the last, or be followed by its like.
    fn ends_badly(&mut self, exponent: impl Fn(u8) -> bool) -> bool {
        self.accept(|b| matches!(b, b'.' | b'_') || exponent(b)) || self.peek().is_none()
    }

    /// The rest of a duration whose first digits are read.
    fn duration(&mut self) -> bool {
        if !self.accept(|b| b"smhdwy".contains(&b)) {
            return false;
        }
        self.accept(|b| b == b's');
        while self.accept(|b| b.is_ascii_digit()) {
            while self.accept(|b| b.is_ascii_digit()) {}
            if !self.accept(|b| b"smhdw".contains(&b)) {
                return false;
            }
            self.accept(|b| b == b's');
        }
        if self.peek().is_some_and(is_alphanumeric) {
            self.pos += 1;
            return false;
        }
        true
    }
}

/// The value of a number.
///
/// # Errors
/// With the message of Go's `strconv`.
pub(super) fn value(text: &str) -> Result<f64, String> {
    if let Some(whole) = whole(text) {
        return Ok(whole);
    }
    let fail = |why: &str| {
        let text = go_quote(text);
        Err(format!(
            "error parsing number: strconv.ParseFloat: parsing {text}: {why}"
        ))
    };
    match text.to_ascii_lowercase().as_str() {
        "inf" => return Ok(f64::INFINITY),
        "nan" => return Ok(f64::NAN),
        _ => {}
    }
    if !underscores_separate_digits(text) {
        return fail("invalid syntax");
    }
    match text.replace('_', "").parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => fail("value out of range"),
        Err(_) => fail("invalid syntax"),
    }
}

/// A whole number of 64 bits as Go writes it: `0x` for hexadecimal, `0` for octal.
fn whole(text: &str) -> Option<f64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (text.get(2..)?, 16),
        [b'0', _, ..] => (text.get(1..)?, 8),
        _ => (text, 10),
    };
    let number = if digits.contains('_') {
        if !underscores_separate_digits(text) {
            return None;
        }
        i64::from_str_radix(&digits.replace('_', ""), radix)
    } else {
        i64::from_str_radix(digits, radix)
    };
    #[expect(clippy::cast_precision_loss, reason = "Go converts as well")]
    number.ok().map(|number| number as f64)
}

fn underscores_separate_digits(text: &str) -> bool {
    let hex = matches!(text.as_bytes(), [b'0', b'x' | b'X', ..]);
    let digits = if hex {
        text.get(2..).unwrap_or_default()
    } else {
        text
    };
    let is_digit = |b: u8| b.is_ascii_digit() || (hex && b.is_ascii_hexdigit());
    // What stands before the number counts as a digit only if it is a prefix.
    let mut before_is_digit = hex;
    let mut before_is_underscore = false;
    for byte in digits.bytes() {
        let digit = is_digit(byte);
        let underscore = byte == b'_';
        if (underscore && !before_is_digit) || (before_is_underscore && !digit) {
            return false;
        }
        before_is_digit = digit;
        before_is_underscore = underscore;
    }
    !before_is_underscore
}

/// The seconds of a duration.
///
/// # Errors
/// With the message of `prometheus/common`.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    match parse_prom_duration(text) {
        Ok(duration) => Ok(duration.as_secs_f64()),
        Err(error @ DurationError::NotProm(_)) => Err(match unknown_unit(text) {
            Some(unit) => format!(
                "unknown unit {} in duration {}",
                go_quote(unit),
                go_quote(text)
            ),
            None => error.to_string(),
        }),
        Err(error) => Err(error.to_string()),
    }
}

fn unknown_unit(text: &str) -> Option<&str> {
    text.split(|c: char| c.is_ascii_digit())
        .filter(|unit| !unit.is_empty())
        .find(|unit| !["y", "w", "d", "h", "m", "s", "ms"].contains(unit))
}

/// The text of a string literal whose escapes are known to be right.
pub(super) fn unquote(literal: &str) -> String {
    let inner = literal
        .get(1..literal.len().saturating_sub(1))
        .unwrap_or_default();
    if literal.starts_with('`') || !inner.contains('\\') {
        return inner.to_owned();
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(before.as_bytes());
        rest = unescape(after, &mut bytes);
    }
    bytes.extend_from_slice(rest.as_bytes());
    from_bytes(&bytes)
}

fn unescape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> &'a str {
    let (digits, radix) = match text.bytes().next() {
        Some(b'x') => (1..3, 16),
        Some(b'u') => (1..5, 16),
        Some(b'U') => (1..9, 16),
        Some(b'0'..=b'7') => (0..3, 8),
        Some(kind) => {
            bytes.push(match kind {
                b'a' => 7,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'v' => 11,
                other => other,
            });
            return text.get(1..).unwrap_or_default();
        }
        None => return "",
    };
    let end = digits.end;
    let code = text
        .get(digits)
        .and_then(|digits| u32::from_str_radix(digits, radix).ok());
    let code = code.unwrap_or_default();
    if matches!(end, 3) {
        bytes.extend(u8::try_from(code));
    } else {
        let c = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
        bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    }
    text.get(end..).unwrap_or_default()
}
