//! Methods of `time.Time`, `time.Duration`, `time.Month`, `time.Weekday` and `*time.Location`.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the kinds of values"
)]

use std::{borrow::Cow, cmp::Ordering};

use jiff::civil::{Date, DateTime};

use super::{
    super::{
        funcs::Function,
        go_type::Type,
        value::{Int, Value},
    },
    duration::{duration_seconds, duration_text, in_units, round, truncate},
    zone::{Time, Zone, between},
};
use crate::time::Timestamp;

/// Methods of `time.Time`.
pub(crate) static TIME: [Function; 36] = [
    Function::new("Format", &[Type::Str], |context, args| {
        let layout = args.get(1).map(text).unwrap_or_default();
        context.charge(layout.len())?;
        context.text(time(args).format(layout))
    }),
    Function::new("String", &[], |_, args| Ok(time(args).to_string().into())),
    Function::new("GoString", &[], |_, args| Ok(time(args).go_string().into())),
    Function::new("Unix", &[], |_, args| Ok(int64(unix(args).0))),
    Function::new("UnixMilli", &[], |_, args| {
        Ok(int64(time(args).at.as_millisecond()))
    }),
    Function::new("UnixMicro", &[], |_, args| {
        Ok(int64(time(args).at.as_microsecond()))
    }),
    Function::new("UnixNano", &[], |_, args| {
        let (seconds, nanos) = unix(args);
        // Go's overflows without a word.
        Ok(int64(
            seconds.wrapping_mul(1_000_000_000).wrapping_add(nanos),
        ))
    }),
    Function::new("Local", &[], |context, args| {
        let zone = Zone::Local(context.scope.local.clone());
        Ok(Value::Time(time(args).at_zone(zone)))
    }),
    Function::new("UTC", &[], |_, args| {
        Ok(Value::Time(time(args).at_zone(Zone::Utc)))
    }),
    Function::new("In", &[Type::Zone], |_, args| match args.get(1) {
        Some(Value::Zone(zone)) => Ok(Value::Time(time(args).at_zone(zone.clone()))),
        _ => Err("time: missing Location in call to Time.In".to_owned()),
    }),
    Function::new("Location", &[], |_, args| {
        Ok(Value::Zone(time(args).zone.clone()))
    }),
    Function::new("Sub", &[Type::Time], |_, args| {
        let (this, other) = (time(args), second(args));
        Ok(Value::Duration(between(other.at, this.at)))
    }),
    Function::new("Add", &[Type::Duration], |_, args| {
        Ok(Value::Time(time(args).plus(number(args, 1))))
    }),
    Function::new("AddDate", &[Type::Int, Type::Int, Type::Int], |_, args| {
        let moved = add_date(time(args), [1, 2, 3].map(|at| number(args, at)));
        Ok(Value::Time(moved))
    }),
    Function::new("Truncate", &[Type::Duration], |_, args| {
        Ok(Value::Time(truncated(time(args), number(args, 1), false)))
    }),
    Function::new("Round", &[Type::Duration], |_, args| {
        Ok(Value::Time(truncated(time(args), number(args, 1), true)))
    }),
    Function::new("Before", &[Type::Time], |_, args| {
        Ok(Value::Bool(order(args) == Ordering::Less))
    }),
    Function::new("After", &[Type::Time], |_, args| {
        Ok(Value::Bool(order(args) == Ordering::Greater))
    }),
    Function::new("Equal", &[Type::Time], |_, args| {
        Ok(Value::Bool(order(args) == Ordering::Equal))
    }),
    Function::new("Compare", &[Type::Time], |_, args| {
        Ok(int(match order(args) {
            Ordering::Less => -1,
            Ordering::Equal => 0,
            Ordering::Greater => 1,
        }))
    }),
    Function::new("IsZero", &[], |_, args| {
        Ok(Value::Bool(time(args).is_zero()))
    }),
    Function::new("IsDST", &[], |_, args| Ok(Value::Bool(time(args).is_dst()))),
    Function::new("Year", &[], |_, args| Ok(int(civil(args).year()))),
    Function::new("Month", &[], |_, args| {
        Ok(Value::Month(civil(args).month().into()))
    }),
    Function::new("Day", &[], |_, args| Ok(int(civil(args).day()))),
    Function::new("Hour", &[], |_, args| Ok(int(civil(args).hour()))),
    Function::new("Minute", &[], |_, args| Ok(int(civil(args).minute()))),
    Function::new("Second", &[], |_, args| Ok(int(civil(args).second()))),
    Function::new("Nanosecond", &[], |_, args| {
        Ok(int(civil(args).subsec_nanosecond()))
    }),
    Function::new("Weekday", &[], |_, args| {
        let day = civil(args).weekday().to_sunday_zero_offset();
        Ok(Value::Weekday(day.into()))
    }),
    Function::new("YearDay", &[], |_, args| Ok(int(civil(args).day_of_year()))),
    // With more than one result, which Go refuses to call as well.
    Function::new("Date", &[], |_, _| Err(results("Date", 3))),
    Function::new("Clock", &[], |_, _| Err(results("Clock", 3))),
    Function::new("ISOWeek", &[], |_, _| Err(results("ISOWeek", 2))),
    Function::new("Zone", &[], |_, _| Err(results("Zone", 2))),
    Function::new("ZoneBounds", &[], |_, _| Err(results("ZoneBounds", 2))),
];

