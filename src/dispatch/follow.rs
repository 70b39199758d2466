//! Groups follow the flushes of other nodes: who was flushed more often says when the next flush is due.

use std::time::Duration;

use imbl::OrdMap;

use super::{Dispatcher, Group, GroupId, GroupName};
use crate::time::Now;

/// Schedules kept for groups that are not here yet; more are forgotten.
const MAX_ASIDE: usize = 10_000;

/// The schedule of a group that is not here yet.
#[derive(Debug, Clone, Copy)]
pub struct Aside {
    /// How often the group was flushed.
    pub flushes: u64,
    /// Monotonic time of the next flush; from then on it says nothing any more.
    pub due: Duration,
}

impl Aside {
    /// Has a group that comes to be go on with it.
    pub(super) fn apply(self, group: &mut Group, now: Now) {
        if self.due > now.mono {
            let longest = group.route.group_interval.max(group.route.group_wait);
            group.flushes = self.flushes;
            group.due = self.due.min(now.mono + longest);
        }
    }
}

impl Dispatcher {
    /// Takes in that a group was flushed `flushes` times and is next due in `due_in`, if nobody here knows of so many.
    /// The schedule of a group that is not here waits for it. Tells whether it was news of a group that is here.
    pub fn follow(&mut self, name: GroupName, flushes: u64, due_in: Duration, now: Now) -> bool {
        if let Some(id) = self.find(&name) {
            let known = self.groups.get(&id).map_or(0, |group| group.flushes);
            if flushes <= known {
                return false;
            }
            self.reschedule(id, |group| {
                // Nobody may postpone a page beyond what the route allows.
                let longest = group.route.group_interval.max(group.route.group_wait);
                group.due = now.mono + due_in.min(longest);
                group.flushes = flushes;
            });
            self.unsaved.insert(id);
            return true;
        }
        if self.aside.len() >= MAX_ASIDE {
            let aside = std::mem::take(&mut self.aside);
            self.aside = aside
                .into_iter()
                .filter(|(_, aside)| aside.due > now.mono)
                .collect();
        }
        let old = self.aside.get(&name).map_or(0, |aside| aside.flushes);
        if flushes > old && (old > 0 || self.aside.len() < MAX_ASIDE) {
            let due = now.mono.saturating_add(due_in);
            self.aside.insert(name, Aside { flushes, due });
        }
        false
    }

    /// Schedules of groups that are not here; cheap to clone.
    #[must_use]
    pub fn aside(&self) -> &OrdMap<GroupName, Aside> {
        &self.aside
    }

    /// The group of that name.
    #[must_use]
    pub fn find(&self, name: &GroupName) -> Option<GroupId> {
        self.names.get(name).copied()
    }
}
