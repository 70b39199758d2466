//! How far back it must be known what rules wrote, so that all that reads it now is right: a rule that is read over an
//! hour, and reads ten minutes of another, needs an hour and ten minutes of that.

use std::collections::BTreeMap;

use super::{
    depend::{Component, Read},
    known::needs,
    set::{Group, Rule},
};
use crate::promql::{ast::Expr, engine::Options};

/// What an expression may say of the range of its query, which differs from that of a slot.
const OF_THE_RANGE: [&str; 4] = ["start()", "end()", "range()", "step()"];

/// Whether an expression may have other values at the times of a range than if it is evaluated at each of them.
#[must_use]
pub fn differs_over_a_range(expr: &Expr) -> bool {
    let text = expr.to_string();
    OF_THE_RANGE.iter().any(|word| text.contains(word))
}

/// How many milliseconds back the recording rules of a component, by their numbers in it, must be known that others read
/// and that can be asked for many slots at once.
pub(super) fn horizons(
    component: &Component,
    groups: &[Group],
    options: Options,
) -> BTreeMap<usize, i64> {
    let all = Rules {
        component,
        groups,
        options,
    };
    let order = all.in_order();
    let mut able = vec![false; component.rules.len()];
    for rule in order.iter().copied() {
        let is_able = all.is_able(rule, &able);
        if let Some(place) = able.get_mut(rule) {
            *place = is_able;
        }
    }
    let mut readers = vec![Vec::new(); component.rules.len()];
    for (reader, writers) in component.reads.iter().enumerate() {
        for writer in writers {
            if let Some(of) = readers.get_mut(*writer) {
                of.push(reader);
            }
        }
    }
    let mut horizons = BTreeMap::new();
    for rule in order.into_iter().rev() {
        if able.get(rule) != Some(&true) {
            continue;
        }
        let readers = readers.get(rule).into_iter().flatten();
        let needed = readers.map(|reader| {
            let own = horizons.get(reader).copied().unwrap_or(0);
            all.reach(*reader, rule).saturating_add(own)
        });
        if let Some(furthest) = needed.max() {
            horizons.insert(rule, furthest);
        }
    }
    horizons
}

/// The rules of a component, by their numbers in it.
struct Rules<'a> {
    component: &'a Component,
    groups: &'a [Group],
    options: Options,
}

impl Rules<'_> {
    /// All of them, those that are read in the same slot first.
    fn in_order(&self) -> Vec<usize> {
        let needs = &self.component.needs;
        let mut waits: Vec<usize> = needs.iter().map(Vec::len).collect();
        let free = waits.iter().enumerate().filter(|(_, waits)| **waits == 0);
        let mut order: Vec<usize> = free.map(|(rule, _)| rule).collect();
        let mut done = 0;
        while let Some(rule) = order.get(done).copied() {
            done += 1;
            for follower in self.component.followers.get(rule).into_iter().flatten() {
                if let Some(waits) = waits.get_mut(*follower) {
                    *waits = waits.saturating_sub(1);
                    if *waits == 0 {
                        order.push(*follower);
                    }
                }
            }
        }
        order
    }

    fn get(&self, rule: usize) -> Option<(&Group, &Rule)> {
        let (group, place) = *self.component.rules.get(rule)?;
        let group = self.groups.get(group)?;
        Some((group, group.rules.get(place)?))
    }

    /// Whether a rule, given which of those are that it needs, has the same values at many slots at once as at each: what it
    /// reads of others is that of slots which came before.
    fn is_able(&self, number: usize, able: &[bool]) -> bool {
        let Some((group, rule)) = self.get(number) else {
            return false;
        };
        let is_known = |read: &Read| read.is_named() && !read.is_measured();
        let expr = &rule.definition.expr;
        if rule.key.alerting || !rule.ties.reads.iter().all(is_known) || differs_over_a_range(expr)
        {
            return false;
        }
        let needed = self.component.needs.get(number);
        let comes_before = |writer: &usize| {
            let of = self.get(*writer);
            needed.is_some_and(|needed| needed.contains(writer))
                && able.get(*writer) == Some(&true)
                && of.is_some_and(|(of, _)| of.query_offset <= group.query_offset)
        };
        let mut writers = self.component.reads.get(number).into_iter().flatten();
        let reads_own = writers.clone().next().is_some();
        let looks_ahead = || {
            needs(expr, 0, self.options)
                .iter()
                .any(|need| need.looks_past(0))
        };
        writers.all(comes_before) && !(reads_own && looks_ahead())
    }

    /// How many milliseconds before a slot of one rule may lie what it reads of another.
    fn reach(&self, reader: usize, writer: usize) -> i64 {
        let (Some((group, reader)), Some((_, writer))) = (self.get(reader), self.get(writer))
        else {
            return 0;
        };
        let reads = reader.ties.reads.iter();
        let of_it = reads.filter(|read| writer.ties.outputs.iter().any(|one| read.may_read(one)));
        let longest = of_it.map(|read| read.reach).max().unwrap_or(0);
        longest.saturating_add(group.query_offset)
    }
}
