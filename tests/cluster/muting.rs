//! Silences, inhibition, and resolves that happen under them.

use std::time::Duration;

use watchfire::config::IntegrationKind;

use crate::sim::{ConfigBuilder, World, integration};

const LONG: Duration = Duration::from_secs(3000);

#[test]
fn a_silenced_alert_is_not_told_until_the_silence_ends() {
    let mut world = World::new(ConfigBuilder::new().build());
    let id = world.silence("A", LONG);
    world.fire("A");
    world.run_to(100);
    assert!(world.told.is_empty());
    assert_eq!(world.view().stats.suppressed.silence, 2);
    world.unsilence(&id);
    world.run_to(140);
    assert_eq!(world.accepted(), ["130 first notification: firing A"]);
}

#[test]
fn a_resolve_under_a_silence_is_told_when_it_ends() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.fire("A");
    world.run_to(20);
    let id = world.silence("A", LONG);
    world.resolve("A");
    world.run_to(400);
    assert_eq!(world.told.len(), 1);
    world.unsilence(&id);
    world.run_to(1000);
    assert_eq!(
        world.accepted(),
        [
            "10 first notification: firing A",
            "430 all alerts resolved: resolved A"
        ]
    );
    assert!(world.view().groups.is_empty());
}

#[test]
fn even_if_others_were_told_of_meanwhile() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.fire("A");
    world.run_to(20);
    let id = world.silence("A", LONG);
    world.fire("B");
    world.run_to(100);
    world.resolve("A");
    world.run_to(200);
    world.unsilence(&id);
    world.run_to(300);
    assert_eq!(
        world.accepted(),
        [
            "10 first notification: firing A",
            "70 new alerts added: firing B",
            "250 some alerts resolved: firing B resolved A",
        ]
    );
}

#[test]
fn a_resolve_of_what_was_never_told_is_not_told() {
    let mut world = World::new(ConfigBuilder::new().build());
    let id = world.silence("A", LONG);
    world.fire("A");
    world.run_to(20);
    world.resolve("A");
    world.run_to(100);
    world.unsilence(&id);
    world.run_to(400);
    assert!(world.told.is_empty());
}

#[test]
fn resolve_when_muted_can_be_switched_off() {
    let mut webhook = integration(IntegrationKind::Webhook, 0);
    webhook.resolve_when_muted = false;
    let mut world = World::new(ConfigBuilder::new().integrations(vec![webhook]).build());
    world.fire("A");
    world.run_to(20);
    let id = world.silence("A", LONG);
    world.resolve("A");
    world.run_to(200);
    world.unsilence(&id);
    world.run_to(600);
    assert_eq!(world.told.len(), 1, "as upstream");
}

#[test]
fn an_alert_is_inhibited_while_its_source_fires() {
    let mut world = World::new(
        ConfigBuilder::new()
            .group_by(&["alertname"])
            .inhibit("Root", "Leaf")
            .build(),
    );
    world.fire("Root");
    world.fire("Leaf");
    world.run_to(100);
    assert_eq!(world.accepted(), ["10 first notification: firing Root"]);
    world.resolve("Root");
    world.run_to(140);
    let leaf = "130 first notification: firing Leaf".to_owned();
    assert!(world.accepted().contains(&leaf), "{:?}", world.accepted());
}
