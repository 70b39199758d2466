//! Rules that read what others wrote, at slots that were missed: what they read is known as it was, or they are not
//! evaluated.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    sync::Arc,
};

use proptest::{prelude::*, test_runner::TestRunner};

use super::harness::{Answer, Harness, now, of, over_own};
use crate::{
    federation::Local as _,
    labels::{MatchOp, Matcher},
    promql::Point,
    ruler::{Evaluation, Written},
};

/// `x` is the slot in seconds, and the others are what they are over what rules wrote.
fn answered(evaluation: &Evaluation) -> Answer {
    match evaluation.expr.to_string().as_str() {
        "x" => {
            let seconds = u32::try_from(evaluation.at / 1000).unwrap_or(0);
            of(&[(&[("job", "j")], f64::from(seconds))])
        }
        _ => over_own(evaluation),
    }
}

fn rules(list: &str) -> String {
    format!("groups: [{{name: g, interval: 30s, eval_offset: 0s, rules: [{list}]}}]")
}

/// From raw data to what dashboards show, the last first and in a group of its own.
const CHAIN: &str = "groups: [
    {name: third, interval: 1m, eval_offset: 0s, rules: [{record: all, expr: sum(rate1m) + count(rate1m)}]},
    {name: g, interval: 30s, eval_offset: 0s, rules: [
        {record: rate1m, expr: 'rate(raw[1m])'},
        {record: early, expr: sum(rate1m)},
        {record: raw, expr: x}]},
    {name: h, interval: 30s, eval_offset: 0s, rules: [
        {record: r2, expr: 'delta(own[1m30s])'},
        {record: s2, expr: 'max_over_time(r2[1m]) + r2'},
        {record: t2, expr: 'max_over_time(s2[1m:30s])'}]},
    {name: i, interval: 30s, eval_offset: 0s, rules: [{record: own, expr: x}]}]";

/// What was written of these metrics: seconds, and values.
fn written(harness: &Harness, names: &[&str]) -> Vec<(i64, String, Point)> {
    let is_of = |one: &&Written| names.contains(&one.labels.value("__name__"));
    let line = |one: &Written| (one.time / 1000, one.labels.to_string(), one.point.clone());
    let all = harness.written.iter().filter(is_of).map(line);
    let mut all: Vec<_> = all.collect();
    all.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
    all
}

#[test]
fn a_chain_is_made_up_for_as_if_nothing_had_been_missed() {
    let mut whole = Harness::new(CHAIN);
    whole.run(900, answered);
    let mut broken = Harness::new(CHAIN);
    broken.run(300, answered);
    broken.now = 590_000;
    broken.run(900, answered);
    let names = ["raw", "rate1m", "early", "own", "r2", "s2", "t2", "all"];
    let written = |harness: &Harness| written(harness, &names);
    assert!(written(&whole).len() > 150, "{}", written(&whole).len());
    assert_eq!(written(&broken), written(&whole));
    assert!(broken.lost().is_empty(), "{:?}", broken.said);
    let groups = &broken.ruler.states().groups;
    let caught_up: Vec<u64> = groups.iter().map(|group| group.caught_up).collect();
    assert_eq!(caught_up, [3, 24, 24, 8]);
}

#[test]
fn what_could_not_be_made_up_for_is_a_gap_of_those_that_read_it() {
    let rules = rules(
        "{record: a, expr: x}, {record: b, expr: sum(a)}, {record: c, expr: 'sum_over_time(b[1m])'}",
    );
    let mut harness = Harness::new(&rules);
    harness.run(300, answered);
    harness.now = 510_000;
    harness.run(510, |evaluation| {
        match (evaluation.at, evaluation.expr.to_string().as_str()) {
            (390_000, "x") => Err("no endpoint answers".to_owned()),
            _ => answered(evaluation),
        }
    });
    let times = |name| {
        let all = written(&harness, &[name]).into_iter();
        all.map(|(at, ..)| at)
            .filter(|at| *at > 300)
            .collect::<Vec<_>>()
    };
    assert_eq!(times("a"), [330, 360, 420, 450, 480, 510]);
    assert_eq!(times("b"), [330, 360, 420, 450, 480, 510]);
    // Its window reaches over the gap until there are two slots after it.
    assert_eq!(times("c"), [330, 360, 450, 480, 510]);
    assert_eq!(harness.lost(), [(4, "a", "no endpoint answers")]);
}

