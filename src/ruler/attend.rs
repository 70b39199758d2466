//! What fires goes on as long as its owner lives, however long its evaluations take.
//!
//! Whoever is told of an alert believes it for a while only, as if its Prometheus had died, and an evaluation that waits for
//! an endpoint tells nothing. So an owner whose slot takes long says meanwhile that what fires still does, as far as
//! it knows; what becomes of it is said by the evaluation.

use std::sync::Arc;

use super::{
    depend::Component,
    machine::Ruler,
    set::{Rule, millis},
    state::RuleState,
    wave::Pace,
};

impl Ruler {
    /// How a slot of a component goes that begins now. Its alerts last for sixteen looks.
    pub(super) fn pace(&self, component: &Component, now: i64) -> Pace {
        let groups = component.groups.iter();
        let groups = groups.filter_map(|at| self.set.groups.get(*at));
        let shortest = groups.map(|group| group.cadence.interval()).min();
        let resend = millis(self.set.settings.resend_delay);
        let rules = component.rules.iter();
        let turns = rules.map(|(group, rule)| {
            let state = self.states.groups.get(*group);
            let state = state.and_then(|state| state.rules.get(*rule));
            state.and_then(|state| state.had_time).unwrap_or(i64::MIN)
        });
        Pace {
            began: now,
            looks_every: (shortest.unwrap_or(0).max(resend) / 4).max(1),
            turns: turns.collect(),
        }
    }

    /// Notes that a rule begins in time: in the next slots it is the turn of those first that did not.
    pub(super) fn note_turn(&mut self, component: usize, (group, rule): (usize, usize), now: i64) {
        let wave = self.waves.get(component).and_then(Option::as_ref);
        let interval = self.set.groups.get(group).map(|of| of.cadence.interval());
        let (Some(wave), Some(interval)) = (wave, interval) else {
            return;
        };
        let slot = wave.slot;
        if wave.has_time(interval, now) {
            self.with_rule(group, rule, |_, state| state.had_time = Some(slot));
        }
    }

    /// Looks after the alerts of a component whose slot takes long.
    pub(super) fn attend(&mut self, number: usize, now: i64) {
        let wave = self.waves.get_mut(number).and_then(Option::as_mut);
        if !wave.is_some_and(|wave| wave.has_to_look(now)) {
            return;
        }
        let set = Arc::clone(&self.set);
        let groups = set.components.get(number).map(|of| &of.groups);
        for at in groups.into_iter().flatten() {
            let Some(group) = set.groups.get(*at) else {
                continue;
            };
            for (place, rule) in group.rules.iter().enumerate() {
                if self.is_overdue(*at, place, now) {
                    self.with_rule(*at, place, |ruler, state| {
                        ruler.renew(state, rule, group.cadence.interval(), now);
                    });
                }
            }
        }
    }

    /// Whether alerts of a rule fire that were told for the last time before they were to be told again.
    fn is_overdue(&self, group: usize, rule: usize, now: i64) -> bool {
        let before = now.saturating_sub(millis(self.set.settings.resend_delay));
        let state = self.states.groups.get(group);
        let state = state.and_then(|state| state.rules.get(rule));
        state.is_some_and(|state| {
            state.renewed.is_none_or(|at| at < before)
                && state.alerts.untold_since(before).next().is_some()
        })
    }

    /// Says of what fires that it does. That is no evaluation: the next one tells it as if this had not been.
    fn renew(&mut self, state: &mut RuleState, rule: &Rule, interval: i64, now: i64) {
        let before = now.saturating_sub(millis(self.set.settings.resend_delay));
        state.renewed = Some(now);
        let due = state.alerts.untold_since(before);
        self.tell(due, now, interval, &rule.definition.text);
    }
}
