//! What a rule did not write, for want of a partition or because it failed, is unknown to those that read it.

use super::harness::{Answer, Harness, of, over_own, settings, without};
use crate::ruler::{Evaluation, Phase};

const CHAIN: &str = "groups: [{name: g, interval: 30s, eval_offset: 0s, rules: [
    {record: whole, expr: sum(x)},
    {record: each, expr: sum by (cluster) (x)},
    {record: mean, expr: 'avg_over_time(whole[5m])'},
    {alert: Now, expr: whole > 1},
    {alert: Mean, expr: mean > 1},
    {alert: Times, expr: 'count_over_time(whole[5m]) > 8'},
    {alert: None, expr: absent(whole)},
    {alert: Each, expr: each > 0},
    {alert: Few, expr: count(each) < 2}]}]";

/// What endpoints have is the same all the time; those of `eu` answer, or not.
fn world(evaluation: &Evaluation, eu: bool) -> Answer {
    let both = [(&[("cluster", "eu")][..], 2.0), (&[("cluster", "us")], 1.0)];
    match (evaluation.expr.to_string().as_str(), eu) {
        ("sum(x)", true) => of(&[(&[], 3.0)]),
        ("sum(x)", false) => without(&[], of(&[(&[], 1.0)])),
        ("sum by (cluster) (x)", true) => of(&both),
        ("sum by (cluster) (x)", false) => without(&[("cluster", "eu")], of(&both[1..])),
        _ => over_own(evaluation),
    }
}

fn active(harness: &Harness) -> Vec<String> {
    let alerts = harness.alerts().into_iter();
    let active = alerts.filter(|(_, one)| one.phase != Phase::Resolved);
    active.map(|(labels, _)| labels).collect()
}

#[test]
fn what_was_not_written_ends_no_alert_and_begins_none() {
    let mut chain = Harness::new(CHAIN);
    chain.run(600, |evaluation| world(evaluation, true));
    let before = active(&chain);
    assert_eq!(before.len(), 5, "{before:?}");
    let lines = chain.written.len();
    for second in [630, 900, 930, 1500, 3000] {
        chain.run(second, |evaluation| world(evaluation, false));
        assert_eq!(active(&chain), before, "after {second} s");
    }
    let after = chain.written[lines..].iter();
    let mut names: Vec<&str> = after.map(|one| one.labels.value("__name__")).collect();
    names.sort_unstable();
    names.dedup();
    // Of what rules record only what is of the other cluster.
    assert_eq!(names, ["ALERTS", "ALERTS_FOR_STATE", "each"]);
}

#[test]
fn it_is_asked_for_as_soon_as_it_can_be_known() {
    let mut chain = Harness::new(CHAIN);
    chain.run(600, |evaluation| world(evaluation, true));
    let before = active(&chain);
    chain.run(1500, |evaluation| world(evaluation, false));
    assert!(chain.ranges.is_empty(), "{:?}", chain.ranges);
    chain.written.clear();
    chain.run(1620, |evaluation| world(evaluation, true));
    assert_eq!(active(&chain), before);
    let rules = &chain.ruler.states().groups[0].rules;
    let missing: Vec<_> = rules.iter().flat_map(|rule| &rule.missing).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // The mean is that of all slots, those without the partition too.
    let mut means = chain.written.iter();
    assert!(means.any(|one| one.labels.value("__name__") == "mean"));
    // And so it goes on: what ends afterwards ends at once.
    chain.run(1650, |evaluation| {
        match evaluation.expr.to_string().as_str() {
            "sum(x)" => of(&[(&[], 0.0)]),
            _ => world(evaluation, true),
        }
    });
    assert!(!active(&chain).iter().any(|one| one.contains("Now")));
}

