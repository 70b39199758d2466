//! Rules that read what others wrote, in the same slot.

use super::harness::{Harness, of, over_own, rules, settings};
use crate::{
    promql::{
        Point,
        engine::{Steps, prepare},
    },
    ruler::Phase,
};

const CHAIN: &str = "
groups:
- name: alerts
  interval: 1m
  rules:
  - {alert: High, expr: b > 1}
- name: second
  interval: 1m
  rules:
  - {record: b, expr: a * 2}
- name: first
  interval: 1m
  rules:
  - {record: a, expr: vector(1)}
- name: alone
  interval: 1m
  rules:
  - {record: z, expr: up}
";

#[test]
fn groups_that_read_each_other_share_slots_in_order() {
    let set = rules(CHAIN);
    assert_eq!(set.components.len(), 2);
    let groups = &set.groups;
    assert_eq!(groups[0].cadence, groups[1].cadence);
    assert_eq!(groups[1].cadence, groups[2].cadence);
    let mut world = Harness::new(CHAIN);
    world.run(60, over_own);
    assert_eq!(world.phase(), Some(Phase::Firing));
    let order: Vec<&str> = world.asked.iter().map(|(_, text)| text.as_str()).collect();
    let order: Vec<&str> = order.into_iter().filter(|text| *text != "up").collect();
    assert_eq!(order, ["vector(1)", "a * 2", "b > 1"]);
}

#[test]
fn a_rule_that_reads_itself_reads_the_slot_before() {
    let mut world = Harness::new(
        "groups: [{name: g, interval: 1m, rules: [{record: n, expr: n + 1 or vector(1)}]}]",
    );
    world.run(300, over_own);
    let values = world.written.iter().map(|one| one.point.clone());
    let expected = [1.0, 2.0, 3.0, 4.0, 5.0].map(Point::Float);
    assert_eq!(values.collect::<Vec<_>>(), expected);
}

#[test]
fn rules_read_alerts_without_a_database() {
    let mut world = Harness::new(
        "groups: [{name: g, interval: 1m, rules: [
            {alert: Down, expr: vector(0) == 0, for: 2m},
            {alert: Any, expr: 'count(ALERTS{alertstate=\"firing\",alertname!=\"Any\"}) > 0'}]}]",
    );
    world.run(120, over_own);
    assert_eq!(world.alerts().len(), 1);
    world.run(180, over_own);
    let firing = world
        .alerts()
        .into_values()
        .filter(|one| one.phase == Phase::Firing);
    assert_eq!(firing.count(), 2);
}

#[test]
fn circles_are_evaluated_all_the_same() {
    let text = "groups: [
        {name: a, interval: 1m, rules: [{record: x, expr: y or vector(1)}]},
        {name: b, interval: 1m, rules: [{record: y, expr: x + 1}]}]";
    let set = rules(text);
    assert_eq!(set.components.len(), 1);
    let mut world = Harness::new(text);
    world.run(180, over_own);
    assert_eq!(world.asked.len(), 6);
}

#[test]
fn independent_rules_begin_at_once_up_to_the_concurrency() {
    let rule = |name: &str| format!("{{record: {name}, expr: vector(1)}}");
    let list: Vec<String> = ["a", "b", "c"].map(rule).into();
    let text = format!(
        "groups: [{{name: g, interval: 1m, concurrency: 2, rules: [{}]}}]",
        list.join(", ")
    );
    let mut world = Harness::new(&text);
    let next = world.ruler.poll_timeout().unwrap();
    world.now = next;
    let mut open = Vec::new();
    world.ruler.handle_timeout(super::harness::now(next));
    while let Some(effect) = world.ruler.poll_effect() {
        if let crate::ruler::Effect::Evaluate(evaluation) = effect {
            open.push(evaluation.id);
        }
    }
    assert_eq!(open.len(), 2);
    world
        .ruler
        .evaluated(open[0], of(&[]), super::harness::now(next));
    assert!(matches!(
        world.ruler.poll_effect(),
        Some(crate::ruler::Effect::Evaluate(_))
    ));
}

/// How many of thirty rules begin at once in the second slot, after endpoints were asked for those of the first together
/// or not.
fn at_once(concurrency: &str, light: bool) -> usize {
    let rules: Vec<String> = (0..30)
        .map(|number| format!("{{record: r{number}, expr: vector(1)}}"))
        .collect();
    let text = format!(
        "groups: [{{name: g, interval: 1m, {concurrency} rules: [{}]}}]",
        rules.join(", ")
    );
    let mut world = Harness::new(&text);
    let answer = || of(&[]).map(|answered| crate::ruler::Answered { light, ..answered });
    let mut begun = 0;
    for _ in 0..2 {
        let now = super::harness::now(world.ruler.poll_timeout().unwrap());
        world.ruler.handle_timeout(now);
        begun = 0;
        let mut open = Vec::new();
        loop {
            while let Some(effect) = world.ruler.poll_effect() {
                if let crate::ruler::Effect::Evaluate(evaluation) = effect {
                    open.push(evaluation.id);
                }
            }
            if begun == 0 {
                begun = open.len();
            }
            let Some(id) = open.pop() else { break };
            world.ruler.evaluated(id, answer(), now);
        }
    }
    begun
}

#[test]
fn more_rules_begin_at_once_if_they_are_asked_together() {
    assert_eq!(at_once("", false), 4);
    assert_eq!(at_once("", true), 16);
    assert_eq!(at_once("concurrency: 3,", true), 3);
}

#[test]
fn what_is_kept_reaches_as_far_as_any_slot_looks() {
    for expr in [
        "r",
        "sum_over_time(r[2m])",
        "max_over_time(r[10m:7m])",
        "min_over_time(max_over_time(r[3m:40s])[11m:5m] offset 1m)",
        "max_over_time(r[5m:])",
    ] {
        let text = format!(
            "groups: [{{name: g, rules: [{{record: r, expr: x}}, {{record: s, expr: '{expr}'}}]}}]"
        );
        let set = rules(&text);
        let reach = set.reach["r"];
        let expr = &set.groups[0].rules[1].definition.expr;
        let mut furthest = 0;
        for at in (1_700_000_000_000..).step_by(997).take(5000) {
            let prepared = prepare(expr, Steps::instant(at), settings().options).unwrap();
            let from = prepared.selections()[0].from;
            furthest = furthest.max(at - from);
        }
        assert!(furthest <= reach, "{expr}: {furthest} > {reach}");
        assert!(reach <= furthest + 400_000, "{expr}: {reach}");
    }
}

#[test]
fn a_group_that_looks_at_the_past_finds_what_rules_wrote_then() {
    let mut world = Harness::new(
        "groups: [
            {name: a, interval: 30s, eval_offset: 0s, rules: [{record: r, expr: vector(1)}]},
            {name: b, interval: 30s, eval_offset: 0s, query_offset: 10m, rules: [{record: s, expr: 'count_over_time(r[2m])'}]}]",
    );
    world.run(1500, over_own);
    let of_s = |one: &&crate::ruler::Written| one.labels.value("__name__") == "s";
    let last = world.written.iter().rfind(of_s);
    assert_eq!(last.map(|one| one.point.clone()), Some(Point::Float(4.0)));
}
