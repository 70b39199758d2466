//! Which entries of the history a client wants to see.

use std::sync::Arc;

use super::entry::{HistoryEntry, Outcome};
use crate::{labels::Matcher, time::Timestamp};

/// The filters of `GET /api/v2/notifications`; those not set accept everything.
#[derive(Clone, Debug, Default)]
pub struct HistoryQuery {
    /// Name of the receiver.
    pub receiver: Option<String>,
    /// Key of the group.
    pub group_key: Option<String>,
    /// Type of the integration.
    pub integration: Option<String>,
    /// What became of it.
    pub outcome: Option<Outcome>,
    /// All must match the group's labels.
    pub matchers: Vec<Matcher>,
    /// Not before.
    pub since: Option<Timestamp>,
    /// Not after.
    pub until: Option<Timestamp>,
    /// At most so many; 0 for as many as there are.
    pub limit: usize,
    /// Only entries older than the one with this id: [`HistoryPage::next`] of the page before.
    pub before: Option<u64>,
}

impl HistoryQuery {
    /// Whether an entry passes the filters.
    #[must_use]
    pub fn accepts(&self, entry: &HistoryEntry) -> bool {
        let is = |wanted: &Option<String>, is: &str| wanted.as_deref().is_none_or(|w| w == is);
        is(&self.receiver, &entry.receiver)
            && is(&self.group_key, &entry.group_key)
            && is(&self.integration, &entry.integration)
            && self.outcome.is_none_or(|outcome| outcome == entry.outcome)
            && self.since.is_none_or(|since| entry.at >= since)
            && self.until.is_none_or(|until| entry.at <= until)
            && Matcher::all_match(&self.matchers, &entry.group_labels)
    }
}

/// Some entries, the newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryPage {
    /// The entries.
    pub entries: Vec<Arc<HistoryEntry>>,
    /// Where the next page begins, if there is one.
    pub next: Option<u64>,
}
