//! The functions of rules' templates (`template/template.go` of Prometheus 3.14), but for those that Alertmanager has too.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    super::{
        data::QuerySample,
        go_type::Type,
        gotime::{Time, Zone},
        value::Value,
    },
    address::{strip_domain, strip_port},
    args::string,
    escape::query_escape,
    human::{humanize, humanize_1024, humanize_duration, number, percentage},
    table::{Context, Function},
    title::title_keeping,
};
use crate::time::{Timestamp, parse_prom_duration};

pub(super) static RULE: [Function; 24] = [
    Function::new("query", &[Type::Str], |context, args| {
        host(context, "query", args)
    }),
    Function::new("first", &[Type::Samples], |_, args| {
        let first = samples(args, 0).first();
        let first = first.ok_or("first() called on vector with no elements")?;
        Ok(Value::Sample(Arc::clone(first)))
    }),
    Function::new("label", &[Type::Str, Type::Sample], |_, args| {
        Ok(sample(args, 1).labels.value(string(args, 0)).into())
    }),
    Function::new("value", &[Type::Sample], |_, args| {
        Ok(sample(args, 0).value.clone())
    }),
    Function::new("strvalue", &[Type::Sample], |_, args| {
        Ok(sample(args, 0).labels.value("__value__").into())
    }),
    Function::new("sortByLabel", &[Type::Str, Type::Samples], sort_by_label),
    Function::variadic("args", &[Type::Any], |context, args| {
        context.charge(args.len() * 4)?;
        let named = args.iter().enumerate();
        let named = named.map(|(i, value)| (Arc::from(format!("arg{i}")), value.clone()));
        Value::map(named.collect::<BTreeMap<_, _>>())
    }),
    Function::new("title", &[Type::Str], |context, args| {
        context.text(title_keeping(string(args, 0)))
    }),
    Function::new("graphLink", &[Type::Str], |context, args| {
        link(context, string(args, 0), 0)
    }),
    Function::new("tableLink", &[Type::Str], |context, args| {
        link(context, string(args, 0), 1)
    }),
    Function::new("stripPort", &[Type::Str], |_, args| {
        Ok(strip_port(string(args, 0)).into())
    }),
    Function::new("stripDomain", &[Type::Str], |_, args| {
        Ok(strip_domain(string(args, 0)).into())
    }),
    Function::new("humanize", &[Type::Any], |_, args| {
        Ok(humanize(number(&args[0])?).into())
    }),
    Function::new("humanize1024", &[Type::Any], |_, args| {
        Ok(humanize_1024(number(&args[0])?).into())
    }),
    Function::new("humanizeDuration", &[Type::Any], |_, args| {
        Ok(humanize_duration(number(&args[0])?).into())
    }),
    Function::new("humanizePercentage", &[Type::Any], |_, args| {
        Ok(percentage(number(&args[0])?).into())
    }),
    Function::new("humanizeTimestamp", &[Type::Any], |_, args| {
        let seconds = number(&args[0])?;
        Ok(if seconds.is_finite() {
            Value::from(time_of(seconds)?.to_string())
        } else {
            humanize(seconds).into()
        })
    }),
    Function::new("toTime", &[Type::Any], |_, args| {
        Ok(Value::Time(time_of(number(&args[0])?)?))
    }),
    Function::new("toDuration", &[Type::Any], |_, args| {
        Ok(Value::Duration(go_int64(number(&args[0])? * 1e9)))
    }),
    Function::new("now", &[], |context, _| {
        Ok(Value::Float(seconds_of(context.scope.now)))
    }),
    Function::new("parseDuration", &[Type::Str], |_, args| {
        parse_duration(string(args, 0)).map(Value::Float)
    }),
    Function::new("pathPrefix", &[], |context, args| {
        host(context, "pathPrefix", args)
    }),
    Function::new("externalURL", &[], |context, args| {
        host(context, "externalURL", args)
    }),
    Function::new("urlQueryEscape", &[Type::Str], |context, args| {
        context.text(query_escape(string(args, 0)))
    }),
];

/// Whether only templates of rules know the function.
pub(crate) fn is_of_rules(function: &'static Function) -> bool {
    RULE.iter().any(|known| std::ptr::eq(known, function))
}

/// Asks whoever renders.
fn host(context: &Context<'_>, name: &str, args: &[Value]) -> Result<Value, String> {
    match context.scope.host {
        Some(host) => host.call(name, args),
        None => Err(format!("{name} is not available here")),
    }
}

fn samples(args: &[Value], at: usize) -> &[Arc<QuerySample>] {
    match args.get(at) {
        Some(Value::Samples(samples)) => samples,
        _ => &[],
    }
}

fn sample(args: &[Value], at: usize) -> &QuerySample {
    match args.get(at) {
        Some(Value::Sample(sample)) => sample,
        _ => unreachable!("the parameter is a sample"),
    }
}

fn sort_by_label(context: &Context<'_>, args: &[Value]) -> Result<Value, String> {
    let name = string(args, 0);
    let mut sorted = samples(args, 1).to_vec();
    context.charge(sorted.len() * 4)?;
    sorted.sort_by(|a, b| a.labels.value(name).cmp(b.labels.value(name)));
    Ok(Value::Samples(sorted.into()))
}

/// Where Prometheus shows an expression.
fn link(context: &Context<'_>, expr: &str, tab: u8) -> Result<Value, String> {
    let expr = query_escape(expr);
    context.text(format!("/graph?g0.expr={expr}&g0.tab={tab}"))
}

/// A point in time from seconds, exact to the millisecond.
fn time_of(seconds: f64) -> Result<Time, String> {
    if !seconds.is_finite() {
        return Err("value is NaN or Inf".to_owned());
    }
    let nanos = seconds * 1e9;
    if !(-TWO_TO_63..=TWO_TO_63).contains(&nanos) {
        let shown = super::super::printf::sprintf("%v", &[Value::Float(seconds)], 100);
        let shown = shown.unwrap_or_default();
        return Err(format!(
            "{shown} cannot be represented as a nanoseconds timestamp since it overflows int64"
        ));
    }
    let millis = go_int64(nanos) / 1_000_000;
    Ok(Time::from(Timestamp::from_millis(millis)).at_zone(Zone::Utc))
}

const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// Go's conversion on the usual machines: what does not fit is the smallest number.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
pub(super) fn go_int64(number: f64) -> i64 {
    if (-TWO_TO_63..TWO_TO_63).contains(&number) {
        number as i64
    } else {
        i64::MIN
    }
}

#[expect(clippy::cast_precision_loss, reason = "as Go's conversion")]
fn seconds_of(time: Timestamp) -> f64 {
    time.unix_millis() as f64 / 1000.0
}

fn parse_duration(text: &str) -> Result<f64, String> {
    let positive = text.strip_prefix('-');
    let duration = parse_prom_duration(positive.unwrap_or(text)).map_err(|e| e.to_string())?;
    #[expect(clippy::cast_precision_loss, reason = "as Go's conversion")]
    let seconds = duration.as_nanos() as f64 / 1e9;
    Ok(if positive.is_some() {
        -seconds
    } else {
        seconds
    })
}
