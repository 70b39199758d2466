//! Other rules are put into force: what is known of those that stay is kept, and the slots that are under way go on.
//!
//! A reload takes nothing from a slot, however often it comes: rules that were evaluated in it are not evaluated again,
//! answers that are awaited by rules that ask the same still count, and what is left follows. What the reload changes or
//! brings takes part in the slot as long as that is not over.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    alerting::{Due, Phase, Version},
    depend::Component,
    effect::{Effect, EvaluationId, Word},
    machine::{Ruler, Running, Stage},
    past::Past,
    recall::Recall,
    set::{GroupKey, RuleKey, RuleSet, millis},
    state::{Gone, RuleState},
    wave::{UnderWay, Wave},
};
use crate::{cluster::NodeName, labels::LabelSet, time::Now};

/// Why a rule that changed is not evaluated in the slot that is under way.
const TOO_LATE: &str = "a reload changed it before it was evaluated, and the next slot was due";

/// The same of one that reads what nobody read before.
const NOT_KEPT: &str = "a reload had it read what was written before in its slot, and not kept";

/// A group whose alerts end with their rules.
#[derive(Clone, Debug)]
struct Ending {
    /// Under which this node has it.
    epoch: u64,
    /// Whose records its are, if they are of this node alone.
    node: Option<NodeName>,
}

/// Where a rule is in a set: its group, and its place in that.
type Place = (usize, usize);

/// The names and labels of alerting rules that their groups did not have before.
fn came(old: &RuleSet, new: &RuleSet) -> BTreeSet<(Arc<str>, LabelSet)> {
    let mut came = BTreeSet::new();
    for group in &new.groups {
        let before = old.place_of(&group.key).and_then(|at| old.groups.get(at));
        let before = before.into_iter().flat_map(|group| &group.rules);
        let before: BTreeSet<_> = before.map(|rule| &rule.key).collect();
        let rules = group.rules.iter().map(|rule| &rule.key);
        let rules = rules.filter(|key| key.alerting && !before.contains(key));
        came.extend(rules.map(|key| (Arc::clone(&key.name), key.labels.clone())));
    }
    came
}

impl Ruler {
    /// Puts other rules into force. Rules that stay keep their state, whatever else changed, and evaluations of those that
    /// ask the same go on; those of others count no more. Alerts of rules that are gone end, unless another node has
    /// these rules still.
    pub fn load(&mut self, set: Arc<RuleSet>, now: Now) {
        let at = now.wall.unix_millis();
        let ends = self.ends();
        (0..self.waves.len()).for_each(|number| self.interrupt(number));
        let old = std::mem::replace(&mut self.set, set);
        let states = std::mem::take(&mut self.states);
        let (states, gone) = states.carried_over(&old, &self.set);
        self.states = states;
        self.forget_what_is_read_further(&old);
        for (group, state) in self.set.groups.iter().zip(&mut self.states.groups) {
            if old.place_of(&group.key).is_none() {
                state.since = at;
            }
        }
        let running = std::mem::take(&mut self.running);
        let past = std::mem::take(&mut self.past);
        let recalls = self.keep_recalls(&old);
        self.begin_anew(recalls);
        self.keep_running(&old, running);
        self.keep_past(&old, past);
        self.leave_out(&old, at);
        self.end(gone, &ends, &came(&old, &self.set), now);
        self.settle_owners(now);
        self.resume_all(at);
        self.expect_all();
    }

    /// The groups whose alerts end with their rules, with the epochs under which this node has them: those that nobody
    /// else goes on with.
    fn ends(&self) -> BTreeMap<GroupKey, Ending> {
        let mut ends = BTreeMap::new();
        for (component, id) in self.set.components.iter().zip(&self.set.ids) {
            if self.others_have(id) {
                continue;
            }
            for at in &component.groups {
                let state = self.states.groups.get(*at);
                if let (Some(key), Some(epoch)) =
                    (self.group_key(*at), state.and_then(|of| of.owned))
                {
                    let node = self.node_of(&key);
                    ends.insert(key, Ending { epoch, node });
                }
            }
        }
        ends
    }

    fn end(
        &mut self,
        gone: Gone,
        ends: &BTreeMap<GroupKey, Ending>,
        came: &BTreeSet<(Arc<str>, LabelSet)>,
        now: Now,
    ) {
        let at = now.wall.unix_millis();
        for (group, rule, interval, mut state) in gone.rules {
            let Some(Ending { epoch, node }) = ends.get(&group).cloned() else {
                continue;
            };
            state.alerts.end(at);
            // One that moved tells of the same alerts in its new group; what it does not tell of ends by itself.
            if !came.contains(&(Arc::clone(&rule.name), rule.labels.clone())) {
                self.tell_end(&mut state, &rule, at, interval);
            }
            let ended = state.alive.end(at);
            self.write(ended);
            let version = Version { epoch, slot: at };
            self.forget(&(node, group), &rule, &state, (version, interval));
        }
    }

