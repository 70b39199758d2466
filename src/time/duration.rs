//! The two duration notations of the field: Go's `time.Duration` and Prometheus's `model.Duration`.

use std::{fmt::Write as _, time::Duration};

/// A text is not a duration. Each message is what Go or `prometheus/common` says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// Go: no digits, or a stray character.
    #[error("time: invalid duration {0:?}")]
    Invalid(String),
    /// Go: a number without a unit.
    #[error("time: missing unit in duration {0:?}")]
    MissingUnit(String),
    /// Go: a unit that does not exist.
    #[error("time: unknown unit {unit:?} in duration {text:?}")]
    UnknownUnit {
        /// The unit as written.
        unit: String,
        /// The whole text.
        text: String,
    },
    /// Prometheus: an empty text.
    #[error("empty duration string")]
    Empty,
    /// Prometheus: not of the form `1y2w3d4h5m6s7ms`.
    #[error("not a valid duration string: {0:?}")]
    NotProm(String),
    /// More than 292 years.
    #[error("duration out of range")]
    OutOfRange,
}

const MAX_NANOS: u128 = i64::MAX as u128;
const MILLI: u128 = 1_000_000;
const SECOND: u128 = 1_000 * MILLI;
const MINUTE: u128 = 60 * SECOND;
const HOUR: u128 = 60 * MINUTE;
const DAY: u128 = 24 * HOUR;

/// Units of `model.Duration`, in the only order that it takes.
const PROM_UNITS: [(&str, u128); 7] = [
    ("y", 365 * DAY),
    ("w", 7 * DAY),
    ("d", DAY),
    ("h", HOUR),
    ("m", MINUTE),
    ("s", SECOND),
    ("ms", MILLI),
];

/// Parses Go's notation (`1h30m`, `1.5s`, `-1s`). Negative durations come back as zero with `true`.
///
/// With `days`, the units `d` and `w` are taken as well, as kingpin takes them on the command line.
///
/// # Errors
/// With Go's own message.
pub fn parse_go_duration(text: &str, days: bool) -> Result<(Duration, bool), DurationError> {
    let invalid = || DurationError::Invalid(text.to_owned());
    let negative = text.starts_with('-');
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return Ok((Duration::ZERO, false));
    }
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (whole, after) = rest.split_at(digits);
        let (fraction, after) = match after.strip_prefix('.') {
            Some(after) => after.split_at(
                after
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(after.len()),
            ),
            None => ("", after),
        };
        if whole.is_empty() && fraction.is_empty() {
            return Err(invalid());
        }
        let unit_len = after
            .find(|c: char| c == '.' || c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_len);
        if unit.is_empty() {
            return Err(DurationError::MissingUnit(text.to_owned()));
        }
        let scale = go_unit(unit, days).ok_or_else(|| DurationError::UnknownUnit {
            unit: unit.to_owned(),
            text: text.to_owned(),
        })?;
        let number = |digits: &str| {
            if digits.is_empty() {
                Ok(0)
            } else {
                digits
                    .parse::<u64>()
                    .ok()
                    .map(u128::from)
                    .ok_or_else(invalid)
            }
        };
        let fraction = &fraction[..fraction.len().min(15)];
        let places = u32::try_from(fraction.len()).unwrap_or_default();
        total += number(whole)? * scale + number(fraction)? * scale / 10_u128.pow(places);
        if total > MAX_NANOS {
            return Err(invalid());
        }
        rest = after;
    }
    Ok((
        if negative {
            Duration::ZERO
        } else {
            from_nanos(total)
        },
        negative && total > 0,
    ))
}

fn go_unit(unit: &str, days: bool) -> Option<u128> {
    Some(match unit {
        "ns" => 1,
        "us" | "µs" | "μs" => 1_000,
        "ms" => MILLI,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        "d" if days => DAY,
        "w" if days => 7 * DAY,
        _ => return None,
    })
}

/// Parses Prometheus's notation (`1w2d`, `5m`, `0`): units in falling order, each once, no fractions.
///
/// # Errors
/// With the message of `prometheus/common`.
pub fn parse_prom_duration(text: &str) -> Result<Duration, DurationError> {
    match text {
        "" => return Err(DurationError::Empty),
        "0" => return Ok(Duration::ZERO),
        _ => {}
    }
    let invalid = || DurationError::NotProm(text.to_owned());
    let mut rest = text;
    let mut units = PROM_UNITS.iter();
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .ok_or_else(invalid)?;
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, scale) = units
            .by_ref()
            .find(|(name, _)| *name == unit)
            .ok_or_else(invalid)?;
        if number.is_empty() {
            return Err(invalid());
        }
        let number: u64 = number.parse().ok().ok_or(DurationError::OutOfRange)?;
        total = u128::from(number)
            .checked_mul(*scale)
            .and_then(|n| total.checked_add(n))
            .unwrap_or(u128::MAX);
        if total > MAX_NANOS {
            return Err(DurationError::OutOfRange);
        }
        rest = after;
    }
    Ok(from_nanos(total))
}

