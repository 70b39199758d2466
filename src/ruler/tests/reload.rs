//! Other rules are put into force.

use super::harness::{Harness, of};
use crate::ruler::Phase;

const X: &[(&[(&str, &str)], f64)] = &[(&[("job", "j")], 3.0)];

fn group(rules: &str) -> String {
    format!("groups: [{{name: g, interval: 30s, rules: [{rules}]}}]")
}

#[test]
fn rules_that_stay_keep_their_state_whatever_else_changes() {
    let mut world = Harness::new(&group("{alert: A, expr: x > 0, for: 5m}"));
    world.run(120, |_| of(X));
    let begun = world.alerts().into_values().next().unwrap().active_at;
    world.load(&group(
        "{record: r, expr: y}, {alert: A, expr: x > 1, for: 5m, annotations: {a: b}}",
    ));
    world.run(400, |evaluation| {
        match evaluation.expr.to_string().as_str() {
            "y" => of(&[]),
            _ => of(X),
        }
    });
    let alert = world.alerts().into_values().next().unwrap();
    assert_eq!((alert.phase, alert.active_at), (Phase::Firing, begun));
    assert_eq!(alert.annotations.value("a"), "b");
}

#[test]
fn alerts_of_a_rule_that_is_gone_end() {
    let mut world = Harness::new(&group("{alert: A, expr: x > 0}"));
    world.run(60, |_| of(X));
    world.load(&group("{alert: B, expr: y > 0}"));
    let (at, told) = world.told.last().unwrap();
    assert_eq!(told.labels.value("alertname"), "A");
    assert_eq!(told.ends_at.unix_millis(), *at);
    let ended = world.written.iter().rev().take(2);
    for one in ended {
        assert!(
            matches!(one.point, crate::promql::Point::Float(value) if crate::promql::is_stale(value))
        );
    }
}

#[test]
fn a_longer_for_takes_a_firing_alert_back_to_pending() {
    let mut world = Harness::new(&group("{alert: A, expr: x > 0}"));
    world.run(60, |_| of(X));
    assert_eq!(world.phase(), Some(Phase::Firing));
    world.load(&group("{alert: A, expr: x > 0, for: 10m}"));
    world.run(90, |_| of(X));
    assert_eq!(world.phase(), Some(Phase::Pending));
}
