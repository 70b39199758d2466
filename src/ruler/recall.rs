//! What rules wrote before this node evaluated them, as far back as others read it: each recording rule is asked for all
//! slots of that time at once, and before those that read it.
//!
//! The first slot waits a little for it; then it goes on beside the slots that are due. What did not come is unknown, and a
//! shortened window decides nothing ([`super::lack`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    depend::Component,
    effect::{Answered, Effect, Evaluation},
    gap::{Gap, Next, Span},
    known::Known,
    machine::{Ruler, Running, Stage},
    past::MOST,
    remembered::{Remembered, remembered},
    set::{Group, Rule, RuleSet},
    unwritten::Unwritten,
};
use crate::{labels::LabelSet, promql::engine::Steps};

/// How long a question may take; milliseconds.
const WITHIN: i64 = 60_000;

/// What of the past of a component is not known here.
#[derive(Debug)]
pub(super) struct Recall {
    /// When that was looked at; Unix milliseconds.
    at: i64,
    /// Until when the first slot waits for it; Unix milliseconds.
    until: i64,
    /// Since when the slot that is due waits, if it does; Unix milliseconds.
    waits: Option<i64>,
    /// By the numbers of rules in the component.
    rules: BTreeMap<usize, Gap>,
    /// The groups of which it was said that rules lack something.
    said: BTreeSet<usize>,
}

impl Recall {
    /// The same, with nothing under way.
    pub(super) fn asked_anew(mut self) -> Self {
        for gap in self.rules.values_mut() {
            gap.under_way = false;
        }
        self
    }

    pub(super) fn lacks_something(&self) -> bool {
        !self.rules.is_empty()
    }

    /// What of the past of a rule, by its number in the component, is not known.
    pub(super) fn gap(&self, number: usize) -> Option<&Gap> {
        self.rules.get(&number)
    }

    /// Whether it was not said yet that rules of a group lack something; from now on it was.
    pub(super) fn is_said_first(&mut self, group: usize) -> bool {
        self.said.insert(group)
    }

    fn is_under_way(&self) -> bool {
        self.rules.values().any(|gap| gap.under_way)
    }
}

/// When a slot of a component begins: whether it waits, and since when.
impl Ruler {
    pub(super) fn recall_of(&self, component: usize) -> Option<&Recall> {
        self.recalls.get(component)?.as_ref()
    }

    pub(super) fn recall_of_mut(&mut self, component: usize) -> Option<&mut Recall> {
        self.recalls.get_mut(component)?.as_mut()
    }

    /// Asks for what rules of a component wrote before, as far as that is not known, and says whether the slot that is due
    /// waits for it.
    pub(super) fn waits_for_recall(
        &mut self,
        number: usize,
        component: &Component,
        now: i64,
    ) -> bool {
        let stands = self.recall_of(number).is_some_and(|recall| {
            recall.is_under_way() || !self.was_away_since(component, recall.at, now)
        });
        if !stands {
            let recall = self.plan_recall(component, now);
            if let Some(place) = self.recalls.get_mut(number) {
                *place = Some(recall);
            }
        }
        self.recall(number, component, now);
        let waits = self.recalls_until(number).is_some_and(|until| now < until);
        if waits && let Some(recall) = self.recall_of_mut(number) {
            recall.waits.get_or_insert(now);
        }
        waits
    }

    /// Since when the slot that is due waits, if it waited for this.
    pub(super) fn waits_since(&self, number: usize, shortest: i64, now: i64) -> i64 {
        let waits = self.recall_of(number).and_then(|recall| recall.waits);
        // Or the process stood still meanwhile.
        let waited = waits.filter(|since| now.saturating_sub(*since) <= shortest / 4);
        waited.unwrap_or(now)
    }

    /// The slot that was due begins.
    pub(super) fn waited(&mut self, number: usize) {
        if let Some(recall) = self.recall_of_mut(number) {
            recall.waits = None;
        }
    }

