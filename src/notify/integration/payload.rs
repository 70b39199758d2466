//! The JSON object of webhooks, which other integrations send with another version.
//!
//! Its bytes are those of Go's `json.Encoder` over `webhook.Message` (`notify/webhook/webhook.go`), built directly into
//! one string: a group may hold 100,000 alerts.

use std::fmt::Write as _;

use crate::{
    alert::Alert,
    json,
    notify::{NotificationData, data::common},
    template::quote_meta,
    time::Timestamp,
};

/// Writes the notification with at most `max_alerts` alerts (0 for all) as one line with its line feed.
///
/// The common labels and annotations are those of the alerts that are shown, as upstream's are. The status is that of
/// all alerts, unlike upstream's: where the alerts that fire are cut off, it must not read `resolved`.
#[must_use]
pub(super) fn webhook_body(data: &NotificationData, max_alerts: u64, version: &str) -> String {
    let limit = match usize::try_from(max_alerts) {
        Ok(0) | Err(_) => usize::MAX,
        Ok(limit) => limit,
    };
    let shown = &data.alerts[..data.alerts.len().min(limit)];
    let mut out = String::with_capacity(512 + shown.len() * 640);

    out.push_str("{\"receiver\":");
    json::push_str(&mut out, &quote_meta(&data.receiver), true);
    out.push_str(",\"status\":\"");
    out.push_str(data.status().as_str());
    out.push_str("\",\"alerts\":[");
    for (i, alert) in shown.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_alert(&mut out, alert, data.at);
    }
    out.push_str("],\"notification_reason\":");
    json::push_str(&mut out, data.reason.as_str(), true);
    out.push_str(",\"groupLabels\":");
    json::push_map(&mut out, &data.group_labels, true);
    out.push_str(",\"commonLabels\":");
    json::push_map(&mut out, common(shown, |alert| &alert.labels), true);
    out.push_str(",\"commonAnnotations\":");
    json::push_map(&mut out, common(shown, |alert| &alert.annotations), true);
    out.push_str(",\"routeLabels\":");
    let route_labels = data.route_labels.iter();
    let route_labels = route_labels.map(|(name, value)| (&**name, &**value));
    json::push_map(&mut out, route_labels, true);
    out.push_str(",\"externalURL\":");
    json::push_str(&mut out, &data.external_url, true);
    out.push_str(",\"version\":");
    json::push_str(&mut out, version, true);
    out.push_str(",\"groupKey\":");
    json::push_str(&mut out, &data.group_key, true);
    let truncated = data.alerts.len() - shown.len();
    let _ = writeln!(out, ",\"truncatedAlerts\":{truncated}}}");
    out
}

fn push_alert(out: &mut String, alert: &Alert, at: Timestamp) {
    let resolved = alert.is_resolved_at(at);
    out.push_str("{\"status\":\"");
    out.push_str(alert.status_at(at).as_str());
    out.push_str("\",\"labels\":");
    json::push_map(out, &alert.labels, true);
    out.push_str(",\"annotations\":");
    json::push_map(out, &alert.annotations, true);
    out.push_str(",\"startsAt\":\"");
    alert.starts_at.push_rfc3339_nanos(out);
    out.push_str("\",\"endsAt\":\"");
    let ends_at = if resolved {
        alert.ends_at
    } else {
        Timestamp::ZERO
    };
    ends_at.push_rfc3339_nanos(out);
    out.push_str("\",\"generatorURL\":");
    json::push_str(out, &alert.generator_url, true);
    let _ = write!(out, ",\"fingerprint\":\"{}\"}}", alert.fingerprint);
}
