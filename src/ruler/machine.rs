//! The ruler: what is due is evaluated, results become alerts and samples, and nothing is decided by what is unknown.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use super::{
    agenda::Agenda,
    apply::Outcome,
    depend::Component,
    effect::{Answered, Effect, Evaluation, EvaluationId, Word},
    expand::Expanding,
    gap::Span,
    known::measured_since,
    lack::Lack,
    overlay::Overlay,
    owner::Members,
    past::{Past, lost_word},
    recall::Recall,
    set::{GroupKey, Rule, RuleSet},
    state::{RuleState, States},
    wave::{Room, Wave},
};
use crate::{promql::ast::Expr, time::Now};

/// Rules of a group that are evaluated at once, if they do not read each other and the group does not say.
const CONCURRENCY: usize = 4;

/// How many light ones take the room of one that is not: they become one request.
const LIGHT: usize = 4;

/// How often what nobody needs any more is dropped; milliseconds.
const COLLECTED_EVERY: i64 = 60_000;

/// How often series that nobody can read any more are dropped; milliseconds.
const FORGOTTEN_EVERY: u64 = 1_000;

/// Evaluates rules, slot by slot. Synchronous: [`Self::learn`] and [`Self::members`] before anything is evaluated, then
/// [`Self::handle_timeout`], [`Self::evaluated`], [`Self::poll_effect`] until there is none, and again at
/// [`Self::poll_timeout`].
#[derive(Debug)]
pub struct Ruler {
    pub(super) set: Arc<RuleSet>,
    pub(super) states: States,
    pub(super) overlay: Overlay,
    /// Who is there; `None` as long as that is not known.
    pub(super) members: Option<Members>,
    /// By component.
    pub(super) waves: Vec<Option<Wave>>,
    /// By component: what it makes up for before its next slot, once that is decided.
    pub(super) past: Vec<Option<Past>>,
    /// By component: what is not known of its past, once that was looked at.
    pub(super) recalls: Vec<Option<Recall>>,
    /// Whether anything is not.
    pub(super) recalling: bool,
    /// Rules under way, by the evaluation of their expression, also while templates ask.
    pub(super) running: BTreeMap<EvaluationId, Running>,
    /// What templates ask, with the rule. A rule that counts no more is gone before its answers come.
    pub(super) asked: BTreeMap<EvaluationId, (EvaluationId, Arc<str>)>,
    /// The rules that endpoints were last asked for together with others, by group and place in it.
    light: Arc<BTreeSet<(usize, usize)>>,
    /// Components that wait for their next slot.
    agenda: Agenda,
    /// Stands where the state of a rule is that is being changed.
    pub(super) nothing: Arc<RuleState>,
    collect_due: i64,
    /// When series that nobody can read any more were last dropped; Unix milliseconds.
    forgot: i64,
    next: u64,
    pub(super) effects: VecDeque<Effect>,
}

/// A rule under way.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) component: usize,
    /// Its number in the component.
    pub(super) number: usize,
    pub(super) group: usize,
    pub(super) rule: usize,
    pub(super) slot: i64,
    pub(super) began: i64,
    /// When it must be done, with all that its templates ask.
    pub(super) until: i64,
    pub(super) stage: Stage,
    /// What it cannot know of what other rules wrote.
    pub(super) lack: Option<Lack>,
}

/// What of a rule is evaluated.
#[derive(Debug)]
pub(super) enum Stage {
    /// Its expression is evaluated at slots that others read.
    Range(Span),
    /// Its expression is evaluated.
    Expression,
    /// Queries of its templates are evaluated.
    Template(Box<Expanding>),
}

impl Running {
    /// Of a rule by its number in its component, and by its group and its place there.
    pub(super) fn new(
        (component, number): (usize, usize),
        (group, rule): (usize, usize),
        slot: i64,
        began: i64,
        stage: Stage,
    ) -> Self {
        Self {
            component,
            number,
            group,
            rule,
            slot,
            began,
            until: began,
            stage,
            lack: None,
        }
    }
}