    /// Until when the first slot of a component waits for what is asked for.
    pub(super) fn recalls_until(&self, number: usize) -> Option<i64> {
        let recall = self.recall_of(number)?;
        recall.is_under_way().then_some(recall.until)
    }

    /// Whether more slots passed than are made up for, though there was time for them.
    fn was_away_since(&self, component: &Component, at: i64, now: i64) -> bool {
        component.groups.iter().any(|group| {
            let (Some(of), Some(state)) =
                (self.set.groups.get(*group), self.states.groups.get(*group))
            else {
                return false;
            };
            let interval = of.cadence.interval();
            let most = interval.saturating_mul(MOST);
            let open = of.cadence.slot(now);
            let last = state.last_slot.unwrap_or(open);
            at < open && state.is_quick(interval) && last.saturating_add(most) < open
        })
    }
}

/// What is not known.
impl Ruler {
    fn plan_recall(&mut self, component: &Component, now: i64) -> Recall {
        let set = Arc::clone(&self.set);
        let groups = component.groups.iter();
        let behind = groups.map(|group| self.behind(*group, now)).max();
        let behind = behind.unwrap_or(0);
        let rules = component.rules.iter().enumerate();
        let gaps = rules.filter_map(|(number, place)| {
            let gap = self.find_gap(&set, *place, behind, now)?;
            Some((number, gap))
        });
        let rules = gaps.collect();
        let groups = component.groups.iter();
        let intervals = groups.filter_map(|at| Some(set.groups.get(*at)?.cadence.interval()));
        Recall {
            at: now,
            until: now.saturating_add(intervals.min().unwrap_or(0) / 8),
            waits: None,
            rules,
            said: BTreeSet::new(),
        }
    }

    /// What of the past of a rule is to be asked for, if that can be.
    fn find_gap(
        &mut self,
        set: &RuleSet,
        (group, rule): (usize, usize),
        behind: i64,
        now: i64,
    ) -> Option<Gap> {
        let of = set.groups.get(group)?;
        let read = of.rules.get(rule)?.recalled?;
        let open = self.open_slot(group, now)?;
        let states = self.states.groups.get_mut(group)?;
        let last = states.last_slot;
        let state = states.rules.get_mut(rule)?;
        // What others wrote since, and what is more than is made up for, leaves a gap.
        let most = of.cadence.interval().saturating_mul(MOST + 1);
        let known = state.known.span().map(|(_, last)| last);
        if known.is_some_and(|known| Some(known) < last || known.saturating_add(most) < open) {
            Arc::make_mut(state).known = Known::default();
        }
        let gap = Gap::new(state.last_evaluation.is_some(), behind);
        let is_gap = gap.next(of, (open, read), state.known) != Next::Over;
        (is_gap && (gap.existed || set.settings.look_back)).then_some(gap)
    }

    /// How far before its open slot lies the first of a group that is made up for; milliseconds.
    fn behind(&self, group: usize, now: i64) -> i64 {
        let (next, open) = (self.next_slot(group), self.open_slot(group, now));
        let interval = self.set.groups.get(group).map(|of| of.cadence.interval());
        let most = interval.unwrap_or(0).saturating_mul(MOST);
        let behind = next.zip(open).map(|(next, open)| open.saturating_sub(next));
        behind.unwrap_or(0).min(most)
    }

    /// The first slot of a group that did not begin yet; of those that are late the latest.
    fn open_slot(&self, group: usize, now: i64) -> Option<i64> {
        let cadence = self.set.groups.get(group)?.cadence;
        Some(self.next_slot(group)?.max(cadence.slot(now)))
    }
}

