//! One entry of the notification log, and which of two holds.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
    time::Duration,
};

use super::Trail;
use crate::time::Timestamp;

/// One integration of one receiver, as Alertmanager's log names it. Prints as `team/webhook/0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReceiverKey {
    /// The receiver's name.
    pub group_name: Arc<str>,
    /// The type, `webhook`.
    pub integration: Arc<str>,
    /// The place among the integrations of that type in the receiver, from 0.
    pub index: u32,
}

impl fmt::Display for ReceiverKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.group_name, self.integration, self.index)
    }
}

/// What identifies an entry. Prints as Alertmanager's state key, `<group key>:team/webhook/0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogKey {
    /// The group.
    pub group_key: Arc<str>,
    /// Who was told.
    pub receiver: ReceiverKey,
}

impl LogKey {
    /// The least of all keys.
    #[must_use]
    pub(crate) fn first() -> Self {
        Self {
            group_key: Arc::default(),
            receiver: ReceiverKey {
                group_name: Arc::default(),
                integration: Arc::default(),
                index: 0,
            },
        }
    }
}

impl fmt::Display for LogKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.group_key, self.receiver)
    }
}

/// A value that an integration keeps from one notification to the next, such as a Slack thread.
#[derive(Clone, Debug, PartialEq)]
pub enum ReceiverValue {
    /// A text.
    Str(String),
    /// A whole number.
    Int(i64),
    /// Any number.
    Double(f64),
}

impl ReceiverValue {
    fn cmp_total(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Str(a), Self::Str(b)) => a.cmp(b),
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Double(a), Self::Double(b)) => a.total_cmp(b),
            (Self::Str(_), _) | (Self::Int(_), Self::Double(_)) => Ordering::Less,
            (_, Self::Str(_)) | (Self::Double(_), Self::Int(_)) => Ordering::Greater,
        }
    }
}

/// What one integration was told of one group, last.
#[derive(Clone, Debug, PartialEq)]
pub struct NflogEntry {
    /// Which group and integration.
    pub key: LogKey,
    /// Number of the notification; counts up with each one (design of exactly-once delivery: the order of the log).
    pub seq: u64,
    /// Counts corrections of this entry at its `seq`.
    pub edit: u32,
    /// When sending ended.
    pub timestamp: Timestamp,
    /// `LabelSet::log_hash` of the alerts told as firing, sorted.
    pub firing: Arc<[u64]>,
    /// `LabelSet::log_hash` of the alerts told as resolved, sorted.
    pub resolved: Arc<[u64]>,
    /// Hashes of alerts that were told as firing and are muted, sorted: their resolve is still owed. Not in
    /// Alertmanager's format.
    pub held: Arc<[u64]>,
    /// What the integration keeps.
    pub receiver_data: BTreeMap<String, ReceiverValue>,
    /// Of the route at the time; Alertmanager forgets an entry after twice as long.
    pub repeat_interval: Duration,
    /// Which notifications it knows of.
    pub trail: Trail,
    /// When it may be forgotten if its group is gone.
    pub expires_at: Timestamp,
}

impl NflogEntry {
    /// Whether every one of `hashes` was told as firing.
    #[must_use]
    pub fn has_firing(&self, hashes: impl IntoIterator<Item = u64>) -> bool {
        hashes
            .into_iter()
            .all(|hash| self.firing.binary_search(&hash).is_ok())
    }

    /// Whether every one of `hashes` was told as resolved.
    #[must_use]
    pub fn has_resolved(&self, hashes: impl IntoIterator<Item = u64>) -> bool {
        hashes
            .into_iter()
            .all(|hash| self.resolved.binary_search(&hash).is_ok())
    }

