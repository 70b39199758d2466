//! One slot of a component: which rules are evaluated, which wait for others.

use std::collections::{BTreeMap, BTreeSet};

use super::{depend::Component, set::RuleKey};

/// What of an interval a rule may take, in percent: the next slot must find it free.
const OF_INTERVAL: i64 = 80;

/// None needs to be quicker; milliseconds.
const SHORTEST: i64 = 1_000;

/// None may take longer; milliseconds.
const LONGEST: i64 = 120_000;

/// A slot under way.
#[derive(Debug)]
pub(super) struct Wave {
    /// Unix milliseconds.
    pub(super) slot: i64,
    /// The groups that are due in it.
    pub(super) groups: Vec<usize>,
    /// How many rules each rule still waits for; by its number in the component.
    waits: Vec<usize>,
    /// Rules that may begin, by group; none is empty.
    ready: BTreeMap<usize, BTreeSet<usize>>,
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
}

/// A slot of a group whose wave ended before it was over.
#[derive(Clone, Debug)]
pub(super) struct UnderWay {
    /// Unix milliseconds.
    pub(super) slot: i64,
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
    pub(super) fn new(component: &Component, slot: i64, groups: Vec<usize>) -> Self {
        Self::of(component, slot, groups, |_, _| true)
    }

    /// A slot that is past, of those rules of groups that `takes` names.
    pub(super) fn past(
        component: &Component,
        slot: i64,
        groups: Vec<usize>,
        takes: impl Fn(usize, usize) -> bool,
    ) -> Self {
        Self {
            past: true,
            ..Self::of(component, slot, groups, takes)
        }
    }

    /// A slot that goes on with those rules of groups that `takes` names; those of `done` are done already, by their
    /// numbers in the component.
    pub(super) fn going_on(
        component: &Component,
        (slot, past): (i64, bool),
        groups: Vec<usize>,
        done: BTreeSet<usize>,
        takes: impl Fn(usize, usize) -> bool,
    ) -> Self {
        Self {
            past,
            done,
            ..Self::of(component, slot, groups, takes)
        }
    }

    fn of(
        component: &Component,
        slot: i64,
        groups: Vec<usize>,
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
            self.ready.entry(*group).or_default().insert(rule);
        }
    }

    /// The next rule that may begin, in the order of the files, of a group with room for it.
    pub(super) fn begin(&mut self, room: impl Fn(usize) -> Room) -> Option<usize> {
        let first = |(group, rules): (&usize, &BTreeSet<usize>)| {
            let rule = *rules.first()?;
            let Room { takes, of } = room(rule);
            let busy = self.busy.get(group).copied().unwrap_or(0);
            (busy == 0 || busy + takes <= of).then_some((rule, *group, takes))
        };
        let (rule, group, takes) = self.ready.iter().filter_map(first).min()?;
        self.takes(group, rule, takes).then_some(rule)
    }

    /// Takes a rule for begun that was under way before; false if it does not take part, or others come first.
    pub(super) fn take(&mut self, component: &Component, rule: usize, takes: usize) -> bool {
        let place = component.rules.get(rule);
        place.is_some_and(|(group, _)| self.takes(*group, rule, takes))
    }

    fn takes(&mut self, group: usize, rule: usize, takes: usize) -> bool {
        let Some(rules) = self.ready.get_mut(&group) else {
            return false;
        };
        if !rules.remove(&rule) {
            return false;
        }
        if rules.is_empty() {
            self.ready.remove(&group);
        }
        self.running.insert(rule, takes);
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

    /// Whether a rule is done.
    pub(super) fn has_done(&self, rule: usize) -> bool {
        self.done.contains(&rule)
    }

    /// Whether a rule began and is not done.
    pub(super) fn is_running(&self, rule: usize) -> bool {
        self.running.contains_key(&rule)
    }

    /// How long a rule of a group of this interval may take, with all that its templates ask; milliseconds.
    pub(super) fn share(&self, interval: i64) -> i64 {
        let interval = match self.past {
            // What is due now waits for it.
            true => interval / 8,
            false => interval,
        };
        (interval / 100 * OF_INTERVAL).clamp(SHORTEST, LONGEST)
    }

    /// Whether all rules are done.
    pub(super) fn is_over(&self) -> bool {
        self.open == 0
    }
}