/// Prints as Go's `time.Duration.String` (`1h30m0s`, `1.5s`, `0s`).
#[must_use]
pub fn format_go_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < SECOND {
        let (unit, scale) = if nanos < 1_000 {
            ("ns", 1)
        } else if nanos < MILLI {
            ("µs", 1_000)
        } else {
            ("ms", MILLI)
        };
        return format!("{}{unit}", decimal(nanos, scale));
    }
    let mut text = String::new();
    let (hours, minutes) = (nanos / HOUR, nanos / MINUTE % 60);
    if hours > 0 {
        let _ = write!(text, "{hours}h");
    }
    if hours > 0 || minutes > 0 {
        let _ = write!(text, "{minutes}m");
    }
    let _ = write!(text, "{}s", decimal(nanos % MINUTE, SECOND));
    text
}

/// Prints as `model.Duration.String` (`1h30m`, `1d`, `0s`); what is below a millisecond is cut.
#[must_use]
pub fn format_prom_duration(duration: Duration) -> String {
    let mut nanos = duration.as_nanos() / MILLI * MILLI;
    if nanos == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, scale) in PROM_UNITS {
        // Upstream prints years, weeks and days only where nothing smaller remains.
        let exact_only = matches!(unit, "y" | "w" | "d");
        if nanos < scale || (exact_only && !nanos.is_multiple_of(scale)) {
            continue;
        }
        let _ = write!(text, "{}{unit}", nanos / scale);
        nanos %= scale;
    }
    text
}

fn decimal(nanos: u128, scale: u128) -> String {
    let (whole, fraction) = (nanos / scale, nanos % scale);
    if fraction == 0 {
        return whole.to_string();
    }
    let digits = scale.ilog10() as usize;
    format!(
        "{whole}.{}",
        format!("{fraction:0digits$}").trim_end_matches('0')
    )
}

fn from_nanos(nanos: u128) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn go_durations() {
        for (text, expect) in [
            ("1h30m", Ok("1h30m0s")),
            ("1.5s", Ok("1.5s")),
            ("100ms", Ok("100ms")),
            (".5h", Ok("30m0s")),
            ("0", Ok("0s")),
            ("5d", Ok("120h0m0s")),
            ("1w", Ok("168h0m0s")),
            ("30", Err("time: missing unit in duration \"30\"")),
            ("", Err("time: invalid duration \"\"")),
            ("x", Err("time: invalid duration \"x\"")),
            (
                "1fortnight",
                Err("time: unknown unit \"fortnight\" in duration \"1fortnight\""),
            ),
            (
                "99999999999999999999h",
                Err("time: invalid duration \"99999999999999999999h\""),
            ),
        ] {
            let got = parse_go_duration(text, true)
                .map(|(d, _)| format_go_duration(d))
                .map_err(|e| e.to_string());
            assert_eq!(
                got,
                expect.map(str::to_owned).map_err(str::to_owned),
                "{text}"
            );
        }
        assert_eq!(parse_go_duration("-1s", false), Ok((Duration::ZERO, true)));
        assert!(parse_go_duration("1d", false).is_err());
    }

    #[test]
    fn prom_durations() {
        for (text, expect) in [
            ("1d2h", Ok("26h")),
            ("1w", Ok("1w")),
            ("90m", Ok("1h30m")),
            ("0", Ok("0s")),
            ("1s500ms", Ok("1s500ms")),
            ("", Err("empty duration string")),
            ("1.5h", Err("not a valid duration string: \"1.5h\"")),
            ("2h1d", Err("not a valid duration string: \"2h1d\"")),
            ("-1s", Err("not a valid duration string: \"-1s\"")),
            ("30", Err("not a valid duration string: \"30\"")),
            ("500y", Err("duration out of range")),
        ] {
            let got = parse_prom_duration(text)
                .map(format_prom_duration)
                .map_err(|e| e.to_string());
            assert_eq!(
                got,
                expect.map(str::to_owned).map_err(str::to_owned),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn what_is_printed_parses(millis in 0_u64..4_000_000_000_000) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_prom_duration(&format_prom_duration(duration)), Ok(duration));
            prop_assert_eq!(parse_go_duration(&format_go_duration(duration), false), Ok((duration, false)));
        }
    }
}
