//! What a YAML 1.1 scalar means, as `yaml.v2` 2.4.0 resolves it.

use base64::{Engine as _, engine::general_purpose::STANDARD};

const TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// The meaning of a scalar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer above `i64::MAX`.
    Uint(u64),
    Float(f64),
    /// A date; it reads as a string everywhere.
    Timestamp,
    /// The text as it stands.
    String,
    /// The content of a `!!binary` scalar.
    Binary(String),
    /// A scalar with a tag of its own; it reads as a string.
    Tagged,
}

impl Resolved {
    fn short_tag(&self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::Uint(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Timestamp => "!!timestamp",
            Self::String | Self::Tagged => "!!str",
            Self::Binary(_) => "!!binary",
        }
    }
}

/// A scalar does not fit its own tag; the text is `yaml.v2`'s.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TagMismatch(pub(crate) String);

/// Resolves a scalar; `plain` tells that it had neither quotes nor a tag.
pub(crate) fn resolve(
    value: &str,
    tag: Option<&str>,
    plain: bool,
) -> Result<Resolved, TagMismatch> {
    let Some(tag) = tag else {
        return Ok(if plain {
            resolve_plain(value, true)
        } else {
            Resolved::String
        });
    };
    let found = match tag.strip_prefix(TAG_PREFIX) {
        Some("str") => return Ok(Resolved::String),
        Some("binary") => {
            return STANDARD
                .decode(value)
                .ok()
                .map(|bytes| Resolved::Binary(String::from_utf8_lossy(&bytes).into_owned()))
                .ok_or_else(|| {
                    TagMismatch("!!binary value contains invalid base64 data".to_owned())
                });
        }
        Some("timestamp") => resolve_plain(value, true),
        Some("bool" | "int" | "float" | "null") => resolve_plain(value, false),
        _ => return Ok(Resolved::Tagged),
    };
    let short = short_tag(tag);
    if let Resolved::Int(n) = found
        && short == "!!float"
    {
        #[expect(clippy::cast_precision_loss, reason = "as Go converts it")]
        return Ok(Resolved::Float(n as f64));
    }
    if found.short_tag() == short {
        return Ok(found);
    }
    Err(TagMismatch(format!(
        "cannot decode {} `{value}` as a {short}",
        found.short_tag()
    )))
}

/// `!!int` for `tag:yaml.org,2002:int`; tags of other kinds stay as they are.
pub(crate) fn short_tag(tag: &str) -> String {
    match tag.strip_prefix(TAG_PREFIX) {
        Some(name) => format!("!!{name}"),
        None => tag.to_owned(),
    }
}

/// The tag that an error message shows for a scalar.
pub(crate) fn shown_tag(resolved: &Resolved, tag: Option<&str>) -> String {
    tag.map_or_else(|| resolved.short_tag().to_owned(), short_tag)
}

fn resolve_plain(text: &str, dates: bool) -> Resolved {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Resolved::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Resolved::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Resolved::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Resolved::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.as_bytes()[0] {
        b'.' => float(text).map_or(Resolved::String, Resolved::Float),
        b'0'..=b'9' | b'+' | b'-' => {
            if dates && is_timestamp(text) {
                return Resolved::Timestamp;
            }
            number(&text.replace('_', ""))
        }
        _ => Resolved::String,
    }
}

fn number(text: &str) -> Resolved {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    if let Some(magnitude) = magnitude(digits) {
        if negative {
            if let Some(n) = 0i64.checked_sub_unsigned(magnitude) {
                return Resolved::Int(n);
            }
        } else if let Ok(n) = i64::try_from(magnitude) {
            return Resolved::Int(n);
        } else if !text.starts_with('+') {
            return Resolved::Uint(magnitude);
        }
    }
    float(text).map_or(Resolved::String, Resolved::Float)
}

