//! What becomes of slots that passed.

use std::sync::Arc;

use super::harness::{Answer, Harness, now, of, rules_that_look_back, samples_of};
use crate::{
    promql::Point,
    ruler::{Effect, Evaluation, Instance, Phase, Word},
};

const RECORDS: &str = "groups: [{name: g, interval: 30s, eval_offset: 0s, rules: [{record: r, expr: x}, {alert: A, expr: x > 5}]}]";

/// `x` is the minute.
fn minute(evaluation: &Evaluation) -> Answer {
    let minute = u32::try_from(evaluation.at / 60_000).unwrap_or(0);
    of(&[(&[("job", "j")], f64::from(minute))])
}

fn times(harness: &Harness) -> Vec<i64> {
    let written = harness.written.iter();
    let of_r = written.filter(|one| one.labels.value("__name__") == "r");
    of_r.map(|one| one.time / 1000).collect()
}

fn jump(harness: &mut Harness, seconds: i64) {
    harness.now = seconds * 1000;
}

#[test]
fn recording_rules_write_the_slots_that_were_missed_and_alerts_do_not() {
    let mut harness = Harness::new(RECORDS);
    harness.run(60, minute);
    assert_eq!(times(&harness), [0, 30, 60]);
    harness.asked.clear();
    jump(&mut harness, 200);
    harness.run(210, minute);
    assert_eq!(times(&harness), [0, 30, 60, 90, 120, 150, 180, 210]);
    let alerts = harness.asked.iter().filter(|(_, expr)| expr != "x");
    let alerts: Vec<i64> = alerts.map(|(at, _)| at / 1000).collect();
    assert_eq!(alerts, [180, 210], "past alerts are nobody's business");
    let group = &harness.ruler.states().groups[0];
    assert_eq!((group.missed, group.caught_up), (3, 3));
    let missed: Vec<u64> = group.rules.iter().map(|rule| rule.missed).collect();
    assert_eq!(missed, [0, 3]);
    let values = harness.written.iter().map(|one| &one.point);
    assert!(values.into_iter().any(|point| *point == Point::Float(2.0)));
}

#[test]
fn a_long_absence_is_made_up_for_within_bounds() {
    let mut harness = Harness::new(RECORDS);
    harness.run(30, minute);
    jump(&mut harness, 3600);
    harness.run(3600, minute);
    let expected: Vec<i64> = [0, 30]
        .into_iter()
        .chain((3300..=3600).step_by(30))
        .collect();
    assert_eq!(times(&harness), expected);
}

#[test]
fn what_is_due_now_does_not_wait_long_for_what_is_past() {
    let mut harness = Harness::new(RECORDS);
    harness.run(30, minute);
    jump(&mut harness, 300);
    let ruler = &mut harness.ruler;
    ruler.handle_timeout(now(300_000));
    // The first of the past slots takes longer than half of the interval.
    let mut answered = Vec::new();
    let mut at = 300_000;
    while let Some(effect) = ruler.poll_effect() {
        if let Effect::Evaluate(evaluation) = effect {
            at += 16_000;
            answered.push(evaluation.at / 1000);
            ruler.evaluated(evaluation.id, minute(&evaluation), now(at));
            ruler.handle_timeout(now(at));
        }
        if answered.len() == 2 {
            break;
        }
    }
    assert_eq!(answered, [60, 300]);
}

#[test]
fn a_failed_evaluation_of_a_past_slot_is_a_missed_one() {
    let mut harness = Harness::new(RECORDS);
    harness.run(60, minute);
    jump(&mut harness, 150);
    harness.run(150, |evaluation| match evaluation.at {
        90_000 => Err("down".to_owned()),
        _ => minute(evaluation),
    });
    assert_eq!(times(&harness), [0, 30, 60, 120, 150]);
    let group = &harness.ruler.states().groups[0];
    assert_eq!((group.missed, group.rules[0].missed), (2, 1));
    assert_eq!(group.rules[0].failures, 0);
    assert_eq!(harness.lost(), [(1, "r", "down")]);
}

#[test]
fn what_was_missed_for_good_is_said_once_with_the_reason() {
    let mut harness = Harness::new(RECORDS);
    harness.run(60, minute);
    jump(&mut harness, 200);
    harness.run(300, minute);
    assert!(harness.lost().is_empty(), "all was made up for");
    jump(&mut harness, 3600);
    harness.run(3700, minute);
    assert_eq!(
        harness.lost(),
        [(99, "", "only the last 10 slots are made up for")]
    );
    assert_eq!(harness.ruler.states().groups[0].rules[0].missed, 99);
    harness.said.clear();
    // Both slots before took longer than half of the interval.
    for slot in [3720, 3750] {
        let ruler = &mut harness.ruler;
        ruler.handle_timeout(now(slot * 1000));
        while let Some(effect) = ruler.poll_effect() {
            if let Effect::Evaluate(evaluation) = effect {
                let answer = minute(&evaluation);
                ruler.evaluated(evaluation.id, answer, now(slot * 1000 + 20_000));
            }
        }
    }
    jump(&mut harness, 3840);
    harness.run(3840, minute);
    let reason = "the slots before took more than half of the interval";
    assert_eq!(harness.lost(), [(2, "", reason)]);
}

