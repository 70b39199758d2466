//! Rules about what nodes measure of themselves: each evaluates them over its own data, and what comes of it is its own.

use std::time::Duration;

use watchfire::alert::AlertStatus;

use super::{
    super::{
        host::BEGINNING,
        world::{Setup, World},
    },
    ruling::{Ruling, of_text},
    story::config,
    truth::Truth,
};
use crate::sim::secs;

const RULES: &str = "groups: [{name: g0, interval: 15s, rules: [{alert: D0, expr: 'up{watchfire=\"self\"} == 0'}]}]";

/// How many alerts fire as a node sees it.
fn firing(world: &mut World, host: usize) -> usize {
    let view = world.view(host);
    let alerts = view.alerts.values();
    let fires = alerts.filter(|alert| alert.status_at(view.at.wall) == AlertStatus::Firing);
    fires.count()
}

#[test]
fn what_ended_at_one_node_ends_nothing_at_another() {
    let mut setup = Setup::new(2, 7, config());
    setup.minority_delay = Some(Duration::ZERO);
    let mut world = World::new(setup);
    let at = |seconds: i64| (BEGINNING + seconds) * 1000;
    let truth = Truth {
        holds: vec![vec![(at(12), at(120))], vec![(at(12), i64::MAX)]],
        own: true,
        ..Truth::default()
    };
    world.ruling = Some(Ruling::new(2, vec![of_text(RULES)], truth));
    for host in 0..2 {
        world.start(host);
    }
    world.run_to(secs(60));
    assert_eq!((firing(&mut world, 0), firing(&mut world, 1)), (2, 2));
    world.run_to(secs(140));
    while world.clock < secs(900) {
        let seen = (firing(&mut world, 0), firing(&mut world, 1));
        assert_eq!(seen, (1, 1), "at {:?}", world.clock);
        world.run_for(secs(1));
    }
    // Both fire, one ends, and nobody hears more of it.
    let sent: Vec<String> = world.visible().map(|sent| sent.text()).collect();
    assert!((2..=3).contains(&sent.len()), "{sent:?}");
}