impl Ruler {
    /// A ruler of these rules, which evaluates none before it knows who is there.
    #[must_use]
    pub fn new(set: Arc<RuleSet>, now: Now) -> Self {
        let mut ruler = Self {
            states: States::default(),
            overlay: Overlay::default(),
            members: None,
            waves: Vec::new(),
            past: Vec::new(),
            recalls: Vec::new(),
            recalling: false,
            running: BTreeMap::new(),
            asked: BTreeMap::new(),
            light: Arc::default(),
            agenda: Agenda::default(),
            nothing: Arc::default(),
            collect_due: 0,
            forgot: 0,
            next: 0,
            effects: VecDeque::new(),
            set,
        };
        let (states, _) = States::default().carried_over(&ruler.set, &ruler.set);
        ruler.states = states;
        for state in &mut ruler.states.groups {
            state.since = now.wall.unix_millis();
        }
        ruler.begin_anew(BTreeMap::new());
        ruler
    }

    /// A ruler that evaluates all of these rules, in no mesh.
    #[must_use]
    pub fn alone(set: Arc<RuleSet>, now: Now) -> Self {
        let mut ruler = Self::new(set, now);
        ruler.members(Members::alone(""), now);
        ruler
    }

    /// Says how many rulers of this process ended by a bug.
    pub fn ended_by_bugs(&mut self, count: u64) {
        self.states.ended_by_bugs = count;
    }

    /// Has what rules read kept of what they write.
    pub(super) fn keep_read(&mut self) {
        let external = self.set.settings.copied.clone();
        self.overlay.keep(self.read_back().clone(), external);
    }

    /// How far back what rules write is kept, by name; milliseconds.
    fn read_back(&self) -> &BTreeMap<String, i64> {
        match self.recalling {
            true => &self.set.recalled,
            false => &self.set.reach,
        }
    }

    pub(super) fn kept_back(&self, name: &str) -> i64 {
        self.read_back().get(name).copied().unwrap_or(0)
    }

    /// Nothing is under way, and what is not known of the past of components is what is said here.
    pub(super) fn begin_anew(&mut self, mut recalls: BTreeMap<usize, Recall>) {
        self.recalling = recalls.values().any(Recall::lacks_something);
        self.keep_read();
        let numbers = 0..self.set.components.len();
        self.recalls = numbers.map(|number| recalls.remove(&number)).collect();
        self.running.clear();
        self.light = Arc::default();
        self.waves = self.set.components.iter().map(|_| None).collect();
        self.past = self.set.components.iter().map(|_| None).collect();
        self.agenda = Agenda::empty(self.waves.len());
    }

    /// The rules in force.
    #[must_use]
    pub fn set(&self) -> &Arc<RuleSet> {
        &self.set
    }

    /// What is known of them.
    #[must_use]
    pub fn states(&self) -> &States {
        &self.states
    }

