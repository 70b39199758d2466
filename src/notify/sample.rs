//! Notifications that nobody caused: to try a receiver out, or a template.

use std::{sync::Arc, time::Duration};

use serde_json::Value as Json;

use super::{NotificationData, NotifyReason, data::common, key::digest_key};
use crate::{
    alert::Alert,
    labels::LabelSet,
    template::{AlertData, Data},
    time::Timestamp,
};

/// A minute ago something would have happened.
const SINCE: Duration = Duration::from_secs(60);

/// More sample alerts than anybody looks at.
const MAX_ALERTS: usize = 10_000;

/// The alert of a test; its words leave no doubt.
#[must_use]
pub fn test_alert(receiver: &str, now: Timestamp) -> Alert {
    let labels = LabelSet::from_pairs([
        ("alertname", "WatchfireTest"),
        ("instance", "watchfire"),
        ("receiver", receiver),
        ("severity", "info"),
    ]);
    let annotations = LabelSet::from_pairs([
        (
            "summary",
            "This is a test of the receiver. Nothing is wrong, and nobody needs to do anything.",
        ),
        (
            "description",
            "Somebody asked Watchfire to show that notifications arrive here.",
        ),
    ]);
    Alert {
        fingerprint: labels.fingerprint(),
        labels,
        annotations,
        generator_url: "".into(),
        starts_at: now.minus(SINCE),
        ends_at: Timestamp::ZERO,
        updated_at: now,
        timeout: false,
    }
}

/// A notification of these alerts, or of the test alert if there are none. Its group is the receiver's own, so that no
/// incident of a real group is touched; `unique` makes its idempotency key its own.
#[must_use]
pub fn notification(
    receiver: &str,
    external_url: &Arc<str>,
    alerts: Vec<Alert>,
    unique: &str,
    now: Timestamp,
) -> NotificationData {
    let mut alerts: Vec<Arc<Alert>> = alerts.into_iter().map(Arc::new).collect();
    if alerts.is_empty() {
        alerts.push(Arc::new(test_alert(receiver, now)));
    }
    let name = alerts[0].name().to_owned();
    let alike = alerts.iter().all(|alert| alert.name() == name);
    let mut data = NotificationData {
        receiver: Arc::from(receiver),
        reason: NotifyReason::FirstNotification,
        alerts: alerts.into(),
        at: now,
        group_labels: LabelSet::from_pairs(alike.then_some(("alertname", name.as_str()))),
        route_labels: Arc::default(),
        problems: Arc::default(),
        external_url: Arc::clone(external_url),
        group_key: format!("{{}}/test:{{receiver=\"{receiver}\"}}").into(),
        idempotency_key: digest_key([receiver, unique].into_iter()),
        seq: u64::try_from(now.unix_seconds()).unwrap_or_default(),
        groups: 1,
    };
    if data.status() == crate::alert::AlertStatus::Resolved {
        data.reason = NotifyReason::AllAlertsResolved;
    }
    data
}

/// Reads sample alerts: a list as it is posted to `/api/v2/alerts`, or an object with such a list as `alerts`, as
/// webhooks and amtool's `--template.data` have it.
///
/// # Errors
/// In words that name what is wrong.
pub fn alerts(json: &Json, now: Timestamp) -> Result<Vec<Alert>, String> {
    let list = match json {
        Json::Array(list) => list,
        Json::Null => return Ok(Vec::new()),
        object @ (Json::Object(_) | Json::Bool(_) | Json::Number(_) | Json::String(_)) => {
            match member(object, "alerts") {
                Some(Json::Array(list)) => list,
                None | Some(Json::Null) if json.is_object() => return Ok(Vec::new()),
                _ => return Err("alerts are a list, or an object with a list `alerts`".to_owned()),
            }
        }
    };
    if list.len() > MAX_ALERTS {
        return Err(format!("more than {MAX_ALERTS} alerts"));
    }
    list.iter().map(|alert| read_alert(alert, now)).collect()
}

