//! What rules wrote before this node evaluated them, as far back as others read it: each recording rule is asked for all
//! slots of that time at once, and before those that read it.
//!
//! The first slot waits a little for it; then it goes on beside the slots that are due. What did not come is unknown, and a
//! shortened window decides nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    apply::Outcome,
    depend::Component,
    effect::{Answered, Effect, Evaluation, Word},
    known::{Known, needs},
    machine::{Ruler, Running, Stage},
    past::MOST,
    remembered::{Remembered, remembered},
    set::Group,
    unwritten::Unwritten,
};
use crate::{
    federation::{Certainty, depends_by},
    labels::LabelSet,
    promql::engine::Steps,
};

/// The most slots that are asked for: a week at an interval of a minute.
const FURTHEST: i64 = 10_080;

/// Slots that are asked for at once, at most. Servers give 11,000 of a series, but there may be many series.
const AT_ONCE: i64 = 1_440;

/// How few at least, where more was too much.
const FEWEST: i64 = 30;

/// How long a question may take; milliseconds.
const WITHIN: i64 = 60_000;

/// What failed is asked again after 1, 2, 4 intervals and so on, up to two to the power of this.
const LONGEST_PAUSE: u32 = 5;

/// What of the past of a component is not known here.
#[derive(Debug)]
pub(super) struct Recall {
    /// When that was looked at; Unix milliseconds.
    at: i64,
    /// Until when the first slot waits for it.
    until: i64,
    /// Since when the slot that is due waits, if it does.
    waits: Option<i64>,
    /// By the numbers of rules in the component.
    rules: BTreeMap<usize, Gap>,
    /// The groups of which it was said that rules lack something.
    said: BTreeSet<usize>,
}

/// What of the past of a recording rule is not known here. Times are Unix milliseconds.
#[derive(Debug)]
struct Gap {
    /// Whether the rule was evaluated before, as far as is known.
    existed: bool,
    /// How far before the first slot that is due lies the first that is made up for; milliseconds.
    behind: i64,
    at_once: i64,
    under_way: bool,
    failures: u32,
    again: i64,
    /// Why it is not known yet.
    reason: String,
    /// The labels of series that are not known, though those of other labels are; none if no slot was heard of yet.
    holes: Vec<LabelSet>,
    /// The last slot of which that is so.
    up_to: i64,
    /// Whether all slots were heard of, and are asked for again because of these labels.
    goes_over: bool,
    /// The last slot to ask for then, once the newest were.
    next: Option<i64>,
    /// The labels that were found then.
    found: Vec<LabelSet>,
}

/// Slots of a rule; Unix milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: i64,
    pub(super) last: i64,
    /// Whether nothing before is needed.
    is_oldest: bool,
}

/// What a rule cannot know at a slot of what other rules wrote before.
#[derive(Clone, Debug)]
pub(super) struct Lack {
    /// The labels of the elements that depend on it.
    holes: Vec<LabelSet>,
    /// Those of which more than series is missing: what holds without them may not hold with them.
    shortened: Vec<LabelSet>,
    /// What it is, and why.
    reason: String,
}

/// What is to be done about a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It is none any more.
    Over,
    /// It is too long for all of it to be asked for.
    TooLong,
    Ask(Span),
}

impl Lack {
    pub(super) fn new(reason: String) -> Self {
        Self {
            holes: Vec::new(),
            shortened: Vec::new(),
            reason,
        }
    }

    /// Elements with these labels depend on it as well: on series that are missing, or on some of their samples.
    pub(super) fn add(&mut self, hole: LabelSet, shortened: bool) {
        if shortened && !self.shortened.contains(&hole) {
            self.shortened.push(hole.clone());
        }
        if !self.holes.contains(&hole) {
            self.holes.push(hole);
        }
    }

    /// The same, with what another one says.
    fn and(mut self, other: Self) -> Self {
        for hole in other.holes {
            let shortened = other.shortened.contains(&hole);
            self.add(hole, shortened);
        }
        self.reason = format!("{}; {}", self.reason, other.reason);
        self
    }

    /// Whether nothing that the rule makes of it is certain.
    pub(super) fn is_whole(&self) -> bool {
        self.holes.iter().any(|hole| hole.is_empty())
    }
}

