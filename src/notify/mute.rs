//! What keeps an alert from being told: silences, inhibition, time intervals.

use std::sync::Arc;

use imbl::OrdMap;

use crate::{
    alert::Alert,
    config::Config,
    dispatch::RouteNode,
    inhibit::Inhibitor,
    labels::{Fingerprint, LabelSet},
    silence::{SilenceMatcher, SilenceStats, Silences},
    time::Timestamp,
};

/// What mutes an alert.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MuteStatus {
    /// Ids of the active silences that match it, sorted.
    pub silenced_by: Vec<Arc<str>>,
    /// The source that inhibits it, if any; upstream names one only.
    pub inhibited_by: Vec<Fingerprint>,
}

impl MuteStatus {
    /// Whether anything mutes it.
    #[must_use]
    pub fn is_muted(&self) -> bool {
        !self.silenced_by.is_empty() || !self.inhibited_by.is_empty()
    }
}

/// Judges many alerts at one moment; owns caches, so one worker keeps one.
#[derive(Debug)]
pub struct Muting {
    silences: SilenceMatcher,
    inhibitor: Inhibitor,
    alerts: OrdMap<Fingerprint, Arc<Alert>>,
    at: Timestamp,
}

impl Muting {
    /// Makes a judge over snapshots.
    #[must_use]
    pub fn new(
        silences: &Silences,
        inhibitor: Inhibitor,
        alerts: OrdMap<Fingerprint, Arc<Alert>>,
        at: Timestamp,
    ) -> Self {
        Self {
            silences: silences.matcher(),
            inhibitor,
            alerts,
            at,
        }
    }

    /// What mutes an alert with these labels.
    pub fn status(&mut self, labels: &LabelSet) -> MuteStatus {
        MuteStatus {
            silenced_by: self.silenced_by(labels),
            inhibited_by: self.inhibited_by(labels).into_iter().collect(),
        }
    }

    /// The silences that mute it.
    pub fn silenced_by(&mut self, labels: &LabelSet) -> Vec<Arc<str>> {
        self.silences.mutes(labels, self.at)
    }

    /// What looking at silences took.
    #[must_use]
    pub fn silence_stats(&self) -> SilenceStats {
        *self.silences.stats()
    }

    /// The source that inhibits it.
    #[must_use]
    pub fn inhibited_by(&self, labels: &LabelSet) -> Option<Fingerprint> {
        self.inhibitor.inhibited_by(labels, &self.alerts, self.at)
    }
}

/// Which time intervals mute a route, and of which kind they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hours {
    /// It notifies.
    Open,
    /// None of these active intervals holds.
    Inactive(Arc<[Arc<str>]>),
    /// These mute intervals hold.
    Muted(Arc<[Arc<str>]>),
}

impl Hours {
    /// Judges a route at `now` (`notify/mute_stage.go`: active intervals first).
    #[must_use]
    pub fn of(route: &RouteNode, config: &Config, now: Timestamp) -> Self {
        let holds = |name: &&Arc<str>| {
            config
                .time_intervals
                .get(*name)
                .is_some_and(|list| list.iter().any(|interval| interval.contains(now)))
        };
        if !route.active_time_intervals.is_empty()
            && !route.active_time_intervals.iter().any(|name| holds(&name))
        {
            return Self::Inactive(route.active_time_intervals.iter().cloned().collect());
        }
        let muting: Arc<[_]> = route
            .mute_time_intervals
            .iter()
            .filter(holds)
            .cloned()
            .collect();
        if muting.is_empty() {
            Self::Open
        } else {
            Self::Muted(muting)
        }
    }

    /// The names of the intervals that mute.
    #[must_use]
    pub fn muted_by(&self) -> Arc<[Arc<str>]> {
        match self {
            Self::Open => Arc::default(),
            Self::Inactive(names) | Self::Muted(names) => Arc::clone(names),
        }
    }
}