#[test]
fn what_failed_is_unknown_to_those_that_read_it() {
    let mut chain = Harness::new(CHAIN);
    chain.run(600, |evaluation| world(evaluation, true));
    let before = active(&chain);
    chain.run(1500, |evaluation| {
        match evaluation.expr.to_string().as_str() {
            "sum(x)" | "sum by (cluster) (x)" => Err("no endpoint answers".to_owned()),
            _ => over_own(evaluation),
        }
    });
    assert_eq!(active(&chain), before);
    let missing = &chain.ruler.states().groups[0].rules[3].missing;
    assert_eq!(
        missing[..],
        ["whole, which it reads, was not written: no endpoint answers"]
    );
}

#[test]
fn what_holds_without_what_was_not_written_begins() {
    let mut chain = Harness::new(
        "groups: [{name: g, interval: 30s, eval_offset: 0s, rules: [
        {record: each, expr: sum by (cluster) (x)},
        {alert: Many, expr: count(each > 4) >= 2},
        {alert: Any, expr: count(each > 0) >= 3},
        {alert: Long, expr: 'count(max_over_time(each[5m]) > 4) >= 2'}]}]",
    );
    let of = |eu: f64, others: f64| {
        of(&[
            (&[("cluster", "eu")][..], eu),
            (&[("cluster", "us")], others),
            (&[("cluster", "ap")], others),
        ])
    };
    let of_others = |value: f64| {
        let us: &[(&str, &str)] = &[("cluster", "us")];
        let ap: &[(&str, &str)] = &[("cluster", "ap")];
        without(
            &[("cluster", "eu")],
            super::harness::of(&[(us, value), (ap, value)]),
        )
    };
    let raw = |evaluation: &Evaluation| evaluation.expr.to_string().starts_with("sum");
    chain.run(600, |evaluation| match raw(evaluation) {
        true => of(5.0, 0.0),
        false => over_own(evaluation),
    });
    assert_eq!(active(&chain).len(), 0);
    // Whether `eu` is still above 4 nobody knows: with one of the others that makes no two.
    chain.run(630, |evaluation| match raw(evaluation) {
        true => {
            let us: &[(&str, &str)] = &[("cluster", "us")];
            without(&[("cluster", "eu")], super::harness::of(&[(us, 5.0)]))
        }
        false => over_own(evaluation),
    });
    assert_eq!(active(&chain).len(), 0, "{:?}", active(&chain));
    chain.run(660, |evaluation| match raw(evaluation) {
        true => of_others(5.0),
        false => over_own(evaluation),
    });
    assert_eq!(active(&chain).len(), 1, "{:?}", active(&chain));
    assert!(active(&chain)[0].contains("Many"));
}

#[test]
fn what_fails_for_ever_is_unknown_for_hold_for_at_most() {
    let hold_for = i64::try_from(settings().hold_for.as_secs()).unwrap();
    let mut chain = Harness::new(CHAIN);
    chain.run(600, |evaluation| world(evaluation, true));
    let before = active(&chain);
    let mut run = |second| {
        chain.run(second, |evaluation| {
            match evaluation.expr.to_string().as_str() {
                "sum(x)" | "sum by (cluster) (x)" => Err("no endpoint answers".to_owned()),
                _ => over_own(evaluation),
            }
        });
        active(&chain)
    };
    assert_eq!(run(600 + hold_for - 60), before);
    // Then it counts as absent, as it would in Prometheus at once.
    assert_eq!(run(600 + hold_for + 120), ["{alertname=\"None\"}"]);
}

#[test]
fn what_is_unknown_is_so_for_hold_for_at_most() {
    let hold_for = i64::try_from(settings().hold_for.as_secs()).unwrap();
    let mut chain = Harness::new(CHAIN);
    chain.run(600, |evaluation| world(evaluation, true));
    chain.run(600 + hold_for + 120, |evaluation| world(evaluation, false));
    let after = active(&chain);
    assert!(after.iter().any(|one| one.contains("Few")), "{after:?}");
    assert!(!after.iter().any(|one| one.contains("Now")), "{after:?}");
}
