//! The life cycle that the specification of alert generators of prometheus/compliance asks for, over samples as they come, in
//! virtual time: what it checks in forty minutes of real time passes here in milliseconds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::harness::{Answer, Harness, of, settings};
use crate::{
    federation::{Certainty, Local as _},
    labels::LabelSet,
    promql::{
        Point,
        engine::{Steps, prepare},
        is_stale,
        memory::{Memory, samples},
        parse::parse_series,
    },
    ruler::{Answered, Evaluation, Told},
};

/// Seconds between the slots and between the samples.
const INTERVAL: i64 = 30;
/// Milliseconds for which an alert that fires is said to last: four times the delay after which it is told again.
const LASTS: i64 = 4 * 60_000;

/// Series that come a second before each slot of the groups of these tests.
fn data(series: &[&str], first: i64) -> Memory {
    let mut memory = Memory::default();
    for text in series {
        let (labels, items) = parse_series(text).unwrap();
        let samples = samples(first - 1000, INTERVAL * 1000, &items, &[]);
        memory.append(&labels, samples).unwrap();
    }
    memory
}

/// The answer of a database that has the data, and of what rules wrote.
fn answer(memory: &Memory, evaluation: &Evaluation) -> Answer {
    let options = settings().options;
    let prepared = prepare(&evaluation.expr, Steps::instant(evaluation.at), options);
    let prepared = prepared.map_err(|error| error.to_string())?;
    let own = evaluation.own.clone().unwrap_or_default();
    let selections = prepared.selections().iter();
    let data = selections.map(|one| {
        let mut all = memory.select(one);
        all.extend(own.select(&one.matchers, one.from, one.to));
        all
    });
    let output = prepared.evaluate(&data.collect::<Vec<_>>());
    let value = output.map_err(|error| error.to_string())?.value;
    Answered::of_value(value, Certainty::default(), Vec::new())
}

/// The first slot of a world's only group; milliseconds.
fn first_slot(world: &Harness) -> i64 {
    world.ruler.poll_timeout().unwrap()
}

/// When a slot is over, in seconds: the slots are not at whole ones.
fn end_of(first: i64, slot: i64) -> i64 {
    first / 1000 + slot * INTERVAL + 1
}

/// What was told of alerts of a name: the number of the slot, and the alert.
fn told(world: &Harness, name: &str, first: i64) -> Vec<(i64, Told)> {
    let all = world.told.iter();
    let named = all.filter(|(_, told)| told.labels.value("alertname") == name);
    named
        .map(|(at, told)| ((at - first) / (INTERVAL * 1000), told.clone()))
        .collect()
}

/// The values of a written series by the numbers of slots; `None` where it ended.
fn written(world: &Harness, pairs: &[(&str, &str)], first: i64) -> BTreeMap<i64, Option<f64>> {
    let wanted = |labels: &LabelSet| {
        pairs
            .iter()
            .all(|(name, value)| labels.value(name) == *value)
    };
    let all = world.written.iter().filter(|one| wanted(&one.labels));
    all.map(|one| {
        let value = match &one.point {
            Point::Float(value) if is_stale(*value) => None,
            Point::Float(value) => Some(*value),
            Point::Histogram(histogram) => Some(histogram.sum),
        };
        ((one.time - first) / (INTERVAL * 1000), value)
    })
    .collect()
}

const RULES: &str = "
groups:
- name: g
  interval: 30s
  rules:
  - {record: recorded, expr: 'x * 2', labels: {added: one}}
  - alert: Waits
    expr: recorded > 20
    for: 1m
    labels: {severity: '{{ if gt $value 50.0 }}page{{ else }}mail{{ end }}', instance: ''}
    annotations: {text: '{{ $labels.instance }} has {{ $value }}'}
  - {alert: AtOnce, expr: recorded > 20}
  - {alert: Soon, expr: recorded > 20, for: 5s}
  - {alert: OfAlert, expr: 'ALERTS{alertname=\"Waits\", alertstate=\"firing\"} == 1'}
";

#[test]
fn pending_firing_and_resolved_come_when_they_should_with_the_words_of_then() {
    let mut world = Harness::new(RULES);
    let first = first_slot(&world);
    let memory = data(&["x{instance=\"a\"} 1 1 20 20 20 20 1x60"], first);
    world.run(end_of(first, 60), |evaluation| answer(&memory, evaluation));
    // The condition holds from the second slot to the fifth. What begins at once is told at once, and then at the first
    // multiple of the interval after the delay.
    let at_once = told(&world, "AtOnce", first);
    let slots: Vec<i64> = at_once.iter().map(|(slot, _)| *slot).collect();
    assert_eq!(slots[..3], [2, 5, 6]);
    // The end is told right away and again for a quarter of an hour, always as the same.
    assert!(slots[3..].windows(2).all(|pair| pair[1] - pair[0] == 3));
    assert_eq!(slots.last(), Some(&36));
    for (slot, told) in &at_once {
        let at = first + slot * INTERVAL * 1000;
        let end = if *slot < 6 {
            at + LASTS
        } else {
            first + 6 * INTERVAL * 1000
        };
        assert_eq!(told.ends_at.unix_millis(), end, "slot {slot}");
        assert_eq!(told.starts_at.unix_millis(), first + 2 * INTERVAL * 1000);
    }
    // After two slots of waiting; `for` of less than an interval is one slot.
    let waits = told(&world, "Waits", first);
    assert_eq!((waits[0].0, told(&world, "Soon", first)[0].0), (4, 3));
    let (_, alert) = &waits[0];
    assert_eq!(alert.starts_at.unix_millis(), first + 4 * INTERVAL * 1000);
    assert_eq!(alert.labels.get("instance"), None);
    assert_eq!(
        (alert.labels.value("severity"), alert.labels.value("added")),
        ("mail", "one")
    );
    assert_eq!(alert.annotations.value("text"), "a has 40");
    // The rules after it see its series in the same slot.
    assert_eq!(told(&world, "OfAlert", first)[0].0, 4);

    let state = |state: &str| {
        let pairs = [
            ("__name__", "ALERTS"),
            ("alertname", "Waits"),
            ("alertstate", state),
        ];
        written(&world, &pairs, first)
    };
    let pending = BTreeMap::from([(2, Some(1.0)), (3, Some(1.0)), (4, None)]);
    let firing = BTreeMap::from([(4, Some(1.0)), (5, Some(1.0)), (6, None)]);
    assert_eq!((state("pending"), state("firing")), (pending, firing));
    let since = written(
        &world,
        &[("__name__", "ALERTS_FOR_STATE"), ("alertname", "Waits")],
        first,
    );
    let active = (first / 1000 + 2 * INTERVAL) as f64;
    let active = Some(active);
    assert_eq!(
        since,
        BTreeMap::from([
            (2, active),
            (3, active),
            (4, active),
            (5, active),
            (6, None)
        ])
    );
}

