//! What a tenant counts. Plain numbers; `api::metrics` gives them Alertmanager's names.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    config::IntegrationKind,
    notify::{FailureReason, decide::Suppressed},
    storage::ReplicaMap,
};

/// Upper bounds of `alertmanager_notification_latency_seconds`, in seconds.
pub const LATENCY_BOUNDS: [u64; 5] = [1, 5, 10, 15, 20];

/// Upper bounds of `watchfire_claim_seconds`, in milliseconds.
pub const CLAIM_BOUNDS_MS: [u64; 10] = [1, 2, 5, 10, 20, 50, 100, 500, 3000, 30_000];

/// Counters since the start.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Alerts taken in.
    pub ingested: u64,
    /// Posts dropped by the limit on one alert name, by that name.
    ///
    /// Senders choose names, so their number is bounded; the rest are counted under the empty name.
    pub limited: BTreeMap<String, u64>,
    /// Alerts that flushes left out.
    pub suppressed: Suppressed,
    /// Notifications by integration and receiver.
    pub notifications: BTreeMap<(IntegrationKind, Arc<str>), NotificationStats>,
    /// Notifications that may have reached the receiver although no answer came.
    pub ambiguous: u64,
    /// Claims on notifications.
    pub claims: ClaimStats,
    /// Payloads about claims that could not be read.
    pub malformed_claims: u64,
    /// Flushes that ended.
    pub flushes: u64,
    /// Writing back `nflog`.
    pub nflog_snapshot: SnapshotStats,
    /// Writing back `silences`.
    pub silences_snapshot: SnapshotStats,
    /// Configurations put into force, the first included.
    pub reloads: u64,
    /// What other nodes were told and told.
    pub replication: ReplicationStats,
}

/// Counters of what passes between nodes.
#[derive(Debug, Clone, Default)]
pub struct ReplicationStats {
    /// Records by kind.
    pub maps: BTreeMap<ReplicaMap, ReplicaStats>,
    /// Repairs completed.
    pub repairs: u64,
    /// Records that a repair brought here.
    pub repaired: u64,
    /// Repairs that found differences although both sides said that they knew the same: each is a bug.
    pub divergences: u64,
    /// Records of other nodes that could not be used.
    pub quarantined: u64,
    /// Changes of others that were known to be missing when they last said what they know.
    pub behind: u64,
}

/// Counters of one kind of records that pass between nodes.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReplicaStats {
    /// Records told to the others; each counts once.
    pub told: u64,
    /// Their bytes.
    pub told_bytes: u64,
    /// Records that others told.
    pub heard: u64,
    /// Their bytes.
    pub heard_bytes: u64,
}

/// Why a node told what was another one's to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Takeover {
    /// It said goodbye, or is about to.
    Leave,
    /// Its process is known to be gone.
    Process,
    /// Nothing is heard of it.
    Suspect,
    /// It is there, and did not tell in its time.
    Watchdog,
    /// It could not reach the receiver.
    Receiver,
}

impl Takeover {
    /// Every one.
    pub const ALL: [Self; 5] = [
        Self::Leave,
        Self::Process,
        Self::Suspect,
        Self::Watchdog,
        Self::Receiver,
    ];

    /// Its name in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leave => "leave",
            Self::Process => "process",
            Self::Suspect => "suspect",
            Self::Watchdog => "watchdog",
            Self::Receiver => "receiver",
        }
    }
}

/// Counters of claims.
#[derive(Debug, Clone, Default)]
pub struct ClaimStats {
    /// Claims that were asked for.
    pub asked: u64,
    /// Claims that were held.
    pub held: u64,
    /// Of these, those that only a minority could acknowledge.
    pub minority: u64,
    /// Claims that another node had, or had told.
    pub lost: u64,
    /// Notifications that this node told although another one went first, by why that one did not.
    pub takeovers: BTreeMap<Takeover, u64>,
    /// Claims that were held at most [`CLAIM_BOUNDS_MS`]`[i]` after they were asked for; not cumulative, the last beyond all.
    pub took: [u64; CLAIM_BOUNDS_MS.len() + 1],
    /// Time from asking to holding, all together.
    pub took_sum: Duration,
}

