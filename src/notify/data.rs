//! What a notification says, before any receiver's wire format.

use std::{collections::BTreeMap, sync::Arc};

use sha2::{Digest as _, Sha256};

use crate::{
    alert::{Alert, AlertStatus},
    labels::LabelSet,
    time::Timestamp,
};

/// Why a notification is sent (`notify/dedup_stage.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotifyReason {
    /// Nothing was ever told of this group.
    FirstNotification,
    /// An alert fires that was not told.
    NewAlertsAdded,
    /// Alerts resolved, others fire on.
    SomeAlertsResolved,
    /// Nothing fires any more.
    AllAlertsResolved,
    /// Nothing changed for longer than the repeat interval.
    RepeatIntervalElapsed,
}

impl NotifyReason {
    /// The words that templates and webhooks see.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FirstNotification => "first notification",
            Self::NewAlertsAdded => "new alerts added",
            Self::SomeAlertsResolved => "some alerts resolved",
            Self::AllAlertsResolved => "all alerts resolved",
            Self::RepeatIntervalElapsed => "repeat interval elapsed",
        }
    }
}

/// One notification: the alerts of a group as they stood when it was decided.
#[derive(Clone, Debug)]
pub struct NotificationData {
    /// The receiver's name.
    pub receiver: Arc<str>,
    /// Why it is sent.
    pub reason: NotifyReason,
    /// Sorted by job, instance and labels; an alert that fires has `ends_at` zero.
    pub alerts: Arc<[Arc<Alert>]>,
    /// The alerts' status is judged at this time.
    pub at: Timestamp,
    /// The labels that the group shares.
    pub group_labels: LabelSet,
    /// The labels of the route, rendered.
    pub route_labels: Arc<BTreeMap<Arc<str>, Arc<str>>>,
    /// What failed before there was a notification, such as a label of the route; empty if nothing did.
    pub problems: Arc<str>,
    /// `--web.external-url` without a trailing slash.
    pub external_url: Arc<str>,
    /// `routeKey:groupLabels`; names the group in the log, in webhooks and, hashed, at receivers.
    pub group_key: Arc<str>,
    /// Names this notification whichever node sends it; 32 characters of base32.
    pub idempotency_key: Arc<str>,
    /// Counts the notifications of this group to this integration.
    pub seq: u64,
    /// How many groups it tells of: more than one in a digest, which goes out where a receiver may not be told as often
    /// as there is news.
    pub groups: u32,
}

impl NotificationData {
    /// Firing if any alert fires.
    #[must_use]
    pub fn status(&self) -> AlertStatus {
        let firing = self
            .alerts
            .iter()
            .any(|alert| !alert.is_resolved_at(self.at));
        if firing {
            AlertStatus::Firing
        } else {
            AlertStatus::Resolved
        }
    }

    /// Upstream's name of the group at receivers that recognise repeats: the SHA-256 of the group key in hexadecimal.
    #[must_use]
    pub(crate) fn group_hash(&self) -> String {
        let digest = Sha256::digest(self.group_key.as_bytes());
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The pairs that all alerts share. A missing name counts as the empty value (`template/template.go`).
pub(crate) fn common<T: AsRef<Alert>>(
    alerts: &[T],
    of: impl Fn(&Alert) -> &LabelSet,
) -> Vec<(&str, &str)> {
    let Some((first, others)) = alerts.split_first() else {
        return Vec::new();
    };
    let mut pairs: Vec<_> = of(first.as_ref()).iter().collect();
    for other in others {
        if pairs.is_empty() {
            break;
        }
        let labels = of(other.as_ref());
        pairs.retain(|(name, value)| labels.value(name) == *value);
    }
    pairs
}
