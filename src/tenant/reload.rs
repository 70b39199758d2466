//! A new configuration: everything that follows from it is built on a worker, then swapped in at once.
//!
//! While the worker builds, alerts and ends of flushes wait; reads and silences do not.

use std::sync::Arc;

use imbl::OrdMap;

use super::Tenant;
use crate::{
    alert::Alert,
    config::Config,
    dispatch::{Dispatcher, Group, RouteTree, Snapshot},
    inhibit::Inhibitor,
    labels::Fingerprint,
    nflog::Nflog,
    notify::decide::{FlushInput, FlushSettings},
    silence::Silences,
    time::Now,
};

/// What a reload starts from.
#[derive(Debug)]
pub struct ReloadInput {
    config: Arc<Config>,
    groups: Snapshot,
    alerts: OrdMap<Fingerprint, Arc<Alert>>,
    silences: Silences,
    nflog: Nflog,
    fixed: Arc<FlushSettings>,
    now: Now,
}

/// What a reload leads to.
#[derive(Debug)]
pub struct ReloadOutcome {
    config: Arc<Config>,
    dispatcher: Dispatcher,
    inhibitor: Inhibitor,
}

impl ReloadInput {
    /// Builds routes, groups and inhibitions anew.
    #[must_use]
    pub fn run(self) -> ReloadOutcome {
        let mut inhibitor = Inhibitor::new(&self.config.inhibit_rules);
        for alert in self.alerts.values() {
            inhibitor.update(alert, None);
        }
        let Self {
            config,
            groups,
            alerts,
            silences,
            nflog,
            fixed,
            now,
        } = self;
        let waits = |group: &Group| {
            let input = FlushInput {
                group: Arc::new(group.clone()),
                now,
                config: Arc::clone(&config),
                alerts: alerts.clone(),
                silences: silences.clone(),
                inhibitor: inhibitor.clone(),
                nflog: nflog.clone(),
                fixed: Arc::clone(&fixed),
            };
            input.waits()
        };
        let firing = alerts
            .values()
            .filter(|alert| !alert.is_resolved_at(now.wall));
        let dispatcher = groups.reload(Arc::new(RouteTree::new(&config.route)), firing, waits, now);
        ReloadOutcome {
            config: Arc::clone(&config),
            dispatcher,
            inhibitor: inhibitor.clone(),
        }
    }
}

impl Tenant {
    /// The job that a new configuration needs. Until [`Self::reloaded`] no alert may be posted and no flush may begin
    /// or end.
    #[must_use]
    pub fn begin_reload(&self, config: Arc<Config>, now: Now) -> ReloadInput {
        ReloadInput {
            config,
            groups: self.dispatcher.snapshot(),
            alerts: self.store.all().clone(),
            silences: self.silences.clone(),
            nflog: self.nflog.clone(),
            fixed: Arc::clone(&self.flush_settings),
            now,
        }
    }

    /// Puts a new configuration into force.
    pub fn reloaded(&mut self, outcome: ReloadOutcome) {
        self.config = outcome.config;
        self.dispatcher = outcome.dispatcher;
        self.inhibitor = outcome.inhibitor;
        self.stats.reloads += 1;
    }
}
