//! One notification, and the bound on its size.

use std::{sync::Arc, time::Duration};

use crate::{
    labels::{Fingerprint, LabelSet},
    time::Timestamp,
};

/// The most that one entry may take, in memory and on disk.
pub const MAX_ENTRY_BYTES: usize = 8 * 1024;

/// How many alerts of a notification are named.
pub const MAX_FINGERPRINTS: usize = 20;

/// Shares of [`MAX_ENTRY_BYTES`]; what is left covers numbers, fingerprints and the encoding's own bytes.
const MAX_GROUP_KEY: usize = 2 * 1024;
const MAX_LABELS: usize = 2 * 1024;
const MAX_ERROR: usize = 2 * 1024;
const MAX_NAME: usize = 256;

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The receiver took it.
    Sent,
    /// Its last attempt failed.
    Failed,
    /// The receiver has no integration: it is only recorded.
    Recorded,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Sent, Self::Failed, Self::Recorded];

    /// `sent`, `failed` or `recorded`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Recorded => "recorded",
        }
    }

    /// The outcome of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|outcome| outcome.as_str() == name)
    }
}

/// One notification with all its attempts. Texts hold no secrets: who makes an entry removes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// Counts up on each node; given by [`History::push`](super::History::push).
    pub id: u64,
    /// Whose notification it was.
    pub tenant: Arc<str>,
    /// When it ended.
    pub at: Timestamp,
    /// The receiver.
    pub receiver: Arc<str>,
    /// The type of integration; empty if the receiver has none.
    pub integration: Arc<str>,
    /// The place among the integrations of that type in the receiver.
    pub index: u32,
    /// The group.
    pub group_key: Arc<str>,
    /// Labels of the group.
    pub group_labels: LabelSet,
    /// `firing` or `resolved`.
    pub status: Arc<str>,
    /// Why it was sent, `repeat interval elapsed`.
    pub reason: Arc<str>,
    /// What became of it.
    pub outcome: Outcome,
    /// How often it was tried.
    pub attempts: u32,
    /// The last error, empty if there was none.
    pub error: Arc<str>,
    /// From the first attempt to the end.
    pub duration: Duration,
    /// How many firing alerts it told of.
    pub firing: u64,
    /// How many resolved alerts it told of.
    pub resolved: u64,
    /// Some of these alerts, firing ones first.
    pub fingerprints: Vec<Fingerprint>,
    /// The node that sent it.
    pub node: Arc<str>,
    /// Its sequence number in the notification log.
    pub seq: u64,
    /// The key by which a receiver recognises a repeat.
    pub idempotency_key: Arc<str>,
}

impl HistoryEntry {
    /// Cuts what is too long, so that the entry stays within [`MAX_ENTRY_BYTES`].
    pub fn bound(&mut self) {
        for (text, max) in [
            (&mut self.tenant, MAX_NAME),
            (&mut self.receiver, MAX_NAME),
            (&mut self.integration, MAX_NAME),
            (&mut self.status, MAX_NAME),
            (&mut self.reason, MAX_NAME),
            (&mut self.node, MAX_NAME),
            (&mut self.idempotency_key, MAX_NAME),
            (&mut self.group_key, MAX_GROUP_KEY),
            (&mut self.error, MAX_ERROR),
        ] {
            cut(text, max);
        }
        self.fingerprints.truncate(MAX_FINGERPRINTS);
        if self.group_labels.heap_bytes() > MAX_LABELS {
            self.group_labels = cut_labels(&self.group_labels);
        }
    }

    /// Bytes of memory that the entry takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let texts = [
            &self.tenant,
            &self.receiver,
            &self.integration,
            &self.status,
            &self.reason,
            &self.node,
            &self.idempotency_key,
            &self.group_key,
            &self.error,
        ];
        size_of::<Self>()
            + texts.iter().map(|text| text.len()).sum::<usize>()
            + self.group_labels.heap_bytes()
            + self.fingerprints.len() * size_of::<Fingerprint>()
    }
}

/// Cuts a text at a character boundary; three dots say so.
fn cut(text: &mut Arc<str>, max: usize) {
    if text.len() > max {
        let end = text.floor_char_boundary(max - '…'.len_utf8());
        *text = format!("{}…", &text[..end]).into();
    }
}

/// Keeps the labels that fit, each value cut to what a label usually takes.
fn cut_labels(labels: &LabelSet) -> LabelSet {
    let mut left = MAX_LABELS - 64;
    let mut kept = Vec::new();
    for (name, value) in labels {
        let mut value: Arc<str> = value.into();
        cut(&mut value, MAX_NAME);
        let needs = name.len() + value.len() + 8;
        if needs <= left {
            left -= needs;
            kept.push((name, value));
        }
    }
    LabelSet::from_pairs(kept)
}
