//! What an evaluation changes.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    alerting::{Alerts, Due, Element, Look, Phase, Progress, Version},
    cadence::Cadence,
    effect::{Answered, Effect, Told, Word},
    holes::depends,
    machine::{Ruler, Running},
    record::{RuleRecord, RuleRecordKey, RuleValue},
    recording::{Recorded, Written},
    set::{GroupKey, Rule, RuleKey, millis},
    state::{Health, RuleState},
};
use crate::{
    cluster::NodeName, config::OnPartial, federation::Certainty, labels::LabelSet, promql::Point,
    time::Timestamp,
};

/// How an evaluation ended.
#[derive(Debug)]
pub(super) enum Outcome {
    Failed(String),
    Alerts {
        answered: Answered,
        elements: Vec<Element>,
    },
    Series {
        answered: Answered,
        recorded: Vec<Recorded>,
    },
}

/// Where a rule is, and when.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    pub(super) group: usize,
    pub(super) slot: i64,
    pub(super) now: i64,
    query_offset: i64,
    pub(super) cadence: Cadence,
}

impl Spot {
    /// The time of what is written; Unix milliseconds.
    pub(super) fn time(self) -> i64 {
        self.slot.saturating_sub(self.query_offset)
    }
}

impl Ruler {
    pub(super) fn apply(&mut self, running: &Running, rule: &Rule, now: i64, outcome: Outcome) {
        let (group, at, slot) = (running.group, running.rule, running.slot);
        let Some(spot) = self.spot(group, slot, now) else {
            return;
        };
        self.with_rule(group, at, |ruler, state| {
            state.last_evaluation = Some(slot);
            state.took = now.saturating_sub(running.began);
            state.evaluations += 1;
            let mut changed = Vec::new();
            let result = ruler.apply_to(state, rule, spot, outcome, &mut changed);
            if let Err(reason) = &result {
                ruler.note_unwritten(state, rule, spot, (&[LabelSet::empty()], reason));
                if !rule.key.alerting {
                    ruler.hide_unwritten(&state.alive, &[], spot);
                }
            }
            if state.unwritten.is_over(slot) {
                ruler.recall_unwritten(running.component, running.number, &state.unwritten);
            }
            // Whatever came of it: nothing else was written. But what was not for want of the past comes yet.
            if running.lack.as_ref().is_none_or(|lack| !lack.is_whole()) {
                state.known.note(slot, spot.cadence);
            }
            ruler.note(state, rule, spot, result);
            // Whatever came of it, the rule was looked at: what fires goes on.
            if rule.key.alerting {
                ruler.tell_of(state, slot, spot.cadence.interval(), &rule.definition.text);
            }
            ruler.keep(state, rule, spot, changed);
        });
    }

    pub(super) fn spot(&self, group: usize, slot: i64, now: i64) -> Option<Spot> {
        let of = self.set.groups.get(group)?;
        Some(Spot {
            group,
            slot,
            now,
            query_offset: of.query_offset,
            cadence: of.cadence,
        })
    }

    /// Does something with the state of a rule.
    pub(super) fn with_rule(
        &mut self,
        group: usize,
        at: usize,
        what: impl FnOnce(&mut Self, &mut RuleState),
    ) {
        let groups = self.states.groups.get_mut(group);
        let Some(place) = groups.and_then(|group| group.rules.get_mut(at)) else {
            return;
        };
        let mut state = std::mem::replace(place, Arc::clone(&self.nothing));
        what(self, Arc::make_mut(&mut state));
        let groups = self.states.groups.get_mut(group);
        if let Some(place) = groups.and_then(|group| group.rules.get_mut(at)) {
            *place = state;
        }
    }