    /// Something to do.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called next; Unix milliseconds. `None` if this node evaluates nothing.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<i64> {
        let components = 0..self.waves.len();
        debug_assert_eq!(
            self.agenda.next(),
            components.filter_map(|number| self.due(number)).min(),
            "a component that changed is not on the agenda as it is"
        );
        self.agenda.next()
    }

    /// When a component's next slot is; of one under way, when its alerts are to be looked after.
    fn due(&self, number: usize) -> Option<i64> {
        self.owned(number)?;
        if let Some(wave) = self.waves.get(number)? {
            return Some(wave.looks_at);
        }
        let groups = &self.set.components.get(number)?.groups;
        let next = groups.iter().filter_map(|at| self.next_slot(*at)).min();
        next.max(self.recalls_until(number).filter(|_| next.is_some()))
    }

    pub(super) fn expect(&mut self, number: usize) {
        let due = self.due(number);
        self.agenda.put(number, due);
    }

    /// Looks anew when all components are due: after owners, slots or rules changed.
    pub(super) fn expect_all(&mut self) {
        (0..self.waves.len()).for_each(|number| self.expect(number));
    }

    pub(super) fn next_slot(&self, group: usize) -> Option<i64> {
        let cadence = self.set.groups.get(group)?.cadence;
        let state = self.states.groups.get(group)?;
        if let Some(under_way) = &state.under_way {
            return Some(under_way.slot);
        }
        Some(state.last_slot.map_or_else(
            || {
                cadence
                    .slot(state.since.saturating_sub(1))
                    .saturating_add(cadence.interval())
            },
            |last| cadence.after(last),
        ))
    }

    /// Begins the slots that are due.
    pub fn handle_timeout(&mut self, now: Now) {
        let at = now.wall.unix_millis();
        if self.collect_due.saturating_sub(COLLECTED_EVERY) > at {
            self.collect_due = at;
            self.turn_back(now);
        }
        for component in self.agenda.due(at) {
            self.begin_slot(component, at);
            self.attend(component, at);
            self.expect(component);
        }
        if at.abs_diff(self.forgot) >= FORGOTTEN_EVERY {
            self.forgot = at;
            self.overlay.forget(self.needed_from(at));
        }
        if self.collect_due <= at {
            self.collect_due = at.saturating_add(COLLECTED_EVERY);
            for (group, of) in self.set.groups.iter().zip(&mut self.states.groups) {
                let interval = group.cadence.interval();
                let mut rules = of.rules.iter_mut();
                while let Some(rule) = rules.find(|one| one.alerts.has_what_is_over(interval, at)) {
                    Arc::make_mut(rule).alerts.collect(interval, at);
                }
            }
            self.settle_owners(now);
        }
    }

    fn begin_slot(&mut self, number: usize, now: i64) {
        let set = Arc::clone(&self.set);
        let Some(component) = set.components.get(number) else {
            return;
        };
        if self.waves.get(number).is_none_or(Option::is_some) || self.owned(number).is_none() {
            return;
        }
        if self.resume(number, now) {
            return;
        }
        // Of those that are late the latest slot counts; the earliest of these comes first.
        let due = component.groups.iter().filter_map(|group| {
            let next = self.next_slot(*group)?;
            let cadence = set.groups.get(*group)?.cadence;
            (next <= now).then(|| (cadence.slot(now), *group))
        });
        let due: Vec<(i64, usize)> = due.collect();
        let Some(slot) = due.iter().map(|(slot, _)| *slot).min() else {
            return;
        };
        if self.waits_for_recall(number, component, now) {
            return;
        }
        if self.begin_past(number, component, now) {
            return;
        }
        let groups = due.iter().filter(|(of, _)| *of == slot);
        let groups: Vec<usize> = groups.map(|(_, group)| *group).collect();
        for group in &groups {
            self.enter(*group, slot);
        }
        if let Some(past) = self.past.get_mut(number) {
            *past = None;
        }
        self.waited(number);
        let pace = self.pace(component, now);
        if let Some(wave) = self.waves.get_mut(number) {
            *wave = Some(Wave::new(component, slot, groups, pace));
        }
        self.advance(number, now);
    }

    /// Notes that a group's slot begins, and how many it missed.
    fn enter(&mut self, at: usize, slot: i64) {
        let (Some(group), Some(state)) = (self.set.groups.get(at), self.states.groups.get_mut(at))
        else {
            return;
        };
        let quick = state.is_quick(group.cadence.interval());
        // What passed while nobody was there is not for want of time.
        let first = std::mem::take(&mut state.first_of_epoch);
        let last = state.last_slot;
        let passed = last.map_or(0, |last| group.cadence.between(last, slot));
        let missed = if first { 0 } else { passed };
        state.last_slot = Some(slot);
        state.made_up = None;
        state.fresh = false;
        state.samples = 0;
        state.endpoints.clear();
        state.missed += missed;
        let mut lost = 0;
        for (rule, of) in group.rules.iter().zip(&mut state.rules) {
            if passed == 0 && of.caught_up == 0 {
                continue;
            }
            let of = Arc::make_mut(of);
            let caught_up = std::mem::take(&mut of.caught_up);
            let left = passed.saturating_sub(caught_up);
            of.missed += left;
            state.caught_up += caught_up;
            lost += if rule.key.alerting { 0 } else { left };
        }
        let lapse = state.lapse.take();
        if missed > 0 {
            self.effects.push_back(Effect::Say(Word::Missed {
                group: group.key.joined(),
                slots: missed,
            }));
        }
        if lost > 0 {
            let word = lost_word(group, lost, (passed, quick), lapse);
            self.effects.push_back(Effect::Say(word));
        }
    }

    /// Begins what may begin, and ends the slot if nothing is left.
    pub(super) fn advance(&mut self, number: usize, now: i64) {
        let set = Arc::clone(&self.set);
        let Some(component) = set.components.get(number) else {
            return;
        };
        let light = Arc::clone(&self.light);
        let room = |rule: usize| room(&set, &light, component, rule);
        loop {
            let Some(Some(wave)) = self.waves.get_mut(number) else {
                return;
            };
            let Some(rule) = wave.begin(room) else {
                if wave.is_over() {
                    self.leave(number, now);
                }
                return;
            };
            let (slot, past) = (wave.slot, wave.past);
            let Some((group, rule_at)) = component.rules.get(rule).copied() else {
                return;
            };
            if past && self.passes_over((number, component), rule, slot, now) {
                if let Some(Some(wave)) = self.waves.get_mut(number) {
                    wave.finish(component, rule);
                }
                continue;
            }
            let place = (group, rule_at);
            let mut running = Running::new((number, rule), place, slot, now, Stage::Expression);
            running.lack = match past {
                true => None,
                false => self.lack((number, component), rule, slot),
            };
            self.note_turn(number, place, now);
            self.start(running);
        }
    }

    /// Has a wave take what was asked for before it: the evaluations of its slot that are under way. Others count no more.
    pub(super) fn take_running(&mut self, number: usize, component: &Component, wave: &mut Wave) {
        let (set, light) = (&self.set, &self.light);
        self.running.retain(|_, running| {
            let takes = room(set, light, component, running.number).takes;
            running.component != number
                || matches!(running.stage, Stage::Range(_))
                || running.slot == wave.slot && wave.take(component, running.number, takes)
        });
    }

    fn leave(&mut self, number: usize, now: i64) {
        let Some(Some(wave)) = self.waves.get_mut(number).map(Option::take) else {
            return;
        };
        if wave.past {
            self.expect(number);
            return;
        }
        for group in &wave.groups {
            if let Some(state) = self.states.groups.get_mut(*group) {
                state.took_before =
                    std::mem::replace(&mut state.took, now.saturating_sub(wave.slot));
                state.iterations += 1;
            }
        }
        self.tell_slot(&wave.groups, wave.slot);
        self.expect(number);
    }

    fn start(&mut self, mut running: Running) {
        let Some(rule) = self.rule(running.group, running.rule) else {
            return;
        };
        let group = self.set.groups.get(running.group);
        let interval = group.map_or(0, |group| group.cadence.interval());
        let wave = self.waves.get(running.component).and_then(Option::as_ref);
        let left = wave.map_or(interval, |wave| wave.left(interval, running.began));
        running.until = running.began.saturating_add(left);
        let expr = Arc::clone(&rule.definition.expr);
        let evaluation = self.evaluation(&running, expr, rule.reads_own, running.began);
        let Some(mut evaluation) = evaluation else {
            return;
        };
        evaluation.every = Some(interval);
        if self.is_past(&running) {
            evaluation.measured_since =
                measured_since(&evaluation.expr, evaluation.at, evaluation.options);
        }
        self.running.insert(evaluation.id, running);
        self.effects.push_back(Effect::Evaluate(evaluation));
    }

    /// An evaluation for a rule under way that begins now.
    pub(super) fn evaluation(
        &mut self,
        running: &Running,
        expr: Arc<Expr>,
        reads_own: bool,
        now: i64,
    ) -> Option<Evaluation> {
        let group = self.set.groups.get(running.group)?;
        let at = running.slot.saturating_sub(group.query_offset);
        let params = group.definition.params.clone().into();
        Some(Evaluation {
            id: self.next_id(),
            expr,
            at,
            range: None,
            options: self.set.settings.options,
            measured_since: None,
            own: reads_own.then(|| self.overlay.clone()),
            params,
            within: running.until.saturating_sub(now),
            every: None,
        })
    }

    fn is_past(&self, running: &Running) -> bool {
        let wave = self.waves.get(running.component).and_then(Option::as_ref);
        wave.is_some_and(|wave| wave.past)
    }

    /// Gives an evaluation that begins a name.
    pub(super) fn begin(&mut self, running: Running) -> EvaluationId {
        let id = self.next_id();
        self.running.insert(id, running);
        id
    }

    fn next_id(&mut self) -> EvaluationId {
        let id = EvaluationId(self.next);
        self.next += 1;
        id
    }

    pub(super) fn rule(&self, group: usize, rule: usize) -> Option<Arc<Rule>> {
        self.set.groups.get(group)?.rules.get(rule).cloned()
    }

    /// An evaluation ended. One of rules that are no more is passed over.
    pub fn evaluated(&mut self, id: EvaluationId, result: Result<Answered, String>, now: Now) {
        let at = now.wall.unix_millis();
        if let Some(asked) = self.asked.remove(&id) {
            self.replied(asked, result, at);
            return;
        }
        let Some(running) = self.running.remove(&id) else {
            return;
        };
        let Some(rule) = self.rule(running.group, running.rule) else {
            return;
        };
        if let Stage::Range(span) = running.stage {
            self.recalled((running.component, running.number), span, result, at);
            return;
        }
        match result {
            Err(reason) => self.finish(&running, Outcome::Failed(reason), at),
            Ok(answered) => {
                self.weigh((running.group, running.rule), answered.light);
                let answered = self.named(running.group, answered);
                self.expand((id, running), rule, answered, at);
            }
        }
    }

    /// Takes in what became of a rule, and goes on with those after it.
    pub(super) fn finish(&mut self, running: &Running, outcome: Outcome, now: i64) {
        if let Some(rule) = self.rule(running.group, running.rule) {
            self.settle(&rule, running, outcome, now);
        }
        if let Some(Some(wave)) = self.waves.get_mut(running.component)
            && let Some(component) = self.set.components.get(running.component)
        {
            wave.finish(component, running.number);
        }
        self.advance(running.component, now);
    }

    fn weigh(&mut self, rule: (usize, usize), light: bool) {
        if light != self.light.contains(&rule) {
            let all = Arc::make_mut(&mut self.light);
            match light {
                true => all.insert(rule),
                false => all.remove(&rule),
            };
        }
    }

    fn settle(&mut self, rule: &Rule, running: &Running, outcome: Outcome, now: i64) {
        if self.is_past(running) {
            let slot = running.slot;
            self.apply_past((running.group, running.rule), rule, (slot, now), outcome);
            return;
        }
        let outcome = match &running.lack {
            Some(lack) => outcome.lacking(lack),
            None => outcome,
        };
        self.apply(running, rule, now, outcome);
    }

    pub(super) fn group_key(&self, group: usize) -> Option<GroupKey> {
        Some(self.set.groups.get(group)?.key.clone())
    }
}

/// What a rule takes of the room that its group has, by its number in the component.
fn room(
    set: &RuleSet,
    light: &BTreeSet<(usize, usize)>,
    component: &Component,
    rule: usize,
) -> Room {
    let place = component.rules.get(rule);
    let group = place.and_then(|(group, _)| set.groups.get(*group));
    match group.and_then(|group| group.definition.concurrency) {
        Some(own) => Room { takes: 1, of: own },
        None => Room {
            takes: match place.is_some_and(|place| light.contains(place)) {
                true => 1,
                false => LIGHT,
            },
            of: CONCURRENCY * LIGHT,
        },
    }
}
