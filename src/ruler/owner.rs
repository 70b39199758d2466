//! Who evaluates what: each component of groups has one owner, of the nodes that are ready and have the same rules the
//! first in the order of a hash. An owner counts its epoch up when it begins; what older owners still say loses.
//!
//! While the mesh is cut, each side has an owner of its own: better evaluated twice than not at all. Alerts of both merge.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    alerting::Version,
    depend::Component,
    effect::{Effect, Word},
    machine::Ruler,
    record::{Ailing, GroupSummary, RuleHashes, RuleRecord, RuleRecordKey, RuleValue},
    set::{ComponentId, GroupKey, RuleKey},
    state::{Claim, GroupState, Health, RuleState},
};
use crate::{cluster::NodeName, labels::LabelSet, time::Now};

/// After so many milliseconds without an evaluation that was due nobody knows whether the condition of a pending alert held all the
/// time (Prometheus's `--rules.alert.for-outage-tolerance`).
const PENDING_KEPT: i64 = 3600 * 1000;

/// How long an epoch lasts, at least, before its owner counts up against a node that is out of sight; milliseconds. Two
/// nodes that hear of each other by a third one only must not do so with all that they hear.
const UNSEEN: i64 = 60_000;

/// The most endpoints of a group that other nodes are told of.
const ENDPOINTS: usize = 64;

/// Who is there to evaluate rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// This node; empty outside of meshes.
    pub me: NodeName,
    /// Whether this node may evaluate: it knows what the others know, and does not stop.
    pub ready: bool,
    /// Other nodes that may, with what rules they have.
    pub others: BTreeMap<NodeName, RuleHashes>,
}

impl Members {
    /// A node that is alone.
    #[must_use]
    pub fn alone(me: &str) -> Self {
        Self {
            me: me.into(),
            ready: true,
            others: BTreeMap::new(),
        }
    }

    /// The owner of a component that this node has; `None` if there is nobody.
    fn owner(&self, id: &ComponentId) -> Option<&NodeName> {
        let own = self.ready.then_some(&self.me);
        if id.everywhere {
            return own;
        }
        let others = self.others.iter();
        let others = others.filter(|(_, hashes)| hashes.contains(&id.hash));
        let all = others.map(|(name, _)| name).chain(own);
        all.max_by_key(|name| (rank(name, &id.name), Arc::clone(name)))
    }

    fn has(&self, name: &str, hash: u64) -> bool {
        let hashes = self.others.get(name);
        hashes.is_some_and(|hashes| hashes.contains(&hash))
    }
}

/// Where a node stands in the order of a component's owners; the highest owns it. A node that comes or goes moves only
/// what is its own.
fn rank(node: &str, component: &str) -> u64 {
    let mut contents = super::record::Contents::new();
    contents.text(node);
    contents.text(component);
    contents.finish()
}

/// What is put into words of what changed hands.
#[derive(Debug, Default)]
struct Moves {
    /// By the node before: groups, and the highest epoch.
    took: BTreeMap<NodeName, (usize, u64)>,
    gave: BTreeMap<NodeName, usize>,
}

impl Ruler {
    /// Takes in who is there.
    pub fn members(&mut self, members: Members, now: Now) {
        self.members = Some(members);
        self.settle_owners(now);
    }