    fn apply_to(
        &mut self,
        state: &mut RuleState,
        rule: &Rule,
        spot: Spot,
        outcome: Outcome,
        changed: &mut Vec<LabelSet>,
    ) -> Result<(), String> {
        let (answered, outcome) = match outcome {
            Outcome::Failed(reason) => return Err(reason),
            Outcome::Alerts { answered, elements } => (answered, Ok(elements)),
            Outcome::Series { answered, recorded } => (answered, Err(recorded)),
        };
        state.missing.clone_from(&answered.missing);
        if let Some(group) = self.states.groups.get_mut(spot.group) {
            group.endpoints.extend(answered.endpoints.iter().cloned());
        }
        if rule.on_partial == OnPartial::Abort && !answered.certainty.is_complete() {
            return Err(format!(
                "partitions are missing, and on_partial is abort: {}",
                answered.missing.join("; ")
            ));
        }
        let accepts = rule.on_partial == OnPartial::Accept;
        let known = match accepts {
            true => Certainty::default(),
            false => self.decide(state, rule, spot, &answered),
        };
        let certain = |labels: &LabelSet| known.is_certain(labels);
        match outcome {
            Ok(elements) => {
                let progress = self.apply_alerts(state, rule, spot, elements, &certain)?;
                *changed = progress.changed;
                changed.extend(std::mem::take(&mut state.dropped));
                refused(state, rule, progress.refused)
            }
            Err(recorded) => {
                let reason = answered.missing.first();
                let reason = reason.map_or("a partition is missing", String::as_str);
                self.note_unwritten(state, rule, spot, (known.holes(), reason));
                self.apply_series(state, rule, spot, recorded, &certain)
            }
        }
    }

    fn apply_series(
        &mut self,
        state: &mut RuleState,
        rule: &Rule,
        spot: Spot,
        recorded: Vec<Recorded>,
        certain: &dyn Fn(&LabelSet) -> bool,
    ) -> Result<(), String> {
        let written = self.recorded(state, rule, spot, recorded, certain)?;
        if !state.unwritten.is_over(spot.slot) && !state.unwritten.is_empty() {
            self.hide_unwritten(&state.alive, &written, spot);
        }
        self.write(written);
        Ok(())
    }

    /// What a recording rule writes.
    pub(super) fn recorded(
        &mut self,
        state: &mut RuleState,
        rule: &Rule,
        spot: Spot,
        recorded: Vec<Recorded>,
        certain: &dyn Fn(&LabelSet) -> bool,
    ) -> Result<Vec<Written>, String> {
        let limit = rule.terms.limit;
        if limit > 0 && recorded.len() > limit {
            return Err(format!(
                "exceeded limit of {limit} with {} series",
                recorded.len()
            ));
        }
        let time = spot.time();
        // A value that depends on a missing partition is not the value: better none than a wrong one.
        let count = recorded.len();
        let known: Vec<_> = recorded
            .into_iter()
            .filter(|one| certain(&one.source))
            .collect();
        state.held = count - known.len();
        let written = state.alive.write(time, known, certain);
        let written = written.map_err(|error| error.to_string())?;
        self.count(spot, written.len());
        Ok(written)
    }

    fn apply_alerts(
        &mut self,
        state: &mut RuleState,
        rule: &Rule,
        spot: Spot,
        elements: Vec<Element>,
        certain: &dyn Fn(&LabelSet) -> bool,
    ) -> Result<Progress, String> {
        let look = self.look(spot);
        let progress = state.alerts.advance(look, elements, certain, rule.terms);
        let progress = progress.map_err(|error| error.to_string())?;
        state.held = progress.held;
        let time = spot.time();
        let about = about(&state.alerts);
        let written = state.alive.write(time, about, &|_| true);
        let written = written.map_err(|error| error.to_string())?;
        self.count(spot, written.len());
        self.write(written);
        Ok(progress)
    }