    /// Tells of the end of alerts of a rule that is gone, but of those that another rule has fire.
    fn tell_end(&mut self, state: &mut RuleState, of: &RuleKey, at: i64, interval: i64) {
        let set = Arc::clone(&self.set);
        let groups = set.groups.iter().zip(&self.states.groups);
        let rules = groups.flat_map(|(group, of)| group.rules.iter().zip(&of.rules));
        let same = rules.filter(|(rule, _)| rule.key.alerting && rule.key.name == of.name);
        let same: Vec<Arc<RuleState>> = same.map(|(_, state)| Arc::clone(state)).collect();
        let fires = |due: &Due<'_>| {
            let mut others = same.iter().filter_map(|one| one.alerts.get(due.labels));
            others.any(|one| one.phase == Phase::Firing)
        };
        let resend = millis(set.settings.resend_delay);
        let due = state.alerts.due(at, resend);
        self.tell(due.filter(|due| !fires(due)), at, interval, "");
    }

    /// Ends the wave of a component before its slot is over: its groups know what is left.
    pub(super) fn interrupt(&mut self, number: usize) {
        let wave = self.waves.get_mut(number).and_then(Option::take);
        let (Some(wave), Some(component)) = (wave, self.set.components.get(number)) else {
            return;
        };
        for at in &wave.groups {
            let (Some(group), Some(state)) =
                (self.set.groups.get(*at), self.states.groups.get_mut(*at))
            else {
                continue;
            };
            let rules = component.rules.iter().enumerate();
            let done = rules.filter(|(rule, (of, _))| of == at && wave.has_done(*rule));
            let done = done.filter_map(|(_, (_, rule))| group.rules.get(*rule));
            state.under_way = Some(UnderWay {
                slot: wave.slot,
                began: wave.began(),
                looks_at: wave.looks_at,
                past: wave.past,
                done: done.map(|rule| rule.key.clone()).collect(),
            });
        }
    }

    /// Decides which of the rules that a reload changed or brought take no part in the slot that is under way.
    fn leave_out(&mut self, old: &RuleSet, now: i64) {
        let set = Arc::clone(&self.set);
        let mut lost: BTreeMap<usize, (u64, Arc<str>, &str)> = BTreeMap::new();
        for component in &set.components {
            // One that is left out may be what another one needs.
            let mut changes = true;
            while std::mem::take(&mut changes) {
                for (number, place) in component.rules.iter().enumerate() {
                    let Some(reason) = self.leaves_out((component, number), *place, old, now)
                    else {
                        continue;
                    };
                    changes = true;
                    if let Some(name) = self.misses_slot(*place, old) {
                        lost.entry(place.0).or_insert((0, name, reason)).0 += 1;
                    }
                }
            }
        }
        for (group, (evaluations, rule, reason)) in lost {
            let group = self.group_key(group).map(|key| key.joined());
            self.effects.push_back(Effect::Say(Word::Lost {
                group: group.unwrap_or_default(),
                evaluations,
                rule: rule.to_string(),
                reason: reason.to_owned(),
            }));
        }
    }

    /// Why a rule takes no part in the slot that is under way, though it is not done: it is not as it was, and the next slot
    /// is due, from which whoever changes rules all the time would else keep the group; or it reads what another one wrote in
    /// the slot and nobody kept, which would seem to be absent.
    fn leaves_out(
        &self,
        (component, number): (&Component, usize),
        place: Place,
        old: &RuleSet,
        now: i64,
    ) -> Option<&'static str> {
        let slot = self.takes_part_in(place)?;
        let mut running = self.running.values();
        let goes_on = running.any(|one| (one.group, one.rule) == place);
        if goes_on || stays(&self.set, place, old).is_some() {
            return None;
        }
        if self.set.groups.get(place.0)?.cadence.after(slot) <= now {
            return Some(TOO_LATE);
        }
        let needs = component.needs.get(number)?.iter();
        let mut needs = needs.filter_map(|need| component.rules.get(*need));
        let lacks = |need: &Place| {
            let comes = self.takes_part_in(*need).is_some_and(|at| at <= slot);
            !comes && is_newly_read(&self.set, *need, old)
        };
        needs.any(lacks).then_some(NOT_KEPT)
    }

    /// The slot that is under way and that a rule is yet to be evaluated in.
    fn takes_part_in(&self, (group, rule): Place) -> Option<i64> {
        let left = self.states.groups.get(group)?.under_way.as_ref()?;
        let key = &self.set.groups.get(group)?.rules.get(rule)?.key;
        (!left.past && !left.done.contains(key)).then_some(left.slot)
    }

    /// Leaves a rule out of the slot that is under way. One that was there before has missed it; the name is that of one whose
    /// series have a gap by that.
    fn misses_slot(&mut self, (group, rule): Place, old: &RuleSet) -> Option<Arc<str>> {
        let of = self.set.groups.get(group)?;
        let state = self.states.groups.get_mut(group)?;
        let it = of.rules.get(rule)?;
        let left = state.under_way.as_mut()?;
        left.done.insert(it.key.clone());
        found(&self.set, (group, rule), old)?;
        Arc::make_mut(state.rules.get_mut(rule)?).missed += 1;
        (!it.key.alerting).then(|| Arc::clone(&it.key.name))
    }

    /// Keeps the evaluations that are the same as before.
    fn keep_running(&mut self, old: &RuleSet, running: BTreeMap<EvaluationId, Running>) {
        let set = Arc::clone(&self.set);
        let component_of = components_of(&set);
        for (id, mut running) in running {
            let place = (running.group, running.rule);
            // What templates ask depends on more than the expression.
            let kept = match running.stage {
                // What is read, and how far back, may be something else now: it is asked for anew.
                Stage::Range(_) => None,
                Stage::Expression => asks_same(old, place, &set),
                Stage::Template(_) => stays(old, place, &set),
            };
            let Some((group, rule)) = kept else { continue };
            let component = component_of.get(group).copied().unwrap_or_default();
            let rules = set.components.get(component).map(|of| &of.rules);
            let number = rules.and_then(|of| of.iter().position(|one| *one == (group, rule)));
            let Some(number) = number else { continue };
            (running.component, running.number) = (component, number);
            (running.group, running.rule) = (group, rule);
            self.running.insert(id, running);
        }
    }

    /// What is not known of the past of components, of those whose rules are the same as before: others look anew.
    fn keep_recalls(&mut self, old: &RuleSet) -> BTreeMap<usize, Recall> {
        let recalls = std::mem::take(&mut self.recalls);
        let hashes = self.set.ids.iter().map(|id| id.hash);
        let numbers: BTreeMap<u64, usize> = hashes.zip(0..).collect();
        let kept = old.ids.iter().zip(recalls).filter_map(|(id, recall)| {
            let number = numbers.get(&id.hash)?;
            Some((*number, recall?.asked_anew()))
        });
        kept.collect()
    }

    /// Keeps what is to be made up for.
    fn keep_past(&mut self, old: &RuleSet, past: Vec<Option<Past>>) {
        let set = Arc::clone(&self.set);
        let component_of = components_of(&set);
        let now_at = |group: &usize| {
            let at = set.place_of(&old.groups.get(*group)?.key)?;
            Some((at, *component_of.get(at)?))
        };
        for (component, past) in old.components.iter().zip(past) {
            let Some(past) = past else { continue };
            for (_, component) in component.groups.iter().filter_map(now_at) {
                if let Some(place) = self.past.get_mut(component) {
                    place.get_or_insert_with(|| past.without_slots());
                }
            }
            for (slot, groups) in &past.slots {
                for (group, component) in groups.iter().filter_map(now_at) {
                    if let Some(Some(past)) = self.past.get_mut(component) {
                        past.slots.entry(*slot).or_default().push(group);
                    }
                }
            }
        }
    }

    /// Goes on with all slots that are under way; evaluations that belong to none of them count no more.
    fn resume_all(&mut self, now: i64) {
        for number in 0..self.waves.len() {
            if self.owned(number).is_some() {
                self.resume(number, now);
            }
        }
        let waves = &self.waves;
        self.running.retain(|_, running| {
            let wave = waves.get(running.component).and_then(Option::as_ref);
            let takes_part =
                |wave: &Wave| wave.slot == running.slot && wave.is_running(running.number);
            matches!(running.stage, Stage::Range(_)) || wave.is_some_and(takes_part)
        });
    }

    /// Goes on with the earliest slot of a component that was interrupted, if there is one.
    pub(super) fn resume(&mut self, number: usize, now: i64) -> bool {
        let set = Arc::clone(&self.set);
        let Some(component) = set.components.get(number) else {
            return false;
        };
        let left = |at: usize| {
            let left = self.states.groups.get(at)?.under_way.as_ref()?;
            Some((left.slot, left.past))
        };
        let groups = component.groups.iter();
        let Some(first) = groups.filter_map(|at| left(*at)).min() else {
            return false;
        };
        let groups = component.groups.iter().copied();
        let groups: Vec<usize> = groups.filter(|at| left(*at) == Some(first)).collect();
        let done = self.done_of(&groups);
        let (slot, past) = first;
        let planned = self.past.get(number).and_then(Option::as_ref);
        let planned = planned.map_or(now, |past| past.at);
        let takes = |group: usize, rule: usize| {
            !done.contains(&(group, rule)) && (!past || self.takes_part(group, rule, slot, planned))
        };
        let rules = component.rules.iter().enumerate();
        let numbers = rules.filter(|(_, place)| done.contains(place));
        let numbers = numbers.map(|(rule, _)| rule).collect();
        // However often there are other rules, its time goes on, and so does that of what fires.
        let all = groups.iter().filter_map(|at| self.states.groups.get(*at));
        let all = all.filter_map(|state| state.under_way.as_ref());
        let (began, looks_at) = all.fold((now, i64::MAX), |(began, looks_at), left| {
            (began.min(left.began), looks_at.min(left.looks_at))
        });
        let pace = self.pace(component, began);
        let mut wave = Wave::going_on(component, first, groups.clone(), numbers, pace, takes);
        wave.looks_at = looks_at;
        self.take_running(number, component, &mut wave);
        for at in groups {
            if let Some(state) = self.states.groups.get_mut(at) {
                state.under_way = None;
            }
        }
        if let Some(place) = self.waves.get_mut(number) {
            *place = Some(wave);
        }
        self.advance(number, now);
        true
    }

    /// The rules of groups that take no part any more in the slots that were interrupted.
    fn done_of(&self, groups: &[usize]) -> BTreeSet<Place> {
        let mut all = BTreeSet::new();
        for at in groups {
            let left = self.states.groups.get(*at);
            let left = left.and_then(|state| state.under_way.as_ref());
            let (Some(left), Some(group)) = (left, self.set.groups.get(*at)) else {
                continue;
            };
            let rules = group.rules.iter().enumerate();
            let done = rules.filter(|(_, rule)| left.done.contains(&rule.key));
            all.extend(done.map(|(rule, _)| (*at, rule)));
        }
        all
    }
}

