//! `--cluster.expected-size`: a majority is as large as that says, whoever comes and goes.

use watchfire::cluster::MAX_NODES;

use super::score::{config, millis, names, ready_with, secs};
use crate::mesh::{
    source::{Source, Targets},
    world::{Setup, World},
};

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

/// One more than there may be, all at the same moment: the one that is left over is the same for all, and is told so.
#[test]
fn of_seventeen_that_start_at_once_sixteen_are_a_mesh() {
    for seed in 1..=5 {
        let mut world = World::new(Setup::new(MAX_NODES + 1, seed, config()));
        // The largest of n1, n10 ... n17, n2 ... n9; what it was told it would tell as one that sees nobody.
        let over = 8;
        let rest: Vec<usize> = (0..=MAX_NODES).filter(|host| *host != over).collect();
        world.add_source(Source::new(Targets::Some(rest.clone()), secs(30)));
        (0..=MAX_NODES).for_each(|host| world.start(host));
        world.run_for(secs(8));
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(20));
        for host in rest {
            let view = world.view(host);
            let mesh = view.mesh.as_ref().unwrap();
            let joined = mesh.peers.values().filter(|peer| peer.connected).count();
            let name = format!("seed {seed}, n{}", host + 1);
            assert_eq!(joined, MAX_NODES - 1, "{name}");
            assert_eq!(mesh.electors.len(), MAX_NODES, "{name}");
            assert!(mesh.electors.iter().all(|name| **name != *"n9"), "{name}");
        }
        let view = world.view(over);
        let mesh = view.mesh.as_ref().unwrap();
        assert!(mesh.peers.values().all(|peer| !peer.connected));
        assert!(mesh.stats.rejected["refused"] > 0);
        world.assert_once(&names(), true, since, millis(1_500));
        let since = world.clock;
        world.resolve_all(&names());
        world.run_for(secs(30));
        world.assert_once(&names(), false, since, secs(11));
    }
}
