//! What a new owner knows of what rules wrote before it: as much as one that was there all the time.

use std::sync::Arc;

use super::harness::{Answer, Harness, now, of, over_own, rules, rules_that_look_back, without};
use crate::ruler::{Effect, Evaluation, Instance, Members, Phase, RuleRecord, RuleSet, Word};

const HOUR: &str = "groups: [{name: g, interval: 30s, eval_offset: 0s, rules: [
    {record: r, expr: x},
    {record: mean, expr: 'avg_over_time(r[1h])'},
    {alert: High, expr: 'avg_over_time(r[1h]) > 3'}]}]";

/// `x` of the cluster `eu` goes up and down, and that of `us` comes and goes; the others are what they are over what rules
/// wrote.
fn world(evaluation: &Evaluation) -> Answer {
    if evaluation.expr.to_string() != "x" {
        return over_own(evaluation);
    }
    let seconds = i32::try_from(evaluation.at / 1000).unwrap_or(0);
    let eu = f64::from(seconds / 30 % 7);
    let us = f64::from(seconds % 1800 / 60);
    match seconds % 1800 < 900 {
        true => of(&[(&[("cluster", "eu")], eu), (&[("cluster", "us")], us)]),
        false => of(&[(&[("cluster", "eu")], eu)]),
    }
}

/// `x` is 10 up to the second hour, and 0 from then on; or the other way round.
fn turns(evaluation: &Evaluation, from: f64, to: f64) -> Answer {
    match evaluation.expr.to_string() == "x" {
        true if evaluation.at > 7_200_000 => of(&[(&[("cluster", "eu")], to)]),
        true => of(&[(&[("cluster", "eu")], from)]),
        false => over_own(evaluation),
    }
}

fn is_range(evaluation: &Evaluation) -> bool {
    evaluation.within > 59_000
}

/// What was written after a second: times in seconds, series, values.
fn written(harness: &Harness, after: i64) -> Vec<String> {
    let later = harness.written.iter().filter(|one| one.time > after * 1000);
    let line = |one: &crate::ruler::Written| {
        format!("{:>6} {} {:?}", one.time / 1000, one.labels, one.point)
    };
    let mut lines: Vec<String> = later.map(line).collect();
    lines.sort();
    lines
}

/// Both wrote the same after a second.
#[track_caller]
fn assert_same(one: &Harness, other: &Harness, after: i64) {
    let (one, other) = (written(one, after), written(other, after));
    let differs = one.iter().zip(&other).find(|(one, other)| one != other);
    assert_eq!(differs, None);
    assert_eq!(one.len(), other.len());
}

/// A ruler that ran for two hours, and what is kept of it.
fn two_hours(
    rules: &Arc<RuleSet>,
    mut answer: impl FnMut(&Evaluation) -> Answer,
) -> (Harness, Vec<Arc<RuleRecord>>) {
    let mut harness = Harness::of(Arc::clone(rules), 0, &[]);
    harness.run(7200, &mut answer);
    let kept = harness.kept.drain(..).map(Arc::new).collect();
    (harness, kept)
}

/// Only what is kept of groups: nobody knows of their alerts.
fn of_groups(kept: &[Arc<RuleRecord>]) -> Vec<Arc<RuleRecord>> {
    let groups = kept.iter().filter(|record| record.key.alert.is_none());
    groups.cloned().collect()
}

fn high(harness: &Harness, cluster: &str) -> Option<Instance> {
    let alerts = harness.alerts().into_iter();
    let mut of = alerts.filter(|(labels, _)| labels.contains("High") && labels.contains(cluster));
    of.next().map(|(_, instance)| instance)
}

fn lacks(harness: &Harness) -> Vec<(&str, &str)> {
    let words = harness.said.iter();
    let words = words.filter_map(|word| match word {
        Word::Lacks { rule, reason, .. } => Some((rule.as_str(), reason.as_str())),
        Word::Failed { .. }
        | Word::Unexpanded { .. }
        | Word::Recovered { .. }
        | Word::Missed { .. }
        | Word::Lost { .. }
        | Word::GaveUp { .. }
        | Word::SetBack { .. }
        | Word::TookOver { .. }
        | Word::HandedOver { .. } => None,
    });
    words.collect()
}

