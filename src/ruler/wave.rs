//! One slot of a component: which rules are evaluated, which wait for others.

use std::collections::BTreeSet;

use super::depend::Component;

/// A slot under way.
#[derive(Debug)]
pub(super) struct Wave {
    /// Unix milliseconds.
    pub(super) slot: i64,
    /// The groups that are due in it.
    pub(super) groups: Vec<usize>,
    /// How many rules each rule still waits for; by its number in the component.
    waits: Vec<usize>,
    /// Rules that may begin.
    ready: BTreeSet<usize>,
    /// Rules that began.
    running: BTreeSet<usize>,
    /// How many did not finish yet.
    open: usize,
    /// Which rules take part.
    part: Vec<bool>,
    /// Whether the slot is past, and made up for.
    pub(super) past: bool,
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
        let ready = (0..part.len()).filter(|rule| due(*rule) && waits.get(*rule) == Some(&0));
        Self {
            slot,
            groups,
            ready: ready.collect(),
            running: BTreeSet::new(),
            open: part.iter().filter(|takes| **takes).count(),
            waits,
            part,
            past: false,
        }
    }

    /// The next rule that may begin, in the order of the files, of a group with room for one more.
    pub(super) fn begin(
        &mut self,
        component: &Component,
        room: impl Fn(usize, usize) -> bool,
    ) -> Option<usize> {
        let group_of = |rule: usize| component.rules.get(rule).map(|(group, _)| *group);
        let fits = |rule: &usize| {
            let group = group_of(*rule);
            let running = self
                .running
                .iter()
                .filter(|other| group_of(**other) == group);
            group.is_some_and(|group| room(group, running.count()))
        };
        let rule = self.ready.iter().copied().find(fits)?;
        self.ready.remove(&rule);
        self.running.insert(rule);
        Some(rule)
    }

    /// A rule is done; those that waited for it alone may begin.
    pub(super) fn finish(&mut self, component: &Component, rule: usize) {
        if !self.running.remove(&rule) {
            return;
        }
        self.open = self.open.saturating_sub(1);
        for other in component.followers.get(rule).into_iter().flatten() {
            if self.part.get(*other) != Some(&true) {
                continue;
            }
            if let Some(waits) = self.waits.get_mut(*other) {
                *waits = waits.saturating_sub(1);
                if *waits == 0 {
                    self.ready.insert(*other);
                }
            }
        }
    }

    /// Whether all rules are done.
    pub(super) fn is_over(&self) -> bool {
        self.open == 0
    }
}
