//! Slots that are past, and what becomes of them before rules go on.
//!
//! Other rulers skip what they missed (Prometheus's `DefaultEvalIterationFunc`). Here recording rules write it afterwards,
//! an owner that begins sees what rules wrote before it, and an alert that nobody knows anything of is given the past that
//! its condition has. All of it within bounds: what is due now is worth more.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    apply::{Outcome, Spot},
    depend::{Component, Read},
    effect::{Effect, Word},
    machine::Ruler,
    set::{Group, Rule},
    state::{GroupState, RuleState},
    wave::Wave,
};
use crate::{
    config::OnPartial,
    promql::ast::{BinaryOp, Expr, ExprKind},
};

/// The most slots of a group that are made up for at once.
const MOST: i64 = 10;

/// Functions that have a value where there are no data.
const WITHOUT_DATA: [&str; 4] = ["absent", "absent_over_time", "vector", "scalar"];

/// Slots to go through.
#[derive(Debug)]
pub(super) struct Past {
    /// The groups of each.
    slots: BTreeMap<i64, Vec<usize>>,
    /// When this was decided; Unix milliseconds.
    at: i64,
    /// When none is begun any more.
    until: i64,
}

/// What a rule does with a past slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// Nobody wrote it: it is written.
    Write,
    /// It is written: those that read it see it, and what ends now is known to end.
    See,
    /// Since when an alert is pending is found out.
    Pend,
}

impl Ruler {
    /// Begins the next past slot of a component, if there is one and time for it.
    pub(super) fn begin_past(&mut self, number: usize, component: &Component, now: i64) -> bool {
        let planned = match self.past.get_mut(number) {
            Some(place) => place.take(),
            None => return false,
        };
        let mut past = planned.unwrap_or_else(|| self.plan_past(component, now));
        let mut wave = None;
        while wave.is_none()
            && now <= past.until
            && let Some((slot, groups)) = past.slots.pop_first()
        {
            let takes = |group: usize, rule: usize| self.part(group, rule, slot, past.at).is_some();
            let begun = Wave::past(component, slot, groups, takes);
            wave = (!begun.is_over()).then_some(begun);
        }
        if let Some(place) = self.past.get_mut(number) {
            *place = Some(past);
        }
        let begins = wave.is_some();
        if let (Some(wave), Some(place)) = (wave, self.waves.get_mut(number)) {
            *place = Some(wave);
            self.advance(number, now);
        }
        begins
    }

    fn plan_past(&self, component: &Component, now: i64) -> Past {
        let mut slots: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
        let mut shortest = i64::MAX;
        for at in &component.groups {
            let (Some(group), Some(state)) =
                (self.set.groups.get(*at), self.states.groups.get(*at))
            else {
                continue;
            };
            shortest = shortest.min(group.cadence.interval());
            for slot in self.past_of(group, state, now) {
                slots.entry(slot).or_default().push(*at);
            }
        }
        Past {
            slots,
            at: now,
            until: now.saturating_add(shortest / 4),
        }
    }

    fn past_of(&self, group: &Group, state: &GroupState, now: i64) -> Vec<i64> {
        let (interval, latest) = (group.cadence.interval(), group.cadence.slot(now));
        let back = |steps: i64| latest.saturating_sub(steps.saturating_mul(interval));
        let mut rules = group.rules.iter();
        let Some(last) = state.last_slot else {
            let wanted = state.fresh && self.set.settings.look_back;
            let rules = rules.filter(|rule| wanted && rule.key.alerting);
            let slots = rules.flat_map(|rule| looked_at(rule, interval).map(back));
            return slots.collect::<BTreeSet<i64>>().into_iter().collect();
        };
        let records = rules.any(|rule| !rule.key.alerting);
        let quick = state.first_of_epoch || state.took.min(state.took_before) < interval / 2;
        let behind = state.first_of_epoch || last.saturating_add(interval) < latest;
        if !records || !quick || !behind {
            return Vec::new();
        }
        let reach = group.rules.iter().filter_map(|rule| self.reach_of(rule));
        let first = match state.first_of_epoch {
            true => last.min(latest.saturating_sub(reach.max().unwrap_or(0))),
            false => last.saturating_add(interval),
        };
        let steps = (1..=MOST).rev().map(back);
        steps.filter(|slot| *slot >= first).collect()
    }

    /// How far back rules read what a recording rule writes.
    fn reach_of(&self, rule: &Rule) -> Option<i64> {
        let reach = self.set.reach.get(&*rule.key.name);
        reach.copied().filter(|_| !rule.key.alerting)
    }