#[test]
fn a_new_owner_sees_as_far_back_as_one_that_was_there_all_the_time() {
    let rules = rules(HOUR);
    let (mut whole, kept) = two_hours(&rules, world);
    whole.run(14_400, world);
    let mut second = Harness::of(rules, 7215, &kept);
    second.run(14_400, world);
    assert_same(&second, &whole, 7200);
    assert!(second.written.iter().all(|one| one.time > 7_200_000));
    // One question, for an hour; and one about the last slot, for what ends with it.
    let ranges: Vec<_> = second.ranges.iter().collect();
    let [(steps, text)] = &ranges[..] else {
        panic!("{ranges:?}")
    };
    assert_eq!((steps.end, steps.step, &**text), (7_200_000, 30_000, "x"));
    assert!(
        (119..=121).contains(&((steps.end - steps.start) / 30_000)),
        "{steps:?}"
    );
    let early = second.asked.iter().filter(|(at, _)| *at < 7_230_000);
    assert!(
        early.clone().all(|(at, _)| *at == 7_200_000),
        "{:?}",
        early.collect::<Vec<_>>()
    );
    for cluster in ["eu", "us"] {
        let phase = |harness| high(harness, cluster).map(|one| (one.phase, one.active_at));
        assert_eq!(phase(&second), phase(&whole), "{cluster}");
    }
    assert!(second.said.is_empty(), "{:?}", second.said);
}

#[test]
fn so_it_is_after_slots_that_nobody_evaluated() {
    let rules = rules(HOUR);
    let (mut whole, kept) = two_hours(&rules, world);
    whole.run(14_400, world);
    let mut second = Harness::of(rules, 9010, &kept);
    second.run(14_400, world);
    // Ten slots are written afterwards, but what alerts were is nobody's business.
    let records = |harness: &Harness| {
        let lines = written(harness, 8699).into_iter();
        let lines = lines.filter(|line| !line.contains("ALERTS"));
        lines.collect::<Vec<_>>()
    };
    let (of_second, of_whole) = (records(&second), records(&whole));
    let differs = of_second
        .iter()
        .zip(&of_whole)
        .find(|(one, other)| one != other);
    assert_eq!((differs, of_second.len()), (None, of_whole.len()));
    // A process that stood still is no other.
    let mut stood = whole;
    stood.now = 18_010_000;
    stood.run(18_100, world);
    let (reader, value) = ("\"mean\", cluster=\"eu\"", over_an_hour(18_090));
    let last = written(&stood, 18_089);
    assert!(
        last.iter()
            .any(|line| line.contains(reader) && line.contains(&value)),
        "{last:?} {value}"
    );
}

/// The mean of the cluster `eu`.
fn over_an_hour(at: i64) -> String {
    let slots = (0..120).map(|back| (at - back * 30) / 30 % 7);
    let sum: i64 = slots.sum();
    let mean = f64::from(i32::try_from(sum).unwrap()) / 120.0;
    format!("{mean:?}").chars().take(8).collect()
}

#[test]
fn of_a_chain_each_link_is_asked_for_as_far_back_as_the_next_one_needs_it() {
    let chain = "groups: [
        {name: last, interval: 1m, eval_offset: 0s, query_offset: 30s, rules: [{record: c, expr: 'max_over_time(b[1h]) + count_over_time(a[5m])'}]},
        {name: g, interval: 30s, eval_offset: 0s, rules: [
            {record: a, expr: x, labels: {kind: own}},
            {record: b, expr: 'avg_over_time(a[10m])'},
            {record: unread, expr: 'sum(a)'}]}]";
    let rules = rules(chain);
    let (mut whole, kept) = two_hours(&rules, world);
    whole.run(14_400, world);
    let mut second = Harness::of(rules, 7215, &kept);
    second.run(14_400, world);
    // `c` is written for 30 s before its slot, which the first owner had written.
    assert_same(&second, &whole, 7200);
    let asked: Vec<(&str, i64)> = second
        .ranges
        .iter()
        .map(|(steps, text)| (text.as_str(), (steps.end - steps.start) / 60_000))
        .collect();
    assert_eq!(asked, [("x", 70), ("avg_over_time(a[10m])", 60)]);
}

