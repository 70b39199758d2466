//! Other rules are put into force.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use proptest::prelude::*;

use super::harness::{Harness, now, of};
use crate::{
    cluster::NodeName,
    ruler::{Evaluation, Members, Phase, RuleRecord, RuleSet, RuleValue, Ruler},
};

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
fn alerts_of_a_rule_that_moves_to_another_group_are_not_told_to_end() {
    let of_g =
        "groups: [{name: g, interval: 30s, rules: [{alert: A, expr: x > 0, labels: {a: b}}]}]";
    let mut world = Harness::new(of_g);
    world.run(60, |_| of(X));
    world.load(&of_g.replace("name: g", "name: h"));
    world.run(120, |_| of(X));
    let ended = world
        .told
        .iter()
        .filter(|(at, told)| told.ends_at.unix_millis() <= *at);
    assert_eq!(ended.count(), 0);
    assert_eq!(world.phase(), Some(Phase::Firing));
    // One that is another alert ends.
    let mut world = Harness::new(of_g);
    world.run(60, |_| of(X));
    world.load(&of_g.replace("name: g", "name: h").replace("a: b", "a: c"));
    world.run(120, |_| of(X));
    let ended = world
        .told
        .iter()
        .filter(|(at, told)| told.ends_at.unix_millis() <= *at);
    assert!(ended.count() > 0);
}