#[test]
fn rules_about_alerts_are_made_up_for_where_alerts_are_known() {
    for (reads, asked) in [
        ("sum(ALERTS)", vec![480]),
        ("sum(ALERTS_FOR_STATE) + sum(r)", vec![480]),
        ("sum(ALERTS offset 5m)", vec![330, 360, 390, 420, 450, 480]),
        (
            "sum_over_time(ALERTS[1m] offset 2m)",
            vec![330, 360, 390, 420, 480],
        ),
        // Nobody here makes such alerts: they are those of an endpoint.
        (
            "sum(ALERTS{alertname=\"Other\"})",
            vec![330, 360, 390, 420, 450, 480],
        ),
    ] {
        let rules = rules(&format!(
            "{{record: r, expr: x}}, {{alert: A, expr: x > 0}}, {{record: s, expr: '{reads}'}}"
        ));
        let mut harness = Harness::new(&rules);
        harness.run(300, answered);
        harness.asked.clear();
        harness.now = 480_000;
        harness.run(480, answered);
        let of_s = harness
            .asked
            .iter()
            .filter(|(_, text)| text.contains("ALERTS"));
        let times: Vec<i64> = of_s.map(|(at, _)| at / 1000).collect();
        assert_eq!(times, asked, "{reads}");
        let missed = 6 - u64::try_from(asked.len()).unwrap();
        let said = harness.lost();
        assert_eq!(said.len(), usize::from(missed > 0), "{reads}: {said:?}");
        let well = |(count, rule, reason): &(u64, &str, &str)| {
            (*count, *rule) == (missed, "s")
                && reason.contains("which is not known here as it was then")
        };
        assert!(said.iter().all(well), "{reads}: {said:?}");
    }
}

#[test]
fn what_the_node_measures_must_be_known_at_the_slot() {
    for (reads, since) in [
        ("up{watchfire=\"self\"}", 0),
        ("watchfire_partition_up == 0", 0),
        ("rate(x_total{watchfire=\"self\"}[1m])", 60_000),
        (
            "max_over_time(watchfire_partition_up[2m] offset 30s)",
            150_000,
        ),
    ] {
        let mut harness = Harness::new(&rules(&format!("{{record: s, expr: '{reads}'}}")));
        harness.run(30, answered);
        harness.now = 120_000;
        let needed = RefCell::new(Vec::new());
        harness.run(120, |evaluation| {
            let before = evaluation.measured_since.map(|since| evaluation.at - since);
            needed.borrow_mut().push((evaluation.at / 1000, before));
            match evaluation.at {
                60_000 => Err("it is not known".to_owned()),
                _ => of(&[]),
            }
        });
        let expected = [(60, Some(since)), (90, Some(since)), (120, None)];
        assert_eq!(*needed.borrow(), expected, "{reads}");
        assert_eq!(harness.lost(), [(1, "s", "it is not known")]);
    }
}

#[test]
fn a_rule_that_reads_itself_goes_on_through_missed_slots() {
    let mut harness = Harness::new(&rules("{record: n, expr: n + 1 or vector(1)}"));
    harness.run(60, answered);
    harness.now = 200_000;
    harness.run(210, answered);
    let values: Vec<_> = written(&harness, &["n"])
        .into_iter()
        .map(|one| one.2)
        .collect();
    let expected: Vec<Point> = (1..=8).map(|n| Point::Float(f64::from(n))).collect();
    assert_eq!(values, expected);
}

#[test]
fn an_owner_that_begins_makes_up_for_a_chain_of_what_it_saw() {
    let chain = "{record: a, expr: x}, {record: b, expr: sum(a)}, {record: c, expr: 'avg_over_time(b[1m])'}, {record: d, expr: 'avg_over_time(b[10m])'}";
    let mut first = Harness::new(&rules(chain));
    first.run(600, answered);
    let records: Vec<_> = first.kept.drain(..).map(Arc::new).collect();
    let mut second = Harness::of(Arc::clone(first.ruler.set()), 700, &records);
    second.run(720, answered);
    let times = |name| {
        let all = written(&second, &[name]).into_iter();
        all.map(|(at, ..)| at).collect::<Vec<_>>()
    };
    assert_eq!(times("a"), [630, 660, 690, 720]);
    assert_eq!(times("b"), [630, 660, 690, 720]);
    assert_eq!(times("c"), [630, 660, 690, 720]);
    assert_eq!(times("d"), [630, 660, 690, 720]);
    let values = written(&second, &["c"]).into_iter();
    let values: Vec<Point> = values.map(|one| one.2).collect();
    let expected = [615.0, 645.0, 675.0, 705.0].map(Point::Float);
    assert_eq!(values, expected);
}

#[test]
fn windows_that_become_longer_are_asked_for() {
    let of = |window: &str| {
        rules(&format!(
            "{{record: a, expr: x}}, {{record: b, expr: 'sum_over_time(a[{window}])'}}"
        ))
    };
    for (before, asks) in [("5m", false), ("1m", true)] {
        let mut harness = Harness::new(&of(before));
        harness.run(900, answered);
        harness.load(&of("4m"));
        harness.run(930, answered);
        harness.now = 1_020_000;
        harness.run(1020, answered);
        let times = written(&harness, &["b"]).into_iter().map(|one| one.0);
        let times: Vec<i64> = times.filter(|at| *at > 900).collect();
        assert_eq!(times, [930, 960, 990, 1020]);
        assert_eq!(!harness.ranges.is_empty(), asks, "{before}");
    }
}

