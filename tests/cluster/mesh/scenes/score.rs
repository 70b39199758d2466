//! How a scene went: what was told once, twice, never, and when.

use std::{sync::Arc, time::Duration};

use watchfire::config::{Config, IntegrationKind};

pub(crate) use crate::sim::{millis, secs};
use crate::{
    mesh::world::{Setup, World},
    sim::{ConfigBuilder, integration},
};

/// The receiver that recognises nothing, and the one that recognises keys.
pub(super) const PLAIN: usize = 0;
pub(super) const KEYED: usize = 1;

/// Each alert is a group of its own; it is told a second after it comes, its changes `interval` seconds apart.
pub(super) fn config_with(wait: u64, interval: u64) -> Arc<Config> {
    let list = [false, true].into_iter().zip(0..);
    let list = list.map(|(idempotent, index)| {
        let mut webhook = integration(IntegrationKind::Webhook, index);
        webhook.delivery.idempotent = idempotent;
        webhook
    });
    ConfigBuilder::new()
        .integrations(list.collect())
        .group_by(&["alertname"])
        .paced(secs(wait), secs(interval))
        .build()
}

pub(crate) fn config() -> Arc<Config> {
    config_with(1, 10)
}

/// Nodes that know each other and are ready.
pub(super) fn ready(nodes: usize) -> World {
    ready_with(Setup::new(nodes, 1, config()))
}

pub(super) fn ready_with(setup: Setup) -> World {
    let mut world = World::started(setup);
    world.run_for(secs(8));
    world
}

/// Twenty groups.
pub(crate) fn names() -> Vec<String> {
    (0..20).map(|number| format!("G{number:02}")).collect()
}

/// What one receiver heard of some alerts since some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Score {
    /// Notifications that became visible.
    pub(super) told: usize,
    /// Those that only repeat.
    pub(super) twice: usize,
    /// Alerts of which it heard nothing.
    pub(super) lost: usize,
    /// When the last of the first ones came, after `since`.
    pub(super) latest: Duration,
    /// Requests in all.
    pub(super) attempts: usize,
}

impl World {
    pub(crate) fn fire_all(&mut self, names: &[String]) {
        names.iter().for_each(|name| self.fire(name));
    }

    pub(crate) fn resolve_all(&mut self, names: &[String]) {
        names.iter().for_each(|name| self.resolve(name));
    }

    /// Takes the power of a host, or only ends its process.
    pub(super) fn down(&mut self, host: usize, power: bool) {
        if power {
            self.power_off(host);
        } else {
            self.kill(host);
        }
    }

    /// Ends all processes at once and starts them again after a while.
    pub(super) fn restart_all(&mut self, after: Duration) {
        (0..self.hosts.len()).for_each(|host| self.kill(host));
        self.run_for(after);
        (0..self.hosts.len()).for_each(|host| self.start(host));
    }

    /// How telling a receiver went that these alerts fire, or do not.
    pub(super) fn score(
        &self,
        integration: usize,
        names: &[String],
        fires: bool,
        since: Duration,
    ) -> Score {
        let mut score = Score {
            told: 0,
            twice: 0,
            lost: 0,
            latest: Duration::ZERO,
            attempts: 0,
        };
        let ours = |name: &str| {
            let name = name.to_owned();
            move |sent: &&crate::mesh::receiver::Sent| {
                sent.integration == integration
                    && sent.began >= since
                    && sent.alerts.get(&name).is_some_and(|it| it.0 == fires)
            }
        };
        for name in names {
            let visible: Vec<_> = self.visible().filter(ours(name)).collect();
            score.attempts += self.sent.iter().filter(ours(name)).count();
            score.told += visible.len();
            score.twice += visible.len().saturating_sub(1);
            match visible.first().and_then(|sent| sent.taken) {
                None => score.lost += 1,
                Some(at) => score.latest = score.latest.max(at - since),
            }
        }
        score
    }

    /// Both receivers heard of each alert once; the last of them at most so late.
    pub(super) fn assert_once(
        &self,
        names: &[String],
        fires: bool,
        since: Duration,
        late: Duration,
    ) {
        for integration in [PLAIN, KEYED] {
            let score = self.score(integration, names, fires, since);
            assert!(
                score.twice == 0 && score.lost == 0 && score.latest <= late,
                "[{integration}] {score:?}, at most {late:?} late: {:#?}",
                self.told()
            );
        }
    }

    /// Which host tells the first receiver of this alert, now that it has told it once.
    pub(super) fn owner(&self, name: &str) -> usize {
        let mut sent = self.sent.iter();
        let last = sent.rfind(|sent| sent.integration == PLAIN && sent.alerts.contains_key(name));
        last.map(|sent| sent.host).unwrap()
    }

    /// The story so far contains nothing that must not be.
    pub(super) fn assert_sound(&self) {
        let findings = self.judge();
        assert!(
            findings.violations.is_empty(),
            "{:#?} in {:#?}",
            findings.violations,
            self.told()
        );
    }
}