#[test]
fn an_alert_of_a_rule_that_is_gone_does_not_end_while_another_rule_has_it_fire() {
    let one = "{name: g, interval: 30s, rules: [{alert: A, expr: x > 0}]}";
    let other = "{name: h, interval: 30s, rules: [{alert: A, expr: x > 1}]}";
    let mut world = Harness::new(&format!("groups: [{one}, {other}]"));
    world.run(60, |_| of(X));
    world.load(&format!("groups: [{other}]"));
    world.run(120, |_| of(X));
    let ended = |world: &Harness| {
        let told = world.told.iter();
        let ended = told.filter(|(at, told)| told.ends_at.unix_millis() <= *at);
        ended.count()
    };
    assert_eq!(ended(&world), 0);
    assert_eq!(world.phase(), Some(Phase::Firing));
    world.load("groups: []");
    assert!(ended(&world) > 0);
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

/// Three rules, one after the other.
const THREE: &str = "groups: [{name: g, interval: 30s, concurrency: 1, rules: [{record: a, expr: x}, {record: b, expr: y}, \
                     {alert: C, expr: z > 0}]}]";

/// The rules of [`THREE`], but the second.
fn with_second(rule: &str) -> String {
    THREE.replace("{record: b, expr: y}, ", rule)
}

/// Answers what is asked, one after the other: these, whichever's turn it is first.
fn answer_each(world: &mut Harness, exprs: &[&str]) {
    let mut left: BTreeSet<String> = exprs.iter().map(ToString::to_string).collect();
    while !left.is_empty() {
        let asked = world.waiting().swap_remove(0);
        assert!(left.remove(&asked), "{asked} is not among {left:?}");
        world.answer(&asked, of(X));
    }
}

/// How often a slot was evaluated, and missed.
fn slots(world: &Harness) -> (u64, u64) {
    let group = &world.ruler.states().groups[0];
    (group.iterations, group.missed)
}

/// How often each rule was evaluated, and was not.
fn evaluations(world: &Harness) -> Vec<(u64, u64)> {
    let rules = world.ruler.states().groups[0].rules.iter();
    rules.map(|rule| (rule.evaluations, rule.missed)).collect()
}

/// When each sample of a metric was written.
fn times(world: &Harness, name: &str) -> Vec<i64> {
    let written = world.written.iter();
    let of = written.filter(|one| one.labels.value("__name__") == name);
    of.map(|one| one.time).collect()
}

#[test]
fn a_slot_that_is_under_way_goes_on_after_a_reload() {
    let mut world = Harness::new(THREE);
    let slot = world.begin();
    world.answer("x", of(X));
    world.now += 5_000;
    world.load(THREE);
    world.load(THREE);
    assert_eq!(world.waiting(), ["y"], "what is under way goes on");
    world.answer("y", of(X));
    world.now += 2_000;
    world.load(THREE);
    world.answer("z > 0", of(X));
    assert!(world.waiting().is_empty());
    assert_eq!((slots(&world), world.asked.len()), ((1, 0), 3));
    assert_eq!(evaluations(&world), [(1, 0); 3]);
    for name in ["a", "b", "ALERTS"] {
        assert_eq!(times(&world, name), [slot], "{name}");
    }
    let group = &world.ruler.states().groups[0];
    assert_eq!((group.samples, group.took), (4, 7_000));
    world.run(slot / 1000 + 31, |_| of(X));
    assert_eq!(slots(&world), (2, 0));
    assert_eq!(times(&world, "a"), [slot, slot + 30_000]);
}

#[test]
fn what_a_reload_changes_of_a_slot_is_evaluated_in_it_and_nothing_twice() {
    let mut world = Harness::new(THREE);
    let slot = world.begin();
    world.answer("x", of(X));
    let late = world.open.pop().unwrap();
    // The first is changed as well, but done.
    let other = "{record: b, expr: w}, {record: d, expr: v}, ";
    world.load(&with_second(other).replace("expr: x", "expr: x + 1"));
    // It had no turn yet in this slot.
    assert_eq!(world.waiting(), ["v"]);
    world.ruler.evaluated(late.id, of(X), now(world.now));
    world.collect();
    assert_eq!(world.waiting(), ["v"], "an answer to what is gone");
    assert!(times(&world, "b").is_empty());
    answer_each(&mut world, &["w", "v", "z > 0"]);
    assert_eq!(slots(&world), (1, 0));
    assert_eq!(evaluations(&world), [(1, 0); 4]);
    for name in ["a", "b", "d"] {
        assert_eq!(times(&world, name), [slot], "{name}");
    }
    assert!(world.asked.iter().all(|(at, _)| *at == slot));
}

#[test]
fn an_answer_counts_as_the_rule_says_now() {
    let text = |rule: &str| format!("groups: [{{name: g, interval: 30s, rules: [{rule}]}}]");
    let mut world = Harness::new(&text("{alert: A, expr: x > 0}"));
    world.begin();
    let rule =
        "{alert: A, expr: x > 0, for: 1m, annotations: {a: '{{ with query \"y\" }}b{{ end }}'}}";
    world.load(&text(rule));
    assert_eq!(world.waiting(), ["x > 0"]);
    world.answer("x > 0", of(X));
    // Its template is being evaluated: another one begins at the beginning.
    world.open.clear();
    world.load(&text(&rule.replace("}}b{{", "}}c{{")));
    assert_eq!(world.waiting(), ["x > 0"]);
    world.answer("x > 0", of(X));
    world.answer("y", of(X));
    assert_eq!(world.phase(), Some(Phase::Pending));
    let alert = world.alerts().into_values().next().unwrap();
    assert_eq!(alert.annotations.value("a"), "c");
    assert_eq!((slots(&world), evaluations(&world)), ((1, 0), vec![(1, 0)]));
}

#[test]
fn a_slot_ends_when_what_was_left_of_it_is_gone() {
    let mut world = Harness::new(THREE);
    world.begin();
    world.answer("x", of(X));
    world.open.clear();
    world.load(&with_second(""));
    world.answer("z > 0", of(X));
    assert_eq!(slots(&world), (1, 0));
    world.begin();
    world.answer("x", of(X));
    world.open.clear();
    world.load("groups: [{name: g, interval: 30s, rules: [{record: a, expr: x}]}]");
    assert!(world.waiting().is_empty());
    assert_eq!(slots(&world), (2, 0));
    world.begin();
    assert_eq!(
        (world.waiting(), slots(&world)),
        (vec!["x".to_owned()], (2, 0))
    );
}

#[test]
fn a_change_begins_no_more_in_a_slot_that_is_over_and_what_did_not_change_goes_on() {
    let mut world = Harness::new(THREE);
    let slot = world.begin();
    world.answer("x", of(X));
    world.now += 31_000;
    world.load(THREE);
    assert_eq!(world.waiting(), ["y"]);
    world.open.clear();
    world.load(&with_second("{record: b, expr: w}, {record: d, expr: v}, "));
    world.answer("z > 0", of(X));
    // What was there before missed the slot.
    let reason = "a reload changed it before it was evaluated, and the next slot was due";
    assert_eq!(world.lost(), [(1, "b", reason)]);
    assert_eq!(evaluations(&world), [(1, 0), (0, 1), (0, 0), (1, 0)]);
    assert_eq!(slots(&world), (1, 0));
    world.begin();
    assert_eq!(world.open[0].at, slot + 30_000);
    answer_each(&mut world, &["x", "w", "v", "z > 0"]);
    assert_eq!(evaluations(&world), [(2, 0), (1, 1), (1, 0), (2, 0)]);
    assert_eq!(slots(&world), (2, 0));
}

#[test]
fn a_slot_goes_on_when_a_reload_moves_those_that_follow() {
    let mut world = Harness::new(THREE);
    let slot = world.begin();
    world.answer("x", of(X));
    world.now += 1_000;
    let moved = THREE.replace("interval: 30s", "interval: 1m, eval_offset: 7s");
    world.load(&moved);
    world.answer("y", of(X));
    world.answer("z > 0", of(X));
    assert_eq!(slots(&world), (1, 0));
    assert_eq!(times(&world, "b"), [slot]);
    let next = world.begin();
    assert_eq!((next - 7_000) % 60_000, 0);
    assert_eq!(evaluations(&world), [(1, 0); 3]);
}

#[test]
fn what_reads_a_result_that_was_not_kept_begins_with_the_next_slot() {
    let mut world = Harness::new(THREE);
    world.begin();
    world.answer("x", of(X));
    // Nobody read what `a` wrote: at this slot it would seem to be absent.
    let reads = "{record: b, expr: y}, {alert: D, expr: absent(a)}, {record: e, expr: sum(b)}, ";
    world.load(&with_second(reads));
    answer_each(&mut world, &["y", "sum(b)", "z > 0"]);
    assert_eq!(slots(&world), (1, 0));
    assert_eq!(
        evaluations(&world),
        [(1, 0), (1, 0), (0, 0), (1, 0), (1, 0)]
    );
    world.begin();
    answer_each(&mut world, &["x", "y", "absent(a)", "sum(b)", "z > 0"]);
}

#[test]
fn reloads_at_any_rate_starve_nobody() {
    let mut world = Delayed::new(THREE, |evaluation| match &*evaluation.expr.to_string() {
        "x" => 0,
        "z > 0" => 1_000,
        _ => 10_000,
    });
    for second in 0..600 {
        world.run(second * 1000, None);
        world.reload(THREE);
    }
    let done = slots(&world.world);
    assert!(done.0 >= 19 && done.1 == 0, "{done:?}");
    let all = evaluations(&world.world);
    let each = |(count, missed): &(u64, u64)| count - done.0 <= 1 && *missed == 0;
    assert!(all.iter().all(each), "{all:?}");
    // One of them is another one every second, and never done: the others are.
    for second in 600..1_200 {
        world.run(second * 1000, None);
        let changed = format!("{{record: b, expr: y + {second}}}, ");
        world.reload(&with_second(&changed));
    }
    let [first, changed, last] = evaluations(&world.world)[..] else {
        panic!("three rules");
    };
    assert!(
        changed.0 - done.0 <= 1 && (19..=20).contains(&changed.1),
        "{changed:?}"
    );
    assert!(
        first.0 >= done.0 + 20 && last.0 >= done.0 + 19,
        "{first:?} {last:?}"
    );
    assert_eq!((first.1, last.1), (0, 0));
}

#[test]
fn two_slots_that_a_reload_joins_go_on_one_after_the_other() {
    let two = |more: &str| {
        format!(
            "groups: [{{name: g, interval: 30s, eval_offset: 10s, concurrency: 1, rules: [{{record: a, expr: x}}, \
             {{record: b, expr: y}}]}}, {{name: h, interval: 30s, eval_offset: 20s, concurrency: 1, rules: \
             [{{record: c, expr: z}}, {{record: d, expr: {more}}}]}}]"
        )
    };
    let mut world = Harness::new(&two("v"));
    let first = world.begin();
    world.answer("x", of(X));
    let second = world.begin();
    world.answer("z", of(X));
    assert_eq!((second - first, world.waiting().len()), (10_000, 2));
    world.open.retain(|one| one.at == first);
    world.load(&two("v + b"));
    world.answer("y", of(X));
    world.now = second + 1_000;
    world.begin();
    world.answer("v + b", of(X));
    assert!(world.waiting().is_empty());
    for (name, at) in [("a", first), ("b", first), ("c", second), ("d", second)] {
        assert_eq!(times(&world, name), [at], "{name}");
    }
    for group in &world.ruler.states().groups {
        assert_eq!((group.iterations, group.missed), (1, 0));
    }
}

#[test]
fn a_first_slot_that_waits_for_another_groups_is_not_lost() {
    let text = |more: &str| {
        format!(
            "groups: [{{name: g, interval: 30s, eval_offset: 0s, rules: [{{record: a, expr: x}}]}}, {{name: h, interval: 30s, \
             eval_offset: 10s, rules: [{{record: b, expr: sum(a)}}]}}{more}]"
        )
    };
    let mut world = Harness::new(&text(""));
    assert_eq!(world.begin(), 0);
    world.now = 12_000;
    let more = ", {name: i, interval: 30s, eval_offset: 10s, rules: [{record: c, expr: z}]}";
    world.load(&text(more));
    world.answer("x", of(X));
    world.begin();
    assert_eq!((world.open[0].at, world.waiting().len()), (10_000, 1));
    world.answer("sum(a)", of(X));
    // One that is new begins with the slot that follows.
    world.run(60, |_| of(X));
    let mut asked = world.asked.iter().filter(|(_, expr)| expr == "z");
    assert_eq!(asked.next().unwrap().0, 40_000);
}

/// A name of a node that ranks behind the node "a", or before it, for the first component.
fn other_node(set: &Arc<RuleSet>, before: bool) -> (NodeName, Members) {
    let names = ('b'..='z').map(|name| NodeName::from(name.to_string()));
    let mut all = names.map(|name| {
        let others = [(NodeName::clone(&name), set.hashes())].into();
        let members = Members {
            others,
            ..Members::alone("a")
        };
        (name, members)
    });
    let ranks = |members: &Members| {
        let mut ruler = Ruler::new(Arc::clone(set), now(0));
        ruler.members(members.clone(), now(0));
        ruler.states().groups[0].owned.is_none() == before
    };
    all.find(|(_, members)| ranks(members)).unwrap()
}

/// What another node says of the first group that a ruler told of.
fn claimed(world: &Harness, owner: &NodeName, epoch: u64) -> Arc<RuleRecord> {
    let mut kept = world.kept.iter();
    let record = kept.find(|record| matches!(record.value, RuleValue::Group(_)));
    let mut record = record.unwrap().clone();
    record.version.epoch = epoch;
    if let RuleValue::Group(summary) = &mut record.value {
        summary.owner = Arc::clone(owner);
    }
    Arc::new(record)
}

#[test]
fn a_slot_goes_on_when_its_owner_begins_anew() {
    let mut world = Harness::new(THREE);
    let slot = world.begin();
    world.answer("x", of(X));
    let (other, members) = other_node(world.ruler.set(), false);
    world.ruler.members(members, now(world.now));
    let late = world.open.pop().unwrap();
    let claimed = claimed(&world, &other, 7);
    world.ruler.learn(&[claimed], now(world.now));
    assert_eq!(world.ruler.states().groups[0].owned, Some(8));
    world.ruler.evaluated(late.id, of(X), now(world.now));
    world.begin();
    answer_each(&mut world, &["y", "z > 0"]);
    assert_eq!((slots(&world), times(&world, "a")), ((1, 0), vec![slot]));
    assert_eq!(evaluations(&world), [(1, 0); 3]);
}

#[test]
fn groups_that_are_joined_and_another_nodes_are_given_up() {
    let two = |more: &str| {
        format!(
            "groups: [{{name: g, rules: [{{record: a, expr: x}}]}}, {{name: h, rules: [{{record: b, expr: {more}}}]}}]"
        )
    };
    let joined = super::harness::rules(&two("a"));
    let (other, members) = other_node(&joined, true);
    let mut first = Harness::new(&two("y"));
    first.collect();
    let record = claimed(&first, &other, 5);
    let mut world = Harness::of(super::harness::rules(&two("y")), 0, &[record]);
    let owned = |world: &Harness| {
        let groups = world.ruler.states().groups.iter();
        groups.map(|group| group.owned).collect::<Vec<_>>()
    };
    assert_eq!(owned(&world), [Some(6), Some(1)]);
    world.ruler.members(members, now(0));
    world.ruler.load(joined, now(0));
    assert_eq!(owned(&world), [None, None]);
}

/// A world in which each answer takes its time.
struct Delayed {
    world: Harness,
    /// When they come, and what was asked.
    answers: BTreeMap<(i64, u64), Evaluation>,
    delay: Box<dyn Fn(&Evaluation) -> i64>,
}

impl Delayed {
    fn new(text: &str, delay: impl Fn(&Evaluation) -> i64 + 'static) -> Self {
        Self {
            world: Harness::new(text),
            answers: BTreeMap::new(),
            delay: Box::new(delay),
        }
    }

    fn ask(&mut self) {
        for evaluation in std::mem::take(&mut self.world.open) {
            let comes = self.world.now + (self.delay)(&evaluation);
            self.answers.insert((comes, evaluation.id.0), evaluation);
        }
    }

    fn reload(&mut self, text: &str) {
        self.world.load(text);
        self.ask();
    }

    /// Runs until then; a process that is stopped since `stopped` does nothing before.
    fn run(&mut self, until: i64, stopped: Option<i64>) {
        loop {
            let due = self.world.ruler.poll_timeout().unwrap_or(i64::MAX);
            let answer = self.answers.first_key_value().map(|(key, _)| *key);
            let next = due.min(answer.map_or(i64::MAX, |(at, _)| at));
            if next > stopped.unwrap_or(until) {
                break;
            }
            self.world.now = self.world.now.max(next);
            let at = now(self.world.now);
            match answer.filter(|(at, _)| *at <= next) {
                Some(key) => {
                    let evaluation = self.answers.remove(&key).unwrap();
                    let value = (evaluation.at / 1000 % 3600) as f64;
                    let answer = of(&[(&[("job", "j")], value)]);
                    self.world.ruler.evaluated(evaluation.id, answer, at);
                }
                None => self.world.ruler.handle_timeout(at),
            }
            self.world.collect_slots();
            self.ask();
        }
        self.world.now = until;
    }

    /// All that came of it.
    fn outcome(&self) -> Vec<String> {
        let world = &self.world;
        let mut all: Vec<String> = Vec::new();
        let written = world.written.iter();
        all.extend(written.map(|one| format!("{} {:?} {:?}", one.time, one.labels, one.point)));
        all.extend(world.told.iter().map(|told| format!("{told:?}")));
        all.extend(world.asked.iter().map(|asked| format!("{asked:?}")));
        all.extend(world.said.iter().map(|said| format!("{said:?}")));
        for group in &world.ruler.states().groups {
            let (count, took) = (
                (group.iterations, group.missed, group.caught_up),
                group.took,
            );
            all.push(format!(
                "{count:?} {took} {:?} {}",
                group.last_slot, group.samples
            ));
            for rule in &group.rules {
                let count = (rule.evaluations, rule.failures, rule.missed, rule.took);
                all.push(format!("{count:?} {:?}", rule.last_evaluation));
            }
        }
        all.sort();
        all
    }
}

/// Chains of rules, with templates that ask, and slots of several lengths.
const CHAINS: &str = "groups: [{name: g, interval: 30s, eval_offset: 5s, rules: [{record: a, expr: x}, \
                      {record: b, expr: a + 1}, {alert: C, expr: b > 900, for: 1m, annotations: {n: \
                      '{{ with query \"y\" }}{{ . | first | value }}{{ end }}'}}]}, {name: h, interval: 1m, \
                      eval_offset: 5s, concurrency: 1, rules: [{record: d, expr: \"rate(b[2m])\"}, {record: e, expr: z}, \
                      {record: f, expr: sum(e)}]}, {name: i, interval: 15s, rules: [{record: k, expr: v}]}]";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn reloads_of_the_same_rules_change_nothing(
        seed in any::<u64>(),
        slow in 0..4_u32,
        mut reloads in proptest::collection::vec((0..900_000_i64, 0..4_u8), 1..40),
        stop in proptest::option::of((60_000..600_000_i64, 1..200_000_i64)),
    ) {
        reloads.sort_unstable();
        let delay = move |evaluation: &Evaluation| {
            let mut hash = seed ^ u64::try_from(evaluation.at).unwrap();
            hash = evaluation.expr.to_string().bytes().fold(hash, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
            i64::try_from((hash >> 20) % 8_000).unwrap() << slow >> 1
        };
        let run = |reloads: &[(i64, u8)]| {
            let mut world = Delayed::new(CHAINS, delay);
            let mut stop = stop;
            for (at, times) in reloads {
                if let Some((from, long)) = stop.filter(|(from, _)| from < at) {
                    world.run(from, None);
                    world.run(from + long, Some(from));
                    stop = None;
                }
                if *at > world.world.now {
                    world.run(*at, None);
                }
                (0..*times).for_each(|_| world.reload(CHAINS));
            }
            world.run(1_200_000, None);
            world.outcome()
        };
        let none: Vec<_> = reloads.iter().map(|(at, _)| (*at, 0)).collect();
        let (with, without) = (run(&reloads), run(&none));
        let more = |one: &[String], other: &[String]| -> Vec<String> {
            one.iter().filter(|it| !other.contains(it)).cloned().collect()
        };
        prop_assert_eq!(more(&with, &without), more(&without, &with));
        prop_assert_eq!(with.len(), without.len());
    }
}