fn read_alert(json: &Json, now: Timestamp) -> Result<Alert, String> {
    let labels = pairs(json, "labels")?;
    let starts_at = time(json, "startsAt")?;
    Ok(Alert {
        fingerprint: labels.fingerprint(),
        labels,
        annotations: pairs(json, "annotations")?,
        generator_url: text(json, "generatorURL")?.into(),
        starts_at: if starts_at == Timestamp::ZERO {
            now.minus(SINCE)
        } else {
            starts_at
        },
        ends_at: time(json, "endsAt")?,
        updated_at: now,
        timeout: false,
    })
}

/// Reads the data of templates as Go's `json.Unmarshal` reads `template.Data`: names in any case, what is missing is
/// empty.
///
/// # Errors
/// In words that name what is wrong.
pub fn data(json: &Json, now: Timestamp) -> Result<Data, String> {
    let given = alerts(json, now)?;
    let listed = member(json, "alerts").and_then(Json::as_array);
    let shown = given.iter().zip(listed.into_iter().flatten());
    let shown: Result<Vec<Arc<AlertData>>, String> = shown
        .map(|(alert, json)| {
            let or = |key, default: String| {
                text(json, key).map(|text| if text.is_empty() { default } else { text })
            };
            Ok(Arc::new(AlertData {
                status: or("status", alert.status_at(now).as_str().to_owned())?.into(),
                labels: alert.labels.clone(),
                annotations: alert.annotations.clone(),
                starts_at: alert.starts_at,
                ends_at: alert.ends_at,
                generator_url: Arc::clone(&alert.generator_url),
                fingerprint: or("fingerprint", alert.fingerprint.to_string())?.into(),
            }))
        })
        .collect();
    Ok(Data {
        receiver: text(json, "receiver")?.into(),
        status: text(json, "status")?.into(),
        alerts: shown?.into(),
        notification_reason: text(json, "notificationReason")?.into(),
        group_labels: pairs(json, "groupLabels")?,
        common_labels: pairs(json, "commonLabels")?,
        common_annotations: pairs(json, "commonAnnotations")?,
        route_labels: pairs(json, "routeLabels")?,
        external_url: text(json, "externalURL")?.into(),
    })
}

/// Data to render with when there is none: two alerts that fire and one that is resolved.
#[must_use]
pub fn sample_data(now: Timestamp) -> Data {
    let alert = |instance: &str, severity: &str, ends_at| {
        let mut alert = test_alert("sample", now);
        alert.labels = LabelSet::from_pairs([
            ("alertname", "HighLatency"),
            ("instance", instance),
            ("job", "api"),
            ("severity", severity),
        ]);
        alert.annotations = LabelSet::from_pairs([
            ("runbook_url", "https://example.org/runbooks/latency"),
            ("summary", "Requests take longer than a second"),
        ]);
        alert.generator_url = "https://prometheus.example.org/graph?g0.expr=latency".into();
        alert.fingerprint = alert.labels.fingerprint();
        alert.ends_at = ends_at;
        Arc::new(alert)
    };
    let alerts = [
        alert("api-1:8080", "critical", Timestamp::ZERO),
        alert("api-2:8080", "warning", Timestamp::ZERO),
        alert("api-3:8080", "warning", now),
    ];
    let shared = |of: fn(&Alert) -> &LabelSet| LabelSet::from_pairs(common(&alerts, of));
    Data {
        receiver: "team".into(),
        status: "firing".into(),
        notification_reason: NotifyReason::FirstNotification.as_str().into(),
        group_labels: LabelSet::from_pairs([("alertname", "HighLatency")]),
        common_labels: shared(|alert| &alert.labels),
        common_annotations: shared(|alert| &alert.annotations),
        route_labels: LabelSet::default(),
        external_url: "https://alertmanager.example.org".into(),
        alerts: alerts
            .iter()
            .map(|alert| {
                Arc::new(AlertData {
                    status: alert.status_at(now).as_str().into(),
                    labels: alert.labels.clone(),
                    annotations: alert.annotations.clone(),
                    starts_at: alert.starts_at,
                    ends_at: alert.ends_at,
                    generator_url: Arc::clone(&alert.generator_url),
                    fingerprint: alert.fingerprint.to_string().into(),
                })
            })
            .collect(),
    }
}

