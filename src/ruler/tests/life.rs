//! From pending over firing to resolved, as Prometheus has it.

use std::sync::Arc;

use super::harness::{Harness, of};
use crate::ruler::{Phase, Word};

const ONE: &str = "groups: [{name: g, interval: 30s, rules: [{alert: A, expr: x > 0, for: 1m, labels: {team: a}}]}]";
const X: &[(&[(&str, &str)], f64)] = &[(&[("__name__", "x"), ("job", "j")], 3.0)];

#[test]
fn an_alert_is_pending_fires_and_ends() {
    let mut world = Harness::new(ONE);
    world.run(30, |_| of(X));
    assert_eq!(world.phase(), Some(Phase::Pending));
    assert_eq!(world.told, []);
    world.run(90, |_| of(X));
    assert_eq!(world.phase(), Some(Phase::Firing));
    assert_eq!(world.told.len(), 1);
    let (at, told) = world.told[0].clone();
    assert_eq!(told.labels.value("alertname"), "A");
    assert_eq!(told.labels.value("job"), "j");
    assert_eq!(told.labels.value("team"), "a");
    assert_eq!(told.labels.get("__name__"), None);
    assert_eq!(told.starts_at.unix_millis(), at);
    assert_eq!(told.ends_at.unix_millis(), at + 4 * 60_000);
    assert_eq!(
        &*told.generator_url,
        "http://here:9093/prometheus/graph?g0.expr=x+%3E+0&g0.tab=1"
    );
    world.run(120, |_| of(&[]));
    assert_eq!(world.phase(), Some(Phase::Resolved));
    let (at, told) = world.told.last().unwrap();
    assert_eq!(told.ends_at.unix_millis(), *at);
    // The end is told again for a quarter of an hour, then forgotten.
    world.run(120 + 15 * 60, |_| of(&[]));
    assert_eq!(world.phase(), Some(Phase::Resolved));
    world.run(120 + 17 * 60, |_| of(&[]));
    assert_eq!(world.phase(), None);
}

#[test]
fn what_fires_is_told_again_after_the_resend_delay() {
    let mut world = Harness::new(ONE);
    world.run(600, |_| of(X));
    let times: Vec<i64> = world.told.iter().map(|(at, _)| *at).collect();
    // The first multiple of the interval after the delay.
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] == 90_000),
        "{times:?}"
    );
    assert!(times.len() > 4);
}

#[test]
fn a_pending_alert_that_vanishes_is_gone() {
    let mut world = Harness::new(ONE);
    world.run(30, |_| of(X));
    world.run(60, |_| of(&[]));
    assert_eq!(world.phase(), None);
    world.run(300, |_| of(&[]));
    assert_eq!(world.told, []);
}

#[test]
fn keep_firing_for_bridges_gaps() {
    let mut world = Harness::new(
        "groups: [{name: g, interval: 30s, rules: [{alert: A, expr: x > 0, keep_firing_for: 2m}]}]",
    );
    world.run(30, |_| of(X));
    assert_eq!(world.phase(), Some(Phase::Firing));
    world.run(120, |_| of(&[]));
    assert_eq!(world.phase(), Some(Phase::Firing));
    world.run(150, |_| of(X));
    world.run(260, |_| of(&[]));
    assert_eq!(world.phase(), Some(Phase::Firing));
    world.run(300, |_| of(&[]));
    assert_eq!(world.phase(), Some(Phase::Resolved));
}

#[test]
fn a_failed_evaluation_ends_nothing_and_what_fires_goes_on() {
    let mut world = Harness::new(ONE);
    world.run(120, |_| of(X));
    assert_eq!(world.phase(), Some(Phase::Firing));
    let before = world.told.len();
    world.run(3600, |_| Err("all endpoints are gone".to_owned()));
    assert_eq!(world.phase(), Some(Phase::Firing));
    assert_eq!(world.error(), "all endpoints are gone");
    assert!(world.told.len() > before + 30);
    assert!(
        world
            .told
            .iter()
            .all(|(at, told)| told.ends_at.unix_millis() > *at)
    );
    // Said once, not every thirty seconds.
    let failed = |word: &&Word| matches!(word, Word::Failed { .. });
    assert_eq!(world.said.iter().filter(failed).count(), 1);
    world.run(3660, |_| of(X));
    assert!(matches!(world.said.last(), Some(Word::Recovered { .. })));
}

