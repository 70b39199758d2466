//! Answers that come after another owner saw later slots: what is known of a later slot is not undone by an earlier one.

use std::sync::Arc;

use super::harness::{Harness, now, of, rules, rules_that_look_back};
use crate::ruler::{Instance, Phase, RuleRecord};

const AT_ONCE: &str =
    "groups: [{name: g, interval: 30s, eval_offset: 0s, rules: [{alert: A, expr: x > 0}]}]";
const PENDING: &str = "groups: [{name: g, interval: 30s, eval_offset: 0s, rules: [{alert: A, expr: x > 0, for: 5m}]}]";
const X: &[(&[(&str, &str)], f64)] = &[(&[("job", "j")], 3.0)];

/// An owner that goes on evaluating, and one that began after it without seeing it.
struct Owners {
    older: Harness,
    later: Harness,
    /// How many records of the older one the later one heard.
    heard: usize,
}

impl Owners {
    /// The later one begins at that second, with what the older one said until then.
    fn new(text: &str, mut older: Harness, seconds: i64) -> Self {
        let kept: Vec<Arc<RuleRecord>> = older.kept.iter().cloned().map(Arc::new).collect();
        older.told.clear();
        Self {
            later: Harness::of(rules(text), seconds, &kept),
            heard: kept.len(),
            older,
        }
    }

    /// The later one hears what the older one said of alerts since.
    fn hear(&mut self) {
        let news = self.older.kept.get(self.heard..).unwrap_or_default();
        let news = news.iter().filter(|record| record.key.alert.is_some());
        let news: Vec<_> = news.cloned().map(Arc::new).collect();
        assert!(!news.is_empty());
        self.heard = self.older.kept.len();
        self.later.ruler.learn(&news, now(self.later.now));
        self.later.collect();
    }

    fn alert(&self) -> Option<Instance> {
        self.later.alerts().into_values().next()
    }
}

fn older(text: &str, holds: bool) -> Harness {
    let mut older = Harness::new(text);
    let elements = if holds { X } else { &[] };
    older.run(60, |_| of(elements));
    older
}

#[test]
fn what_ended_in_a_later_slot_does_not_begin_anew() {
    let mut owners = Owners::new(AT_ONCE, older(AT_ONCE, true), 89);
    let asked = owners.later.hang(100);
    assert_eq!(asked[0].at, 90_000);
    owners.older.run(90, |_| of(X));
    owners.older.run(120, |_| of(&[]));
    owners.later.now = 121_000;
    owners.hear();
    let ended = owners.alert().unwrap();
    assert_eq!(
        (ended.phase, ended.resolved_at),
        (Phase::Resolved, Some(120_000))
    );
    let (told, kept) = (owners.later.told.len(), owners.later.kept.len());
    owners.later.answer_all(&asked, || of(X));
    assert_eq!(owners.alert(), Some(ended));
    assert_eq!(owners.later.told.len(), told);
    let said = owners.later.kept[kept..].iter();
    assert_eq!(said.filter(|one| one.key.alert.is_some()).count(), 0);
    // What it sees itself of the slot of the end counts.
    owners.later.run(121, |_| of(X));
    assert_eq!(owners.alert().unwrap().active_at, 120_000);
}

#[test]
fn what_was_pending_and_ended_in_a_later_slot_does_not_begin_anew() {
    let mut owners = Owners::new(PENDING, older(PENDING, true), 89);
    let asked = owners.later.hang(100);
    owners.older.run(90, |_| of(X));
    owners.older.run(120, |_| of(&[]));
    owners.later.now = 121_000;
    owners.hear();
    assert_eq!(owners.alert(), None);
    owners.later.answer_all(&asked, || of(X));
    assert_eq!(owners.alert(), None);
    owners.later.run(121, |_| of(X));
    assert_eq!(owners.alert().unwrap().active_at, 120_000);
}

#[test]
fn what_began_in_a_later_slot_neither_ends_nor_is_pending_again() {
    for (text, phase) in [(AT_ONCE, Phase::Firing), (PENDING, Phase::Pending)] {
        for elements in [X, &[]] {
            let mut owners = Owners::new(text, older(text, false), 89);
            let asked = owners.later.hang(100);
            owners.older.run(90, |_| of(&[]));
            owners.older.run(120, |_| of(X));
            owners.later.now = 121_000;
            owners.hear();
            let begun = owners.alert();
            let since = begun.as_ref().map(|one| (one.phase, one.active_at));
            assert_eq!(since, Some((phase, 120_000)));
            owners.later.answer_all(&asked, || of(elements));
            assert_eq!(owners.alert(), begun, "{text}: {elements:?}");
            // The next slot decides.
            owners.later.run(121, |_| of(&[]));
            let ended = owners.alert().and_then(|one| one.resolved_at);
            assert_eq!(ended, begun.and_then(|one| one.fired_at));
        }
    }
}

#[test]
fn what_is_said_of_slots_that_are_yet_to_come_holds_nothing_up() {
    let mut ahead = older(AT_ONCE, true);
    ahead.run(600, |_| of(X));
    let mut owners = Owners::new(AT_ONCE, older(AT_ONCE, true), 89);
    // The clock of another owner is ahead by minutes.
    ahead.run(630, |_| of(&[]));
    owners.older = ahead;
    owners.hear();
    assert_eq!(owners.alert().unwrap().phase, Phase::Resolved);
    owners.later.run(90, |_| of(X));
    let begun = owners.alert().unwrap();
    assert_eq!((begun.phase, begun.active_at), (Phase::Firing, 90_000));
}

#[test]
fn what_is_said_of_slots_that_are_yet_to_come_is_no_more_than_what_a_later_owner_says() {
    for (seconds, phase) in [(600, Phase::Firing), (599, Phase::Resolved)] {
        let mut owners = Owners::new(AT_ONCE, older(AT_ONCE, false), 89);
        owners.older.run(90, |_| of(X));
        owners.older.run(120, |_| of(&[]));
        let mut said = owners.older.kept.iter();
        let mut ended = said.rfind(|one| one.key.alert.is_some()).unwrap().clone();
        (ended.version.epoch, ended.version.slot) = (9, 540_000);
        owners.older.run(570, |_| of(&[]));
        owners.older.run(600, |_| of(X));
        owners.later.now = seconds * 1000;
        owners.hear();
        assert_eq!(owners.alert().unwrap().phase, Phase::Firing);
        owners
            .later
            .ruler
            .learn(&[Arc::new(ended)], now(owners.later.now));
        assert_eq!(owners.alert().unwrap().phase, phase);
    }
}

#[test]
fn what_others_know_to_be_pending_is_not_dropped_for_want_of_a_past() {
    let mut owners = Owners {
        older: older(PENDING, false),
        later: Harness::of(rules_that_look_back(PENDING), 89, &[]),
        heard: 0,
    };
    let asked = owners.later.hang(100);
    assert!(asked[0].at < 0, "{asked:?}");
    owners.older.run(90, |_| of(X));
    owners.later.now = 100_000;
    owners.hear();
    let pending = owners.alert();
    assert_eq!(pending.as_ref().map(|one| one.active_at), Some(90_000));
    owners
        .later
        .answer_one(&asked[0], || Err("no endpoint answers".to_owned()));
    assert_eq!(owners.alert(), pending);
}