#[test]
fn a_link_may_come_before_what_it_reads() {
    let text = "groups: [
        {name: a, interval: 30s, eval_offset: 0s, rules: [{record: c, expr: 'sum_over_time(b[10m])'}]},
        {name: b, interval: 30s, eval_offset: 0s, rules: [{record: b, expr: 'sum_over_time(a[10m])'}]},
        {name: c, interval: 30s, eval_offset: 0s, rules: [{record: a, expr: x}]}]";
    let rules = rules(text);
    let (mut whole, kept) = two_hours(&rules, world);
    whole.run(9000, world);
    let mut second = Harness::of(rules, 7215, &kept);
    second.run(9000, world);
    assert_same(&second, &whole, 7200);
    assert_eq!(second.ranges.len(), 2);
    assert!(lacks(&second).is_empty(), "{:?}", second.said);
}

#[test]
fn whoever_gave_a_group_up_asks_for_what_was_written_meanwhile() {
    let rules = rules(HOUR);
    let (mut first, kept) = two_hours(&rules, world);
    let absent = Members {
        ready: false,
        ..Members::alone("a")
    };
    first.ruler.members(absent, now(7_210_000));
    let mut second = Harness::of(Arc::clone(&rules), 7215, &kept);
    second.run(7350, world);
    let meanwhile: Vec<_> = second.kept.drain(..).map(Arc::new).collect();
    first.now = 7_360_000;
    first.ruler.learn(&meanwhile, now(first.now));
    first.ruler.members(Members::alone("a"), now(first.now));
    first.run(9000, world);
    second.run(9000, world);
    assert_same(&first, &second, 7350);
    assert_eq!(first.ranges.len(), 1);
}

#[test]
fn a_first_start_sees_the_past_unless_all_is_to_begin_anew() {
    let mut whole = Harness::of(rules_that_look_back(HOUR), 0, &[]);
    whole.run(9000, world);
    let mut first = Harness::of(rules_that_look_back(HOUR), 7215, &[]);
    first.run(9000, world);
    let means = |harness: &Harness| {
        let lines = written(harness, 7200).into_iter();
        let lines = lines.filter(|line| line.contains("mean") && line.contains("eu"));
        lines.collect::<Vec<_>>()
    };
    assert_eq!(means(&first).len(), 60);
    assert_eq!(means(&first), means(&whole));
    let mut anew = Harness::of(rules(HOUR), 7215, &[]);
    anew.run(7230, world);
    assert!(anew.ranges.is_empty() && lacks(&anew).is_empty());
    assert_eq!(means(&anew).len(), 1, "it is evaluated over what there is");
    // Where it cannot be had, there is no more than there is.
    let mut failing = Harness::of(rules_that_look_back(HOUR), 7215, &[]);
    failing.run(7230, |evaluation| match is_range(evaluation) {
        true => Err("no endpoint answers".to_owned()),
        false => world(evaluation),
    });
    assert_eq!((means(&failing).len(), failing.ranges.len()), (1, 1));
}

#[test]
fn what_is_due_waits_a_little_and_what_is_not_known_yet_decides_nothing() {
    for (from, to) in [(10.0, 0.0), (0.0, 10.0)] {
        let rules = rules(HOUR);
        let answer = |evaluation: &Evaluation| turns(evaluation, from, to);
        let (mut whole, kept) = two_hours(&rules, answer);
        whole.run(14_400, answer);
        let mut second = Harness::of(rules, 7215, &kept);
        second.waiting = Some(Vec::new());
        second.ruler.handle_timeout(now(7_230_000));
        // An eighth of the interval.
        assert_eq!(second.ruler.poll_timeout(), Some(7_233_750));
        second.run(7300, answer);
        let slots = second.asked.iter().map(|(at, _)| *at);
        assert_eq!(slots.max(), Some(7_290_000));
        let fires = (from > 0.0).then_some(Phase::Firing);
        assert_eq!(high(&second, "eu").map(|one| one.phase), fires);
        assert!(
            second
                .told
                .iter()
                .all(|(at, told)| told.ends_at.unix_millis() > *at)
        );
        let lines = written(&second, 7200);
        assert!(!lines.iter().any(|line| line.contains("mean")), "{lines:?}");
        let lacking = lacks(&second);
        assert_eq!(lacking.len(), 1, "{lacking:?}");
        let reason = "r, which it reads, is not known here as far back as it is read: endpoints are still asked for it";
        assert_eq!(lacking[0], ("mean", reason));
        let missing = &second.ruler.states().groups[0].rules[1].missing;
        assert_eq!(*missing, [reason]);
        // Then it is as if it had never been away.
        second.answer_ranges(answer);
        second.run(14_400, answer);
        assert_same(&second, &whole, 7300);
        let phase = |harness| high(harness, "eu").map(|one| one.phase);
        assert_eq!(phase(&second), phase(&whole));
        assert!(second.ruler.states().groups[0].rules[1].missing.is_empty());
    }
}

