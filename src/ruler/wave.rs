//! One slot of a component: which rules are evaluated, which wait for others.

use std::collections::{BTreeMap, BTreeSet};

use super::{depend::Component, set::RuleKey};

/// What of an interval the evaluations of a slot may take, in percent: the next slot must find the rules free.
const OF_INTERVAL: i64 = 80;

/// What an evaluation has at least, however late its turn comes: endpoints that answer do so within; milliseconds.
const SHORTEST: i64 = 1_000;

/// None may take longer; milliseconds.
const LONGEST: i64 = 120_000;

/// When a slot begins to be evaluated, whose turn is first, and how often what waits for it meanwhile is looked after.
#[derive(Debug)]
pub(super) struct Pace {
    /// Unix milliseconds.
    pub(super) began: i64,
    /// Milliseconds.
    pub(super) looks_every: i64,
    /// By rule of the component, when it had time last; Unix milliseconds.
    pub(super) turns: Vec<i64>,
}

/// A slot under way.
#[derive(Debug)]
pub(super) struct Wave {
    /// Unix milliseconds.
    pub(super) slot: i64,
    /// The groups that are due in it.
    pub(super) groups: Vec<usize>,
    /// How many rules each rule still waits for; by its number in the component.
    waits: Vec<usize>,
    /// Rules that may begin, by group, with their turns; none is empty.
    ready: BTreeMap<usize, BTreeSet<(i64, usize)>>,
    /// Rules that began, and the room that each takes.
    running: BTreeMap<usize, usize>,
    /// The room that those of each group take.
    busy: BTreeMap<usize, usize>,
    /// How many did not finish yet.
    open: usize,
    /// Which rules take part.
    part: Vec<bool>,
    /// The rules that are done.
    done: BTreeSet<usize>,
    /// Whether the slot is past, and made up for.
    pub(super) past: bool,
    pace: Pace,
    /// When what fires is looked after, if the slot takes so long; Unix milliseconds.
    pub(super) looks_at: i64,
}

/// A slot of a group whose wave ended before it was over.
#[derive(Clone, Debug)]
pub(super) struct UnderWay {
    /// Unix milliseconds.
    pub(super) slot: i64,
    /// When it began to be evaluated; Unix milliseconds.
    pub(super) began: i64,
    /// When what fires is looked after; Unix milliseconds.
    pub(super) looks_at: i64,
    /// Whether the slot is past, and made up for.
    pub(super) past: bool,
    /// The rules that take no part in it any more.
    pub(super) done: BTreeSet<RuleKey>,
}

/// What a rule takes of the room that the rules of its group have at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) takes: usize,
    pub(super) of: usize,
}

impl Wave {
    /// The slot of those groups of a component that are due.
    pub(super) fn new(component: &Component, slot: i64, groups: Vec<usize>, pace: Pace) -> Self {
        Self::of(component, slot, groups, pace, |_, _| true)
    }

    /// A slot that is past, of those rules of groups that `takes` names.
    pub(super) fn past(
        component: &Component,
        slot: i64,
        groups: Vec<usize>,
        pace: Pace,
        takes: impl Fn(usize, usize) -> bool,
    ) -> Self {
        Self {
            past: true,
            ..Self::of(component, slot, groups, pace, takes)
        }
    }

    /// A slot that goes on with those rules of groups that `takes` names; those of `done` are done already, by their
    /// numbers in the component.
    pub(super) fn going_on(
        component: &Component,
        (slot, past): (i64, bool),
        groups: Vec<usize>,
        done: BTreeSet<usize>,
        pace: Pace,
        takes: impl Fn(usize, usize) -> bool,
    ) -> Self {
        Self {
            past,
            done,
            ..Self::of(component, slot, groups, pace, takes)
        }
    }

    fn of(
        component: &Component,
        slot: i64,
        groups: Vec<usize>,
        pace: Pace,
        takes: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let rules = component.rules.iter();
        let part: Vec<bool> = rules
            .map(|(group, rule)| groups.contains(group) && takes(*group, *rule))
            .collect();
        let due = |rule: usize| part.get(rule) == Some(&true);
        let waits: Vec<usize> = component
            .needs
            .iter()
            .map(|needs| needs.iter().filter(|need| due(**need)).count())
            .collect();
        let open = part.iter().filter(|takes| **takes).count();
        let mut wave = Self {
            slot,
            groups,
            ready: BTreeMap::new(),
            running: BTreeMap::new(),
            busy: BTreeMap::new(),
            open,
            waits,
            part,
            done: BTreeSet::new(),
            past: false,
            looks_at: pace.began.saturating_add(pace.looks_every),
            pace,
        };
        for rule in 0..wave.part.len() {
            if wave.part.get(rule) == Some(&true) && wave.waits.get(rule) == Some(&0) {
                wave.may_begin(component, rule);
            }
        }
        wave
    }

