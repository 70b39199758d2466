//! Evaluates many label sets against one snapshot of the silences.

use std::sync::Arc;

use super::{stats::SilenceStats, store::Silences};
use crate::{labels::LabelSet, time::Timestamp};

/// A reader of one snapshot. A worker makes it with [`Silences::matcher`] and keeps it as long as the snapshot.
#[derive(Debug)]
pub struct SilenceMatcher {
    silences: Silences,
    stats: SilenceStats,
}

impl SilenceMatcher {
    pub(super) fn new(silences: Silences) -> Self {
        Self {
            silences,
            stats: SilenceStats::default(),
        }
    }

    /// The ids of the silences that are active at `now` and match, sorted.
    #[must_use]
    pub fn mutes(&mut self, labels: &LabelSet, now: Timestamp) -> Vec<Arc<str>> {
        self.stats.queries += 1;
        self.silences.mutes(labels, now)
    }

    /// What this reader did, for [`Silences::count`].
    #[must_use]
    pub fn stats(&self) -> &SilenceStats {
        &self.stats
    }
}
