//! One aggregation group: the alerts that are notified together, and when.

use std::{sync::Arc, time::Duration};

use super::{Members, RouteNode};
use crate::{
    alert::Alert,
    labels::{Fingerprint, LabelSet},
    time::{Now, Timestamp},
};

/// Names a group for as long as it lives in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u64);

/// Names a group over restarts and reloads.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupName {
    /// The id of its route, since routes may share their key.
    pub route_id: Arc<str>,
    /// The group's key.
    pub group_key: Arc<str>,
}

/// A group of alerts.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its name in this process; a reload keeps it where the group stays.
    pub id: GroupId,
    /// The route that made it.
    pub route: Arc<RouteNode>,
    /// What its alerts share.
    pub labels: LabelSet,
    /// The route's key and the labels: the name in the notification log and at receivers.
    pub key: Arc<str>,
    /// Its alerts, resolved ones until they are told.
    pub members: Members,
    /// When its first alert came.
    pub created: Timestamp,
    /// Monotonic time of the next flush.
    pub due: Duration,
    /// Whether and how a flush is under way.
    pub flush: Flush,
    /// When the last flush began; `None` before the first.
    pub last_flush: Option<Timestamp>,
    /// How often the group was flushed, by whichever node.
    pub flushes: u64,
    /// Alerts, sorted, that resolved while they were muted and stay until somebody can be told.
    pub held: Arc<[Fingerprint]>,
    /// The time intervals that muted the last flush.
    pub muted_by: Arc<[Arc<str>]>,
    /// What the last flush decided for each integration.
    pub decisions: Arc<[LastDecision]>,
}

/// Whether a group is being flushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// No.
    Idle,
    /// Yes; the next waits for its end.
    Running,
    /// Yes, and the next was due meanwhile.
    Overdue,
}

/// What a flush decided for one integration, for those who ask why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastDecision {
    /// `webhook[0]`.
    pub integration: Arc<str>,
    /// When it was decided.
    pub at: Timestamp,
    /// Whether a notification follows from it.
    pub notify: bool,
    /// Why, in words.
    pub reason: Arc<str>,
}

/// What is kept of a group over a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Which group it is.
    pub name: GroupName,
    /// When its first alert came.
    pub created: Timestamp,
    /// When its next flush is due, by the clock of the node that saved it.
    pub due: Timestamp,
    /// When the last flush began.
    pub last_flush: Option<Timestamp>,
    /// How often the group was flushed, by whichever node.
    pub flushes: u64,
}

impl Group {
    /// When the next flush is due on the wall clock.
    #[must_use]
    pub fn due_at(&self, now: Now) -> Timestamp {
        now.wall
            .plus(self.due.saturating_sub(now.mono))
            .minus(now.mono.saturating_sub(self.due))
    }

    /// The name it has over restarts and reloads.
    #[must_use]
    pub fn name(&self) -> GroupName {
        GroupName {
            route_id: Arc::clone(&self.route.id),
            group_key: Arc::clone(&self.key),
        }
    }

    /// What a restart needs to know.
    #[must_use]
    pub fn schedule(&self, now: Now) -> Schedule {
        Schedule {
            name: self.name(),
            created: self.created,
            // A flush that a crash interrupts is begun again at once: somebody may not have been told.
            due: match self.flush {
                Flush::Idle => self.due_at(now),
                Flush::Running | Flush::Overdue => self.last_flush.unwrap_or(now.wall),
            },
            last_flush: self.last_flush,
            flushes: self.flushes,
        }
    }

    /// When a group that `alert` opens is first flushed: after the group wait, or at once for an alert that is older
    /// than that already (`dispatch.go` `aggrGroup.insert`).
    #[must_use]
    pub fn first_due(route: &RouteNode, alert: &Alert, now: Now) -> Duration {
        if alert.starts_at.plus(route.group_wait) < now.wall {
            now.mono
        } else {
            now.mono + route.group_wait
        }
    }
}