/// The component of each group.
fn components_of(set: &RuleSet) -> Vec<usize> {
    let mut all = vec![0; set.groups.len()];
    for (number, component) in set.components.iter().enumerate() {
        for group in &component.groups {
            if let Some(place) = all.get_mut(*group) {
                *place = number;
            }
        }
    }
    all
}

/// Where a rule of one set is in another one.
fn found(set: &RuleSet, (group, rule): Place, other: &RuleSet) -> Option<Place> {
    let before = set.groups.get(group)?;
    let at = other.place_of(&before.key)?;
    let (one, after) = (before.rules.get(rule)?, other.groups.get(at)?);
    let is_it = |place: &usize| {
        after
            .rules
            .get(*place)
            .is_some_and(|two| two.key == one.key)
    };
    let place = is_it(&rule).then_some(rule);
    let place = place.or_else(|| (0..after.rules.len()).find(is_it))?;
    Some((at, place))
}

/// Where a rule of one set is in another one, if the same is asked for it there.
fn asks_same(set: &RuleSet, place: Place, other: &RuleSet) -> Option<Place> {
    let at = found(set, place, other)?;
    let (before, after) = (set.groups.get(place.0)?, other.groups.get(at.0)?);
    let (one, two) = (before.rules.get(place.1)?, after.rules.get(at.1)?);
    let same = one.definition.text == two.definition.text
        && (one.reads_own, before.query_offset) == (two.reads_own, after.query_offset)
        && before.definition.params == after.definition.params
        && set.settings.options == other.settings.options;
    same.then_some(at)
}

/// The same, if the answer means the same there as well.
fn stays(set: &RuleSet, place: Place, other: &RuleSet) -> Option<Place> {
    let at = asks_same(set, place, other)?;
    let one = set.groups.get(place.0)?.rules.get(place.1)?;
    let two = other.groups.get(at.0)?.rules.get(at.1)?;
    let same = one.definition.kind == two.definition.kind
        && (one.on_partial, one.terms) == (two.on_partial, two.terms);
    same.then_some(at)
}

/// Whether a rule writes what rules read now and none read before.
fn is_newly_read(set: &RuleSet, (group, rule): Place, old: &RuleSet) -> bool {
    let rule = set.groups.get(group).and_then(|of| of.rules.get(rule));
    let mut outputs = rule.iter().flat_map(|rule| &rule.ties.outputs);
    outputs.any(|output| !old.reach.contains_key(&output.name))
}