    /// Takes in what was kept before the start, or what other nodes know, but nothing that is of another node alone. Records
    /// of rules that this node does not have are passed over: they are to be given again with other rules.
    pub fn learn(&mut self, records: &[Arc<RuleRecord>], now: Now) {
        let at = now.wall.unix_millis();
        let set = Arc::clone(&self.set);
        let mut heard = BTreeSet::new();
        for record in records {
            let Some(group) = set.place_of(&record.key.group) else {
                continue;
            };
            let everywhere = set.groups.get(group).is_some_and(|group| group.everywhere);
            if record.key.node.is_some() != everywhere {
                continue;
            }
            match (&record.key.alert, &record.value) {
                (None, RuleValue::Group(summary)) => {
                    self.learn_group(group, record.version, summary, at);
                }
                (Some((rule, labels)), _) => {
                    let rules = set.groups.get(group).map(|group| &group.rules);
                    let place = rules.and_then(|of| of.iter().position(|one| one.key == *rule));
                    if let Some(place) = place {
                        self.learn_alert((group, place), record, labels, at);
                        heard.insert((group, place));
                    }
                }
                (None, RuleValue::Forgotten | RuleValue::Alert(_)) => {}
            }
        }
        for (group, place) in heard {
            let of = self.states.groups.get_mut(group);
            let of = of.filter(|of| of.owned.is_some());
            if let Some(rule) = of.and_then(|of| of.rules.get_mut(place)) {
                Arc::make_mut(rule).goes_on();
            }
        }
        self.settle_owners(now);
    }

    fn learn_alert(
        &mut self,
        (group, place): (usize, usize),
        record: &RuleRecord,
        labels: &LabelSet,
        at: i64,
    ) {
        let instance = match &record.value {
            RuleValue::Alert(instance) => Some(instance),
            RuleValue::Forgotten | RuleValue::Group(_) => None,
        };
        let state = self.states.groups.get_mut(group);
        let Some(state) = state.and_then(|state| state.rules.get_mut(place)) else {
            return;
        };
        let alerts = &mut Arc::make_mut(state).alerts;
        if let Some(version) = alerts.learn(labels, record.version, instance, at) {
            let instance = alerts.tell_others(labels, version);
            let more = RuleRecord {
                key: record.key.clone(),
                version,
                interval: record.interval,
                value: instance.map_or(RuleValue::Forgotten, RuleValue::Alert),
            };
            self.effects.push_back(Effect::Keep(vec![more]));
        }
    }

    fn learn_group(&mut self, group: usize, version: Version, summary: &GroupSummary, now: i64) {
        let Some(state) = self.states.groups.get_mut(group) else {
            return;
        };
        let known = state.claim.as_ref().map(|claim| claim.epoch);
        if known.is_none_or(|known| known <= version.epoch) {
            state.claim = Some(Claim {
                epoch: version.epoch,
                owner: Arc::clone(&summary.owner),
            });
        }
        if state.owned.is_none() {
            state.follow(version.slot, summary, now);
        }
    }

    /// Takes over what is this node's now, and gives up what is another's.
    pub(super) fn settle_owners(&mut self, now: Now) {
        let Some(members) = self.members.clone() else {
            return;
        };
        let set = Arc::clone(&self.set);
        let mut moves = Moves::default();
        for (number, id) in set.ids.iter().enumerate() {
            let owner = members.owner(id);
            let mine = owner.is_some_and(|owner| *owner == members.me);
            match (self.owned(number), mine) {
                (None, true) => self.take_over(number, &mut moves, now),
                (Some(epoch), true) if self.is_overtaken(number, id, epoch, &members, now) => {
                    self.take_over(number, &mut moves, now);
                }
                (_, false) if self.owns_some(number) => {
                    let to = owner.cloned().unwrap_or_default();
                    *moves.gave.entry(to).or_default() += self.give_up(number);
                }
                (Some(_), true) | (_, false) => {}
            }
        }
        self.say_moves(moves, &members);
        self.expect_all();
    }

    fn say_moves(&mut self, moves: Moves, members: &Members) {
        for (from, (groups, epoch)) in moves.took {
            let lives = members.others.contains_key(&from);
            self.effects.push_back(Effect::Say(Word::TookOver {
                groups,
                from,
                lives,
                epoch,
            }));
        }
        for (to, groups) in moves.gave {
            self.effects
                .push_back(Effect::Say(Word::HandedOver { groups, to }));
        }
    }

    /// The epoch under which this node owns a component.
    pub(super) fn owned(&self, component: usize) -> Option<u64> {
        let groups = &self.set.components.get(component)?.groups;
        let mut epochs = groups
            .iter()
            .map(|group| self.states.groups.get(*group)?.owned);
        let first = epochs.next()??;
        epochs.all(|epoch| epoch == Some(first)).then_some(first)
    }

