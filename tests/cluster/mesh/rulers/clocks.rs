//! Clocks that are wrong: rules go by the clock of the mesh, wherever they are evaluated.

use std::time::Duration;

use watchfire::alert::AlertStatus;

use super::{
    super::{
        host::BEGINNING,
        world::{Setup, World},
    },
    ruling::{Ruling, rules},
    story::config,
    truth::Truth,
};

const GROUPS: usize = 6;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Three nodes with rules whose conditions hold from the twelfth second on for ten minutes.
fn world() -> World {
    let mut setup = Setup::new(3, 11, config());
    setup.minority_delay = Some(Duration::ZERO);
    let mut world = World::new(setup);
    let at = |seconds: i64| (BEGINNING + seconds) * 1000;
    let truth = Truth {
        holds: vec![vec![(at(12), at(612))]; GROUPS],
        ..Truth::default()
    };
    world.ruling = Some(Ruling::new(3, vec![rules(&[10; GROUPS], "clocks")], truth));
    world
}

fn firing(world: &mut World, host: usize) -> usize {
    let view = world.view(host);
    let alerts = view.alerts.values();
    let fires = alerts.filter(|alert| alert.status_at(view.at.wall) == AlertStatus::Firing);
    fires.count()
}

/// All fire from the first minute to the tenth, on all nodes, and end then; nobody is told twice.
fn all_is_told_once(mut world: World) {
    let from = world.clock.max(secs(60));
    world.run_to(from);
    while world.clock < secs(600) {
        for host in 0..3 {
            let fires = firing(&mut world, host);
            assert_eq!(fires, GROUPS, "n{} at {:?}", host + 1, world.clock);
        }
        world.run_for(secs(1));
    }
    world.run_to(secs(720));
    for host in 0..3 {
        assert_eq!(firing(&mut world, host), 0, "n{}", host + 1);
    }
    let mut violations = Vec::new();
    world.check_notified(&mut violations);
    assert_eq!(violations, Vec::<String>::new());
}

#[test]
fn a_node_whose_clock_is_wrong_evaluates_as_the_others_do() {
    for skew in [-3600, -600, -20, 20, 600, 3600] {
        let mut world = world();
        world.set_clock(1, skew);
        for host in 0..3 {
            world.start(host);
        }
        world.run_to(secs(30));
        assert!(world.owners().contains(&Some(1)));
        all_is_told_once(world);
    }
}

#[test]
fn a_clock_that_is_set_neither_ends_nor_begins_anything() {
    for skew in [-3600, -600, 600, 3600] {
        let mut world = world();
        for host in 0..3 {
            world.start(host);
        }
        world.run_to(secs(90));
        assert!(world.owners().contains(&Some(1)));
        world.set_clock(1, skew);
        world.run_to(secs(300));
        world.set_clock(1, 0);
        all_is_told_once(world);
    }
}
