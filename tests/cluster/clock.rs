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
