//! One story each.

use super::network::{EVICT, SETTLE, World, ms};

fn names(world: &World, host: &str) -> String {
    let electors = world.machine(world.host(host)).unwrap().electors();
    electors.map_or_else(String::new, |electors| {
        let names: Vec<&str> = electors.names.iter().map(AsRef::as_ref).collect();
        names.join(" ")
    })
}

fn assert_becomes(world: &mut World, most: std::time::Duration, expected: &str) {
    let took = world.run_until(most, |world| world.shared().as_deref() == Some(expected));
    assert!(took.is_some(), "not {expected}: {}", world.describe());
    world.check_steps();
    assert_eq!(world.wrong, Vec::<String>::new());
}

#[test]
fn a_node_that_met_nobody_is_an_electorate_of_its_own_at_once() {
    let mut world = World::new(1, "a");
    world.start(0);
    assert_becomes(&mut world, ms(200), "a");
}

#[test]
fn a_node_that_cannot_reach_its_peers_waits_for_the_settle_timeout() {
    let mut world = World::new(1, "a b");
    world.cut(0, 1);
    world.start(0);
    world.run(SETTLE - ms(100));
    assert_eq!(names(&world, "a"), "");
    assert_becomes(&mut world, ms(300), "a");
}

#[test]
fn three_that_start_together_form_one_within_300_ms() {
    for seed in 0..50 {
        let mut world = World::new(seed, "a b c");
        for host in 0..3 {
            world.start(host);
        }
        world.run_until(ms(1000), |world| {
            world
                .living()
                .iter()
                .all(|host| world.hosts[*host].live.as_ref().unwrap().settled)
        });
        assert_becomes(&mut world, ms(300), "a b c");
        assert_eq!(world.history.len(), 1);
    }
}

#[test]
fn nodes_join_one_by_one_and_come_back_with_their_store() {
    let mut world = World::new(2, "b c a");
    world.start(0);
    assert_becomes(&mut world, ms(300), "b");
    world.start(1);
    assert_becomes(&mut world, ms(1000), "b c");
    world.start(2);
    assert_becomes(&mut world, ms(1000), "a b c");
    for host in 0..3 {
        world.kill(host);
    }
    world.run(ms(1000));
    for host in 0..3 {
        world.start(host);
    }
    assert_becomes(&mut world, ms(1000), "a b c");
    assert_eq!(world.history.len(), 3);
}

#[test]
fn whoever_leaves_is_removed_before_it_goes() {
    for (leaver, rest) in [(0, "b c"), (1, "a c"), (2, "a b")] {
        let mut world = World::formed(3, "a b c");
        world.leave(leaver);
        let left = world.run_until(ms(500), |world| world.machine(leaver).unwrap().has_left());
        assert!(left.is_some(), "{}", world.describe());
        world.kill(leaver);
        assert_becomes(&mut world, ms(100), rest);
        // It comes back and is added.
        world.start(leaver);
        assert_becomes(&mut world, ms(1500), "a b c");
    }
}

#[test]
fn all_leave_at_once_and_the_last_keeps_the_electorate() {
    let mut world = World::formed(4, "a b c");
    for host in 0..3 {
        world.leave(host);
    }
    for host in 0..3 {
        let left = world.run_until(ms(3500), |world| world.machine(host).unwrap().has_left());
        assert!(left.is_some(), "{}", world.describe());
    }
    assert_becomes(&mut world, ms(100), "a");
    for host in 0..3 {
        world.kill(host);
    }
    world.run(ms(500));
    for host in 0..3 {
        world.start(host);
    }
    assert_becomes(&mut world, ms(2000), "a b c");
    assert_eq!(world.history.len(), 5);
}

#[test]
fn two_members_shrink_to_one_and_grow() {
    for leaver in 0..2 {
        let mut world = World::formed(5, "a b");
        world.leave(leaver);
        world
            .run_until(ms(1000), |world| world.machine(leaver).unwrap().has_left())
            .unwrap();
        world.kill(leaver);
        assert_becomes(&mut world, ms(100), if leaver == 0 { "b" } else { "a" });
        world.start(leaver);
        assert_becomes(&mut world, ms(1500), "a b");
    }
}

#[test]
fn of_two_the_smaller_evicts_the_larger_and_the_larger_goes_on_without_a_majority() {
    for (dead, alive, forced) in [(1, "a", 0), (0, "b", 1)] {
        let mut world = World::formed(6, "a b");
        world.kill(dead);
        world.run(EVICT - ms(1000));
        assert_eq!(names(&world, alive), "a b");
        assert_becomes(&mut world, ms(6000), alive);
        let host = world.host(alive);
        assert_eq!(world.machine(host).unwrap().unsafe_electorates(), forced);
        world.start(dead);
        assert_becomes(&mut world, ms(2000), "a b");
        // What was forced holds, and it was forced once.
        assert_eq!(world.machine(dead).unwrap().unsafe_electorates(), 0);
    }
}
