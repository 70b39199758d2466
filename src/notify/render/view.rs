//! A notification as templates see it.

use std::sync::Arc;

use crate::{
    alert::{Alert, AlertStatus},
    labels::LabelSet,
    notify::{NotificationData, data::common, route_labels::Batch},
    template::{AlertData, Data, Value, quote_meta},
    time::Timestamp,
};

/// The data with the first `shown` alerts; all else is that of all alerts.
pub(super) fn value(data: &NotificationData, shown: usize) -> Value {
    let alerts = data.alerts.iter().take(shown);
    Value::from(Data {
        receiver: Arc::from(&*quote_meta(&data.receiver)),
        status: status(data.status()),
        alerts: alerts.map(|alert| Arc::new(view(alert, data.at))).collect(),
        notification_reason: Arc::from(data.reason.as_str()),
        group_labels: data.group_labels.clone(),
        common_labels: LabelSet::from_pairs(common(&data.alerts, |alert| &alert.labels)),
        common_annotations: LabelSet::from_pairs(common(&data.alerts, |alert| &alert.annotations)),
        route_labels: LabelSet::from_pairs(data.route_labels.iter()),
        external_url: Arc::clone(&data.external_url),
    })
}

/// The alerts of a group before it is known what is told of them to whom, as route labels see them.
pub(crate) fn batch<'a>(of: Batch<'_>, alerts: impl Iterator<Item = &'a Arc<Alert>>) -> Value {
    let alerts: Vec<&Arc<Alert>> = alerts.collect();
    let firing = alerts.iter().any(|alert| !alert.is_resolved_at(of.at));
    let state = if firing {
        AlertStatus::Firing
    } else {
        AlertStatus::Resolved
    };
    Value::from(Data {
        receiver: Arc::from(&*quote_meta(of.receiver)),
        status: status(state),
        alerts: alerts
            .iter()
            .map(|alert| Arc::new(view(alert, of.at)))
            .collect(),
        notification_reason: Arc::from("unknown"),
        group_labels: of.group_labels.clone(),
        common_labels: LabelSet::from_pairs(common(&alerts, |alert| &alert.labels)),
        common_annotations: LabelSet::from_pairs(common(&alerts, |alert| &alert.annotations)),
        route_labels: LabelSet::from_pairs(of.route_labels.iter()),
        external_url: Arc::clone(of.external_url),
    })
}

fn view(alert: &Alert, at: Timestamp) -> AlertData {
    AlertData {
        status: status(alert.status_at(at)),
        labels: alert.labels.clone(),
        annotations: alert.annotations.clone(),
        starts_at: alert.starts_at,
        ends_at: if alert.is_resolved_at(at) {
            alert.ends_at
        } else {
            Timestamp::ZERO
        },
        generator_url: Arc::clone(&alert.generator_url),
        fingerprint: Arc::from(alert.fingerprint.to_string()),
    }
}

fn status(status: AlertStatus) -> Arc<str> {
    Arc::from(status.as_str())
}
