//! Restarts in order and out of it; what happens while nobody is there.

use watchfire::tenant::Phase;

use super::score::{KEYED, PLAIN, config_with, millis, names, ready, ready_with, secs};
use crate::mesh::world::{Setup, World};

#[test]
fn a_rolling_restart_repeats_and_delays_nothing() {
    for wipe in [false, true] {
        let mut world = ready(3);
        let since = world.clock;
        world.fire_all(&names()[..10]);
        world.run_for(secs(5));
        for host in 0..3 {
            world.stop(host);
            world.run_for(secs(6));
            assert!(!world.hosts[host].is_up(), "it stopped");
            if wipe {
                world.lose_disk(host);
            }
            world.start(host);
            world.run_for(secs(6));
        }
        world.assert_once(&names()[..10], true, since, millis(1_100));
        let since = world.clock;
        world.fire_all(&names()[10..]);
        world.resolve_all(&names()[..10]);
        world.run_for(secs(60));
        world.assert_once(&names()[10..], true, since, millis(1_100));
        world.assert_once(&names()[..10], false, since, secs(11));
        world.assert_sound();
    }
}

/// Whoever cannot look names up is found by those that know it, and waits for nobody else.
#[test]
fn a_node_that_cannot_look_names_up_is_ready_when_those_who_vote_are_there() {
    for (in_order, gone) in [(false, false), (true, false), (false, true)] {
        let mut world = ready(3);
        world.nameless = true;
        if in_order {
            world.stop(0);
        } else {
            world.kill(0);
        }
        world.run_for(secs(3));
        if gone {
            // One of those who vote is down as well: whether it is must be found out first.
            world.power_off(2);
        }
        world.start(0);
        let is_ready = |world: &World| {
            let node = world.hosts[0].node.as_ref();
            node.is_some_and(|node| node.phase() == Phase::Ready)
        };
        let within = if gone { secs(8) } else { secs(3) };
        assert!(world.run_until(within, is_ready), "{in_order} {gone}");
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(30));
        world.assert_once(&names(), true, since, secs(5));
        world.assert_sound();
    }
}

/// A node that never voted knows nobody: it waits for names, lest it founds a mesh of its own beside the others'.
#[test]
fn a_new_node_that_cannot_look_names_up_waits() {
    let mut world = World::new(Setup::new(1, 1, super::score::config()));
    world.nameless = true;
    world.start(0);
    world.run_for(secs(59));
    assert_eq!(
        world.hosts[0].node.as_ref().unwrap().phase(),
        Phase::Starting
    );
    world.run_for(secs(2));
    assert_eq!(world.hosts[0].node.as_ref().unwrap().phase(), Phase::Ready);
}

/// Those that wait in vain for one of their peers are ready at about the same moment, when neither knows that the other one
/// votes as well.
#[test]
fn whoever_begins_to_vote_waits_a_moment_for_those_that_are_about_to() {
    for later in [0, 30, 400, 3_000].map(millis) {
        let mut world = ready(3);
        (0..3).for_each(|host| world.kill(host));
        world.power_off(2);
        world.run_for(secs(1));
        world.start(0);
        world.run_for(later);
        world.start(1);
        world.run_for(secs(10));
        let since = world.clock;
        world.fire_all(&names());
        world.run_for(secs(80));
        world.assert_once(&names(), true, since, secs(55));
        for host in 0..2 {
            // Those who recognise repeats are told at once, by each.
            let claims = &world.view(host).stats.claims;
            assert!(claims.minority <= 20, "{later:?}: {claims:?}");
        }
        world.assert_sound();
    }
}

/// What the mesh has to do for a node that leaves is done at once, not with the next thing that happens.
#[test]
fn a_node_that_stops_leaves_nothing_undone() {
    let mut world = ready(3);
    world.stop(0);
    let until = world.clock + secs(10);
    while world.hosts[0].is_up() {
        assert_eq!(
            world.excesses().keys().collect::<Vec<_>>(),
            Vec::<&&str>::new()
        );
        assert!(world.advance(until), "it does not stop");
    }
}

#[test]
fn all_nodes_killed_at_once_repeat_nothing() {
    let mut world = ready(3);
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(5));
    world.restart_all(secs(5));
    world.run_for(secs(60));
    world.assert_once(&names(), true, since, millis(1_100));
    let since = world.clock;
    world.resolve_all(&names());
    world.run_for(secs(60));
    world.assert_once(&names(), false, since, secs(11));
}

#[test]
fn an_alert_that_resolves_while_it_is_told_is_told_in_order() {
    let mut world = ready_with(Setup::new(3, 1, config_with(5, 12)));
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(8));
    world.resolve_all(&names());
    world.run_for(secs(60));
    world.assert_once(&names(), true, since, millis(5_100));
    world.assert_once(&names(), false, since, millis(17_200));
    world.assert_sound();
}

/// All nodes are down while alerts resolve; later they fire anew.
fn missed_resolve(nodes: usize, resent: bool) {
    let mut world = ready(nodes);
    world.sources[0].tells_resolves = resent;
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(20));
    for host in 0..nodes {
        world.stop(host);
    }
    world.run_for(secs(10));
    world.resolve_all(&names());
    world.run_for(secs(60));
    for host in 0..nodes {
        world.start(host);
    }
    world.run_for(secs(260));
    world.assert_once(&names(), false, since, secs(400));
    world.fire_all(&names());
    world.run_for(secs(60));
    for integration in [PLAIN, KEYED] {
        let score = world.score(integration, &names(), true, since);
        assert_eq!((score.told, score.lost), (40, 0), "{:#?}", world.told());
    }
    world.assert_sound();
}

#[test]
fn a_resolve_that_nobody_heard_is_told_and_so_is_the_next_incident() {
    missed_resolve(1, false);
    missed_resolve(3, false);
}

#[test]
fn a_resolve_that_is_sent_again_after_a_restart_is_told_once() {
    missed_resolve(1, true);
    missed_resolve(3, true);
}

#[test]
fn a_mesh_may_grow_and_shrink() {
    let mut world = World::new(Setup::new(5, 1, super::score::config()));
    world.add_source(crate::mesh::source::Source::new(
        crate::mesh::source::Targets::All,
        secs(30),
    ));
    world.start(0);
    world.run_for(secs(70));
    let since = world.clock;
    world.fire_all(&names()[..10]);
    world.run_for(secs(10));
    for host in 1..5 {
        world.start(host);
        world.run_for(secs(5));
    }
    world.fire_all(&names()[10..]);
    world.run_for(secs(20));
    for host in [0, 2, 4] {
        world.stop(host);
        world.run_for(secs(8));
    }
    world.resolve_all(&names());
    world.run_for(secs(60));
    world.assert_once(&names(), true, since, secs(40));
    world.assert_once(&names(), false, since, secs(150));
}
