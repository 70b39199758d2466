//! One silence, its state at a point in time, and the order that makes merging copies of it safe.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use crate::{
    labels::{LabelSet, Matcher},
    time::Timestamp,
};

/// Sets of matchers, at least one; a silence mutes what all matchers of any set match. The API uses exactly one set.
pub type MatcherSets = Arc<[Vec<Matcher>]>;

/// What a silence is at some point in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SilenceState {
    /// It mutes.
    Active,
    /// It will mute.
    Pending,
    /// It has muted, or was taken back.
    Expired,
}

impl SilenceState {
    /// `active`, `pending` or `expired`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Expired => "expired",
        }
    }
}

/// Mutes the alerts that its matchers match, from `starts_at` to `ends_at`, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    /// A UUID.
    pub id: Arc<str>,
    /// What it mutes; never changes under the same id.
    pub matcher_sets: MatcherSets,
    /// When it begins.
    pub starts_at: Timestamp,
    /// The last moment at which it mutes.
    pub ends_at: Timestamp,
    /// When it was last edited or expired.
    pub updated_at: Timestamp,
    /// Who made it; may be empty.
    pub created_by: String,
    /// Why; may be empty.
    pub comment: String,
    /// What its maker attached.
    pub annotations: BTreeMap<String, String>,
    /// When it may be forgotten: `ends_at` and the retention.
    pub expires_at: Timestamp,
    /// Counts edits from 1; 0 comes from a file of Alertmanager.
    pub rev: u64,
    /// Whether a user took it back. Such a copy beats every edit, concurrent or not.
    pub expired_by_user: bool,
}

impl Silence {
    /// The state at `at`.
    #[must_use]
    pub fn state_at(&self, at: Timestamp) -> SilenceState {
        if at < self.starts_at {
            SilenceState::Pending
        } else if at > self.ends_at {
            SilenceState::Expired
        } else {
            SilenceState::Active
        }
    }

    /// Whether any of its matcher sets matches.
    #[must_use]
    pub fn matches(&self, labels: &LabelSet) -> bool {
        self.matcher_sets
            .iter()
            .any(|set| Matcher::all_match(set, labels))
    }

    /// Which of two copies of one silence holds; `Greater` for the one that replaces the other.
    ///
    /// A total order on contents, so that merging is commutative, associative and idempotent: an expiry by a user first,
    /// then the number of edits, then when, then the contents themselves.
    #[must_use]
    pub fn precedence(&self, other: &Self) -> Ordering {
        self.expired_by_user
            .cmp(&other.expired_by_user)
            .then_with(|| self.rev.cmp(&other.rev))
            .then_with(|| self.updated_at.cmp(&other.updated_at))
            .then_with(|| self.ends_at.cmp(&other.ends_at))
            .then_with(|| self.starts_at.cmp(&other.starts_at))
            .then_with(|| self.expires_at.cmp(&other.expires_at))
            .then_with(|| self.created_by.cmp(&other.created_by))
            .then_with(|| self.comment.cmp(&other.comment))
            .then_with(|| self.annotations.cmp(&other.annotations))
            .then_with(|| self.matcher_sets.cmp(&other.matcher_sets))
    }
}
