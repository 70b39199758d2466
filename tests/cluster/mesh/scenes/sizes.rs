//! `--cluster.expected-size`: a majority is as large as that says, whoever comes and goes.

use super::score::{config, millis, names, ready_with, secs};
use crate::mesh::world::{Setup, World};

fn expecting(nodes: usize) -> World {
    let mut setup = Setup::new(nodes, 1, config());
    setup.expected_size = Some(nodes);
    ready_with(setup)
}

#[test]
fn all_may_stop_and_start_again() {
    for nodes in [2, 3, 5] {
        let mut world = expecting(nodes);
        (0..nodes).for_each(|host| world.stop(host));
        world.run_for(secs(8));
        (0..nodes).for_each(|host| world.start(host));
        world.run_for(secs(5));
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(20));
        world.assert_once(&names(), true, since, millis(1_100));
        world.assert_sound();
    }
}

/// Two of three stop; the first of them comes back, the other does not.
#[test]
fn whoever_stops_keeps_its_place() {
    let mut world = expecting(3);
    world.stop(2);
    world.run_for(millis(500));
    world.stop(1);
    world.run_for(secs(5));
    world.start(2);
    world.run_for(secs(5));
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(20));
    world.assert_once(&names(), true, since, millis(1_100));
    world.assert_sound();
}