    fn part(&self, group: usize, rule: usize, slot: i64, now: i64) -> Option<Part> {
        let (of, state) = (self.set.groups.get(group)?, self.states.groups.get(group)?);
        let rule = of.rules.get(rule)?;
        if rule.key.alerting {
            let interval = of.cadence.interval();
            let steps = of.cadence.slot(now).saturating_sub(slot) / interval;
            let looks = looked_at(rule, interval).any(|step| step == steps);
            return (state.last_slot.is_none() && looks).then_some(Part::Pend);
        }
        // What is here only, of alerts, of the node, of other rules, is gone with the past.
        if rule.reads_own || rule.ties.reads.iter().any(Read::is_here) {
            return None;
        }
        let last = state.last_slot?;
        if slot > last {
            return Some(Part::Write);
        }
        let seen = self.reach_of(rule).unwrap_or(0) >= now.saturating_sub(slot);
        (slot == last || seen).then_some(Part::See)
    }

    /// Takes in what the evaluation of a past slot came to. One that failed leaves it as it was: missed.
    pub(super) fn apply_past(
        &mut self,
        (group, at): (usize, usize),
        rule: &Rule,
        slot: i64,
        outcome: Outcome,
    ) {
        let now = match self.past.get(self.component_of(group)) {
            Some(Some(past)) => past.at,
            Some(None) | None => return,
        };
        let (Some(part), Some(spot)) = (self.part(group, at, slot, now), self.spot(group, slot))
        else {
            return;
        };
        self.with_rule(group, at, |ruler, state| match (part, outcome) {
            (Part::Pend, outcome) => ruler.pend(state, rule, spot, outcome),
            (Part::Write | Part::See, Outcome::Series { answered, recorded }) => {
                let accepts = rule.on_partial == OnPartial::Accept;
                let sure = |labels: &_| accepts || answered.certainty.is_certain(labels);
                if rule.on_partial == OnPartial::Abort && !answered.certainty.is_complete() {
                    return;
                }
                match ruler.recorded(state, rule, spot, recorded, &sure) {
                    Ok(written) if part == Part::Write => {
                        state.caught_up += 1;
                        ruler.write(written);
                    }
                    Ok(written) => ruler.overlay.write(&written),
                    // The slot that is due now will say so.
                    Err(_) => {}
                }
            }
            (Part::Write | Part::See, Outcome::Failed(_) | Outcome::Alerts { .. }) => {}
        });
    }

    /// An alert is pending since the earliest slot from which on its condition held for certain.
    fn pend(&mut self, state: &mut RuleState, rule: &Rule, spot: Spot, outcome: Outcome) {
        let progress = match outcome {
            Outcome::Alerts { answered, elements } if answered.certainty.is_complete() => {
                let alerts = &mut state.alerts;
                alerts
                    .advance(spot.slot, elements, &|_| true, rule.terms)
                    .ok()
            }
            Outcome::Alerts { .. } | Outcome::Series { .. } | Outcome::Failed(_) => None,
        };
        let changed = match progress {
            Some(progress) => progress.changed,
            None => state.alerts.drop_pending(),
        };
        self.keep(state, rule, spot, changed);
    }

    fn component_of(&self, group: usize) -> usize {
        let mut components = self.set.components.iter();
        let place = components.position(|component| component.groups.contains(&group));
        place.unwrap_or(usize::MAX)
    }

    /// After the clock was set back nothing may wait until it is where it was: this node begins anew with all that it has.
    pub(super) fn turn_back(&mut self, now: crate::time::Now) {
        let at = now.wall.unix_millis();
        self.overlay = Default::default();
        self.keep_read();
        let set = Arc::clone(&self.set);
        let mut components = 0;
        for (number, component) in set.components.iter().enumerate() {
            let mut groups = component.groups.iter();
            let ahead = groups.any(|group| {
                let state = self.states.groups.get(*group);
                state.and_then(|state| state.last_slot) > Some(at)
            });
            if ahead && self.owned(number).is_some() {
                self.begin_again(number, now);
                components += 1;
            }
        }
        if components > 0 {
            let word = Word::SetBack { components };
            self.effects.push_back(Effect::Say(word));
        }
        self.expect_all();
    }
}

/// How many slots back the condition of an alert is looked at: over its `for`, of a long one at every so many slots only.
///
/// Not over all of it: an alert fires at the second slot at the earliest. And of what holds for want of data nothing is
/// known before there were any.
fn looked_at(rule: &Rule, interval: i64) -> impl Iterator<Item = i64> + use<> {
    let rests = !rule.reads_own && rests_on_data(&rule.definition.expr);
    let hold = if rests { rule.terms.hold / interval } else { 0 };
    let stride = (hold.saturating_add(MOST - 1) / MOST).max(1);
    (1..)
        .map(move |step| step * stride)
        .take_while(move |back| *back < hold)
}

/// Whether an expression has no elements unless its data has some.
fn rests_on_data(expr: &Expr) -> bool {
    let mut left = vec![expr];
    while let Some(expr) = left.pop() {
        if let ExprKind::Call(call) = &expr.kind
            && WITHOUT_DATA.contains(&call.function.name)
        {
            return false;
        }
        if let ExprKind::Binary(binary) = &expr.kind
            && matches!(binary.op, BinaryOp::Or | BinaryOp::Unless)
        {
            return false;
        }
        left.extend(expr.children());
    }
    true
}