#[test]
fn what_passed_before_a_restart_is_counted_for_each_rule() {
    let mut first = Harness::new(RECORDS);
    first.run(300, minute);
    let records: Vec<_> = first.kept.drain(..).map(Arc::new).collect();
    let mut second = Harness::of(Arc::clone(first.ruler.set()), 1000, &records);
    second.run(1020, minute);
    // From 330 to 960.
    let group = &second.ruler.states().groups[0];
    let missed: Vec<u64> = group.rules.iter().map(|rule| rule.missed).collect();
    assert_eq!(
        (group.missed, group.caught_up, missed),
        (0, 10, vec![12, 22])
    );
    assert_eq!(second.lost().len(), 1);
}

#[test]
fn past_slots_that_hang_do_not_hold_up_the_slot_that_is_due() {
    let rules: Vec<String> = (0..20)
        .map(|n| format!("{{record: r{n}, expr: x{n}}}"))
        .collect();
    let text = format!(
        "groups: [{{name: g, interval: 80s, eval_offset: 0s, rules: [{}]}}]",
        rules.join(", ")
    );
    let mut harness = Harness::new(&text);
    harness.run(80, minute);
    let ruler = &mut harness.ruler;
    let mut at = 240_000;
    ruler.handle_timeout(now(at));
    let mut waiting = Vec::new();
    let mut due = None;
    while due.is_none() {
        while let Some(effect) = ruler.poll_effect() {
            if let Effect::Evaluate(evaluation) = effect {
                if due.is_none() && evaluation.at == 240_000 {
                    due = Some(at);
                }
                waiting.push(evaluation);
            }
        }
        // What is past may take four fifths of an eighth of the interval.
        at += waiting.iter().map(|one| one.within).max().unwrap_or(0);
        for evaluation in waiting.drain(..) {
            ruler.evaluated(evaluation.id, Err("it hangs".to_owned()), now(at));
        }
        ruler.handle_timeout(now(at));
    }
    // A quarter, and one round that had begun: each takes four fifths of an eighth.
    assert_eq!(due, Some(240_000 + 24_000));
    let said = std::iter::from_fn(|| harness.ruler.poll_effect());
    drop(said.collect::<Vec<_>>());
}

#[test]
fn groups_with_other_offsets_are_made_up_for_once() {
    let text = "groups: [
        {name: a, interval: 10s, eval_offset: 0s, rules: [{record: r, expr: x}]},
        {name: b, interval: 60s, eval_offset: 35s, rules: [{record: s, expr: sum(r)}]}]";
    let mut harness = Harness::new(text);
    harness.run(60, minute);
    jump(&mut harness, 125);
    harness.run(200, minute);
    let expected: Vec<i64> = (0..=200).step_by(10).collect();
    assert_eq!(times(&harness), expected);
    assert_eq!(harness.ruler.states().groups[0].caught_up, 5);
}

const READS: &str = "groups: [{name: g, interval: 30s, eval_offset: 0s, rules: [{record: r, expr: x}, {record: s, expr: 'sum_over_time(r[2m])'}]}]";

#[test]
fn an_owner_that_begins_sees_what_was_written_before_and_ends_what_ended() {
    let mut first = Harness::new(READS);
    let one = |_: &Evaluation| of(&[(&[("job", "j")], 1.0)]);
    first.run(300, one);
    let records: Vec<_> = first.kept.drain(..).map(Arc::new).collect();
    let mut second = Harness::of(Arc::clone(first.ruler.set()), 310, &records);
    // The series is there up to the last slot of the first owner.
    let mut seen = 0;
    second.run(330, |evaluation| {
        let own = evaluation.own.as_ref();
        seen = seen.max(own.map_or(0, |own| samples_of(own, "r", evaluation.at)));
        match evaluation.at {
            ..=300_000 => one(evaluation),
            _ => of(&[]),
        }
    });
    assert!(seen >= 4, "{seen} samples of r are seen");
    let ends: Vec<_> = second
        .written
        .iter()
        .filter(|one| one.time == 330_000)
        .collect();
    assert!(
        ends.iter().any(|one| one.labels.value("__name__") == "r"),
        "{:?}",
        second.written
    );
    assert!(second.written.iter().all(|one| one.time > 300_000));
}