    /// Whether this node owns groups of a component: of one that a reload put together perhaps not all, or under epochs that
    /// differ.
    fn owns_some(&self, component: usize) -> bool {
        let groups = self.set.components.get(component);
        let mut groups = groups.into_iter().flat_map(|of| &of.groups);
        groups.any(|group| {
            let state = self.states.groups.get(*group);
            state.is_some_and(|state| state.owned.is_some())
        })
    }

    fn claims(&self, component: usize) -> impl Iterator<Item = &Claim> {
        let groups = self.set.components.get(component);
        let groups = groups.into_iter().flat_map(|of| &of.groups);
        let states = groups.filter_map(|group| self.states.groups.get(*group));
        states.filter_map(|state| state.claim.as_ref())
    }

    /// Whether another node has a component under an epoch that beats the own, and does not go on with it. Whoever began
    /// while it did not see this node gives up now that it does; one that is gone does nothing. But a node with other
    /// rules goes on, and counting up against it would never end. An epoch that beats the own may be of this very node, from
    /// before it lost its disk.
    fn is_overtaken(
        &self,
        component: usize,
        id: &ComponentId,
        epoch: u64,
        members: &Members,
        now: Now,
    ) -> bool {
        let groups = self.set.components.get(component).map(|of| &of.groups);
        let states = groups.into_iter().flatten();
        let states = states.filter_map(|group| self.states.groups.get(*group));
        let since = states.map(|state| state.owned_since).max().unwrap_or(0);
        let long = now.wall.unix_millis().saturating_sub(since) >= UNSEEN;
        self.claims(component).any(|claim| {
            if claim.owner == members.me {
                return claim.epoch > epoch;
            }
            let gone = !members.others.contains_key(&claim.owner);
            claim.epoch >= epoch && (members.has(&claim.owner, id.hash) || gone && long)
        })
    }

    fn take_over(&mut self, number: usize, moves: &mut Moves, now: Now) {
        let set = Arc::clone(&self.set);
        let me = self.me();
        let Some(component) = set.components.get(number) else {
            return;
        };
        let known = self.claims(number).map(|claim| claim.epoch).max();
        let epoch = known.unwrap_or(0).saturating_add(1);
        let before: BTreeSet<NodeName> = self
            .claims(number)
            .filter(|claim| claim.owner != me)
            .map(|claim| Arc::clone(&claim.owner))
            .collect();
        if let Some(from) = before.first() {
            let took = moves.took.entry(Arc::clone(from)).or_default();
            took.0 += component.groups.len();
            took.1 = took.1.max(epoch);
            self.states.takeovers += 1;
        }
        self.begin_under(epoch, number, component, now);
    }

    /// Begins anew with a component that this node has.
    pub(super) fn begin_again(&mut self, number: usize, now: Now) {
        let set = Arc::clone(&self.set);
        let epoch = self.claims(number).map(|claim| claim.epoch).max();
        if let (Some(component), Some(epoch)) = (set.components.get(number), epoch) {
            self.begin_under(epoch.saturating_add(1), number, component, now);
        }
    }

    fn begin_under(&mut self, epoch: u64, number: usize, component: &Component, now: Now) {
        let at = now.wall.unix_millis();
        let mut records = Vec::new();
        self.interrupt(number);
        for group in &component.groups {
            self.begin_epoch(*group, epoch, at, &mut records);
        }
        self.effects.push_back(Effect::Keep(records));
        self.drop_wave(number);
    }

    /// What is under way of a component counts no more.
    fn drop_wave(&mut self, number: usize) {
        if let Some(wave) = self.waves.get_mut(number) {
            *wave = None;
        }
        if let Some(past) = self.past.get_mut(number) {
            *past = None;
        }
        self.forget_recall(number);
        self.running
            .retain(|_, running| running.component != number);
    }

