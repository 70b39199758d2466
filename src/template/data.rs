//! What Alertmanager's templates see of a notification (`template/template.go`), and what queries in rules give.

use std::{borrow::Cow, sync::Arc};

use super::value::Value;
use crate::{labels::LabelSet, time::Timestamp};

/// `*template.Data`, the dot of every template.
#[derive(Clone, Debug)]
pub struct Data {
    /// The receiver's name with the special characters of regular expressions escaped, see [`quote_meta`].
    pub receiver: Arc<str>,
    /// `firing` or `resolved`
    pub status: Arc<str>,
    /// The alerts of the notification.
    pub alerts: Arc<[Arc<AlertData>]>,
    /// Why the notification is sent, in upstream's words.
    pub notification_reason: Arc<str>,
    /// The labels that the group shares.
    pub group_labels: LabelSet,
    /// The labels that are equal in all alerts.
    pub common_labels: LabelSet,
    /// The annotations that are equal in all alerts.
    pub common_annotations: LabelSet,
    /// The labels of the route; rendered, unless the scope has a resolver for them.
    pub route_labels: LabelSet,
    /// `--web.external-url` without a trailing slash.
    pub external_url: Arc<str>,
}

/// `template.Alert`
#[derive(Clone, Debug)]
pub struct AlertData {
    /// `firing` or `resolved`
    pub status: Arc<str>,
    /// Its labels.
    pub labels: LabelSet,
    /// Its annotations.
    pub annotations: LabelSet,
    /// When it began.
    pub starts_at: Timestamp,
    /// When it ended; zero while it fires.
    pub ends_at: Timestamp,
    /// Where it comes from.
    pub generator_url: Arc<str>,
    /// The hash of its labels, 16 hexadecimal digits.
    pub fingerprint: Arc<str>,
}

/// `template.sample` of Prometheus: a sample that a query in a template of a rule gave.
#[derive(Clone, Debug)]
pub struct QuerySample {
    /// Its labels, its name among them.
    pub labels: LabelSet,
    /// Its value: a number or a native histogram.
    pub value: Value,
}

/// `template.Pair`, a label or annotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Its name.
    pub name: Arc<str>,
    /// Its value.
    pub value: Arc<str>,
}

/// Escapes the special characters of regular expressions as Go's `regexp.QuoteMeta`, which upstream does to
/// [`Data::receiver`].
#[must_use]
pub fn quote_meta(text: &str) -> Cow<'_, str> {
    const SPECIAL: &str = r"\.+*?()|[]{}^$";
    if !text.contains(|c| SPECIAL.contains(c)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if SPECIAL.contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    Cow::Owned(out)
}
