//! Firewalls that refuse: connections are reset and dials refused, as if the process were gone.

use super::score::{KEYED, PLAIN, config_with, names, ready, ready_with, secs};
use crate::mesh::{
    receiver::Answer,
    world::{Setup, World},
};

fn rest(nodes: usize, host: usize) -> Vec<usize> {
    (0..nodes).filter(|other| *other != host).collect()
}

/// While its requests are on their way everybody is refused by its host, or by a firewall between, or it by the others.
#[test]
fn a_firewall_that_refuses_for_a_moment_repeats_nothing() {
    for host in 0..3 {
        for (inwards, outwards) in [(true, false), (true, true), (false, true)] {
            let mut world = ready_with(Setup::new(3, 1, config_with(1, 60)));
            world.answer(Answer::Accept(secs(4)));
            let since = world.clock;
            world.fire_all(&names());
            world.run_for(secs(2));
            let rest = rest(3, host);
            let refuse = |world: &mut World, refused| {
                if inwards {
                    world.refuse(&rest, &[host], refused);
                }
                if outwards {
                    world.refuse(&[host], &rest, refused);
                }
            };
            refuse(&mut world, true);
            world.run_for(secs(8));
            refuse(&mut world, false);
            world.run_for(secs(60));
            world.assert_once(&names(), true, since, secs(6));
        }
    }
}

/// Who votes, as each node knows.
fn electorates(world: &mut World) -> Vec<Vec<String>> {
    let hosts = 0..world.hosts.len();
    let electors = hosts.map(|host| {
        let view = world.view(host);
        let mesh = view.mesh.as_ref().unwrap();
        mesh.electors.iter().map(ToString::to_string).collect()
    });
    electors.collect()
}

/// Nodes that refuse each other from their very first start on.
fn apart(nodes: usize, expected_size: Option<usize>) -> World {
    let mut setup = Setup::new(nodes, 1, config_with(1, 10));
    setup.expected_size = expected_size;
    let mut world = World::new(setup);
    world.add_source(crate::mesh::source::Source::new(
        crate::mesh::source::Targets::All,
        secs(30),
    ));
    for host in 0..nodes {
        world.refuse(&[host], &rest(nodes, host), true);
    }
    (0..nodes).for_each(|host| world.start(host));
    world.run_for(secs(10));
    world
}

/// Each is a mesh of its own and tells everything; when they meet they are one, and nothing is lost or told again.
#[test]
fn nodes_that_refuse_each_other_at_their_first_start_become_one_mesh_when_they_meet() {
    for nodes in [2, 3, 5] {
        let mut world = apart(nodes, None);
        for (host, electors) in electorates(&mut world).into_iter().enumerate() {
            assert_eq!(electors, [format!("n{}", host + 1)]);
        }
        let since = world.clock;
        let (early, late) = (&names()[..10], &names()[10..]);
        world.fire_all(early);
        world.run_for(secs(20));
        let plain = world.score(PLAIN, early, true, since);
        assert_eq!(plain.told, 10 * nodes, "each tells what it knows");
        let keyed = world.score(KEYED, early, true, since);
        assert!(keyed.lost == 0 && keyed.twice == 0, "{keyed:?}");
        // One of them tells an end while they are apart.
        world.resolve_all(&early[..3]);
        world.run_for(secs(15));
        world.mend_all();
        let met = world.clock;
        world.run_for(secs(30));
        let all: Vec<String> = (1..=nodes).map(|n| format!("n{n}")).collect();
        for electors in electorates(&mut world) {
            assert_eq!(electors, all);
        }
        world.fire_all(late);
        world.resolve_all(&early[3..]);
        world.run_for(secs(60));
        let again = world.score(PLAIN, &early[3..], true, met);
        assert_eq!(again.told, 0, "nothing is told again: {:#?}", world.told());
        world.assert_once(late, true, met, secs(40));
        world.assert_once(&early[3..], false, met, secs(50));
        let differences = world.compare_replicas();
        assert!(differences.is_empty(), "{differences:#?}");
    }
}

#[test]
fn with_an_expected_size_nodes_that_refuse_each_other_are_no_mesh_before_they_meet() {
    let mut world = apart(3, Some(3));
    for electors in electorates(&mut world) {
        assert!(electors.is_empty(), "{electors:?}");
    }
    let since = world.clock;
    world.fire_all(&names());
    world.run_for(secs(10));
    world.mend_all();
    world.run_for(secs(60));
    for electors in electorates(&mut world) {
        assert_eq!(electors.len(), 3);
    }
    world.assert_once(&names(), true, since, secs(40));
}

/// A dead process is still told from a firewall: others take over within half a second.
#[test]
fn a_process_that_ends_is_known_to_be_gone_at_once() {
    for host in 0..3 {
        let mut world = ready(3);
        world.kill(host);
        world.run_for(secs(1));
        for other in rest(3, host) {
            let view = world.view(other);
            let left = view.mesh.as_ref().unwrap().stats.left;
            assert_eq!(left, 1, "n{} of n{}", other + 1, host + 1);
        }
    }
}
