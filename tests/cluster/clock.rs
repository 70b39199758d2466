//! The wall clock is set while the node runs.

use std::time::Duration;

use crate::sim::{ConfigBuilder, World};

#[test]
fn a_resolve_is_told_although_the_clock_was_set_back() {
    let mut world = World::new(ConfigBuilder::new().build());
    let began = world.wall().minus(Duration::from_secs(4 * 3600));
    world.post("A", began, Duration::from_secs(240));
    world.run_to(30);
    world.jump(-3600);
    world.post("A", began, Duration::from_secs(240));
    world.run_to(80);
    world.resolve("A");
    world.run_to(200);
    assert_eq!(world.told.len(), 2, "{:?}", world.accepted());
}

#[test]
fn a_clock_that_was_set_back_while_the_node_was_down_is_no_long_outage() {
    let mut world = World::new(ConfigBuilder::new().group_by(&["alertname"]).build());
    world.fire("Z");
    world.run_to(20);
    world.resolve("Z");
    world.run_to(7200);
    world.post("A", world.wall(), Duration::from_secs(240));
    world.run_to(7300);
    world.kill();
    world.jump(-3600);
    world.start();
    world.run_to(7440 + 3600 + 120);
    let last = world.accepted().pop().unwrap_or_default();
    assert!(last.ends_with("resolved A"), "{last}");
}

#[test]
fn what_began_anew_before_an_outage_is_no_new_incident_because_the_clock_is_behind() {
    let mut world = World::new(ConfigBuilder::new().build());
    let life = Duration::from_secs(240);
    world.post("A", world.wall(), life);
    world.run_to(60);
    // Nobody told of its end, so to receivers it has fired all the time.
    let began = world.wall();
    world.post("A", began, life);
    world.run_to(100);
    world.stop();
    world.jump(-3600);
    world.run_to(110);
    world.start();
    world.post("A", began, Duration::from_secs(3840));
    world.run_to(200);
    assert_eq!(world.accepted(), ["10 first notification: firing A"]);
}
