//! `now`, `since`, `date`, `tz`, `toDate`, `mustToDate`, `humanizeDuration`, and our `localTime`.

use super::{
    super::{
        go_type::Type,
        gotime::{Time, Zone, between, parse},
        value::Value,
    },
    args::{string, time},
    human::{humanize_duration, number},
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
        Ok(humanize_duration(number(&args[0])?).into())
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
