//! Values as Go's `encoding/json` writes them.

use std::{fmt::Write as _, sync::Arc};

use super::{
    super::{object, value::Value},
    table::too_long,
};
use crate::json::push_str;

/// Writes a value.
///
/// # Errors
/// When JSON has no form of it, or when it gets too long.
pub(crate) fn write(value: &Value, out: &mut String, limit: usize) -> Result<(), String> {
    if out.len() > limit {
        return Err(too_long(limit));
    }
    match value {
        Value::Nil | Value::NilAny => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Int(_, number)
        | Value::Duration(number)
        | Value::Month(number)
        | Value::Weekday(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Uint(_, number) => {
            let _ = write!(out, "{number}");
        }
        Value::Float(number) => out.push_str(&float(*number)?),
        Value::Complex(..) => return Err("json: unsupported type: complex128".to_owned()),
        Value::Str(text) | Value::Safe(_, text) => push_str(out, text, true),
        Value::Time(time) => push_str(out, &time.rfc3339(), true),
        Value::Zone(_) => out.push_str("{}"),
        Value::Strings(items) | Value::NamedStrings(items) => {
            let items = items.iter().map(|text| Value::Str(Arc::clone(text)));
            return array(items, out, limit);
        }
        Value::List(list) => return array(list.items().iter().cloned(), out, limit),
        Value::Pairs(pairs) => {
            return array(pairs.iter().cloned().map(Value::Pair), out, limit);
        }
        Value::Alerts(alerts) | Value::AlertSlice(alerts) => {
            let items = alerts.iter().map(|alert| Value::Alert(Arc::clone(alert)));
            return array(items, out, limit);
        }
        Value::Map(map) => {
            let items = map.items().iter();
            let items = items.map(|(key, value)| (Arc::clone(key), value.clone()));
            return object(items, out, limit);
        }
        Value::Samples(samples) => {
            let items = samples.iter().map(|one| Value::Sample(Arc::clone(one)));
            return array(items, out, limit);
        }
        Value::Kv(labels) | Value::StringMap(labels) => {
            let pairs = object::plain_pairs(labels).into_iter();
            let items = pairs.map(|pair| (pair.name, Value::Str(pair.value)));
            return object(items, out, limit);
        }
        Value::Data(_) | Value::Alert(_) => {
            let fields = object::has_fields(value).into_iter().flatten();
            let tagged = fields.filter_map(|(name, value)| Some((tag(&name)?.into(), value)));
            return object(tagged, out, limit);
        }
        Value::Pair(_) | Value::Sample(_) | Value::Object(_) => {
            return object(object::has_fields(value).into_iter().flatten(), out, limit);
        }
    }
    Ok(())
}

/// The name of a field in JSON; `None` for the unexported one.
fn tag(field: &str) -> Option<&'static str> {
    Some(match field {
        "Receiver" => "receiver",
        "Status" => "status",
        "Alerts" => "alerts",
        "NotificationReason" => "notification_reason",
        "GroupLabels" => "groupLabels",
        "CommonLabels" => "commonLabels",
        "CommonAnnotations" => "commonAnnotations",
        "RouteLabels" => "routeLabels",
        "ExternalURL" => "externalURL",
        "Labels" => "labels",
        "Annotations" => "annotations",
        "StartsAt" => "startsAt",
        "EndsAt" => "endsAt",
        "GeneratorURL" => "generatorURL",
        "Fingerprint" => "fingerprint",
        _ => return None,
    })
}

fn array(items: impl Iterator<Item = Value>, out: &mut String, limit: usize) -> Result<(), String> {
    out.push('[');
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(',');
        }
        write(&item, out, limit)?;
    }
    out.push(']');
    Ok(())
}

fn object(
    items: impl Iterator<Item = (Arc<str>, Value)>,
    out: &mut String,
    limit: usize,
) -> Result<(), String> {
    out.push('{');
    for (i, (key, item)) in items.enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_str(out, &key, true);
        out.push(':');
        write(&item, out, limit)?;
    }
    out.push('}');
    Ok(())
}

/// As ECMAScript prints numbers.
fn float(number: f64) -> Result<String, String> {
    if !number.is_finite() {
        let shown = super::super::printf::shortest_g(number);
        return Err(format!("json: unsupported value: {shown}"));
    }
    let magnitude = number.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        let text = format!("{number:e}");
        return Ok(match text.split_once('e') {
            Some((mantissa, exponent)) if !exponent.starts_with('-') => {
                format!("{mantissa}e+{exponent}")
            }
            _ => text,
        });
    }
    Ok(format!("{number}"))
}