#[test]
fn a_limit_refuses_new_alerts_and_keeps_the_old_ones() {
    let mut world = Harness::new(
        "groups: [{name: g, interval: 30s, limit: 1, rules: [{alert: A, expr: x > 0}]}]",
    );
    world.run(30, |_| of(X));
    let two: &[(&[(&str, &str)], f64)] = &[(&[("job", "a")], 1.0), (&[("job", "j")], 1.0)];
    world.run(60, |_| of(two));
    assert_eq!(world.alerts().len(), 1);
    assert_eq!(world.phase(), Some(Phase::Firing));
    assert!(
        world
            .error()
            .starts_with("exceeded limit of 1 with 2 alerts")
    );
    world.run(90, |_| of(X));
    assert_eq!(world.error(), "");
}

#[test]
fn two_elements_that_become_one_alert_are_an_error() {
    let mut world = Harness::new(
        "groups: [{name: g, interval: 30s, rules: [{alert: A, expr: x > 0, labels: {job: one}}]}]",
    );
    let two: &[(&[(&str, &str)], f64)] = &[(&[("job", "a")], 1.0), (&[("job", "b")], 1.0)];
    world.run(30, |_| of(two));
    assert_eq!(
        world.error(),
        "vector contains metrics with the same labelset after applying alert labels"
    );
}

#[test]
fn alerts_that_differ_in_alertstate_alone_share_their_series() {
    let mut world =
        Harness::new("groups: [{name: g, interval: 30s, rules: [{alert: A, expr: ALERTS == 1}]}]");
    let two: &[(&[(&str, &str)], f64)] = &[
        (&[("alertname", "B"), ("alertstate", "firing")], 1.0),
        (&[("alertname", "B"), ("alertstate", "pending")], 1.0),
    ];
    world.run(30, |_| of(two));
    assert_eq!(world.error(), "");
    assert_eq!((world.alerts().len(), world.written.len()), (2, 2 + 1));
}

#[test]
fn late_slots_are_counted_not_caught_up() {
    let mut world = Harness::new(ONE);
    world.run(60, |_| of(X));
    let slot = world.ruler.states().groups[0].last_slot.unwrap();
    world.now = slot + 5 * 30_000 + 1;
    world.run(world.now / 1000 + 1, |_| of(X));
    let group = &world.ruler.states().groups[0];
    assert_eq!(group.missed, 4);
    assert_eq!(group.last_slot, Some(slot + 5 * 30_000));
}

#[test]
fn whoever_looks_at_rules_shares_them_until_they_change() {
    let rule = |name: &str, interval: &str| {
        format!(
            "{{name: g{name}, interval: {interval}, eval_offset: 0s, rules: [{{alert: {name}, expr: x{name} > 0}}]}}"
        )
    };
    let mut world = Harness::new(&format!(
        "groups: [{}, {}]",
        rule("A", "30s"),
        rule("B", "1h")
    ));
    world.run(30, |_| of(X));
    let shown = world.ruler.states().clone();
    let same = |world: &Harness| -> Vec<bool> {
        let now = world.ruler.states().groups.iter().zip(&shown.groups);
        now.map(|(now, then)| Arc::ptr_eq(&now.rules[0], &then.rules[0]))
            .collect()
    };
    assert_eq!(same(&world), [true, true]);
    world.run(90, |_| of(&[]));
    assert_eq!(same(&world), [false, true], "only what changed is copied");
    let active = |of: &crate::ruler::States| of.groups[0].rules[0].alerts.active().count();
    assert_eq!((active(&shown), active(world.ruler.states())), (1, 0));
}