impl ClaimStats {
    /// Counts a notification that was another node's to tell.
    pub(super) fn count_takeover(&mut self, reason: Takeover) {
        *self.takeovers.entry(reason).or_default() += 1;
    }

    /// Counts a claim that is held `took` after it was asked for.
    pub(super) fn count_held(&mut self, took: Duration, minority: bool) {
        self.held += 1;
        self.minority += u64::from(minority);
        self.took_sum += took;
        let bucket = CLAIM_BOUNDS_MS
            .iter()
            .position(|bound| took <= Duration::from_millis(*bound));
        self.took[bucket.unwrap_or(CLAIM_BOUNDS_MS.len())] += 1;
    }
}

/// Counters of the files that are written back for Alertmanager.
#[derive(Debug, Clone, Copy, Default)]
pub struct SnapshotStats {
    /// Times that writing was tried.
    pub maintenance: u64,
    /// Times that it failed.
    pub maintenance_errors: u64,
    /// Files written.
    pub snapshots: u64,
    /// Time that writing took, all together.
    pub snapshot_sum: Duration,
    /// Size of the last file.
    pub snapshot_bytes: u64,
}

/// Counters of one integration type of one receiver.
#[derive(Debug, Clone, Default)]
pub struct NotificationStats {
    /// Notifications begun.
    pub notifications: u64,
    /// Notifications that failed, by class.
    pub failed: BTreeMap<FailureReason, u64>,
    /// Attempts.
    pub requests: u64,
    /// Attempts that failed.
    pub requests_failed: u64,
    /// Attempts that took at most [`LATENCY_BOUNDS`]`[i]`; not cumulative, the last beyond all bounds.
    pub latency_buckets: [u64; LATENCY_BOUNDS.len() + 1],
    /// Time of all attempts together.
    pub latency_sum: Duration,
    /// Notifications that went out in plain words because a template failed.
    pub template_failures: u64,
    /// Notifications that went out as part of a digest.
    pub digested: u64,
    /// How the templates of the last notification failed; empty if they did not.
    pub template_problems: String,
}

impl NotificationStats {
    /// Counts one attempt.
    pub(super) fn attempt(&mut self, took: Duration, failed: bool) {
        self.requests += 1;
        self.requests_failed += u64::from(failed);
        self.latency_sum += took;
        let bucket = LATENCY_BOUNDS
            .iter()
            .position(|bound| took <= Duration::from_secs(*bound));
        self.latency_buckets[bucket.unwrap_or(LATENCY_BOUNDS.len())] += 1;
    }
}

/// Names that [`Stats::limited`] tells apart.
const MAX_LIMITED_NAMES: usize = 10_000;

impl Stats {
    /// Counts an alert that the limit on its name dropped.
    pub(super) fn count_limited(&mut self, name: String) {
        let full = self.limited.len() >= MAX_LIMITED_NAMES;
        let name = if full && !self.limited.contains_key(&name) {
            String::new()
        } else {
            name
        };
        *self.limited.entry(name).or_default() += 1;
    }

    /// Adds what a flush left out.
    pub(super) fn add_suppressed(&mut self, more: Suppressed) {
        self.suppressed.silence += more.silence;
        self.suppressed.inhibition += more.inhibition;
        self.suppressed.mute_time_interval += more.mute_time_interval;
        self.suppressed.active_time_interval += more.active_time_interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_limited_alerts_are_bounded_and_their_number_is_kept() {
        let mut stats = Stats::default();
        let posts = MAX_LIMITED_NAMES + 500;
        for i in 0..posts {
            stats.count_limited(format!("Alert{i}"));
        }
        stats.count_limited("Alert7".to_owned());
        assert_eq!(stats.limited.len(), MAX_LIMITED_NAMES + 1);
        assert_eq!(stats.limited["Alert7"], 2);
        assert_eq!(stats.limited.values().sum::<u64>(), posts as u64 + 1);
    }
}
