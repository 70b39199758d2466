//! `now`, `since`, `date`, `tz`, `toDate`, `mustToDate`, `humanizeDuration`, and our `localTime`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the kinds of values"
)]

use super::{
    super::{
        go_type::Type,
        gotime::{Time, Zone, between, duration_seconds, parse},
        printf,
        value::Value,
    },
    args::{string, time},
    table::{Context, Function},
};

pub(super) static TIME: [Function; 8] = [
    Function::new("now", &[], |context, _| {
        let now = Time::from(context.scope.now);
        let zone = Zone::Local(context.scope.local.clone());
        Ok(Value::Time(now.at_zone(zone)))
    }),
    Function::new("since", &[Type::Time], |context, args| {
        let now = context.scope.now.to_jiff();
        Ok(Value::Duration(between(time(args, 0).at, now)))
    }),
    Function::new("date", &[Type::Str, Type::Time], |context, args| {
        let layout = string(args, 0);
        context.charge(layout.len())?;
        context.text(time(args, 1).format(layout))
    }),
    Function::new("tz", &[Type::Str, Type::Time], |context, args| {
        let zone = context.zone(string(args, 0))?;
        Ok(Value::Time(time(args, 1).at_zone(zone)))
    }),
    Function::new("toDate", &[Type::Str, Type::Str], |context, args| {
        context.charge(string(args, 0).len())?;
        let read = parse(string(args, 0), string(args, 1));
        Ok(Value::Time(read.unwrap_or_else(|_| Time::zero())))
    }),
    Function::new("mustToDate", &[Type::Str, Type::Str], |context, args| {
        context.charge(string(args, 0).len())?;
        parse(string(args, 0), string(args, 1)).map(Value::Time)
    }),
    Function::new("humanizeDuration", &[Type::Any], |_, args| {
        Ok(humanize(seconds(&args[0])?).into())
    }),
    Function::variadic("localTime", &[Type::Any], local_time),
];

/// `localTime TIME` or `localTime LAYOUT TIME`: the time in the configured zone; a dash for the zero time.
fn local_time(context: &Context<'_>, args: &[Value]) -> Result<Value, String> {
    const LAYOUT: &str = "2006-01-02 15:04:05 MST";
    let (layout, time) = match args {
        [Value::Time(time)] => (LAYOUT, time),
        [Value::Str(layout), Value::Time(time)] => (&**layout, time),
        _ => return Err("localTime takes a time, or a layout and a time".to_owned()),
    };
    if time.is_zero() {
        return Ok("—".into());
    }
    context.charge(layout.len())?;
    let zone = Zone::Named(context.scope.zone.clone());
    context.text(time.at_zone(zone).format(layout))
}

/// Seconds of what `prometheus/common` `ConvertToFloat` takes.
#[expect(clippy::cast_precision_loss, reason = "as Go's conversion")]
fn seconds(value: &Value) -> Result<f64, String> {
    Ok(match value {
        Value::Float(number) => *number,
        Value::Int(_, number) => *number as f64,
        Value::Uint(super::super::value::Uint::Uint64, number) => *number as f64,
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

/// `prometheus/common/helpers/templates` `HumanizeDuration`.
fn humanize(value: f64) -> String {
    const PREFIXES: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];
    let four =
        |value: f64| printf::sprintf("%.4g", &[Value::Float(value)], 100).unwrap_or_default();
    if !value.is_finite() {
        return four(value);
    }
    if value == 0.0 {
        return format!("{}s", four(value));
    }
    if value.abs() < 1.0 {
        let mut value = value;
        let mut prefix = "";
        for next in PREFIXES {
            if value.abs() >= 1.0 {
                break;
            }
            prefix = next;
            value *= 1000.0;
        }
        return format!("{}{prefix}s", four(value));
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let value = value.abs();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "whole seconds; what is out of range is held to it"
    )]
    let whole = value as u64;
    let (days, hours) = (whole / 86400, whole / 3600 % 24);
    let (minutes, seconds) = (whole / 60 % 60, whole % 60);
    if days > 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours > 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes > 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", four(value))
    }
}