impl Outcome {
    /// The same, with what depends on what is not known.
    pub(super) fn lacking(mut self, lack: &Lack) -> Self {
        let answered = match &mut self {
            Self::Failed(_) => return self,
            Self::Alerts { answered, .. } | Self::Series { answered, .. } => answered,
        };
        let holes = answered.certainty.holes().iter().chain(&lack.holes);
        answered.certainty = Certainty::without(holes.cloned().collect());
        answered.missing.push(lack.reason.clone());
        if let Self::Alerts { elements, .. } = &mut self {
            // What holds on a part of the time does not hold on all of it.
            let certainty = Certainty::without(lack.shortened.clone());
            for element in elements {
                element.proven &= certainty.is_certain(&element.source);
            }
        }
        self
    }
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

    fn is_under_way(&self) -> bool {
        self.rules.values().any(|gap| gap.under_way)
    }
}

impl Gap {
    fn new(existed: bool, behind: i64) -> Self {
        Self {
            existed,
            behind,
            at_once: AT_ONCE,
            under_way: false,
            failures: 0,
            again: i64::MIN,
            reason: "endpoints are still asked for it".to_owned(),
            holes: Vec::new(),
            up_to: i64::MIN,
            goes_over: false,
            next: None,
            found: Vec::new(),
        }
    }

    /// What to ask for if so many milliseconds before the first slot that did not begin yet are read.
    fn next(&self, group: &Group, (open, read): (i64, i64), known: Known) -> Next {
        let interval = group.cadence.interval();
        let back = read.saturating_add(self.behind);
        let needed = group.cadence.slot(open.saturating_sub(back));
        let furthest = open.saturating_sub(interval.saturating_mul(FURTHEST));
        let first = needed.max(furthest);
        let since = known.span().map_or(open, |(since, _)| since);
        let last = if since > first {
            since.saturating_sub(interval)
        } else if self.goes_over && self.up_to >= needed {
            self.next.unwrap_or(self.up_to)
        } else if since > needed {
            return Next::TooLong;
        } else {
            return Next::Over;
        };
        let steps = (self.at_once - 1).saturating_mul(interval);
        let from = first.max(last.saturating_sub(steps)).min(last);
        Next::Ask(Span {
            first: from,
            last,
            is_oldest: from <= first,
        })
    }

    /// Takes in that slots were heard of, but for series with these labels.
    fn heard(&mut self, span: Span, holes: Vec<LabelSet>, interval: i64) {
        let known = match self.goes_over {
            true => &mut self.found,
            false => &mut self.holes,
        };
        for hole in holes {
            if !known.contains(&hole) {
                known.push(hole);
            }
        }
        if !self.goes_over && !self.holes.is_empty() {
            self.up_to = self.up_to.max(span.last);
        }
        let goes_on = self.goes_over && !span.is_oldest;
        self.next = goes_on.then(|| span.first.saturating_sub(interval));
        if self.goes_over && span.is_oldest {
            self.holes = std::mem::take(&mut self.found);
        }
        self.goes_over = goes_on || span.is_oldest && !self.holes.is_empty();
    }

    /// Whether there may be more than what is known: nobody evaluated the rule before, then there is as much as there is.
    fn is_of_weight(&self) -> bool {
        self.existed || self.failures == 0
    }

    /// Has it asked again later.
    fn pause(&mut self, reason: String, interval: i64, now: i64) {
        let pauses = 1_i64 << self.failures.min(LONGEST_PAUSE);
        self.failures += 1;
        // The slot that is due then may be a little early.
        let pause = interval.saturating_mul(pauses).saturating_sub(interval / 2);
        self.again = now.saturating_add(pause);
        self.reason = reason;
    }
}

