//! A new configuration: everything that follows from it is built on a worker, then swapped in at once.
//!
//! While the worker builds, alerts and ends of flushes wait; reads and silences do not.

use std::sync::Arc;

use imbl::OrdMap;

use super::{Tenant, TenantEffect, TenantJob};
use crate::{
    alert::Alert,
    config::{Config, Integration},
    dispatch::{Dispatcher, Group, RouteTree, Snapshot},
    inhibit::Inhibitor,
    labels::Fingerprint,
    nflog::{Nflog, ReceiverKey},
    notify::decide::{FlushInput, FlushSettings, Plan},
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

    /// Puts a new configuration into force. Notifications under way follow it with their next attempt.
    pub fn reloaded(&mut self, outcome: ReloadOutcome, now: Now) {
        self.config = outcome.config;
        let dispatcher = std::mem::replace(&mut self.dispatcher, outcome.dispatcher);
        let inhibitor = std::mem::replace(&mut self.inhibitor, outcome.inhibitor);
        self.discard((dispatcher, inhibitor));
        self.stats.reloads += 1;
        self.describe_routes();
        let config = Arc::clone(&self.config);
        for ended in self
            .deliveries
            .reconfigure(|key| find_integration(&config, key))
        {
            self.delivery_ended(ended, now);
        }
    }

    /// Has a worker free what consists of many parts.
    pub(super) fn discard(&mut self, rubbish: impl Send + 'static) {
        let job = TenantJob::Discard(Box::new(rubbish));
        self.effects.push_back(TenantEffect::Run(job));
    }

    /// Leaves of a decision what the configuration in force still has: a flush may have been decided under an older one.
    pub(super) fn still_configured(&self, plan: &mut Plan) -> bool {
        if plan.integration.is_none() {
            return true;
        }
        plan.integration = find_integration(&self.config, &plan.key.receiver);
        plan.integration.is_some()
    }
}

/// The integration that the log knows under this name.
fn find_integration(config: &Config, key: &ReceiverKey) -> Option<Arc<Integration>> {
    let integrations = &config.receiver(&key.group_name)?.integrations;
    let same =
        |of: &&Arc<Integration>| of.kind.as_str() == &*key.integration && of.index == key.index;
    integrations.iter().find(same).map(Arc::clone)
}
