//! Numbers for people (`prometheus/common/helpers/templates` and `template/template.go` of Prometheus).
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the kinds of values"
)]

use super::{
    super::{
        gotime::duration_seconds,
        printf,
        value::{Uint, Value},
    },
    rule::go_int64,
};

/// The number that `ConvertToFloat` makes of a value.
#[expect(clippy::cast_precision_loss, reason = "as Go's conversion")]
pub(super) fn number(value: &Value) -> Result<f64, String> {
    Ok(match value {
        Value::Float(number) => *number,
        Value::Int(_, number) => *number as f64,
        Value::Uint(Uint::Uint64, number) => *number as f64,
        Value::Duration(nanos) => duration_seconds(*nanos),
        Value::Str(text) => go_float(text).ok_or_else(|| {
            let text = crate::labels::go_quote(text);
            format!("strconv.ParseFloat: parsing {text}: invalid syntax")
        })?,
        Value::Nil | Value::NilAny => return Err("can't convert <nil> to float".to_owned()),
        other => return Err(format!("can't convert {} to float", other.type_name())),
    })
}

/// Rust reads the same notations, and `inf` and `nan` in any case as Go does.
fn go_float(text: &str) -> Option<f64> {
    text.parse().ok()
}

const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];
const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const LARGE_1024: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];

/// Four significant digits.
fn four(value: f64) -> String {
    printf::sprintf("%.4g", &[Value::Float(value)], 100).unwrap_or_default()
}

/// As many times a factor larger as makes it at least 1.
fn enlarged(mut value: f64) -> String {
    let mut prefix = "";
    for next in SMALL {
        if value.abs() >= 1.0 {
            break;
        }
        prefix = next;
        value *= 1000.0;
    }
    format!("{}{prefix}", four(value))
}

/// As many times a factor smaller as makes it less than the factor.
fn reduced(mut value: f64, factor: f64, prefixes: [&str; 8]) -> String {
    let mut prefix = "";
    for next in prefixes {
        if value.abs() < factor {
            break;
        }
        prefix = next;
        value /= factor;
    }
    format!("{}{prefix}", four(value))
}

/// `1234567` is `1.235M`.
pub(super) fn humanize(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        four(value)
    } else if value.abs() >= 1.0 {
        reduced(value, 1000.0, LARGE)
    } else {
        enlarged(value)
    }
}

/// `1048576` is `1Mi`.
pub(super) fn humanize_1024(value: f64) -> String {
    if value.abs() <= 1.0 || !value.is_finite() {
        four(value)
    } else {
        reduced(value, 1024.0, LARGE_1024)
    }
}

/// `0.1` is `10%`.
pub(super) fn percentage(value: f64) -> String {
    format!("{}%", four(value * 100.0))
}

/// Seconds: `90061` is `1d 1h 1m 1s`.
pub(super) fn humanize_duration(value: f64) -> String {
    if !value.is_finite() {
        return four(value);
    }
    if value == 0.0 {
        return format!("{}s", four(value));
    }
    if value.abs() < 1.0 {
        return format!("{}s", enlarged(value));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let value = value.abs();
    let whole = go_int64(value);
    let (days, hours) = (whole / 86400, whole / 3600 % 24);
    let (minutes, seconds) = (whole / 60 % 60, whole % 60);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", four(value))
    }
}