impl Ruler {
    /// Asks for what rules of a component wrote before, as far as that is not known, and says whether the slot that is due
    /// waits for it.
    pub(super) fn waits_for_recall(
        &mut self,
        number: usize,
        component: &Component,
        now: i64,
    ) -> bool {
        let planned = self.recalls.get(number).and_then(Option::as_ref);
        let planned = planned.map(|recall| (recall.at, recall.is_under_way()));
        let stands = |(at, under_way)| under_way || !self.was_away_since(component, at, now);
        if !planned.is_some_and(stands) {
            let recall = self.plan_recall(component, now);
            if let Some(place) = self.recalls.get_mut(number) {
                *place = Some(recall);
            }
        }
        self.recall(number, component, now);
        let waits = self.recalls_until(number).is_some_and(|until| now < until);
        if let Some(Some(recall)) = self.recalls.get_mut(number)
            && waits
        {
            recall.waits.get_or_insert(now);
        }
        waits
    }

    /// Since when the slot that is due waits, if it waited for this.
    pub(super) fn waits_since(&self, number: usize, shortest: i64, now: i64) -> i64 {
        let recall = self.recalls.get(number).and_then(Option::as_ref);
        let waits = recall.and_then(|recall| recall.waits);
        // Or the process stood still meanwhile.
        let waited = waits.filter(|since| now.saturating_sub(*since) <= shortest / 4);
        waited.unwrap_or(now)
    }

    /// The slot that was due begins.
    pub(super) fn waited(&mut self, number: usize) {
        if let Some(Some(recall)) = self.recalls.get_mut(number) {
            recall.waits = None;
        }
    }