    /// Which of two entries of one key holds; `Greater` for the one that replaces the other. A total order on contents,
    /// so that merging is commutative, associative and idempotent.
    #[must_use]
    pub fn precedence(&self, other: &Self) -> Ordering {
        self.seq
            .cmp(&other.seq)
            .then_with(|| self.edit.cmp(&other.edit))
            .then_with(|| self.timestamp.cmp(&other.timestamp))
            .then_with(|| self.firing.cmp(&other.firing))
            .then_with(|| self.resolved.cmp(&other.resolved))
            .then_with(|| self.held.cmp(&other.held))
            .then_with(|| self.repeat_interval.cmp(&other.repeat_interval))
            .then_with(|| cmp_data(&self.receiver_data, &other.receiver_data))
            .then_with(|| self.trail.cmp(&other.trail))
            // Each node renews the expiry of what its groups use: the last to say who was told.
            .then_with(|| self.expires_at.cmp(&other.expires_at))
    }

    /// What is known once the notification that would have made `next` may have been taken or not: of what it told to
    /// fire, or to be resolved, the receiver may know the one or the other.
    #[must_use]
    pub fn perhaps_told(&self, next: &Self) -> Self {
        let has = |list: &[u64], hash: &u64| list.binary_search(hash).is_ok();
        let without = |list: &[u64], other: &[u64]| -> Arc<[u64]> {
            let kept = list.iter().copied().filter(|hash| !has(other, hash));
            kept.collect()
        };
        let new = without(&next.firing, &self.firing);
        let ended = self.firing.iter().filter(|hash| has(&next.resolved, hash));
        let held: BTreeSet<u64> = self
            .held
            .iter()
            .chain(&*new)
            .chain(ended)
            .copied()
            .collect();
        Self {
            firing: without(&self.firing, &next.resolved),
            resolved: without(&self.resolved, &new),
            held: held.into_iter().collect(),
            ..self.clone()
        }
    }

    /// What is known where two sides of a cut told on without each other: nobody can say which of them told last. Who is
    /// said to fire by both fires for the receiver, too; whom both or only one of them told of as resolved is resolved.
    /// Everything else is told again: if it fires, and its end even if that comes first. `None` if one of the entries knows
    /// what the other says.
    ///
    /// Commutative, associative and idempotent in who was told what.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Option<Self> {
        if !self.trail.is_apart(&other.trail) {
            return None;
        }
        let both = self.firing.iter().filter(|hash| other.has_firing([**hash]));
        let firing: BTreeSet<u64> = both.copied().collect();
        let lists = [&self.firing, &other.firing, &self.held, &other.held];
        let unclear = lists.into_iter().flat_map(|list| list.iter().copied());
        let unclear: BTreeSet<u64> = unclear.filter(|hash| !firing.contains(hash)).collect();
        let ended = self.resolved.iter().chain(&*other.resolved).copied();
        let ended = ended.filter(|hash| !firing.contains(hash) && !unclear.contains(hash));
        let resolved: BTreeSet<u64> = ended.collect();
        let newer = if self.precedence(other).is_lt() {
            other
        } else {
            self
        };
        Some(Self {
            edit: newer.edit.saturating_add(1),
            firing: firing.into_iter().collect(),
            resolved: resolved.into_iter().collect(),
            held: unclear.into_iter().collect(),
            trail: self.trail.joined(&other.trail),
            ..newer.clone()
        })
    }

    /// Whether an entry differs in nothing but its expiry.
    #[must_use]
    pub fn tells_the_same(&self, other: &Self) -> bool {
        let other = Self {
            expires_at: self.expires_at,
            ..other.clone()
        };
        self.precedence(&other).is_eq()
    }

    /// When Alertmanager would forget it: after `retention` or twice the repeat interval, whichever is sooner.
    #[must_use]
    pub fn upstream_expiry(&self, retention: Duration) -> Timestamp {
        let twice = self.repeat_interval.saturating_mul(2);
        let keep = if twice.is_zero() {
            retention
        } else {
            twice.min(retention)
        };
        self.timestamp.plus(keep)
    }
}

fn cmp_data(a: &BTreeMap<String, ReceiverValue>, b: &BTreeMap<String, ReceiverValue>) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| {
        a.iter()
            .zip(b)
            .map(|((name, value), (other_name, other))| {
                name.cmp(other_name).then_with(|| value.cmp_total(other))
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    })
}
