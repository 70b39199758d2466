//! The JSON of alerts and silences, key by key in the order of upstream's models.

use std::{fmt::Write as _, sync::Arc};

use crate::{
    alert::Alert,
    json::{push_map, push_str},
    labels::{LabelSet, Matcher},
    time::Timestamp,
};

/// Why an alert is muted, as far as the alert's own status says.
#[derive(Debug, Default)]
pub(crate) struct Suppression<'a> {
    pub(crate) silenced_by: &'a [Arc<str>],
    pub(crate) inhibited_by: &'a [crate::labels::Fingerprint],
    /// Names of time intervals; only groups know them.
    pub(crate) muted_by: &'a [Arc<str>],
}

impl Suppression<'_> {
    fn state(&self) -> &'static str {
        let active =
            self.silenced_by.is_empty() && self.inhibited_by.is_empty() && self.muted_by.is_empty();
        if active { "active" } else { "suppressed" }
    }
}

/// Appends a string without HTML escapes.
pub(crate) fn string(out: &mut String, text: &str) {
    push_str(out, text, false);
}

/// Appends `"name":` and the string, with a comma before it unless it is the first.
pub(crate) fn member(out: &mut String, name: &str, value: &str) {
    if !out.ends_with('{') {
        out.push(',');
    }
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
    string(out, value);
}

/// Appends `,"name":` and the number.
pub(crate) fn number(out: &mut String, name: &str, value: impl std::fmt::Display) {
    // Writing to a string cannot fail.
    let _ = write!(out, ",\"{name}\":{value}");
}

/// Appends elements with commas between them.
pub(crate) fn list<T>(
    out: &mut String,
    items: impl IntoIterator<Item = T>,
    mut each: impl FnMut(&mut String, T),
) {
    out.push('[');
    for (i, item) in items.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        each(out, item);
    }
    out.push(']');
}

/// Appends an object of strings without HTML escapes; the pairs come in the order in which they are to stand.
pub(crate) fn object<'a>(out: &mut String, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
    push_map(out, pairs, false);
}

/// Appends a label set.
pub(crate) fn labels(out: &mut String, labels: &LabelSet) {
    object(out, labels);
}

/// Appends a time in quotes: RFC 3339, UTC, milliseconds.
pub(crate) fn time(out: &mut String, at: Timestamp) {
    out.push('"');
    at.push_rfc3339_millis(out);
    out.push('"');
}

/// Appends a fingerprint in quotes: 16 hexadecimal digits.
pub(crate) fn fingerprint(out: &mut String, fingerprint: crate::labels::Fingerprint) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push('"');
    for byte in fingerprint.0.to_be_bytes() {
        out.push(char::from(HEX[usize::from(byte >> 4)]));
        out.push(char::from(HEX[usize::from(byte & 0xF)]));
    }
    out.push('"');
}

/// The list of the receivers of an alert, for [`alert`]; many alerts share it.
pub(crate) fn receivers(names: &[Arc<str>]) -> String {
    let mut out = String::new();
    list(&mut out, names, |out, name| {
        out.push('{');
        member(out, "name", name);
        out.push('}');
    });
    out
}

/// Appends a `gettableAlert` with its list of [`receivers`].
pub(crate) fn alert(
    out: &mut String,
    alert: &Alert,
    receivers: &str,
    suppression: &Suppression<'_>,
) {
    out.push_str("{\"annotations\":");
    labels(out, &alert.annotations);
    out.push_str(",\"endsAt\":");
    time(out, alert.ends_at);
    out.push_str(",\"fingerprint\":");
    fingerprint(out, alert.fingerprint);
    out.push_str(",\"receivers\":");
    out.push_str(receivers);
    out.push_str(",\"startsAt\":");
    time(out, alert.starts_at);
    out.push_str(",\"status\":{\"inhibitedBy\":");
    list(out, suppression.inhibited_by, |out, by| {
        fingerprint(out, *by)
    });
    out.push_str(",\"mutedBy\":");
    list(out, suppression.muted_by, |out, by| string(out, by));
    out.push_str(",\"silencedBy\":");
    list(out, suppression.silenced_by, |out, by| string(out, by));
    out.push_str(",\"state\":\"");
    out.push_str(suppression.state());
    out.push_str("\"},\"updatedAt\":");
    time(out, alert.updated_at);
    if !alert.generator_url.is_empty() {
        out.push_str(",\"generatorURL\":");
        string(out, &alert.generator_url);
    }
    out.push_str(",\"labels\":");
    labels(out, &alert.labels);
    out.push('}');
}

/// Appends a matcher of a silence.
pub(crate) fn matcher(out: &mut String, matcher: &Matcher) {
    let flag = |value: bool| if value { "true" } else { "false" };
    out.push_str("{\"isEqual\":");
    out.push_str(flag(matcher.op().is_equal()));
    out.push_str(",\"isRegex\":");
    out.push_str(flag(matcher.op().is_regex()));
    out.push_str(",\"name\":");
    string(out, matcher.name());
    out.push_str(",\"value\":");
    string(out, matcher.value());
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_is_written_as_upstream_writes_it() {
        let set = LabelSet::from_pairs([("alertname", "A"), ("severity", "<warning>")]);
        let posted = Alert {
            fingerprint: crate::labels::Fingerprint(0x25c2),
            labels: set,
            annotations: LabelSet::empty(),
            generator_url: "".into(),
            starts_at: Timestamp::EPOCH,
            ends_at: Timestamp::ZERO,
            updated_at: Timestamp::from_millis(1_795_286_611_088),
            timeout: false,
        };
        let mut out = String::new();
        let suppression = Suppression {
            inhibited_by: &[crate::labels::Fingerprint(u64::MAX)],
            ..Suppression::default()
        };
        alert(
            &mut out,
            &posted,
            &receivers(&["hook".into()]),
            &suppression,
        );
        expect_test::expect![[r#"{"annotations":{},"endsAt":"0001-01-01T00:00:00.000Z","fingerprint":"00000000000025c2","receivers":[{"name":"hook"}],"startsAt":"1970-01-01T00:00:00.000Z","status":{"inhibitedBy":["ffffffffffffffff"],"mutedBy":[],"silencedBy":[],"state":"suppressed"},"updatedAt":"2026-11-21T18:43:31.088Z","labels":{"alertname":"A","severity":"<warning>"}}"#]]
            .assert_eq(&out);
    }
}
