//! A new configuration changes what is new in it and nothing else.

use watchfire::config::Config;

use crate::sim::{ConfigBuilder, World};

#[test]
fn a_reload_neither_repeats_nor_flushes_early() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.fire("A");
    world.run_to(30);
    world.fire("B");
    for second in [40, 50, 60] {
        world.run_to(second);
        world.reload(ConfigBuilder::new().build());
    }
    world.run_to(500);
    assert_eq!(
        world.accepted(),
        [
            "10 first notification: firing A",
            "70 new alerts added: firing A B"
        ]
    );
}

#[test]
fn a_group_that_first_exists_by_the_reload_waits_its_group_wait() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.fire("A");
    world.run_to(100);
    world.reload(ConfigBuilder::new().route("A").build());
    world.run_to(109);
    assert_eq!(world.told.len(), 1);
    world.run_to(200);
    assert_eq!(
        world.accepted()[1],
        "110 first notification: firing A",
        "to a group of another key"
    );
}

#[test]
fn a_notification_in_flight_survives_a_reload() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.behaviour = crate::sim::Behaviour::Accept(std::time::Duration::from_secs(5));
    world.fire("A");
    world.run_to(12);
    world.reload(ConfigBuilder::new().build());
    world.run_to(500);
    assert_eq!(world.told.len(), 1);
    assert_eq!(world.view().history.len(), 1);
}

#[test]
fn a_new_interval_holds_from_the_reload_on() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.fire("A");
    world.run_to(30);
    let slower =
        |config: &mut Config| config.route.group_interval = std::time::Duration::from_secs(300);
    world.reload(ConfigBuilder::new().edit(slower).build());
    world.fire("B");
    world.run_to(500);
    assert_eq!(world.accepted()[1], "330 new alerts added: firing A B");
}

#[test]
fn what_waits_for_a_retry_follows_the_new_configuration() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.behaviour = crate::sim::Behaviour::Fail;
    world.fire("A");
    world.run_to(15);
    let tries = world.told.len();
    assert!(tries > 1);
    world.reload(ConfigBuilder::new().integrations(vec![]).build());
    world.run_to(60);
    assert_eq!(world.told.len(), tries, "the integration is gone");
    let view = world.view();
    assert_eq!(view.deliveries, 0);
    assert!(
        view.history.query(&Default::default()).entries[0]
            .error
            .contains("no such integration")
    );
}

#[test]
fn a_configuration_that_cannot_be_applied_changes_nothing() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.panicking = true;
    assert!(!world.try_reload(ConfigBuilder::new().integrations(vec![]).build()));
    world.panicking = false;
    world.fire("A");
    world.run_to(100);
    assert_eq!(world.accepted().len(), 1);
}

#[test]
fn what_is_being_sent_to_an_integration_that_goes_is_not_tried_again() {
    let mut world = World::new(ConfigBuilder::new().build());
    world.behaviour = crate::sim::Behaviour::FailLate(std::time::Duration::from_secs(3));
    world.fire("A");
    world.run_to(12);
    world.reload(ConfigBuilder::new().integrations(vec![]).build());
    world.run_to(60);
    assert_eq!(world.told.len(), 1);
    assert_eq!(world.view().deliveries, 0);
}