    /// Says of a group that it is this node's. What it knows of alerts it says under its epoch as soon as it has seen for
    /// itself how they are: until then others may know more. Whoever was paused hears who had its groups before it hears what
    /// became of them, and whoever sees no endpoint knows nothing better than whoever does.
    fn begin_epoch(&mut self, at: usize, epoch: u64, now: i64, records: &mut Vec<RuleRecord>) {
        let set = Arc::clone(&self.set);
        let me = self.me();
        let (Some(group), Some(state)) = (set.groups.get(at), self.states.groups.get_mut(at))
        else {
            return;
        };
        // The slot of now may be evaluated yet, and what comes of it must count.
        let slot = group.cadence.slot(now).saturating_sub(1);
        let version = Version { epoch, slot };
        let node = group.everywhere.then(|| Arc::clone(&me));
        state.fresh = state.last_slot.is_none();
        let set_back = state.before_the_clock_was_set_back(group.cadence.slot(now), now);
        let last = state.last_slot;
        let interval = group.cadence.interval();
        let due = last.map(|last| group.cadence.after(last));
        let long_ago = due.is_some_and(|due| now.saturating_sub(due) > PENDING_KEPT);
        state.owned = Some(epoch);
        state.made_up = None;
        state.under_way.take_if(|left| left.past || left.slot > now);
        state.lapse = None;
        state.claim = Some(Claim {
            epoch,
            owner: Arc::clone(&me),
        });
        state.first_of_epoch = true;
        state.owned_since = now;
        for (rule, of) in group.rules.iter().zip(&mut state.rules) {
            let of = Arc::make_mut(of);
            of.alerts.collect(interval, now);
            if long_ago {
                of.dropped.extend(of.alerts.drop_pending(now, now));
            }
            if set_back {
                let all: Vec<LabelSet> = of.alerts.all().map(|(one, _)| one.clone()).collect();
                let of_rule = (node.clone(), group.key.clone(), rule.key.clone());
                records.extend(of.tell(&of_rule, all, (version, interval)));
            }
            if rule.key.alerting {
                of.goes_on();
            }
            // What others wrote since is asked for.
            if of.known.span().map(|(_, last)| last) < last {
                of.unwritten = Default::default();
            }
        }
        let summary = GroupSummary {
            owner: me,
            ..state.summary()
        };
        records.push(RuleRecord {
            key: RuleRecordKey::group(node, group.key.clone()),
            version: Version {
                epoch,
                slot: last.unwrap_or(slot),
            },
            interval,
            value: RuleValue::Group(summary),
        });
    }

    /// Evaluates a component no more; tells how many of its groups this node had.
    fn give_up(&mut self, number: usize) -> usize {
        let set = Arc::clone(&self.set);
        let groups = set.components.get(number).map(|of| &of.groups);
        let groups = groups.into_iter().flatten();
        let mut count = 0;
        for group in groups {
            if let Some(state) = self.states.groups.get_mut(*group) {
                count += usize::from(state.owned.take().is_some());
                state.under_way = None;
                for rule in &mut state.rules {
                    let rule = Arc::make_mut(rule);
                    rule.alive = Default::default();
                    rule.dropped.clear();
                }
            }
        }
        self.drop_wave(number);
        count
    }

    /// Tells other nodes what became of the slot of a group.
    pub(super) fn tell_slot(&mut self, groups: &[usize], slot: i64) {
        let me = self.me();
        let mut records = Vec::with_capacity(groups.len());
        for at in groups {
            let (Some(group), Some(state)) =
                (self.set.groups.get(*at), self.states.groups.get(*at))
            else {
                continue;
            };
            let Some(epoch) = state.owned else { continue };
            records.push(RuleRecord {
                key: RuleRecordKey::group(
                    group.everywhere.then(|| Arc::clone(&me)),
                    group.key.clone(),
                ),
                version: Version { epoch, slot },
                interval: group.cadence.interval(),
                value: RuleValue::Group(GroupSummary {
                    owner: Arc::clone(&me),
                    evaluated: true,
                    ..state.summary()
                }),
            });
        }
        if !records.is_empty() {
            self.effects.push_back(Effect::Keep(records));
        }
    }