    fn may_begin(&mut self, component: &Component, rule: usize) {
        if let Some((group, _)) = component.rules.get(rule) {
            let turn = self.turn_of(rule);
            self.ready.entry(*group).or_default().insert((turn, rule));
        }
    }

    /// The next rule that may begin, of a group with room for it: those that had no time for longest first, then in the order of
    /// the files.
    pub(super) fn begin(&mut self, room: impl Fn(usize) -> Room) -> Option<usize> {
        let first = |(group, rules): (&usize, &BTreeSet<(i64, usize)>)| {
            let turn = *rules.first()?;
            let Room { takes, of } = room(turn.1);
            let busy = self.busy.get(group).copied().unwrap_or(0);
            (busy == 0 || busy + takes <= of).then_some((turn, *group, takes))
        };
        let (turn, group, takes) = self.ready.iter().filter_map(first).min()?;
        self.takes(group, turn, takes).then_some(turn.1)
    }

    /// Takes a rule for begun that was under way before; false if it does not take part, or others come first.
    pub(super) fn take(&mut self, component: &Component, rule: usize, takes: usize) -> bool {
        let place = component.rules.get(rule);
        place.is_some_and(|(group, _)| self.takes(*group, (self.turn_of(rule), rule), takes))
    }

    fn turn_of(&self, rule: usize) -> i64 {
        self.pace.turns.get(rule).copied().unwrap_or(i64::MIN)
    }

    fn takes(&mut self, group: usize, turn: (i64, usize), takes: usize) -> bool {
        let Some(rules) = self.ready.get_mut(&group) else {
            return false;
        };
        if !rules.remove(&turn) {
            return false;
        }
        if rules.is_empty() {
            self.ready.remove(&group);
        }
        self.running.insert(turn.1, takes);
        *self.busy.entry(group).or_default() += takes;
        true
    }

    /// A rule is done; those that waited for it alone may begin.
    pub(super) fn finish(&mut self, component: &Component, rule: usize) {
        let Some(took) = self.running.remove(&rule) else {
            return;
        };
        self.open = self.open.saturating_sub(1);
        self.done.insert(rule);
        let group = component.rules.get(rule).map(|(group, _)| group);
        if let Some(busy) = group.and_then(|group| self.busy.get_mut(group)) {
            *busy = busy.saturating_sub(took);
        }
        for other in component.followers.get(rule).into_iter().flatten() {
            if self.part.get(*other) != Some(&true) {
                continue;
            }
            if let Some(waits) = self.waits.get_mut(*other) {
                *waits = waits.saturating_sub(1);
                if *waits == 0 {
                    self.may_begin(component, *other);
                }
            }
        }
    }

    /// When it began to be evaluated; Unix milliseconds.
    pub(super) fn began(&self) -> i64 {
        self.pace.began
    }

    /// Whether a rule is done.
    pub(super) fn has_done(&self, rule: usize) -> bool {
        self.done.contains(&rule)
    }

    /// Whether a rule began and is not done.
    pub(super) fn is_running(&self, rule: usize) -> bool {
        self.running.contains_key(&rule)
    }

    /// Whether it is time to look after what fires; the next time is later.
    pub(super) fn has_to_look(&mut self, now: i64) -> bool {
        let is_due = self.looks_at <= now;
        if is_due {
            self.looks_at = now.saturating_add(self.pace.looks_every);
        }
        is_due
    }

    /// Whether an evaluation of a group of this interval that begins now has time for endpoints that are slow.
    pub(super) fn has_time(&self, interval: i64, now: i64) -> bool {
        !self.past && self.left(interval, now) >= share(interval) / 2
    }

    /// How long an evaluation of a group of this interval may take that begins now; milliseconds. All of a slot share its
    /// time, so that slots do not pile up where many wait for an endpoint in turn.
    pub(super) fn left(&self, interval: i64, now: i64) -> i64 {
        if self.past {
            // What is due now waits for it.
            return share(interval / 8);
        }
        let until = self.pace.began.saturating_add(share(interval));
        until.saturating_sub(now).clamp(SHORTEST, LONGEST)
    }

    /// Whether all rules are done.
    pub(super) fn is_over(&self) -> bool {
        self.open == 0
    }
}

fn share(interval: i64) -> i64 {
    (interval / 100 * OF_INTERVAL).clamp(SHORTEST, LONGEST)
}
