//! A rule at one slot, as a reader of what other rules write.

use std::cell::OnceCell;

use super::{
    depend::Component,
    known::{Need, needs},
    set::{Group, Rule, RuleSet},
};
use crate::promql::{ast::Expr, engine::Options};

/// A rule at one slot, which reads what others of its component write.
pub(super) struct Reader<'a> {
    pub(super) rule: &'a Rule,
    /// Of its group; milliseconds.
    pub(super) query_offset: i64,
    /// The time of its evaluation; Unix milliseconds.
    pub(super) time: i64,
    set: &'a RuleSet,
    component: &'a Component,
    /// Its number in the component.
    number: usize,
    slot: i64,
    options: Options,
    needs: OnceCell<Vec<Need>>,
}

/// A rule that may write what a [`Reader`] reads.
pub(super) struct Writer<'a> {
    pub(super) group: &'a Group,
    pub(super) rule: &'a Rule,
    /// Its number in the component.
    pub(super) number: usize,
    /// Its group and its place there.
    pub(super) place: (usize, usize),
    /// No later slot of it is read; Unix milliseconds.
    pub(super) latest: i64,
}

impl<'a> Reader<'a> {
    /// A rule by its number in the component.
    pub(super) fn new(
        set: &'a RuleSet,
        component: &'a Component,
        number: usize,
        slot: i64,
    ) -> Option<Self> {
        let (group, rule) = *component.rules.get(number)?;
        let group = set.groups.get(group)?;
        Some(Self {
            rule: group.rules.get(rule)?,
            query_offset: group.query_offset,
            time: slot.saturating_sub(group.query_offset),
            set,
            component,
            number,
            slot,
            options: set.settings.options,
            needs: OnceCell::new(),
        })
    }

    pub(super) fn expr(&self) -> &'a Expr {
        &self.rule.definition.expr
    }

    /// The samples that it needs. They are found out when somebody asks: of most readers nobody does.
    pub(super) fn needs(&self) -> &[Need] {
        let find = || needs(self.expr(), self.time, self.options);
        self.needs.get_or_init(find)
    }

    /// Those who may write what it reads.
    pub(super) fn writers(&self) -> impl Iterator<Item = Writer<'a>> {
        let (set, component) = (self.set, self.component);
        let (reader, slot) = (self.number, self.slot);
        let numbers = component.reads.get(reader).into_iter().flatten();
        numbers.filter_map(move |number| {
            let place = *component.rules.get(*number)?;
            let group = set.groups.get(place.0)?;
            Some(Writer {
                group,
                rule: group.rules.get(place.1)?,
                number: *number,
                place,
                latest: component.latest(reader, *number, slot),
            })
        })
    }
}

impl Writer<'_> {
    /// Its slots of which something is needed: from one to another.
    pub(super) fn slots_read(&self, needs: &[Need]) -> impl Iterator<Item = (i64, i64)> {
        let outputs = &self.rule.ties.outputs;
        let read = needs
            .iter()
            .filter(move |need| outputs.iter().any(|output| need.may_read(output)));
        read.map(|need| self.slots_of(need))
    }

    /// The first and the last of its slots in which it writes what is needed; none if the first comes after the last.
    pub(super) fn slots_of(&self, need: &Need) -> (i64, i64) {
        need.slots((self.group.cadence, self.group.query_offset), self.latest)
    }
}
