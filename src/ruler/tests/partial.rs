//! What is unknown is not resolved, and not begun.

use super::harness::{Answer, Harness, of, settings, without};
use crate::ruler::{Phase, Word};

const EU: &[(&str, &str)] = &[("cluster", "eu")];
const BOTH: &[(&[(&str, &str)], f64)] = &[(&[("cluster", "eu")], 1.0), (&[("cluster", "us")], 1.0)];
const US: &[(&[(&str, &str)], f64)] = &[(&[("cluster", "us")], 1.0)];

fn with(more: &str, expr: &str) -> Harness {
    Harness::new(&format!(
        "groups: [{{name: g, interval: 30s, rules: [{{alert: A, expr: '{expr}'{more}}}]}}]"
    ))
}

fn phases(world: &Harness) -> Vec<(String, Phase)> {
    let alerts = world.alerts().into_iter();
    alerts
        .map(|(labels, instance)| (labels, instance.phase))
        .collect()
}

#[test]
fn alerts_of_a_missing_partition_are_held_and_others_proceed() {
    let mut world = with("", "up == 0");
    world.run(30, |_| of(BOTH));
    assert_eq!(world.told.len(), 2);
    world.run(60, |_| without(EU, of(&[])));
    let phases: Vec<Phase> = phases(&world).into_iter().map(|(_, phase)| phase).collect();
    assert_eq!(phases, [Phase::Firing, Phase::Resolved]);
    world.run(90, |_| of(BOTH));
    let firing = world
        .alerts()
        .into_values()
        .filter(|one| one.phase == Phase::Firing);
    assert_eq!(firing.count(), 2);
}

#[test]
fn a_pending_alert_keeps_its_time_while_its_partition_is_missing() {
    let mut world = with(", for: 2m", "up == 0");
    world.run(30, |_| of(BOTH));
    let begun = world.alerts().into_values().next().unwrap().active_at;
    world.run(180, |_| without(EU, of(US)));
    let eu = world.alerts().into_values().next().unwrap();
    assert_eq!((eu.phase, eu.active_at), (Phase::Pending, begun));
    world.run(210, |_| of(BOTH));
    assert_eq!(
        world.alerts().into_values().next().unwrap().phase,
        Phase::Firing
    );
}

#[test]
fn what_a_part_proves_fires_and_what_it_does_not_prove_waits() {
    let one = || -> Answer { without(EU, of(&[(&[], 5.0)])) };
    let mut proven = with("", "count(up == 0) > 2");
    proven.run(30, |_| one());
    assert_eq!(proven.phase(), Some(Phase::Firing));
    let hole: &[(&str, &str)] = &[];
    let mut unproven = with("", "count(up == 1) < 7");
    unproven.run(3000, |_| without(hole, of(&[(&[], 5.0)])));
    assert_eq!(unproven.phase(), None);
    let rule = &unproven.ruler.states().groups[0].rules[0];
    assert_eq!(rule.held, 1);
    assert_eq!(rule.missing.len(), 1);
}

#[test]
fn holding_is_bounded_and_its_end_is_said() {
    let mut world = with("", "up == 0");
    world.run(30, |_| of(BOTH));
    let hold_for = i64::try_from(settings().hold_for.as_secs()).unwrap();
    world.run(hold_for, |_| without(EU, of(US)));
    assert!(
        !world
            .said
            .iter()
            .any(|word| matches!(word, Word::GaveUp { .. }))
    );
    world.run(hold_for + 120, |_| without(EU, of(US)));
    assert!(
        world
            .said
            .iter()
            .any(|word| matches!(word, Word::GaveUp { alerts: 1, .. }))
    );
    let eu = world.alerts().into_values().next().unwrap();
    assert_eq!(eu.phase, Phase::Resolved);
}

#[test]
fn after_holding_what_is_there_begins_and_the_rest_ends_for_good() {
    let hold_for = i64::try_from(settings().hold_for.as_secs()).unwrap();
    let hole: &[(&str, &str)] = &[];
    // What a part does not prove begins, too.
    let mut new = with("", "count(up == 1) < 7");
    new.run(hold_for - 60, |_| without(hole, of(&[(&[], 5.0)])));
    assert_eq!(new.phase(), None);
    new.run(hold_for + 120, |_| without(hole, of(&[(&[], 5.0)])));
    assert_eq!(new.phase(), Some(Phase::Firing));
    // It is not held once more, and the log says it once.
    new.run(hold_for + 240, |_| without(hole, of(&[])));
    assert_eq!(new.phase(), Some(Phase::Resolved));
    let gave_up = |word: &&Word| matches!(word, Word::GaveUp { .. });
    assert_eq!(new.said.iter().filter(gave_up).count(), 1);
    // A partition that answered in between is waited for anew.
    new.run(hold_for + 300, |_| of(&[]));
    new.run(hold_for + 420, |_| without(hole, of(&[(&[], 5.0)])));
    assert_eq!(new.phase(), Some(Phase::Resolved));
}

#[test]
fn abort_fails_and_accept_believes() {
    let mut abort = with(", on_partial: abort", "up == 0");
    abort.run(30, |_| of(BOTH));
    abort.run(60, |_| without(EU, of(&[])));
    assert!(abort.error().contains("partition"), "{}", abort.error());
    assert_eq!(abort.alerts().len(), 2);
    assert!(
        phases(&abort)
            .iter()
            .all(|(_, phase)| *phase == Phase::Firing)
    );
    let mut accept = with(", on_partial: accept", "up == 0");
    accept.run(30, |_| of(BOTH));
    accept.run(60, |_| without(EU, of(US)));
    let firing = accept
        .alerts()
        .into_values()
        .filter(|one| one.phase == Phase::Firing);
    assert_eq!(firing.count(), 1);
}

#[test]
fn a_value_that_lacks_a_partition_is_not_recorded() {
    let mut world = Harness::new(
        "groups: [{name: g, interval: 30s, rules: [{record: r, expr: sum(x)}, {record: s, expr: sum by (cluster) (x)}]}]",
    );
    let answer = |text: &str| match text.contains("by") {
        true => of(BOTH),
        false => of(&[(&[], 2.0)]),
    };
    world.run(30, |evaluation| answer(&evaluation.expr.to_string()));
    assert_eq!(world.written.len(), 3);
    world.written.clear();
    world.run(60, |evaluation| {
        match evaluation.expr.to_string().contains("by") {
            true => without(EU, of(US)),
            false => without(&[], of(&[(&[], 1.0)])),
        }
    });
    let names: Vec<&str> = world
        .written
        .iter()
        .map(|one| one.labels.value("cluster"))
        .collect();
    assert_eq!(names, ["us"]);
}