    /// What of an answer counts: what lacks a partition for too long counts as if it were complete.
    fn decide(
        &mut self,
        state: &mut RuleState,
        rule: &Rule,
        spot: Spot,
        answered: &Answered,
    ) -> Certainty {
        let hold_for = millis(self.set.settings.hold_for);
        let alerts = &state.alerts;
        let held = |hole: &LabelSet| {
            let held = alerts
                .active()
                .filter(|(_, one)| depends(&one.source, hole));
            held.filter_map(|(_, one)| one.held_since)
                .collect::<Vec<_>>()
        };
        let decided = state
            .holes
            .take(&answered.certainty, spot.slot, hold_for, |hole| {
                held(hole).into_iter().min()
            });
        if !decided.given_up.is_empty() {
            self.effects.push_back(Effect::Say(Word::GaveUp {
                group: self
                    .group_key(spot.group)
                    .map(|key| key.joined())
                    .unwrap_or_default(),
                rule: rule.name().to_owned(),
                alerts: decided.given_up.iter().map(|hole| held(hole).len()).sum(),
            }));
        }
        decided.certainty
    }

    /// An evaluation there, under the epoch of this node.
    pub(super) fn look(&self, spot: Spot) -> Look {
        let of = self.states.groups.get(spot.group);
        Look {
            of: Version {
                epoch: of.and_then(|of| of.owned).unwrap_or_default(),
                slot: spot.slot,
            },
            now: spot.now,
        }
    }

    /// Has other nodes told what became of alerts.
    pub(super) fn keep(
        &mut self,
        state: &mut RuleState,
        rule: &Rule,
        spot: Spot,
        changed: Vec<LabelSet>,
    ) {
        let epoch = self.states.groups.get(spot.group).and_then(|of| of.owned);
        let (Some(group), Some(epoch)) = (self.group_key(spot.group), epoch) else {
            return;
        };
        let version = Version {
            epoch,
            slot: spot.slot,
        };
        let node = self.node_of(&group);
        let of_rule = (node, group, rule.key.clone());
        let records: Vec<RuleRecord> =
            state.tell(&of_rule, changed, (version, spot.cadence.interval()));
        if !records.is_empty() {
            self.effects.push_back(Effect::Keep(records));
        }
    }

    pub(super) fn forget(
        &mut self,
        group: &(Option<NodeName>, GroupKey),
        rule: &RuleKey,
        state: &RuleState,
        (version, interval): (Version, i64),
    ) {
        let forgotten = |(labels, _): (&LabelSet, _)| RuleRecord {
            key: RuleRecordKey::alert(
                group.0.clone(),
                group.1.clone(),
                rule.clone(),
                labels.clone(),
            ),
            version,
            interval,
            value: RuleValue::Forgotten,
        };
        let records: Vec<RuleRecord> = state.alerts.all().map(forgotten).collect();
        if !records.is_empty() {
            self.effects.push_back(Effect::Keep(records));
        }
    }

    fn note(&mut self, state: &mut RuleState, rule: &Rule, spot: Spot, result: Result<(), String>) {
        let group = || {
            self.group_key(spot.group)
                .map(|key| key.joined())
                .unwrap_or_default()
        };
        let name = || rule.name().to_owned();
        match result {
            Ok(()) => {
                if state.health == Health::Err {
                    let (group, rule) = (group(), name());
                    self.effects
                        .push_back(Effect::Say(Word::Recovered { group, rule }));
                }
                state.health = Health::Ok;
                state.last_error.clear();
            }
            Err(reason) => {
                if state.last_error != reason {
                    let (group, name) = (group(), name());
                    let (alerting, reason) = (rule.key.alerting, reason.clone());
                    self.effects.push_back(Effect::Say(Word::Failed {
                        group,
                        rule: name,
                        alerting,
                        reason,
                    }));
                }
                state.health = Health::Err;
                state.failures += 1;
                state.last_error = reason;
            }
        }
    }

    /// Tells of the alerts that are due.
    pub(super) fn tell_of(&mut self, state: &mut RuleState, at: i64, interval: i64, text: &str) {
        let resend = millis(self.set.settings.resend_delay);
        self.tell(state.alerts.due(at, resend), at, interval, text);
    }