    /// Whether another node goes on with a component of rules that this one had.
    pub(super) fn others_have(&self, id: &ComponentId) -> bool {
        let members = self.members.as_ref();
        members.is_some_and(|members| {
            let mut others = members.others.values();
            !id.everywhere && others.any(|hashes| hashes.contains(&id.hash))
        })
    }

    /// Whose records those of a group are, if they are of this node alone.
    pub(super) fn node_of(&self, group: &GroupKey) -> Option<NodeName> {
        let place = self.set.place_of(group)?;
        let everywhere = self.set.groups.get(place)?.everywhere;
        everywhere.then(|| self.me())
    }

    pub(super) fn me(&self) -> NodeName {
        let members = self.members.as_ref();
        members.map_or_else(NodeName::default, |members| Arc::clone(&members.me))
    }
}

impl RuleState {
    /// What is known of some of its alerts, for other nodes.
    pub(super) fn tell(
        &mut self,
        (node, group, rule): &(Option<NodeName>, GroupKey, RuleKey),
        labels: impl IntoIterator<Item = LabelSet>,
        (version, interval): (Version, i64),
    ) -> Vec<RuleRecord> {
        let record = |labels: LabelSet| RuleRecord {
            value: match self.alerts.tell_others(&labels, version) {
                Some(instance) => RuleValue::Alert(instance),
                None => RuleValue::Forgotten,
            },
            key: RuleRecordKey::alert(node.clone(), group.clone(), rule.clone(), labels),
            version,
            interval,
        };
        labels.into_iter().map(record).collect()
    }
}

impl GroupState {
    /// What other nodes are told of it.
    fn summary(&self) -> GroupSummary {
        let ailing = self.rules.iter().enumerate();
        let ailing = ailing
            .filter_map(|(at, rule)| Ailing::of(at, &rule.last_error, &rule.missing, rule.held));
        GroupSummary {
            owner: NodeName::default(),
            evaluated: self.last_slot.is_some(),
            took: self.took,
            missed: self.missed,
            endpoints: self.endpoints.iter().take(ENDPOINTS).cloned().collect(),
            ailing: ailing.collect(),
        }
    }

    /// Nothing of it is later than now; tells whether something was.
    fn before_the_clock_was_set_back(&mut self, slot: i64, now: i64) -> bool {
        let Some(last) = self.last_slot.filter(|last| *last > now) else {
            return false;
        };
        self.last_slot = Some(slot);
        for rule in &mut self.rules {
            let rule = Arc::make_mut(rule);
            rule.alerts.shift(last.saturating_sub(slot));
            rule.holes = Default::default();
        }
        true
    }

    /// Follows what its owner says of it.
    fn follow(&mut self, slot: i64, summary: &GroupSummary, now: i64) {
        // What is later than now was said by a clock that is set back since.
        let later = |last: i64| slot < last && last <= now;
        if !summary.evaluated || self.last_slot.is_some_and(later) {
            return;
        }
        self.last_slot = Some(slot);
        self.took = summary.took;
        self.missed_elsewhere = summary.missed;
        self.endpoints = summary.endpoints.iter().cloned().collect();
        for (at, rule) in (0_u32..).zip(&mut self.rules) {
            let rule = Arc::make_mut(rule);
            let ailing = summary.ailing.iter().find(|ailing| ailing.rule == at);
            rule.last_evaluation = Some(slot);
            rule.last_error = ailing.map(|one| one.error.clone()).unwrap_or_default();
            rule.missing = ailing.map(|one| one.missing.clone()).unwrap_or_default();
            let held = ailing.map_or(0, |one| one.held);
            rule.held = usize::try_from(held).unwrap_or(usize::MAX);
            rule.health = match rule.last_error.is_empty() {
                true => Health::Ok,
                false => Health::Err,
            };
        }
    }
}