/// A member whatever the case of its name, as Go's decoder finds it.
fn member<'a>(json: &'a Json, key: &str) -> Option<&'a Json> {
    let object = json.as_object()?;
    object.get(key).or_else(|| {
        let found = object
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(key));
        found.map(|(_, value)| value)
    })
}

fn text(json: &Json, key: &str) -> Result<String, String> {
    match member(json, key) {
        None | Some(Json::Null) => Ok(String::new()),
        Some(Json::String(text)) => Ok(text.clone()),
        Some(_) => Err(format!("{key} must be a string")),
    }
}

fn time(json: &Json, key: &str) -> Result<Timestamp, String> {
    let text = text(json, key)?;
    if text.is_empty() {
        return Ok(Timestamp::ZERO);
    }
    Timestamp::parse(&text).map_err(|error| format!("{key} {text:?} is not a time: {error}"))
}

fn pairs(json: &Json, key: &str) -> Result<LabelSet, String> {
    let Some(Json::Object(object)) = member(json, key) else {
        return match member(json, key) {
            None | Some(Json::Null) => Ok(LabelSet::default()),
            Some(_) => Err(format!("{key} must be an object of strings")),
        };
    };
    let pairs: Result<Vec<(&str, &str)>, String> = object
        .iter()
        .map(|(name, value)| {
            let value = value.as_str();
            let value = value.ok_or_else(|| format!("{key}.{name} must be a string"))?;
            Ok((name.as_str(), value))
        })
        .collect();
    Ok(LabelSet::from_pairs(pairs?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::parse("2026-11-21T18:56:00Z").unwrap()
    }

    #[test]
    fn a_test_says_that_it_is_one() {
        let data = notification("team", &"http://x".into(), Vec::new(), "1", now());
        assert_eq!(data.alerts.len(), 1);
        assert!(data.alerts[0].annotations.value("summary").contains("test"));
        assert_eq!(data.group_labels.value("alertname"), "WatchfireTest");
        let other = notification("team", &"http://x".into(), Vec::new(), "2", now());
        assert_ne!(data.idempotency_key, other.idempotency_key);
    }

    #[test]
    fn reads_what_webhooks_send_and_what_clients_post() {
        let posted = serde_json::json!([{"labels": {"alertname": "A"}}]);
        let sent = serde_json::json!({"status": "firing", "Alerts": [
            {"labels": {"alertname": "A"}, "StartsAt": "2026-11-21T18:00:00Z", "status": "firing"},
            {"labels": {"alertname": "B"}, "endsAt": "2026-11-21T18:30:00Z", "fingerprint": "f"},
        ], "groupLabels": {"alertname": "A"}, "commonLabels": null});
        assert_eq!(alerts(&posted, now()).unwrap()[0].name(), "A");
        let data = data(&sent, now()).unwrap();
        assert_eq!(&*data.status, "firing");
        assert_eq!(&*data.alerts[1].status, "resolved");
        assert_eq!(&*data.alerts[1].fingerprint, "f");
        assert_eq!(data.group_labels.value("alertname"), "A");
    }

    #[test]
    fn says_what_is_wrong() {
        for (json, expect) in [
            (serde_json::json!(3), "alerts are a list"),
            (
                serde_json::json!([{"labels": {"a": 1}}]),
                "labels.a must be a string",
            ),
            (
                serde_json::json!([{"startsAt": "now"}]),
                "startsAt \"now\" is not a time",
            ),
        ] {
            let error = alerts(&json, now()).unwrap_err();
            assert!(error.contains(expect), "{error}");
        }
    }
}
