//! Fields of structs, by Go's names.
#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "each operation knows few of the kinds of values"
)]

use std::sync::Arc;

use super::super::{
    data::{AlertData, Data, Pair, QuerySample},
    value::Value,
};

/// The fields of a struct, in order.
pub(crate) type Fields = Vec<(Arc<str>, Value)>;

/// What looking for a field gives.
pub(crate) fn field(value: &Value, name: &str) -> Option<Value> {
    match value {
        Value::Data(data) => data_field(data, name),
        Value::Alert(alert) => alert_field(alert, name),
        Value::Pair(pair) => pair_field(pair, name),
        Value::Sample(sample) => sample_field(sample, name),
        Value::Object(object) => object
            .fields()
            .into_iter()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value),
        _ => None,
    }
}

/// The fields as printing shows them; `None` if the value is no struct of ours.
pub(crate) fn has_fields(value: &Value) -> Option<Fields> {
    const DATA: [&str; 9] = [
        "Receiver",
        "Status",
        "Alerts",
        "NotificationReason",
        "GroupLabels",
        "CommonLabels",
        "CommonAnnotations",
        "RouteLabels",
        "ExternalURL",
    ];
    const ALERT: [&str; 7] = [
        "Status",
        "Labels",
        "Annotations",
        "StartsAt",
        "EndsAt",
        "GeneratorURL",
        "Fingerprint",
    ];
    let named = |names: &[&str]| {
        names
            .iter()
            .filter_map(|name| Some((Arc::from(*name), field(value, name)?)))
            .collect::<Fields>()
    };
    match value {
        Value::Data(_) => {
            let mut fields = named(&DATA);
            // Unexported, but printed: whether the labels of the route have been rendered.
            fields.push(("routeLabelsRendered".into(), Value::Bool(true)));
            Some(fields)
        }
        Value::Alert(_) => Some(named(&ALERT)),
        Value::Pair(_) => Some(named(&["Name", "Value"])),
        Value::Sample(_) => Some(named(&["Labels", "Value"])),
        Value::Object(object) => Some(
            object
                .fields()
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
        ),
        _ => None,
    }
}

fn data_field(data: &Data, name: &str) -> Option<Value> {
    Some(match name {
        "Receiver" => Value::Str(Arc::clone(&data.receiver)),
        "Status" => Value::Str(Arc::clone(&data.status)),
        "Alerts" => Value::Alerts(Arc::clone(&data.alerts)),
        "NotificationReason" => Value::Str(Arc::clone(&data.notification_reason)),
        "GroupLabels" => Value::Kv(data.group_labels.clone()),
        "CommonLabels" => Value::Kv(data.common_labels.clone()),
        "CommonAnnotations" => Value::Kv(data.common_annotations.clone()),
        "RouteLabels" => Value::Kv(data.route_labels.clone()),
        "ExternalURL" => Value::Str(Arc::clone(&data.external_url)),
        _ => return None,
    })
}

fn alert_field(alert: &AlertData, name: &str) -> Option<Value> {
    Some(match name {
        "Status" => Value::Str(Arc::clone(&alert.status)),
        "Labels" => Value::Kv(alert.labels.clone()),
        "Annotations" => Value::Kv(alert.annotations.clone()),
        "StartsAt" => Value::Time(alert.starts_at.into()),
        "EndsAt" => Value::Time(alert.ends_at.into()),
        "GeneratorURL" => Value::Str(Arc::clone(&alert.generator_url)),
        "Fingerprint" => Value::Str(Arc::clone(&alert.fingerprint)),
        _ => return None,
    })
}

fn pair_field(pair: &Pair, name: &str) -> Option<Value> {
    Some(match name {
        "Name" => Value::Str(Arc::clone(&pair.name)),
        "Value" => Value::Str(Arc::clone(&pair.value)),
        _ => return None,
    })
}

fn sample_field(sample: &QuerySample, name: &str) -> Option<Value> {
    Some(match name {
        "Labels" => Value::StringMap(sample.labels.clone()),
        "Value" => sample.value.clone(),
        _ => return None,
    })
}