#[test]
fn a_value_in_a_label_makes_another_alert() {
    let mut world = Harness::new(RULES);
    let first = first_slot(&world);
    let memory = data(&["x{instance=\"a\"} 20 20 20 20 30 30 30 30"], first);
    world.run(end_of(first, 7), |evaluation| answer(&memory, evaluation));
    let waits = told(&world, "Waits", first);
    let severities: Vec<(i64, &str, bool)> = waits
        .iter()
        .map(|(slot, told)| {
            let ended = told.ends_at.unix_millis() <= first + slot * INTERVAL * 1000;
            (*slot, told.labels.value("severity"), ended)
        })
        .collect();
    // It waits anew, and the first ends.
    assert_eq!(
        severities,
        [
            (2, "mail", false),
            (4, "mail", true),
            (6, "page", false),
            (7, "mail", true)
        ]
    );
}

/// One alert by the letter of the specification; times in slots, `for` and others in seconds.
#[derive(Debug, Default)]
struct Specified {
    active: Option<i64>,
    fired: Option<i64>,
    kept: Option<i64>,
    resolved: Option<i64>,
    sent: Option<i64>,
}

impl Specified {
    /// What is told at a slot: when it began to fire and when it ends, all in seconds.
    fn slot(&mut self, at: i64, holds: bool, hold: i64, keep: i64) -> Option<(i64, i64)> {
        if holds {
            if self.active.is_none() || self.resolved.is_some() {
                *self = Self {
                    active: Some(at),
                    ..Self::default()
                };
            }
            self.kept = None;
            if self.fired.is_none() && at - self.active? >= hold {
                self.fired = Some(at);
            }
        } else if self.fired.is_none() {
            *self = Self::default();
        } else if self.resolved.is_none() {
            let kept = *self.kept.get_or_insert(at);
            if keep == 0 || at - kept >= keep {
                self.resolved = Some(at);
            }
        }
        if self
            .resolved
            .is_some_and(|resolved| at - resolved > 15 * 60)
        {
            *self = Self::default();
        }
        let fired = self.fired?;
        let news = self.sent.is_none()
            || self
                .resolved
                .is_some_and(|resolved| self.sent < Some(resolved));
        if !news && self.sent? + 60 >= at {
            return None;
        }
        self.sent = Some(at);
        Some((fired, self.resolved.unwrap_or(at + LASTS / 1000)))
    }
}

proptest! {
    #[test]
    fn any_course_of_a_condition_is_told_as_the_specification_says(
        runs in proptest::collection::vec((any::<bool>(), 1..20_usize), 1..20),
        hold in prop_oneof![Just(0_i64), Just(5), Just(30), Just(60), Just(95)],
        keep in prop_oneof![Just(0_i64), Just(30), Just(70)],
    ) {
        let course: Vec<bool> = runs
            .iter()
            .flat_map(|(holds, count)| std::iter::repeat_n(*holds, *count))
            .collect();
        let mut world = Harness::new(&format!(
            "groups: [{{name: g, interval: 30s, rules: [{{alert: A, expr: x, for: {hold}s, keep_firing_for: {keep}s}}]}}]"
        ));
        let first = first_slot(&world);
        let count = i64::try_from(course.len()).unwrap();
        world.run(end_of(first, count - 1), |evaluation| {
            let slot = usize::try_from((evaluation.at - first) / (INTERVAL * 1000)).unwrap();
            if course[slot] { of(&[(&[("__name__", "x")], 1.0)]) } else { of(&[]) }
        });
        let mut specified = Specified::default();
        let expected: Vec<(i64, i64, i64)> = course
            .iter()
            .zip(0..)
            .filter_map(|(holds, slot)| {
                let told = specified.slot(slot * INTERVAL, *holds, hold, keep);
                told.map(|(fired, ends)| (slot, fired, ends))
            })
            .collect();
        let since = |millis: i64| (millis - first) / 1000;
        let found: Vec<(i64, i64, i64)> = told(&world, "A", first)
            .iter()
            .map(|(slot, told)| {
                (*slot, since(told.starts_at.unix_millis()), since(told.ends_at.unix_millis()))
            })
            .collect();
        prop_assert_eq!(found, expected);
    }
}