#[test]
fn what_failed_is_asked_for_again_until_the_window_is_full() {
    let half = HOUR.replace("[1h]", "[30m]");
    let rules = rules(&half);
    let (_, kept) = two_hours(&rules, world);
    let mut second = Harness::of(Arc::clone(&rules), 7215, &kept);
    second.run(9300, |evaluation| match is_range(evaluation) {
        true => Err("no endpoint answers".to_owned()),
        false => world(evaluation),
    });
    let times = |harness: &Harness| {
        let means = harness.written.iter();
        let means = means.filter(|one| one.labels.value("__name__") == "mean");
        means.map(|one| one.time / 1000).min()
    };
    // The last slot before, 7200, was evaluated by itself.
    assert_eq!(times(&second), Some(8970));
    assert!(
        (4..=8).contains(&second.ranges.len()),
        "{:?}",
        second.ranges
    );
    let lacking = lacks(&second);
    assert_eq!(lacking.len(), 1, "it is said once: {lacking:?}");
    let asked = second.ranges.len();
    second.run(14_400, world);
    assert_eq!(second.ranges.len(), asked, "and nothing is asked any more");
    // One that answers at the third time.
    let mut third = Harness::of(rules, 7215, &kept);
    let mut ranges = 0;
    third.run(9300, |evaluation| {
        let fails = is_range(evaluation) && evaluation.at == 7_200_000 && ranges < 2;
        ranges += i32::from(fails);
        match fails {
            true => Err("no endpoint answers".to_owned()),
            false => world(evaluation),
        }
    });
    assert!(
        times(&third).is_some_and(|at| at < 7500),
        "{:?}",
        times(&third)
    );
}

#[test]
fn of_a_partition_that_does_not_answer_nothing_is_decided_and_of_others_all() {
    let text = HOUR.replace(
        "> 3'}",
        "> 3'}, {alert: All, expr: 'max(avg_over_time(r[1h])) > 3'}",
    );
    let rules = rules(&text);
    let both = |evaluation: &Evaluation| match evaluation.expr.to_string() == "x" {
        true => of(&[(&[("cluster", "eu")], 9.0), (&[("cluster", "us")], 9.0)]),
        false => over_own(evaluation),
    };
    let (_, kept) = two_hours(&rules, both);
    let mut second = Harness::of(rules, 7215, &of_groups(&kept));
    second.run(7230, |evaluation| {
        let is_raw = evaluation.expr.to_string() == "x";
        match is_range(evaluation) && is_raw {
            true => without(&[("cluster", "eu")], of(&[(&[("cluster", "us")], 9.0)])),
            false => both(evaluation),
        }
    });
    let fires = |harness: &Harness, name: &str| {
        let alerts = harness.alerts().into_keys();
        alerts.filter(|labels| labels.contains(name)).count()
    };
    assert_eq!(
        high(&second, "us").map(|one| one.phase),
        Some(Phase::Firing)
    );
    assert!(high(&second, "eu").is_none());
    assert_eq!(fires(&second, "\"All\""), 0);
    let means = written(&second, 7200);
    let mean = |cluster: &str| {
        let of = |line: &&String| line.contains("mean") && line.contains(cluster);
        means.iter().filter(of).count()
    };
    assert_eq!((mean("us"), mean("eu")), (1, 0), "{means:?}");
    let missing = &second.ruler.states().groups[0].rules[2].missing;
    assert!(missing[0].ends_with("is missing"), "{missing:?}");
    // It is asked for again at the next slot.
    second.run(7260, both);
    assert_eq!(second.ranges.len(), 2);
    assert_eq!(
        high(&second, "eu").map(|one| one.phase),
        Some(Phase::Firing)
    );
    assert_eq!(fires(&second, "\"All\""), 1);
}