    /// Until when the first slot of a component waits for what is asked for.
    pub(super) fn recalls_until(&self, number: usize) -> Option<i64> {
        let recall = self.recalls.get(number)?.as_ref()?;
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

    fn plan_recall(&mut self, component: &Component, now: i64) -> Recall {
        let set = Arc::clone(&self.set);
        let of_group = |at: &usize| Some(set.groups.get(*at)?.cadence.interval());
        let shortest = component.groups.iter().filter_map(of_group).min();
        let groups = component.groups.iter();
        let behind = groups.map(|group| self.behind(*group, now)).max();
        let behind = behind.unwrap_or(0);
        let mut rules = BTreeMap::new();
        for (number, (group, rule)) in component.rules.iter().enumerate() {
            let place = (*group, *rule);
            let recalled = self.rule(place.0, place.1).and_then(|rule| rule.recalled);
            let (Some(read), Some(of)) = (recalled, set.groups.get(place.0)) else {
                continue;
            };
            let open = self.open_slot(place.0, now);
            let states = self.states.groups.get_mut(place.0);
            let last = states.as_ref().and_then(|all| all.last_slot);
            let (Some(open), Some(state)) =
                (open, states.and_then(|all| all.rules.get_mut(place.1)))
            else {
                continue;
            };
            // What others wrote since, and what is more than is made up for, leaves a gap.
            let most = of.cadence.interval().saturating_mul(MOST + 1);
            let known = state.known.span().map(|(_, last)| last);
            if known.is_some_and(|known| Some(known) < last || known.saturating_add(most) < open) {
                Arc::make_mut(state).known = Known::default();
            }
            let gap = Gap::new(state.last_evaluation.is_some(), behind);
            let is_gap = gap.next(of, (open, read), state.known) != Next::Over;
            if is_gap && (gap.existed || set.settings.look_back) {
                rules.insert(number, gap);
            }
        }
        Recall {
            at: now,
            until: now.saturating_add(shortest.unwrap_or(0) / 8),
            waits: None,
            rules,
            said: BTreeSet::new(),
        }
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

    /// Asks for all that can be asked for now.
    fn recall(&mut self, number: usize, component: &Component, now: i64) {
        let recall = self.recalls.get(number).and_then(Option::as_ref);
        let rules = recall.into_iter().flat_map(|recall| recall.rules.keys());
        let rules: Vec<usize> = rules.copied().collect();
        // What is over holds up nothing that reads it.
        for only_over in [true, false] {
            for rule in &rules {
                self.recall_rule((number, component), *rule, only_over, now);
            }
        }
        if !rules.is_empty() {
            self.keep_as_needed();
        }
    }

    fn recall_rule(
        &mut self,
        (number, component): (usize, &Component),
        at: usize,
        only_over: bool,
        now: i64,
    ) {
        let set = Arc::clone(&self.set);
        let Some((group, rule)) = component.rules.get(at).copied() else {
            return;
        };
        let (Some(of), Some(open)) = (set.groups.get(group), self.open_slot(group, now)) else {
            return;
        };
        let (Some(known), Some(Some(recall))) =
            (self.known(group, rule), self.recalls.get_mut(number))
        else {
            return;
        };
        let mut writers = component.reads.get(at).into_iter().flatten();
        let waits = writers.any(|one| recall.rules.get(one).is_some_and(|gap| !gap.goes_over));
        let (Some(definition), Some(gap)) = (of.rules.get(rule), recall.rules.get_mut(&at)) else {
            return;
        };
        if gap.under_way {
            return;
        }
        match gap.next(of, (open, definition.recalled.unwrap_or(0)), known) {
            Next::Over => {
                recall.rules.remove(&at);
            }
            Next::TooLong => {
                gap.failures = gap.failures.max(1);
                gap.reason = format!("no more than {FURTHEST} slots are asked for");
            }
            Next::Ask(span) if !only_over && !waits && gap.again <= now => {
                gap.under_way = true;
                self.ask_for(number, at, (group, rule), span, now);
            }
            Next::Ask(_) => {}
        }
    }

    /// Has what a rule did not write asked for, now that it writes again.
    pub(super) fn recall_unwritten(&mut self, number: usize, at: usize, unwritten: &Unwritten) {
        let set = Arc::clone(&self.set);
        let place = set.components.get(number).and_then(|of| of.rules.get(at));
        let rule = place.and_then(|(group, rule)| self.rule(*group, *rule));
        if let Some(Some(recall)) = self.recalls.get_mut(number)
            && rule.is_some_and(|rule| rule.recalled.is_some())
        {
            let (holes, up_to) = unwritten.all();
            let gap = recall.rules.entry(at);
            gap.or_insert_with(|| Gap {
                holes,
                up_to,
                goes_over: true,
                ..Gap::new(true, 0)
            });
        }
    }

    fn known(&self, group: usize, rule: usize) -> Option<Known> {
        let state = self.states.groups.get(group)?.rules.get(rule)?;
        Some(state.known)
    }

    fn ask_for(
        &mut self,
        component: usize,
        number: usize,
        (group, rule): (usize, usize),
        span: Span,
        now: i64,
    ) {
        let set = Arc::clone(&self.set);
        let (Some(of), Some(definition)) = (set.groups.get(group), self.rule(group, rule)) else {
            return;
        };
        let at = |slot: i64| slot.saturating_sub(of.query_offset);
        let own = definition.reads_own.then(|| self.overlay.clone());
        let stage = Stage::Range(span);
        let running = Running::new((component, number), (group, rule), span.last, now, stage);
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
        let Some((group, rule)) = component.rules.get(at).copied() else {
            return;
        };
        let (Some(of), Some(definition)) = (set.groups.get(group), self.rule(group, rule)) else {
            return;
        };
        let unknown = self.holes_of_writers(number, component, at);
        let named = result.map(|answered| self.named(group, answered));
        let remembered = named.and_then(|answered| remembered(&definition, answered, unknown));
        let interval = of.cadence.interval();
        let outcome =
            remembered.map(|remembered| self.remember(of, (group, rule), span, remembered));
        if let Some(Some(recall)) = self.recalls.get_mut(number)
            && let Some(gap) = recall.rules.get_mut(&at)
        {
            gap.under_way = false;
            match outcome {
                Ok((holes, reason)) => {
                    gap.heard(span, holes, interval);
                    if gap.goes_over && span.is_oldest {
                        gap.pause(reason, interval, now);
                    }
                }
                Err(reason) => {
                    gap.at_once = (gap.at_once / 4).max(FEWEST);
                    gap.pause(reason, interval, now);
                }
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
        remembered: Remembered,
    ) -> (Vec<LabelSet>, String) {
        let interval = of.cadence.interval();
        let state = self.states.groups.get_mut(group);
        let Some(state) = state.and_then(|state| state.rules.get_mut(rule)) else {
            return (Vec::new(), String::new());
        };
        let state = Arc::make_mut(state);
        let known = &mut state.known;
        let after = of.cadence.after(span.last);
        // What is not there in the next slot ended, if that is known.
        let last = match known.has(after, after) {
            true => after,
            false => span.last,
        };
        known.fill(span.first, span.last, of.cadence);
        if remembered.holes.is_empty() {
            state.unwritten.heal(span.first, span.last, of.cadence);
        }
        let mut remembered = remembered;
        remembered.end_series(interval, last.saturating_sub(of.query_offset));
        self.overlay.fill(remembered.series);
        (remembered.holes, remembered.reason)
    }

    /// The labels of what a rule makes of what is not known of other rules.
    fn holes_of_writers(&self, number: usize, component: &Component, at: usize) -> Vec<LabelSet> {
        let mut holes = Vec::new();
        let recall = self.recalls.get(number).and_then(Option::as_ref);
        let place = component.rules.get(at);
        let rule = place.and_then(|(group, rule)| self.rule(*group, *rule));
        let (Some(recall), Some(rule)) = (recall, rule) else {
            return holes;
        };
        for writer in component.reads.get(at).into_iter().flatten() {
            let of = recall.rules.get(writer).map(|gap| &gap.holes);
            let of = of.into_iter().flatten();
            holes.extend(of.filter_map(|hole| depends_by(&rule.definition.expr, hole)));
        }
        holes
    }

    /// What a rule cannot know at a slot of what other rules wrote, or would have.
    pub(super) fn lack(&mut self, number: usize, at: usize, slot: i64) -> Option<Lack> {
        let unwritten = self.unwritten(number, at, slot);
        let forgotten = self.lack_of_past(number, at, slot);
        match (unwritten, forgotten) {
            (Some(one), Some(other)) => Some(one.and(other)),
            (one, other) => one.or(other),
        }
    }

    /// What a rule cannot know at a slot of what other rules wrote before.
    fn lack_of_past(&mut self, number: usize, at: usize, slot: i64) -> Option<Lack> {
        let set = Arc::clone(&self.set);
        let recall = self.recalls.get(number)?.as_ref()?;
        // An endpoint may have what is written.
        if recall.rules.is_empty() || !set.settings.copied.is_empty() {
            return None;
        }
        let component = set.components.get(number)?;
        let (group_at, rule_at) = *component.rules.get(at)?;
        let of = set.groups.get(group_at)?;
        let rule = of.rules.get(rule_at)?;
        let time = slot.saturating_sub(of.query_offset);
        let mut lack: Option<Lack> = None;
        for writer in component.reads.get(at)? {
            let Some(gap) = recall.rules.get(writer).filter(|gap| gap.is_of_weight()) else {
                continue;
            };
            let (expr, options) = (&rule.definition.expr, set.settings.options);
            let needs = needs(expr, time, options);
            let latest = component.latest(at, *writer, slot);
            let place = *component.rules.get(*writer)?;
            let whole = self.lacks(place, &needs, (time, latest)).is_some();
            let earliest = needs.iter().map(|need| need.from).min()?;
            let partly = earliest.saturating_add(of.query_offset) < gap.up_to;
            let holes: Vec<LabelSet> = match (whole, partly) {
                (true, _) => vec![LabelSet::empty()],
                (false, true) => {
                    let holes = gap.holes.iter();
                    holes.filter_map(|hole| depends_by(expr, hole)).collect()
                }
                (false, false) => continue,
            };
            if holes.is_empty() {
                continue;
            }
            let name = &set.groups.get(place.0)?.rules.get(place.1)?.key.name;
            let reason = format!(
                "{name}, which it reads, is not known here as far back as it is read: {}",
                gap.reason
            );
            let lack = lack.get_or_insert_with(|| Lack::new(reason));
            holes.into_iter().for_each(|hole| lack.add(hole, true));
        }
        if let Some(lack) = &lack {
            self.say_lack(number, group_at, rule.name(), &lack.reason);
        }
        lack
    }

    fn say_lack(&mut self, number: usize, group: usize, rule: &str, reason: &str) {
        let key = self.group_key(group);
        if let Some(Some(recall)) = self.recalls.get_mut(number)
            && let Some(key) = key
            && recall.said.insert(group)
        {
            self.effects.push_back(Effect::Say(Word::Lacks {
                group: key.joined(),
                rule: rule.to_owned(),
                reason: reason.to_owned(),
            }));
        }
    }

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
