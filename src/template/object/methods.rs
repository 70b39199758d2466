//! Methods of Alertmanager's types (`template/template.go`), and where those of times are found.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the kinds of values"
)]

use std::{fmt::Write as _, sync::Arc};

use super::super::{
    data::Pair,
    funcs::{Context, Function},
    go_type::Type,
    gotime,
    value::Value,
};
use crate::labels::LabelSet;

/// The method of that name.
pub(crate) fn method(value: &Value, name: &str) -> Option<&'static Function> {
    methods_of(value)?
        .iter()
        .find(|function| function.name == name)
}

/// The methods that a value's type has.
pub(crate) fn methods_of(value: &Value) -> Option<&'static [Function]> {
    Some(match value {
        Value::Kv(_) => &KV,
        Value::Pairs(_) => &PAIRS,
        Value::NamedStrings(_) => &STRINGS,
        Value::Alerts(_) => &ALERTS,
        Value::Time(_) => &gotime::TIME,
        Value::Duration(_) => &gotime::DURATION,
        Value::Month(_) => &gotime::MONTH,
        Value::Weekday(_) => &gotime::WEEKDAY,
        Value::Zone(_) => &gotime::LOCATION,
        _ => return None,
    })
}

static KV: [Function; 5] = [
    Function::new("SortedPairs", &[], |_, args| {
        Ok(Value::Pairs(sorted_pairs(labels(args)).into()))
    }),
    Function::new("Remove", &[Type::Strings], |context, args| {
        let removed = args.get(1).map(strings).unwrap_or_default();
        context.charge(removed.len())?;
        let kept = labels(args).filter_pairs(|name, _| !removed.iter().any(|r| **r == *name));
        Ok(Value::Kv(kept))
    }),
    Function::new("Names", &[], |_, args| {
        Ok(names(&sorted_pairs(labels(args))))
    }),
    Function::new("Values", &[], |_, args| {
        Ok(values(&sorted_pairs(labels(args))))
    }),
    Function::new("String", &[], |_, args| {
        Ok(Value::from(pairs_text(&sorted_pairs(labels(args)))))
    }),
];

static PAIRS: [Function; 3] = [
    Function::new("Names", &[], |_, args| Ok(names(pairs(args)))),
    Function::new("Values", &[], |_, args| Ok(values(pairs(args)))),
    Function::new("String", &[], |_, args| {
        Ok(Value::from(pairs_text(pairs(args))))
    }),
];

static STRINGS: [Function; 1] = [Function::new("Join", &[Type::Str], |context, args| {
    let separator = args.get(1).map(text).unwrap_or_default();
    join(
        context,
        args.first().map(strings).unwrap_or_default(),
        separator,
    )
})];

static ALERTS: [Function; 2] = [
    Function::new("Firing", &[], |_, args| Ok(with_status(args, "firing"))),
    Function::new("Resolved", &[], |_, args| Ok(with_status(args, "resolved"))),
];

fn with_status(args: &[Value], status: &str) -> Value {
    let Some(Value::Alerts(alerts)) = args.first() else {
        return Value::Nil;
    };
    Value::AlertSlice(
        alerts
            .iter()
            .filter(|alert| *alert.status == *status)
            .cloned()
            .collect(),
    )
}

/// The strings with a separator between them.
pub(crate) fn join(
    context: &Context<'_>,
    strings: &[Arc<str>],
    separator: &str,
) -> Result<Value, String> {
    let length = strings
        .iter()
        .map(|text| text.len() + separator.len())
        .sum();
    context.charge(strings.len())?;
    if length > context.scope.limits.output {
        return Err(super::super::funcs::too_long(context.scope.limits.output));
    }
    let mut out = String::with_capacity(length);
    for (i, text) in strings.iter().enumerate() {
        if i > 0 {
            out.push_str(separator);
        }
        out.push_str(text);
    }
    context.text(out)
}

/// `alertname` first, the others by name.
pub(crate) fn sorted_pairs(labels: &LabelSet) -> Vec<Pair> {
    let mut pairs = plain_pairs(labels);
    if let Some(at) = pairs.iter().position(|pair| &*pair.name == "alertname") {
        pairs[..=at].rotate_right(1);
    }
    pairs
}

/// By name.
pub(crate) fn plain_pairs(labels: &LabelSet) -> Vec<Pair> {
    labels
        .iter()
        .map(|(name, value)| Pair {
            name: name.into(),
            value: value.into(),
        })
        .collect()
}

/// `Pairs.String`
pub(crate) fn pairs_text(pairs: &[Pair]) -> String {
    let mut out = String::new();
    for (i, Pair { name, value }) in pairs.iter().enumerate() {
        let separator = if i > 0 { ", " } else { "" };
        let _ = write!(out, "{separator}{name}={value}");
    }
    out
}

fn names(pairs: &[Pair]) -> Value {
    Value::NamedStrings(pairs.iter().map(|pair| Arc::clone(&pair.name)).collect())
}

fn values(pairs: &[Pair]) -> Value {
    Value::NamedStrings(pairs.iter().map(|pair| Arc::clone(&pair.value)).collect())
}

fn labels(args: &[Value]) -> &LabelSet {
    match args.first() {
        Some(Value::Kv(labels)) => labels,
        _ => unreachable!("the receiver of a method of KV is one"),
    }
}

fn pairs(args: &[Value]) -> &[Pair] {
    match args.first() {
        Some(Value::Pairs(pairs)) => pairs,
        _ => &[],
    }
}

fn strings(value: &Value) -> &[Arc<str>] {
    match value {
        Value::Strings(strings) | Value::NamedStrings(strings) => strings,
        _ => &[],
    }
}

fn text(value: &Value) -> &str {
    match value {
        Value::Str(text) => text,
        _ => "",
    }
}