const HOLDS: &str = "groups: [{name: g, interval: 1m, eval_offset: 0s, rules: [{alert: A, expr: x, for: 5m}, {alert: B, expr: y, for: 20m}]}]";

fn since(harness: &Harness, name: &str) -> Option<(Phase, i64)> {
    let alerts = harness.alerts().into_iter();
    let mut of = alerts.filter(|(labels, _)| labels.contains(&format!("\"{name}\"")));
    let of_instance = |(_, one): (String, Instance)| (one.phase, one.active_at / 1000);
    of.next().map(of_instance)
}

/// `x` holds from second 3420 on, `y` from 3000 on.
fn held(evaluation: &Evaluation) -> Answer {
    let from = if evaluation.expr.to_string() == "x" {
        3420
    } else {
        3000
    };
    match evaluation.at >= from * 1000 {
        true => of(&[(&[("job", "j")], 1.0)]),
        false => of(&[]),
    }
}

#[test]
fn an_alert_that_nobody_knows_is_pending_since_its_condition_holds() {
    let mut harness = Harness::of(rules_that_look_back(HOLDS), 3590, &[]);
    harness.run(3600, held);
    assert_eq!(since(&harness, "A"), Some((Phase::Pending, 3420)));
    // Of twenty minutes every second one is looked at.
    assert_eq!(since(&harness, "B"), Some((Phase::Pending, 3000)));
    assert!(harness.told.is_empty() && harness.written.iter().all(|one| one.time == 3_600_000));
    assert!(
        harness
            .kept
            .iter()
            .filter(|one| one.key.alert.is_some())
            .count()
            >= 2
    );
    harness.run(3720, held);
    assert_eq!(since(&harness, "A"), Some((Phase::Firing, 3420)));
}

#[test]
fn what_held_for_long_enough_fires_at_the_second_slot() {
    let mut harness = Harness::of(rules_that_look_back(HOLDS), 3590, &[]);
    let x = |evaluation: &Evaluation| match evaluation.expr.to_string().as_str() {
        "x" => of(&[(&[("job", "j")], 1.0)]),
        _ => of(&[]),
    };
    harness.run(3600, x);
    assert_eq!(since(&harness, "A"), Some((Phase::Pending, 3360)));
    harness.run(3660, x);
    assert_eq!(since(&harness, "A"), Some((Phase::Firing, 3360)));
    assert_eq!(harness.told.len(), 1);
}

#[test]
fn what_holds_for_want_of_data_has_no_past() {
    for expr in ["absent(x)", "x unless y", "x or vector(0)", "ALERTS"] {
        let rules = HOLDS.replace("expr: x,", &format!("expr: '{expr}',"));
        let mut harness = Harness::of(rules_that_look_back(&rules), 3590, &[]);
        harness.run(3600, |_| of(&[(&[("job", "j")], 1.0)]));
        let pending = |name, at| {
            assert_eq!(since(&harness, name), Some((Phase::Pending, at)), "{expr}");
        };
        pending("A", 3600);
        pending("B", 2520);
    }
}

#[test]
fn a_past_that_is_not_known_is_none() {
    let mut harness = Harness::of(rules_that_look_back(HOLDS), 3590, &[]);
    harness.run(3600, |evaluation| match evaluation.at {
        3_480_000 => Err("no endpoint answers".to_owned()),
        _ => held(evaluation),
    });
    assert_eq!(since(&harness, "A"), Some((Phase::Pending, 3540)));
}

#[test]
fn rules_go_on_at_once_when_the_clock_is_set_back() {
    let mut harness = Harness::of(rules_that_look_back(HOLDS), 7200, &[]);
    let holds = |_: &Evaluation| of(&[(&[("job", "j")], 1.0)]);
    harness.run(7500, holds);
    let epoch = |harness: &Harness| harness.ruler.states().groups[0].owned;
    let before = epoch(&harness);
    harness.asked.clear();
    harness.now = 3_630_000;
    harness.ruler.handle_timeout(now(harness.now));
    harness.run(3720, holds);
    let slots: Vec<i64> = harness.asked.iter().map(|(at, _)| at / 1000).collect();
    assert_eq!(slots, [3660, 3660, 3720, 3720]);
    assert_eq!(epoch(&harness), before.map(|epoch| epoch + 1));
    assert!(harness.said.contains(&Word::SetBack { components: 1 }));
    assert_eq!(
        since(&harness, "A").map(|(phase, _)| phase),
        Some(Phase::Firing)
    );
    assert!(
        harness
            .told
            .iter()
            .all(|(_, told)| told.ends_at > told.starts_at)
    );
}