#[test]
fn after_a_clock_is_set_back_all_is_asked_for_anew() {
    let mut harness = Harness::new(&rules(
        "{record: a, expr: x}, {record: b, expr: 'sum_over_time(a[10m])'}",
    ));
    harness.run(7200, answered);
    harness.now = 3_600_000;
    harness.ruler.handle_timeout(now(harness.now));
    harness.written.clear();
    harness.run(3630, answered);
    harness.now = 3_690_000;
    harness.run(3690, answered);
    let times = written(&harness, &["b"]).into_iter().map(|one| one.0);
    let times: Vec<i64> = times.filter(|at| *at > 3630).collect();
    assert_eq!(times, [3660, 3690]);
    assert_eq!(harness.ranges.len(), 1);
}

/// The times in seconds of the samples of `a` that an evaluation of a past slot can see within so many seconds.
fn seen(evaluation: &Evaluation, name: &str, within: i64) -> Vec<i64> {
    let matcher = Matcher::new(MatchOp::Equal, "__name__", name).unwrap();
    let own = evaluation.own.clone().unwrap_or_default();
    let series = own.select(&[matcher], evaluation.at - within * 1000, evaluation.at);
    let times = series.iter().flat_map(|one| one.floats.times.clone());
    times.map(|time| time / 1000).collect()
}

/// What the world of a test does.
#[derive(Default)]
struct Seen {
    /// Where a metric has no sample though its rule was evaluated in its slot.
    nothing: BTreeSet<(&'static str, i64)>,
    /// Evaluations of past slots that were looked at.
    looked_at: usize,
}

impl Seen {
    /// Evaluates, and sees that nothing is missing of what a rule reads at a slot that is past.
    fn answer(&mut self, evaluation: &Evaluation, failing: &BTreeSet<i64>) -> Answer {
        let at = evaluation.at / 1000;
        let is_past = evaluation.within < 10_000;
        let text = evaluation.expr.to_string();
        let (reads, window, writes) = match text.as_str() {
            "x" if failing.contains(&(at / 30 % 100)) => {
                if !is_past {
                    self.nothing.insert(("a", at));
                }
                return Err("no endpoint answers".to_owned());
            }
            "sum_over_time(a[2m])" => ("a", 120, "b"),
            "count_over_time(b[1m])" => ("b", 60, "c"),
            "sum(a)" => ("a", 30, "d"),
            _ => return answered(evaluation),
        };
        if is_past {
            self.looked_at += 1;
            let seen = seen(evaluation, reads, window);
            for slot in (0..window / 30).map(|back| at - back * 30) {
                let known = seen.contains(&slot) || self.nothing.contains(&(reads, slot));
                assert!(known, "{text} at {at}: {slot} is not among {seen:?}");
            }
        }
        let answer = over_own(evaluation)?;
        if answer.elements.is_empty() {
            self.nothing.insert((writes, at));
        }
        Ok(answer)
    }
}

#[test]
fn at_past_slots_nothing_is_missing_of_what_rules_read() {
    let text = "groups: [
        {name: g, interval: 30s, eval_offset: 0s, rules: [{record: a, expr: x}, {record: b, expr: 'sum_over_time(a[2m])'}]},
        {name: h, interval: 1m, eval_offset: 0s, query_offset: 30s, rules: [{record: c, expr: 'count_over_time(b[1m])'}, {record: d, expr: sum(a)}]}]";
    let looked_at = Cell::new(0);
    let play = |steps: Vec<(i64, i64, u8)>, failing: BTreeSet<i64>| {
        let mut harness = Harness::new(text);
        let mut seen = Seen::default();
        let mut kept = Vec::new();
        let mut at = 600;
        for (runs, missed, what) in steps {
            at += runs * 30;
            harness.run(at, |evaluation| seen.answer(evaluation, &failing));
            kept.extend(harness.kept.drain(..).map(Arc::new));
            at += missed * 30;
            match what {
                0 => {
                    harness = Harness::of(Arc::clone(harness.ruler.set()), at, &kept);
                    seen.nothing.clear();
                }
                1 => harness.load(text),
                _ => {}
            }
            harness.now = at * 1000;
        }
        harness.run(at + 60, |evaluation| seen.answer(evaluation, &failing));
        looked_at.set(looked_at.get() + seen.looked_at);
    };
    let mut runner = TestRunner::new(ProptestConfig::with_cases(60));
    let steps = prop::collection::vec((1..15_i64, 1..25_i64, 0..6_u8), 1..8);
    let failing = prop::collection::btree_set(0..100_i64, 0..30);
    let done = runner.run(&(steps, failing), |(steps, failing)| {
        play(steps, failing);
        Ok(())
    });
    done.unwrap_or_else(|error| panic!("{error}"));
    assert!(looked_at.get() > 300, "{looked_at:?}");
}
