//! The JSON of alerts and silences, key by key in the order of upstream's models.

use std::{fmt::Write as _, sync::Arc};

use crate::{
    alert::Alert,
    json::push_str,
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

/// Appends an object of strings; the pairs come in the order in which they are to stand.
pub(crate) fn object<'a>(out: &mut String, pairs: impl IntoIterator<Item = (&'a str, &'a str)>) {
    out.push('{');
    for (i, (name, value)) in pairs.into_iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        string(out, name);
        out.push(':');
        string(out, value);
    }
    out.push('}');
}

/// Appends a label set.
pub(crate) fn labels(out: &mut String, labels: &LabelSet) {
    object(out, labels);
}

/// Appends a time in quotes: RFC 3339, UTC, milliseconds.
pub(crate) fn time(out: &mut String, at: Timestamp) {
    let (seconds, nanos) = at.unix_parts();
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    out.push('"');
    digits(out, year, 4);
    out.push('-');
    digits(out, month, 2);
    out.push('-');
    digits(out, day, 2);
    out.push('T');
    digits(out, second / 3600, 2);
    out.push(':');
    digits(out, second / 60 % 60, 2);
    out.push(':');
    digits(out, second % 60, 2);
    out.push('.');
    digits(out, i64::from(nanos / 1_000_000), 3);
    out.push_str("Z\"");
}

/// Year, month and day of a number of days since 1970 (H. Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn digits(out: &mut String, value: i64, width: u32) {
    for place in (0..width).rev() {
        let digit = value / 10_i64.pow(place) % 10;
        let digit = u8::try_from(digit).unwrap_or_default();
        out.push(char::from(b'0' + digit));
    }
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

/// Appends a `gettableAlert`.
pub(crate) fn alert(
    out: &mut String,
    alert: &Alert,
    receivers: &[Arc<str>],
    suppression: &Suppression<'_>,
) {
    out.push_str("{\"annotations\":");
    labels(out, &alert.annotations);
    out.push_str(",\"endsAt\":");
    time(out, alert.ends_at);
    out.push_str(",\"fingerprint\":");
    fingerprint(out, alert.fingerprint);
    out.push_str(",\"receivers\":");
    list(out, receivers, |out, name| {
        out.push('{');
        member(out, "name", name);
        out.push('}');
    });
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
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn times_are_those_of_the_calendar(seconds in -62_135_596_800_i64..253_402_300_799, nanos in 0..1_000_000_000) {
            let at = Timestamp::from_unix(seconds, nanos);
            let mut out = String::new();
            time(&mut out, at);
            prop_assert_eq!(out, format!("\"{}\"", at.to_rfc3339_millis()));
        }
    }

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
        alert(&mut out, &posted, &["hook".into()], &suppression);
        expect_test::expect![[r#"{"annotations":{},"endsAt":"0001-01-01T00:00:00.000Z","fingerprint":"00000000000025c2","receivers":[{"name":"hook"}],"startsAt":"1970-01-01T00:00:00.000Z","status":{"inhibitedBy":["ffffffffffffffff"],"mutedBy":[],"silencedBy":[],"state":"suppressed"},"updatedAt":"2026-11-21T18:43:31.088Z","labels":{"alertname":"A","severity":"<warning>"}}"#]]
            .assert_eq(&out);
    }
}