/// An integer as Go's `ParseUint` reads it with base 0: by its prefix hexadecimal, octal, binary or decimal.
fn magnitude(digits: &str) -> Option<u64> {
    let (radix, rest) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, &digits[2..]),
        [b'0', b'o' | b'O', ..] => (8, &digits[2..]),
        [b'0', b'b' | b'B', ..] => (2, &digits[2..]),
        [b'0', _, ..] => (8, &digits[1..]),
        _ => (10, digits),
    };
    if rest.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(rest, radix).ok()
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, within the range of a double.
fn float(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let shaped = all_digits(whole)
        && all_digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|e| {
            let e = e.strip_prefix(['+', '-']).unwrap_or(e);
            !e.is_empty() && all_digits(e)
        });
    let value: f64 = shaped.then(|| text.parse().ok()).flatten()?;
    value.is_finite().then_some(value)
}

/// Whether the text is one of the date layouts: `2006-1-2`, or with a time behind `T`, `t` or a space.
fn is_timestamp(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let digits = |s: &str, min: usize, max: usize| {
        (min..=max).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit())
    };
    let mut parts = date.split('-');
    let (year, month, day) = (parts.next(), parts.next(), parts.next());
    let in_range = |part: Option<&str>, max: u8| {
        part.is_some_and(|p| digits(p, 1, 2) && p.parse().is_ok_and(|n: u8| (1..=max).contains(&n)))
    };
    if !year.is_some_and(|y| digits(y, 4, 4))
        || !in_range(month, 12)
        || !in_range(day, 31)
        || parts.next().is_some()
    {
        return false;
    }
    let Some(time) = time else { return true };
    let spaced = text.contains(' ');
    let (clock, zone) = match time.find(['Z', '+', '-']) {
        Some(at) => (&time[..at], &time[at..]),
        None => (time, ""),
    };
    let zoned = zone == "Z"
        || zone
            .get(1..)
            .and_then(|z| z.split_once(':'))
            .is_some_and(|(h, m)| digits(h, 2, 2) && digits(m, 2, 2));
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let fields: Vec<&str> = clock.split(':').collect();
    fields.len() == 3
        && fields.iter().all(|f| digits(f, 1, 2))
        && digits(fraction, 1, 32)
        && if spaced { zone.is_empty() } else { zoned }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars() {
        for (text, expect) in [
            ("yes", Resolved::Bool(true)),
            ("Off", Resolved::Bool(false)),
            ("yEs", Resolved::String),
            ("~", Resolved::Null),
            ("nULL", Resolved::String),
            ("017", Resolved::Int(15)),
            ("-0x1F", Resolved::Int(-31)),
            ("1_000", Resolved::Int(1000)),
            ("0b11", Resolved::Int(3)),
            ("-9223372036854775808", Resolved::Int(i64::MIN)),
            ("9223372036854775808", Resolved::Uint(1 << 63)),
            (
                "123456789012345678901234",
                Resolved::Float(1.234_567_890_123_456_8e23),
            ),
            ("09", Resolved::Float(9.0)),
            ("1e3", Resolved::Float(1000.0)),
            ("1e999", Resolved::String),
            (".5", Resolved::Float(0.5)),
            (".", Resolved::String),
            ("-", Resolved::String),
            ("+-5", Resolved::String),
            ("0x", Resolved::String),
            ("0x+5", Resolved::String),
            ("09:00", Resolved::String),
            ("5m", Resolved::String),
            ("2024-01-01", Resolved::Timestamp),
            ("2024-13-01", Resolved::String),
            ("2001-12-14t21:59:43.10-05:00", Resolved::Timestamp),
            ("2001-12-14 21:59:43.10", Resolved::Timestamp),
            ("2001-12-14 21:59:43.10 -5", Resolved::String),
        ] {
            assert_eq!(resolve(text, None, true), Ok(expect), "{text}");
            assert_eq!(resolve(text, None, false), Ok(Resolved::String), "{text}");
        }
    }

    #[test]
    fn tagged_scalars() {
        let tagged = |tag: &str, text: &str| resolve(text, Some(tag), false);
        assert_eq!(
            tagged("tag:yaml.org,2002:float", "3"),
            Ok(Resolved::Float(3.0))
        );
        assert_eq!(
            tagged("tag:yaml.org,2002:int", "x"),
            Err(TagMismatch("cannot decode !!str `x` as a !!int".into()))
        );
        assert_eq!(
            tagged("tag:yaml.org,2002:binary", "aGk="),
            Ok(Resolved::Binary("hi".into()))
        );
        assert_eq!(tagged("!mine", "3"), Ok(Resolved::Tagged));
    }
}
