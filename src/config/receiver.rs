//! Receivers and their integrations.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{IntegrationKind, Settings};

/// A named set of integrations that are notified together.
#[derive(Debug)]
pub struct Receiver {
    /// Unique in the file.
    pub name: Arc<str>,
    /// Labels of the receiver itself; `name` is always among them.
    pub labels: BTreeMap<Arc<str>, Arc<str>>,
    /// In upstream's order of types, then of the file.
    pub integrations: Vec<Arc<Integration>>,
}

/// One way of telling a receiver.
#[derive(Debug)]
pub struct Integration {
    /// Which type it is.
    pub kind: IntegrationKind,
    /// Its place among the integrations of its type in the receiver, from 0; part of notification-log keys.
    pub index: u32,
    /// Whether it is told of resolved alerts.
    pub send_resolved: bool,
    /// Whether a resolve that happened while muted is told when the mute ends.
    pub resolve_when_muted: bool,
    /// What to do where delivery is uncertain.
    pub delivery: Delivery,
    /// How often it may be told; `None` leaves it to the type.
    pub rate_limit: Option<RateLimit>,
    /// Whether a plain message is sent when its template fails.
    pub fallback_text: bool,
    /// The fields of the type.
    pub settings: Settings,
}

/// `delivery:` of an integration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivery {
    /// How long a node that sees no majority waits before it notifies anyway; `None` takes `--cluster.minority-delay`.
    pub minority_delay: Option<Duration>,
    /// What to do after a request whose outcome is unknown.
    pub ambiguous: Ambiguous,
    /// Whether the receiver recognises repeats by their key.
    pub idempotent: bool,
}

impl Delivery {
    /// Whether what may have been sent counts as sent.
    #[must_use]
    pub fn drops(&self) -> bool {
        self.ambiguous == Ambiguous::Drop && !self.idempotent
    }
}

/// `rate_limit:` of an integration; what exceeds it is merged into one digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many messages may be sent.
    pub messages: u32,
    /// In which time.
    pub per: Duration,
}

/// What to do after a request whose outcome is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Ambiguous {
    /// Send again: rather twice than never.
    #[default]
    Retry,
    /// Take it as sent: rather never than twice.
    Drop,
}