    /// Tells of alerts; what fires does so for four times the interval, or the delay if that is longer.
    pub(super) fn tell<'a>(
        &mut self,
        due: impl Iterator<Item = Due<'a>>,
        at: i64,
        interval: i64,
        text: &str,
    ) {
        let settings = &self.set.settings;
        let lasts = interval
            .max(millis(settings.resend_delay))
            .saturating_mul(4);
        let url: Arc<str> = generator_url(&settings.external_url, text).into();
        let told = due.map(|due| Told {
            labels: with_external(due.labels, &settings.external_labels),
            annotations: due.instance.annotations.clone(),
            starts_at: Timestamp::from_millis(
                due.instance.fired_at.unwrap_or(due.instance.active_at),
            ),
            ends_at: Timestamp::from_millis(match due.instance.phase {
                Phase::Resolved => due.instance.resolved_at.unwrap_or(at),
                Phase::Pending | Phase::Firing => at.saturating_add(lasts),
            }),
            generator_url: Arc::clone(&url),
        });
        let told: Vec<Told> = told.collect();
        if !told.is_empty() {
            self.effects.push_back(Effect::Tell(told));
        }
    }

    fn count(&mut self, spot: Spot, samples: usize) {
        if let Some(group) = self.states.groups.get_mut(spot.group) {
            group.samples += samples;
        }
    }

    pub(super) fn write(&mut self, written: Vec<Written>) {
        if written.is_empty() {
            return;
        }
        self.overlay.write(&written);
        self.effects.push_back(Effect::Write(written));
    }
}

/// Says how many new alerts the limit refused.
fn refused(state: &RuleState, rule: &Rule, refused: usize) -> Result<(), String> {
    match refused {
        0 => Ok(()),
        refused => Err(format!(
            "exceeded limit of {} with {} alerts: those that were there go on, {refused} new ones are not alerts",
            rule.terms.limit,
            state.alerts.active().count() + refused
        )),
    }
}

impl RuleState {
    /// Takes the series about its alerts for written, so that they end when their alerts do.
    pub(super) fn goes_on(&mut self) {
        self.alive.follow(about(&self.alerts));
    }
}

/// The series about alerts: `ALERTS` and `ALERTS_FOR_STATE`. Alerts that differ in `alertstate` alone have the same; the
/// first counts, as in a database.
fn about(alerts: &Alerts) -> Vec<Recorded> {
    let mut series = Vec::new();
    let mut seen = BTreeSet::new();
    for (labels, instance) in alerts.active() {
        let phase = match instance.phase {
            Phase::Pending => "pending",
            Phase::Firing | Phase::Resolved => "firing",
        };
        let own = |name: &str| !matches!(name, "__name__" | "alertstate");
        let base = || labels.iter().filter(|(name, _)| own(name));
        let state =
            LabelSet::from_pairs(base().chain([("__name__", "ALERTS"), ("alertstate", phase)]));
        let since = labels.iter().filter(|(name, _)| *name != "__name__");
        let since = LabelSet::from_pairs(since.chain([("__name__", "ALERTS_FOR_STATE")]));
        let seconds = Timestamp::from_millis(instance.active_at).unix_seconds();
        #[expect(
            clippy::cast_precision_loss,
            reason = "seconds since 1970 are exact for 285 million years"
        )]
        let seconds = seconds as f64;
        for (labels, value) in [(state, 1.0), (since, seconds)] {
            if !seen.insert(labels.clone()) {
                continue;
            }
            series.push(Recorded {
                source: instance.source.clone(),
                labels,
                point: Point::Float(value),
            });
        }
    }
    series
}

/// External labels do not replace an alert's own.
fn with_external(labels: &LabelSet, external: &LabelSet) -> LabelSet {
    let missing = external
        .iter()
        .filter(|(name, _)| labels.get(name).is_none());
    LabelSet::from_pairs(labels.iter().chain(missing))
}

/// As Prometheus links to the table of an expression.
fn generator_url(external_url: &str, text: &str) -> String {
    let query: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
    format!(
        "{}/prometheus/graph?g0.expr={query}&g0.tab=1",
        external_url.trim_end_matches('/')
    )
}
