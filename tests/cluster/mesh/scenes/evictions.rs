//! A node that is down for longer than `--cluster.evict-after` votes no more and comes back as a newcomer.

use super::score::{config, names, ready_with, secs};
use crate::mesh::world::{Setup, World};

const EVICT_AFTER: u64 = 60;

fn three() -> World {
    let mut setup = Setup::new(3, 1, config());
    setup.evict_after = secs(EVICT_AFTER);
    ready_with(setup)
}

/// Who votes, as a node knows.
fn electors(world: &mut World, host: usize) -> Vec<String> {
    let view = world.view(host);
    let mesh = view.mesh.as_ref().unwrap();
    mesh.electors.iter().map(ToString::to_string).collect()
}

#[test]
fn an_evicted_node_comes_back_with_its_old_disk_and_tells_nothing_twice() {
    for power in [false, true] {
        let mut world = three();
        let since = world.clock;
        world.fire_all(&names()[..10]);
        world.run_for(secs(5));
        world.down(2, power);
        world.run_for(secs(EVICT_AFTER - 10));
        assert_eq!(electors(&mut world, 0), ["n1", "n2", "n3"]);
        world.run_for(secs(20));
        assert_eq!(electors(&mut world, 0), ["n1", "n2"]);
        assert_eq!(electors(&mut world, 1), ["n1", "n2"]);
        let later = world.clock;
        world.fire_all(&names()[10..]);
        world.resolve_all(&names()[..5]);
        world.run_for(secs(30));
        world.start(2);
        world.run_for(secs(60));
        for host in 0..3 {
            assert_eq!(electors(&mut world, host), ["n1", "n2", "n3"]);
        }
        world.resolve_all(&names()[5..10]);
        world.run_for(secs(30));
        world.assert_once(&names()[..10], true, since, secs(2));
        world.assert_once(&names()[10..], true, later, secs(5));
        world.assert_once(&names()[..10], false, since, secs(300));
        world.assert_sound();
        let differences = world.compare_replicas();
        assert!(differences.is_empty(), "{differences:#?}");
    }
}

/// Its disk says that it votes; nobody that it sees does.
#[test]
fn an_evicted_node_that_comes_back_behind_a_cut_tells_nothing_by_itself() {
    let mut world = three();
    world.setup.minority_delay = None;
    let since = world.clock;
    world.fire_all(&names()[..10]);
    world.run_for(secs(5));
    world.power_off(2);
    world.run_for(secs(EVICT_AFTER + 10));
    world.cut(&[2], &[0, 1]);
    world.start(2);
    let later = world.clock;
    world.fire_all(&names()[10..]);
    world.run_for(secs(EVICT_AFTER - 20));
    world.mend(&[2], &[0, 1]);
    world.run_for(secs(60));
    world.assert_once(&names()[..10], true, since, secs(2));
    world.assert_once(&names()[10..], true, later, secs(5));
    world.assert_sound();
}

/// Of five, two are evicted; the other three lose one of theirs, and still have a majority.
#[test]
fn whoever_is_evicted_counts_no_more() {
    let mut setup = Setup::new(5, 1, config());
    setup.evict_after = secs(EVICT_AFTER);
    let mut world = ready_with(setup);
    world.power_off(3);
    world.power_off(4);
    world.run_for(secs(EVICT_AFTER + 20));
    world.power_off(2);
    world.run_for(secs(5));
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(25));
    world.assert_once(&names(), true, since, secs(6));
    for host in [2, 3, 4] {
        world.start(host);
    }
    world.run_for(secs(60));
    world.assert_once(&names(), true, since, secs(6));
    for host in 0..5 {
        assert_eq!(electors(&mut world, host).len(), 5);
    }
    world.assert_sound();
}
