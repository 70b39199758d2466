//! The plain message that is sent in place of one whose template failed: never a lost notification.

use std::fmt::Write as _;

use super::Limit;
use crate::{alert::AlertStatus, labels::LabelSet, notify::NotificationData};

/// More alerts than these are only counted.
const SHOWN: usize = 20;

/// One line: what happened to what.
pub(super) fn title(data: &NotificationData) -> String {
    let firing = data
        .alerts
        .iter()
        .filter(|alert| !alert.is_resolved_at(data.at))
        .count();
    let mut out = match data.status() {
        AlertStatus::Firing => format!("[FIRING:{firing}]"),
        AlertStatus::Resolved => "[RESOLVED]".to_owned(),
    };
    for (_, value) in &data.group_labels {
        out.push(' ');
        out.push_str(value);
    }
    out
}

/// Says that the template failed, why, and which alerts it is about.
pub(super) fn body(data: &NotificationData, problem: &str) -> String {
    let mut out = title(data);
    let _ = writeln!(
        out,
        "\nThe template of this notification failed, so this is a plain one: {problem}"
    );
    for alert in data.alerts.iter().take(SHOWN) {
        let _ = write!(out, "- {}:", alert.status_at(data.at).as_str());
        pairs(&mut out, &alert.labels);
        if !alert.annotations.is_empty() {
            out.push_str(" |");
            pairs(&mut out, &alert.annotations);
        }
        out.push('\n');
    }
    if let Some(more @ 1..) = data.alerts.len().checked_sub(SHOWN) {
        let _ = writeln!(out, "and {more} more");
    }
    out.push_str(&data.external_url);
    out
}

fn pairs(out: &mut String, labels: &LabelSet) {
    for (name, value) in labels {
        let _ = write!(out, " {name}={value}");
    }
}

/// [`body`] as HTML.
pub(super) fn html(data: &NotificationData, problem: &str) -> String {
    format!("<pre>{}</pre>", escape(&body(data, problem)))
}

/// What is left to say in HTML where even one alert is too long.
pub(super) fn short_html(data: &NotificationData, limit: Limit) -> String {
    let link = format!("\n{}", escape(&data.external_url));
    let room = limit.less(&link);
    let title = title(data);
    let mut kept = title.chars().count();
    loop {
        let text = escape(&Limit::Chars(kept).cut(&title));
        if kept == 0 || room.holds(&text) {
            return text + &link;
        }
        kept /= 2;
    }
}

/// Escapes text for HTML.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            other => out.push(other),
        }
    }
    out
}
