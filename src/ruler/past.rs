//! Slots that are past, and what becomes of them before rules go on.
//!
//! Other rulers skip what they missed (Prometheus's `DefaultEvalIterationFunc`). Here recording rules write it afterwards,
//! an owner that begins sees what rules wrote before it, and an alert that nobody knows anything of is given the past that
//! its condition has. All of it within bounds: what is due now is worth more. What a rule reads of others must be known
//! as it was then ([`super::known`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    apply::{Outcome, Spot},
    depend::Component,
    effect::{Effect, Word},
    known::Known,
    machine::Ruler,
    recording::Written,
    set::{Group, Rule, RuleSet},
    state::{GroupState, RuleState},
    wave::Wave,
};
use crate::{
    config::OnPartial,
    promql::ast::{BinaryOp, Expr, ExprKind},
};

/// The most slots of a group that are made up for at once.
pub(super) const MOST: i64 = 10;

/// Why something was not made up for that could have been.
const NO_TIME: &str = "there was no time for it before the slot that was due";

/// Functions that have a value where there are no data.
const WITHOUT_DATA: [&str; 4] = ["absent", "absent_over_time", "vector", "scalar"];

/// Slots to go through.
#[derive(Debug)]
pub(super) struct Past {
    /// The groups of each.
    pub(super) slots: BTreeMap<i64, Vec<usize>>,
    /// When this was decided; Unix milliseconds.
    pub(super) at: i64,
    /// When none is begun any more.
    pub(super) until: i64,
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

impl Past {
    /// The same bounds, and nothing to go through.
    pub(super) fn without_slots(&self) -> Self {
        Self {
            slots: BTreeMap::new(),
            ..*self
        }
    }
}

impl Ruler {
    /// Begins the next past slot of a component, if there is one and time for it.
    pub(super) fn begin_past(&mut self, number: usize, component: &Component, now: i64) -> bool {
        let planned = match self.past.get_mut(number) {
            Some(place) => place.take(),
            None => return false,
        };
        let mut past = planned.unwrap_or_else(|| self.plan_past(number, component, now));
        let mut wave = None;
        while wave.is_none()
            && now <= past.until
            && let Some((slot, groups)) = past.slots.pop_first()
        {
            self.goes_through(&groups, slot);
            let takes = |group: usize, rule: usize| self.takes_part(group, rule, slot, past.at);
            let pace = self.pace(component, now);
            let begun = Wave::past(component, slot, groups, pace, takes);
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

    fn plan_past(&self, number: usize, component: &Component, now: i64) -> Past {
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
            until: self
                .waits_since(number, shortest, now)
                .saturating_add(shortest / 4),
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
        let behind = state.first_of_epoch || last.saturating_add(interval) < latest;
        if !records || !state.is_quick(interval) || !behind {
            return Vec::new();
        }
        let reach = group.rules.iter().filter_map(|rule| self.reach_of(rule));
        let first = match state.first_of_epoch {
            true => last.min(latest.saturating_sub(reach.max().unwrap_or(0))),
            false => last.saturating_add(interval),
        };
        // Another group may have had a slot in between.
        let is_open = |slot: &i64| *slot >= first && state.made_up.is_none_or(|done| *slot > done);
        let steps = (1..=MOST).rev().map(back);
        steps.filter(is_open).collect()
    }

    fn goes_through(&mut self, groups: &[usize], slot: i64) {
        for group in groups {
            if let Some(state) = self.states.groups.get_mut(*group) {
                state.made_up = Some(slot);
            }
        }
    }

    /// The time since which what rules wrote may be read, now or at slots that will be made up for; Unix milliseconds.
    pub(super) fn needed_from(&self, now: i64) -> i64 {
        let groups = self.set.groups.iter().zip(&self.states.groups);
        let owned = groups.filter(|(_, state)| state.owned.is_some());
        let behind = owned.filter_map(|(group, state)| {
            let next = group.cadence.after(state.last_slot?);
            let most = group.cadence.interval().saturating_mul(MOST);
            (next <= now).then(|| next.max(group.cadence.slot(now).saturating_sub(most)))
        });
        behind.min().unwrap_or(now)
    }

    /// Whether a rule is not evaluated at a slot that is past, though it would be its turn.
    pub(super) fn passes_over(
        &mut self,
        (number, component): (usize, &Component),
        rule: usize,
        slot: i64,
        now: i64,
    ) -> bool {
        let Some(Some(past)) = self.past.get(number) else {
            return false;
        };
        let (at, until) = (past.at, past.until);
        let Some((group, rule_at)) = component.rules.get(rule).copied() else {
            return false;
        };
        let reason = match self.part(group, rule_at, slot, at) {
            Some(Part::Write | Part::See) if now > until => Some(NO_TIME.to_owned()),
            Some(Part::Write | Part::See) => self.unknown(component, rule, slot),
            Some(Part::Pend) | None => None,
        };
        let passes = reason.is_some();
        if let Some(reason) = reason
            && slot > self.last_slot(group)
        {
            self.lapsed(group, rule_at, reason);
        }
        passes
    }

    fn last_slot(&self, group: usize) -> i64 {
        let state = self.states.groups.get(group);
        state.and_then(|state| state.last_slot).unwrap_or(i64::MAX)
    }

    /// Notes why a rule does not write a slot that was missed. The first reason is what others follow from.
    fn lapsed(&mut self, group: usize, rule: usize, reason: String) {
        let name = self
            .rule(group, rule)
            .map(|rule| Arc::clone(&rule.key.name));
        if let (Some(name), Some(state)) = (name, self.states.groups.get_mut(group)) {
            state.lapse.get_or_insert((name, reason));
        }
    }

    /// What is here of a metric that is read further back than before does not go back that far.
    pub(super) fn forget_what_is_read_further(&mut self, old: &RuleSet) {
        let set = Arc::clone(&self.set);
        for (group, state) in set.groups.iter().zip(&mut self.states.groups) {
            for (rule, state) in group.rules.iter().zip(&mut state.rules) {
                let mut names = rule.ties.outputs.iter().map(|output| &output.name);
                if names.any(|name| old.reach.get(name) < set.reach.get(name)) {
                    Arc::make_mut(state).known = Known::default();
                }
            }
        }
    }

    /// How far back rules read what a recording rule writes.
    fn reach_of(&self, rule: &Rule) -> Option<i64> {
        let reach = self.set.reach.get(&*rule.key.name);
        reach.copied().filter(|_| !rule.key.alerting)
    }

    /// Whether a rule takes part in a slot that is past.
    pub(super) fn takes_part(&self, group: usize, rule: usize, slot: i64, now: i64) -> bool {
        self.part(group, rule, slot, now).is_some()
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
        let last = state.last_slot?;
        if slot > last {
            return Some(Part::Write);
        }
        // Of others it is asked for at once.
        let reach = self.reach_of(rule).filter(|_| rule.recalled.is_none());
        let seen = reach.unwrap_or(0) >= now.saturating_sub(slot);
        (slot == last || seen).then_some(Part::See)
    }

    /// Takes in what the evaluation of a past slot came to. One that failed leaves it as it was: missed.
    pub(super) fn apply_past(
        &mut self,
        (group, at): (usize, usize),
        rule: &Rule,
        (slot, now): (i64, i64),
        outcome: Outcome,
    ) {
        let decided = match self.past.get(self.component_of(group)) {
            Some(Some(past)) => past.at,
            Some(None) | None => return,
        };
        let part = self.part(group, at, slot, decided);
        let (Some(part), Some(spot)) = (part, self.spot(group, slot, now)) else {
            return;
        };
        let mut lapse = None;
        self.with_rule(group, at, |ruler, state| match part {
            Part::Pend => ruler.pend(state, rule, spot, outcome),
            Part::Write | Part::See => {
                let written = ruler.written_then(state, rule, spot, outcome);
                match written {
                    Ok(written) if part == Part::Write => {
                        state.caught_up += 1;
                        ruler.write(written);
                    }
                    Ok(written) => ruler.overlay.write(&written),
                    Err(reason) => lapse = Some(reason),
                }
            }
        });
        if let (Some(reason), Part::Write) = (lapse, part) {
            self.lapsed(group, at, reason);
        }
    }

    /// What a recording rule wrote, or would have written, at a slot that is past.
    fn written_then(
        &mut self,
        state: &mut RuleState,
        rule: &Rule,
        spot: Spot,
        outcome: Outcome,
    ) -> Result<Vec<Written>, String> {
        let (answered, recorded) = match outcome {
            Outcome::Series { answered, recorded } => (answered, recorded),
            Outcome::Failed(reason) => return Err(reason),
            Outcome::Alerts { .. } => return Ok(Vec::new()),
        };
        let whole = answered.certainty.is_complete();
        if rule.on_partial == OnPartial::Abort && !whole {
            return Err(format!(
                "partitions are missing, and on_partial is abort: {}",
                answered.missing.join("; ")
            ));
        }
        let accepts = rule.on_partial == OnPartial::Accept;
        let sure = |labels: &_| accepts || answered.certainty.is_certain(labels);
        let written = self.recorded(state, rule, spot, recorded, &sure)?;
        if whole || accepts {
            state.known.note(spot.slot, spot.cadence);
        }
        Ok(written)
    }

    /// An alert is pending since the earliest slot from which on its condition held for certain.
    fn pend(&mut self, state: &mut RuleState, rule: &Rule, spot: Spot, outcome: Outcome) {
        let progress = match outcome {
            Outcome::Alerts { answered, elements } if answered.certainty.is_complete() => {
                let look = self.look(spot);
                let alerts = &mut state.alerts;
                alerts.advance(look, elements, &|_| true, rule.terms).ok()
            }
            Outcome::Alerts { .. } | Outcome::Series { .. } | Outcome::Failed(_) => None,
        };
        let changed = match progress {
            Some(progress) => progress.changed,
            None => state.alerts.drop_pending(spot.slot, spot.now),
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
        let rules = self.states.groups.iter_mut().flat_map(|of| &mut of.rules);
        for rule in rules.map(Arc::make_mut) {
            rule.known = Known::default();
            rule.unwritten = Default::default();
        }
        // Whoever began by a clock that was ahead does not wait for that.
        for group in &mut self.states.groups {
            group.since = group.since.min(at);
        }
        self.forget_recalls();
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

impl GroupState {
    /// Whether its slots leave time for others.
    pub(super) fn is_quick(&self, interval: i64) -> bool {
        self.first_of_epoch || self.took.min(self.took_before) < interval / 2
    }
}

/// What is said of recording rules that were not evaluated at some of the slots that passed, which were so many.
pub(super) fn lost_word(
    group: &Group,
    evaluations: u64,
    (passed, quick): (u64, bool),
    lapse: Option<(Arc<str>, String)>,
) -> Word {
    let (rule, reason) = lapse.unwrap_or_else(|| {
        let too_many = i64::try_from(passed).is_ok_and(|passed| passed > MOST);
        let reason = match (quick, too_many) {
            (false, _) => "the slots before took more than half of the interval".to_owned(),
            (true, true) => format!("only the last {MOST} slots are made up for"),
            (true, false) => NO_TIME.to_owned(),
        };
        (Arc::default(), reason)
    });
    Word::Lost {
        group: group.key.joined(),
        evaluations,
        rule: rule.to_string(),
        reason,
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
