//! Scenes: what happens in each fault, to the moment.

use std::{sync::Arc, time::Duration};

use watchfire::config::{Config, IntegrationKind};

use super::world::{Setup, World};
use crate::sim::{ConfigBuilder, integration};

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Each alert is a group of its own; it is told a second after it comes, its changes ten seconds apart; the first
/// receiver recognises nothing, the second knows keys.
pub(crate) fn config() -> Arc<Config> {
    let list = [false, true].into_iter().zip(0..);
    let list = list.map(|(idempotent, index)| {
        let mut webhook = integration(IntegrationKind::Webhook, index);
        webhook.delivery.idempotent = idempotent;
        webhook
    });
    ConfigBuilder::new()
        .integrations(list.collect())
        .group_by(&["alertname"])
        .edit(|config| {
            config.route.group_wait = secs(1);
            config.route.group_interval = secs(10);
            config.route.repeat_interval = secs(4 * 3600);
        })
        .build()
}

#[test]
fn one_node_tells_once() {
    let mut world = World::started(Setup::new(1, 1, config()));
    world.run_for(secs(5));
    world.fire("A");
    world.run_for(secs(60));
    assert_eq!(world.told().len(), 2, "{:#?}", world.told());
    world.resolve("A");
    world.run_for(secs(60));
    assert_eq!(world.told().len(), 4, "{:#?}", world.told());
}

#[test]
fn a_view_and_a_silence_can_be_asked_for() {
    let mut world = World::started(Setup::new(1, 1, config()));
    let id = world.silence(0, "A", secs(100)).unwrap();
    world.fire("A");
    world.run_for(secs(60));
    assert!(world.view(0).silences.get(&id).is_some());
    assert!(world.told().is_empty());
}
