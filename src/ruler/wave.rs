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
}

impl Wave {
    /// The slot of those groups of a component that are due.
    pub(super) fn new(component: &Component, slot: i64, groups: Vec<usize>) -> Self {
        let due = |rule: usize| {
            let place = component.rules.get(rule);
            place.is_some_and(|(group, _)| groups.contains(group))
        };
        let all = 0..component.rules.len();
        let waits: Vec<usize> = component
            .needs
            .iter()
            .map(|needs| needs.iter().filter(|need| due(**need)).count())
            .collect();
        let taking_part: Vec<usize> = all.filter(|rule| due(*rule)).collect();
        let ready = taking_part.iter().copied();
        let ready = ready.filter(|rule| waits.get(*rule) == Some(&0)).collect();
        Self {
            slot,
            groups,
            ready,
            running: BTreeSet::new(),
            open: taking_part.len(),
            waits,
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
            if !self.takes_part(component, *other) {
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

    fn takes_part(&self, component: &Component, rule: usize) -> bool {
        let place = component.rules.get(rule);
        place.is_some_and(|(group, _)| self.groups.contains(group))
    }

    /// Whether all rules are done.
    pub(super) fn is_over(&self) -> bool {
        self.open == 0
    }
}
