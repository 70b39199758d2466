//! One alert as it was last posted (Alertmanager's `types.Alert`).

use std::sync::Arc;

use crate::{
    labels::{Fingerprint, LabelSet},
    time::Timestamp,
};

/// Whether an alert fires at some point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertStatus {
    /// Its end lies in the future or is not set.
    Firing,
    /// Its end has come.
    Resolved,
}

impl AlertStatus {
    /// `firing` or `resolved`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
        }
    }
}

/// An alert. Cheap to clone; shared as `Arc<Alert>` between the store, groups and notifications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alert {
    /// What identifies it.
    pub labels: LabelSet,
    /// What describes it.
    pub annotations: LabelSet,
    /// Where it comes from; empty if not given.
    pub generator_url: Arc<str>,
    /// When it began.
    pub starts_at: Timestamp,
    /// When it ends; `Timestamp::ZERO` never.
    pub ends_at: Timestamp,
    /// When this node, or the node that took it in, was last told of it.
    pub updated_at: Timestamp,
    /// Whether `ends_at` was set by `resolve_timeout`, not by the sender.
    pub timeout: bool,
    /// Of `labels`.
    pub fingerprint: Fingerprint,
}

impl Alert {
    /// Whether the alert is resolved at `at` (Alertmanager's `ResolvedAt`: an end is set and not after `at`).
    #[must_use]
    pub fn is_resolved_at(&self, at: Timestamp) -> bool {
        !self.ends_at.is_zero() && self.ends_at <= at
    }

    /// The status at `at`.
    #[must_use]
    pub fn status_at(&self, at: Timestamp) -> AlertStatus {
        if self.is_resolved_at(at) {
            AlertStatus::Resolved
        } else {
            AlertStatus::Firing
        }
    }

    /// The `alertname` label, empty if missing.
    #[must_use]
    pub fn name(&self) -> &str {
        self.labels.value("alertname")
    }
}