/// What is asked for.
impl Ruler {
    /// Asks for all that can be asked for now.
    fn recall(&mut self, number: usize, component: &Component, now: i64) {
        let recall = self.recall_of(number).into_iter();
        let rules: Vec<usize> = recall.flat_map(|of| of.rules.keys().copied()).collect();
        if rules.is_empty() {
            return;
        }
        let spans = rules.into_iter().filter_map(|rule| {
            let span = self.next_span((number, component), rule, now)?;
            Some((rule, span))
        });
        // What is over holds up nothing that reads it: so all are looked at before any is asked for.
        let spans: Vec<(usize, Span)> = spans.collect();
        for (rule, span) in spans {
            if !self.reads_open(number, component, rule) {
                self.ask_for((number, component), rule, span, now);
            }
        }
        self.keep_as_needed();
    }

    /// What is to be asked for next of a rule, by its number in the component. What is over is dropped.
    fn next_span(
        &mut self,
        (number, component): (usize, &Component),
        at: usize,
        now: i64,
    ) -> Option<Span> {
        let set = Arc::clone(&self.set);
        let (group, rule) = *component.rules.get(at)?;
        let open = self.open_slot(group, now)?;
        let known = self.states.groups.get(group)?.rules.get(rule)?.known;
        let of = set.groups.get(group)?;
        let read = of.rules.get(rule)?.recalled.unwrap_or(0);
        let recall = self.recall_of_mut(number)?;
        let gap = recall.rules.get_mut(&at).filter(|gap| !gap.under_way)?;
        match gap.next(of, (open, read), known) {
            Next::Ask(span) => return gap.is_due(now).then_some(span),
            Next::TooLong => gap.give_up(),
            Next::Over => {
                recall.rules.remove(&at);
            }
        }
        None
    }

    /// Whether a rule, by its number in the component, reads one that is still to be asked for.
    fn reads_open(&self, number: usize, component: &Component, at: usize) -> bool {
        let recall = self.recall_of(number);
        let mut writers = component.reads.get(at).into_iter().flatten();
        let gap = |writer: &usize| recall.and_then(|recall| recall.gap(*writer));
        writers.any(|writer| gap(writer).is_some_and(Gap::is_open))
    }

    /// Has what a rule did not write asked for, now that it writes again.
    pub(super) fn recall_unwritten(&mut self, number: usize, at: usize, unwritten: &Unwritten) {
        let set = Arc::clone(&self.set);
        let place = set.components.get(number).and_then(|of| of.rules.get(at));
        let rule = place.and_then(|(group, rule)| self.rule(*group, *rule));
        if rule.is_some_and(|rule| rule.recalled.is_some())
            && let Some(recall) = self.recall_of_mut(number)
        {
            let (holes, up_to) = unwritten.all();
            let gap = recall.rules.entry(at);
            gap.or_insert_with(|| Gap::of_holes(holes, up_to));
        }
    }

    fn ask_for(
        &mut self,
        (number, component): (usize, &Component),
        rule: usize,
        span: Span,
        now: i64,
    ) {
        let set = Arc::clone(&self.set);
        let Some((place, of, definition)) = found(&set, component, rule) else {
            return;
        };
        let recall = self.recall_of_mut(number);
        if let Some(gap) = recall.and_then(|recall| recall.rules.get_mut(&rule)) {
            gap.under_way = true;
        }
        let at = |slot: i64| slot.saturating_sub(of.query_offset);
        let own = definition.reads_own.then(|| self.overlay.clone());
        let stage = Stage::Range(span);
        let running = Running::new((number, rule), place, span.last, now, stage);
        let id = self.begin(running);
        self.effects.push_back(Effect::Evaluate(Evaluation {
            id,
            expr: Arc::clone(&definition.definition.expr),
            at: at(span.last),
            range: Some(Steps {
                start: at(span.first),
                end: at(span.last),
                step: of.cadence.interval(),
            }),
            options: set.settings.options,
            own,
            params: of.definition.params.clone().into(),
            within: WITHIN,
            measured_since: None,
            every: None,
        }));
    }
}