/// Methods of `time.Duration`.
pub(crate) static DURATION: [Function; 10] = [
    Function::new("String", &[], |_, args| {
        Ok(duration_text(number(args, 0)).into())
    }),
    Function::new("Hours", &[], |_, args| {
        Ok(Value::Float(in_units(number(args, 0), 3_600_000_000_000)))
    }),
    Function::new("Minutes", &[], |_, args| {
        Ok(Value::Float(in_units(number(args, 0), 60_000_000_000)))
    }),
    Function::new("Seconds", &[], |_, args| {
        Ok(Value::Float(duration_seconds(number(args, 0))))
    }),
    Function::new("Milliseconds", &[], |_, args| {
        Ok(int64(number(args, 0) / 1_000_000))
    }),
    Function::new("Microseconds", &[], |_, args| {
        Ok(int64(number(args, 0) / 1_000))
    }),
    Function::new("Nanoseconds", &[], |_, args| Ok(int64(number(args, 0)))),
    Function::new("Abs", &[], |_, args| {
        Ok(Value::Duration(number(args, 0).saturating_abs()))
    }),
    Function::new("Round", &[Type::Duration], |_, args| {
        Ok(Value::Duration(round(number(args, 0), number(args, 1))))
    }),
    Function::new("Truncate", &[Type::Duration], |_, args| {
        Ok(Value::Duration(truncate(number(args, 0), number(args, 1))))
    }),
];

/// Methods of `time.Month`.
pub(crate) static MONTH: [Function; 1] = [Function::new("String", &[], |_, args| {
    Ok(month_text(number(args, 0)).into_owned().into())
})];

/// Methods of `time.Weekday`.
pub(crate) static WEEKDAY: [Function; 1] = [Function::new("String", &[], |_, args| {
    Ok(weekday_text(number(args, 0)).into_owned().into())
})];

/// Methods of `*time.Location`.
pub(crate) static LOCATION: [Function; 1] =
    [Function::new("String", &[], |_, args| match args.first() {
        Some(Value::Zone(zone)) => Ok(zone.name().into()),
        _ => Ok("UTC".into()),
    })];

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = [
    "Sunday",
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
];

/// `time.Month.String`
pub(crate) fn month_text(month: i64) -> Cow<'static, str> {
    name(&MONTHS, month - 1).unwrap_or_else(|| format!("%!Month({month})").into())
}

/// `time.Weekday.String`
pub(crate) fn weekday_text(day: i64) -> Cow<'static, str> {
    name(&WEEKDAYS, day).unwrap_or_else(|| format!("%!Weekday({day})").into())
}

fn name(names: &[&'static str], at: i64) -> Option<Cow<'static, str>> {
    let at = usize::try_from(at).ok()?;
    names.get(at).map(|name| Cow::Borrowed(*name))
}

/// All names of a kind, for parsing.
pub(super) fn month_names() -> &'static [&'static str] {
    &MONTHS
}

pub(super) fn weekday_names() -> &'static [&'static str] {
    &WEEKDAYS
}

fn results(name: &str, count: usize) -> String {
    format!("function {name} has {count} return values; should be 1 or 2")
}

/// The time some years, months and days later, as the calendar counts; held to the range.
fn add_date(time: &Time, [years, months, days]: [i64; 3]) -> Time {
    let civil = time.civil();
    let moved = || {
        let months = (i64::from(civil.year()).checked_add(years)?)
            .checked_mul(12)?
            .checked_add(i64::from(civil.month()) - 1)?
            .checked_add(months)?;
        let year = i16::try_from(months.div_euclid(12)).ok()?;
        let month = i8::try_from(months.rem_euclid(12) + 1).ok()?;
        let first = Date::new(year, month, 1).ok()?;
        let days = days.checked_add(i64::from(civil.day()) - 1)?;
        let date = first
            .checked_add(jiff::Span::new().try_days(days).ok()?)
            .ok()?;
        Time::from_civil(date.to_datetime(civil.time()), time.zone.clone())
    };
    moved().unwrap_or_else(|| time.clone())
}

/// Down to a multiple of a duration since the zero time, or to the nearest one.
fn truncated(time: &Time, unit: i64, nearest: bool) -> Time {
    if unit <= 0 {
        return time.clone();
    }
    let since = time.at.as_nanosecond() - Timestamp::ZERO.to_jiff().as_nanosecond();
    let unit = i128::from(unit);
    let rest = since.rem_euclid(unit);
    let by = if nearest && rest + rest >= unit {
        unit - rest
    } else {
        -rest
    };
    time.plus(i64::try_from(by).unwrap_or_default())
}

fn time(args: &[Value]) -> &Time {
    match args.first() {
        Some(Value::Time(time)) => time,
        _ => unreachable!("the receiver of a method of Time is one"),
    }
}

fn second(args: &[Value]) -> &Time {
    match args.get(1) {
        Some(Value::Time(time)) => time,
        _ => unreachable!("the parameter is a Time"),
    }
}

fn civil(args: &[Value]) -> DateTime {
    time(args).civil()
}

fn unix(args: &[Value]) -> (i64, i64) {
    let (seconds, nanos) = Timestamp::from(time(args).at).unix_parts();
    (seconds, nanos.into())
}

fn order(args: &[Value]) -> Ordering {
    time(args).at.cmp(&second(args).at)
}

fn number(args: &[Value], at: usize) -> i64 {
    match args.get(at) {
        Some(
            Value::Int(_, number)
            | Value::Duration(number)
            | Value::Month(number)
            | Value::Weekday(number),
        ) => *number,
        _ => 0,
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::Str(text) => text,
        _ => "",
    }
}

fn int(number: impl Into<i64>) -> Value {
    Value::Int(Int::Int, number.into())
}

fn int64(number: i64) -> Value {
    Value::Int(Int::Int64, number)
}
