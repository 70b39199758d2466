//! Lists silences as `GET /api/v2/silences` does.

use std::{cmp::Ordering, sync::Arc};

use super::model::{Silence, SilenceState};
use crate::{labels::Matcher, time::Timestamp};

/// Which silences to list.
#[derive(Debug, Clone)]
pub struct SilenceQuery {
    /// Each must stand literally (name, operator, value) in one and the same matcher set.
    pub filter: Vec<Matcher>,
    /// Whether active ones are listed.
    pub active: bool,
    /// Whether pending ones are listed.
    pub pending: bool,
    /// Whether expired ones are listed.
    pub expired: bool,
}

impl Default for SilenceQuery {
    fn default() -> Self {
        Self {
            filter: Vec::new(),
            active: true,
            pending: true,
            expired: true,
        }
    }
}

impl SilenceQuery {
    /// Whether a silence is listed.
    #[must_use]
    pub fn accepts(&self, silence: &Silence, now: Timestamp) -> bool {
        let wanted = match silence.state_at(now) {
            SilenceState::Active => self.active,
            SilenceState::Pending => self.pending,
            SilenceState::Expired => self.expired,
        };
        wanted
            && silence
                .matcher_sets
                .iter()
                .any(|set| self.filter.iter().all(|matcher| set.contains(matcher)))
    }
}

/// Active ones by their end, then pending ones by their start, then expired ones, the latest end first; ids break ties.
pub(super) fn listing_order(a: &Arc<Silence>, b: &Arc<Silence>, now: Timestamp) -> Ordering {
    let (state, other) = (a.state_at(now), b.state_at(now));
    state
        .cmp(&other)
        .then_with(|| match state {
            SilenceState::Active => a.ends_at.cmp(&b.ends_at),
            SilenceState::Pending => a.starts_at.cmp(&b.starts_at),
            SilenceState::Expired => b.ends_at.cmp(&a.ends_at),
        })
        .then_with(|| a.id.cmp(&b.id))
}