#[test]
fn long_windows_are_asked_for_in_parts_and_not_without_end() {
    let week = HOUR.replace("[1h]", "[6d]");
    let rules = rules(&week);
    let one = |evaluation: &Evaluation| match evaluation.expr.to_string().as_str() {
        "x" => of(&[(&[("cluster", "eu")], 1.0)]),
        _ => of(&[]),
    };
    let (_, kept) = two_hours(&rules, one);
    let mut second = Harness::of(rules, 7215, &kept);
    second.run(7290, one);
    let steps: Vec<i64> = second
        .ranges
        .iter()
        .map(|(steps, _)| (steps.end - steps.start) / 30_000 + 1)
        .collect();
    assert_eq!(steps, [1440; 7]);
    let mut newest_first = second.ranges.windows(2);
    assert!(newest_first.all(|two| two[1].0.end == two[0].0.start - 30_000));
    let missing = &second.ruler.states().groups[0].rules[1].missing;
    assert!(
        missing[0].ends_with("no more than 10080 slots are asked for"),
        "{missing:?}"
    );
}

#[test]
fn what_is_written_to_servers_is_left_to_them_where_it_is_not_known_here() {
    let file = crate::config::load_rules(
        "rules.yml",
        HOUR.as_bytes(),
        &crate::config::RuleOptions::default(),
    );
    let settings = crate::ruler::Settings {
        copied: crate::labels::LabelSet::from_pairs([("watchfire", "w")]),
        ..super::harness::settings()
    };
    let rules = Arc::new(RuleSet::new(vec![file.unwrap()], settings));
    let (_, kept) = two_hours(&rules, world);
    let mut second = Harness::of(rules, 7215, &kept);
    second.waiting = Some(Vec::new());
    second.run(7290, world);
    assert!(lacks(&second).is_empty());
    assert!(
        written(&second, 7200)
            .iter()
            .any(|line| line.contains("mean"))
    );
}

#[test]
fn what_differs_over_a_range_or_reads_itself_is_evaluated_slot_by_slot() {
    for expr in [
        "n + 1 or vector(1)",
        "x @ end()",
        "sum(ALERTS)",
        "up{watchfire=\"self\"}",
    ] {
        let text = format!(
            "groups: [{{name: g, interval: 30s, eval_offset: 0s, rules: [
                {{record: n, expr: '{expr}'}}, {{alert: A, expr: 'sum_over_time(n[5m]) > 1000'}}]}}]"
        );
        let rules = rules(&text);
        let one = |_: &Evaluation| of(&[(&[], 1.0)]);
        let (_, kept) = two_hours(&rules, one);
        let mut second = Harness::of(rules, 7215, &kept);
        second.run(7230, one);
        assert!(second.ranges.is_empty(), "{expr}: {:?}", second.ranges);
        assert!(lacks(&second).is_empty(), "{expr}");
    }
}

#[test]
fn what_hangs_does_not_hold_up_the_slot_that_is_due() {
    let text = "groups: [{name: g, interval: 80s, eval_offset: 0s, rules: [
        {record: r, expr: x}, {record: s, expr: 'sum_over_time(r[1h])'}]}]";
    let rules = rules(text);
    let (_, kept) = two_hours(&rules, world);
    let mut second = Harness::of(rules, 7445, &kept);
    let mut at = 7_445_000;
    let mut due = None;
    while due.is_none() {
        second.ruler.handle_timeout(now(at));
        let mut waiting = Vec::new();
        while let Some(effect) = second.ruler.poll_effect() {
            if let Effect::Evaluate(evaluation) = effect
                && evaluation.range.is_none()
            {
                waiting.push(evaluation);
            }
        }
        let is_due = |one: &Evaluation| one.at == 7_440_000;
        due = waiting.iter().any(is_due).then_some(at);
        match waiting.iter().map(|one| one.within).max() {
            Some(within) => at += within,
            None => at = second.ruler.poll_timeout().unwrap(),
        }
        for evaluation in waiting {
            let hangs = Err("it hangs".to_owned());
            second.ruler.evaluated(evaluation.id, hangs, now(at));
        }
    }
    // An eighth of the interval, and rounds of four fifths of that, of which none begins after a quarter.
    assert_eq!(due, Some(7_445_000 + 26_000));
}