/// What came of it.
impl Ruler {
    /// Takes in what was asked for.
    pub(super) fn recalled(
        &mut self,
        (number, at): (usize, usize),
        span: Span,
        result: Result<Answered, String>,
        now: i64,
    ) {
        let set = Arc::clone(&self.set);
        let Some(component) = set.components.get(number) else {
            return;
        };
        let Some((place, of, rule)) = found(&set, component, at) else {
            return;
        };
        let unknown = self.holes_of_writers((number, component), at, rule);
        let named = result.map(|answered| self.named(place.0, answered));
        let remembered = named.and_then(|answered| remembered(rule, answered, unknown));
        let heard = remembered.map(|remembered| self.remember(of, place, span, remembered));
        let recall = self.recall_of_mut(number);
        if let Some(gap) = recall.and_then(|recall| recall.rules.get_mut(&at)) {
            gap.under_way = false;
            let interval = of.cadence.interval();
            match heard {
                Ok(lacking) => gap.heard(span, lacking, interval, now),
                Err(reason) => gap.failed(reason, interval, now),
            }
        }
        self.recall(number, component, now);
        self.expect(number);
    }

    /// Puts what a rule wrote then where others read it; gives the labels of what is not among it, and why.
    fn remember(
        &mut self,
        of: &Group,
        (group, rule): (usize, usize),
        span: Span,
        mut remembered: Remembered,
    ) -> (Vec<LabelSet>, String) {
        let state = self.states.groups.get_mut(group);
        let Some(state) = state.and_then(|state| state.rules.get_mut(rule)) else {
            return (Vec::new(), String::new());
        };
        let state = Arc::make_mut(state);
        let after = of.cadence.after(span.last);
        // What is not there in the next slot ended, if that is known.
        let last = match state.known.has(after, after) {
            true => after,
            false => span.last,
        };
        state.known.fill(span.first, span.last, of.cadence);
        if remembered.holes.is_empty() {
            state.unwritten.heal(span.first, span.last, of.cadence);
        }
        remembered.end_series(of.cadence.interval(), last.saturating_sub(of.query_offset));
        self.overlay.fill(remembered.series);
        (remembered.holes, remembered.reason)
    }

    /// The labels of what a rule makes of what is not known of other rules.
    fn holes_of_writers(
        &self,
        (number, component): (usize, &Component),
        at: usize,
        rule: &Rule,
    ) -> Vec<LabelSet> {
        let recall = self.recall_of(number);
        let writers = component.reads.get(at).into_iter().flatten();
        let gaps = writers.filter_map(|writer| recall?.gap(*writer));
        gaps.flat_map(|gap| gap.holes_by(&rule.definition.expr))
            .collect()
    }
}

/// What is forgotten, and how far back what is written is kept meanwhile.
impl Ruler {
    /// Has it looked at anew what is known.
    pub(super) fn forget_recalls(&mut self) {
        let asked = |running: &mut Running| matches!(running.stage, Stage::Range(_));
        self.running.retain(|_, running| !asked(running));
        (0..self.recalls.len()).for_each(|number| self.forget_recall(number));
    }

    pub(super) fn forget_recall(&mut self, number: usize) {
        let recall = self.recalls.get_mut(number).and_then(Option::take);
        if recall.is_some_and(|recall| recall.lacks_something()) {
            self.keep_as_needed();
        }
    }

    /// Keeps what is read as far back as rules are asked for, as long as any is.
    fn keep_as_needed(&mut self) {
        let mut all = self.recalls.iter().flatten();
        let recalling = all.any(Recall::lacks_something);
        if recalling != self.recalling {
            self.recalling = recalling;
            self.keep_read();
        }
    }
}

/// A rule by its number in a component: its group and its place there, and both.
fn found<'a>(
    set: &'a RuleSet,
    component: &Component,
    number: usize,
) -> Option<((usize, usize), &'a Group, &'a Rule)> {
    let place = *component.rules.get(number)?;
    let group = set.groups.get(place.0)?;
    Some((place, group, group.rules.get(place.1)?))
}
