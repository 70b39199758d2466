//! What must hold of rulers, whatever happened: G1, G2, G3, G6, G7 and G8.
//!
//! G1: a slot is begun at most once under one owner, and soon after it is due. G2: `for` and `keep_firing_for` do not begin
//! anew because a node is lost. G3: nothing ends because an endpoint does not answer. G6: nobody is told again because the
//! owner changed. G7: whoever comes or goes moves only what is its own. G8: whatever hangs, no slot is missed.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use watchfire::{
    alert::AlertStatus,
    ruler::{Phase, RuleValue},
};

use super::{
    super::{host::BEGINNING, world::World},
    ruling::{Begun, Kept, Ruling, group_of},
};
use crate::sim::secs;

/// How long it takes, at most, until another node evaluates what a node evaluated that is gone.
const FAILOVER: Duration = Duration::from_secs(20);

/// A node is ready so long after its start, whatever it knows then.
const READY: Duration = Duration::from_secs(65);

fn clock_of(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis - BEGINNING * 1000).unwrap_or(0))
}

/// An alert became active.
#[derive(Debug)]
struct Beginning {
    group: usize,
    /// Which time in which the condition holds.
    row: i64,
    active_at: i64,
    host: usize,
    /// When the slot was begun, and when its end was noted.
    begun: Duration,
    noted: Duration,
}

impl Ruling {
    /// G1, the first half.
    pub(super) fn check_epochs(&self, violations: &mut Vec<String>) {
        let mut seen = BTreeSet::new();
        let mut last = BTreeMap::new();
        let mut firsts: BTreeMap<(usize, u64), &Begun> = BTreeMap::new();
        for begun in &self.begun {
            let under = (begun.group, begun.slot, begun.epoch);
            firsts.entry((begun.group, begun.epoch)).or_insert(begun);
            let unknown = last.get(&begun.group).is_some_and(|before: &&Begun| {
                let first = firsts[&(before.group, before.epoch)];
                // Who lost its disk may have had the same epoch before; it counts on from one that is higher.
                let under = (begun.host, begun.life, begun.group, begun.epoch);
                let taken = self
                    .taken
                    .get(&under)
                    .filter(|_| before.epoch == begun.epoch);
                let at = taken.copied().unwrap_or(begun.at);
                !self.knew(begun.host, at, first.host, first.at)
            });
            // Nobody may know of a node that owned it, or two may not know of each other.
            let excused = unknown || self.was_divided(begun.at.saturating_sub(FAILOVER), begun.at);
            if !seen.insert(under) && !excused {
                violations.push(format!("G1: begun twice under one owner: {begun:?}"));
            }
            let before = last.insert(begun.group, begun);
            if let Some(before) = before
                && (before.host, before.life) != (begun.host, begun.life)
                && before.epoch >= begun.epoch
                && !excused
            {
                violations.push(format!(
                    "G1: another owner under no later epoch: {before:?}, {begun:?}"
                ));
            }
        }
    }

    /// G1, the second half: nothing waits longer than its interval and the failover, while there is a node that is well.
    pub(super) fn check_gaps(&self, until: Duration, hosts: usize, violations: &mut Vec<String>) {
        for group in 0..self.groups() {
            let interval = Duration::from_millis(u64::try_from(self.interval(group)).unwrap());
            let most = interval + FAILOVER;
            let begun = self.begun.iter().filter(|begun| begun.group == group);
            let mut times: Vec<Duration> = begun.map(|begun| begun.at).collect();
            times.push(until);
            let mut before = Duration::ZERO;
            for at in times {
                // A node that came up within counts from when it is ready.
                let mut from = before;
                while from + most < at {
                    let well = |host| self.was_well(host, from.saturating_sub(READY), from + most);
                    if from >= READY && (0..hosts).any(well) {
                        violations.push(format!(
                            "G1: group {group} was not evaluated from {from:?} to {at:?}"
                        ));
                        return;
                    }
                    from += secs(5);
                }
                before = at;
            }
        }
    }

    /// G8: an owner that goes on evaluates each slot, whatever endpoints do.
    pub(super) fn check_slots(&self, violations: &mut Vec<String>) {
        let mut last: BTreeMap<(usize, usize, u64, u64), &Begun> = BTreeMap::new();
        for begun in &self.begun {
            let owner = (begun.group, begun.host, begun.life, begun.epoch);
            let Some(before) = last.insert(owner, begun) else {
                continue;
            };
            let next = before.slot + self.interval(begun.group);
            // A host that is paused counts as divided from the others.
            if begun.slot > next && !self.was_divided(before.at, begun.at) {
                violations.push(format!("G8: slots were missed: {before:?}, {begun:?}"));
            }
        }
    }

    fn beginnings(&self) -> Vec<Beginning> {
        let mut beginnings = Vec::new();
        for kept in &self.kept {
            let RuleValue::Alert(instance) = &kept.record.value else {
                continue;
            };
            let (group, slot) = (group_of(&kept.record.key.group.name), instance.active_at);
            let mut begun = self.begun.iter().rev();
            let begun = begun.find(|begun| {
                begun.group == group
                    && begun.slot == slot
                    && begun.host == kept.host
                    && begun.at <= kept.at
            });
            if instance.phase == Phase::Resolved || kept.record.version.slot != slot {
                continue;
            }
            if let Some((row, _)) = self.truth.row(group, slot)
                && let Some(begun) = begun
            {
                beginnings.push(Beginning {
                    group,
                    row,
                    active_at: slot,
                    host: kept.host,
                    begun: begun.at,
                    noted: kept.at,
                });
            }
        }
        beginnings
    }

    /// G2: while a condition holds, its alert has one beginning, as far as whoever evaluates it can know of it.
    pub(super) fn check_beginnings(&self, violations: &mut Vec<String>) {
        let beginnings = self.beginnings();
        for late in &beginnings {
            let known = beginnings.iter().find(|early| {
                (early.group, early.row) == (late.group, late.row)
                    && early.active_at < late.active_at
                    && self.knew(late.host, late.begun, early.host, early.noted)
            });
            if let Some(early) = known {
                violations.push(format!("G2: {early:?}, and again {late:?}"));
            }
        }
        for kept in &self.kept {
            if let RuleValue::Alert(instance) = &kept.record.value
                && instance.phase != Phase::Resolved
                && let group = group_of(&kept.record.key.group.name)
                && let mut begun = beginnings.iter()
                && !begun.any(|it| it.group == group && it.active_at == instance.active_at)
                && self.truth.row(group, instance.active_at).is_some()
            {
                violations.push(format!("G2: nobody began it then: {kept:?}"));
            }
        }
    }

    /// G2: nothing ends by an answer about a slot before one in which it is known to be active.
    pub(super) fn check_order(&self, violations: &mut Vec<String>) {
        let active = |kept: &Kept| match &kept.record.value {
            RuleValue::Alert(instance) => instance.phase != Phase::Resolved,
            RuleValue::Forgotten | RuleValue::Group(_) => false,
        };
        let mut before: Vec<&Kept> = Vec::new();
        for kept in &self.kept {
            if active(kept) {
                before.push(kept);
                continue;
            }
            let undone = before.iter().find(|early| {
                early.record.key == kept.record.key
                    && early.record.version.slot > kept.record.version.slot
                    && self.knew(kept.host, kept.at, early.host, early.at)
            });
            if let Some(early) = undone {
                violations.push(format!("G2: {early:?}, and ended before: {kept:?}"));
            }
        }
    }

    /// Whether an alert began more than once in a row.
    fn began_again(&self, group: usize, row: i64) -> bool {
        let beginnings = self.beginnings();
        let of = beginnings
            .iter()
            .filter(|it| it.group == group && it.row == row);
        let times: BTreeSet<i64> = of.map(|it| it.active_at).collect();
        times.len() > 1
    }

    /// G3: what ended had ended.
    pub(super) fn check_ends(&self, violations: &mut Vec<String>) {
        for (at, host, told) in &self.told {
            let end = told.ends_at.unix_millis();
            if clock_of(end) > *at {
                continue;
            }
            let name = told.labels.value("alertname");
            let group = group_of(name);
            if self.truth.row(group, end).is_some() {
                violations.push(format!(
                    "G3: n{} told at {at:?} that {name} ended at {:?}, and it did not",
                    host + 1,
                    clock_of(end)
                ));
            }
        }
    }
}

impl World {
    /// G6: one notification of each beginning.
    pub(super) fn check_notified(&self, violations: &mut Vec<String>) {
        let Some(ruling) = &self.ruling else { return };
        let mut firing: BTreeMap<(&str, i64), (usize, Duration)> = BTreeMap::new();
        for sent in self.visible() {
            for (name, (fires, since)) in &sent.alerts {
                let group = group_of(name);
                if !fires {
                    // Whoever knew nothing of an end that was told goes on with what had begun before it.
                    firing.retain(|(of, from), _| {
                        let row = ruling.truth.row(group, *from);
                        of != name || row.is_some_and(|(_, to)| sent.began < clock_of(to))
                    });
                    continue;
                }
                let Some((from, _)) = ruling.truth.row(group, since.unix_millis()) else {
                    continue;
                };
                let told = (name.as_str(), from);
                let Some((teller, at)) = firing.insert(told, (sent.host, sent.began)) else {
                    continue;
                };
                let begun = clock_of(from);
                let excused = !ruling.knew(sent.host, sent.began, teller, at)
                    || ruling.was_divided(begun, sent.began)
                    || ruling.began_again(group, from);
                if !excused {
                    violations.push(format!("G6: told again: {}", sent.text()));
                }
            }
        }
    }

    /// With everything well, one node evaluates each group and all know the same.
    pub(super) fn check_agreement(&mut self, violations: &mut Vec<String>) {
        let hosts: Vec<usize> = (0..self.hosts.len()).collect();
        let wall = self.wall().unix_millis();
        let views: Vec<_> = hosts.iter().map(|host| self.view(*host)).collect();
        let Some(ruling) = &self.ruling else { return };
        for group in 0..ruling.groups() {
            let states: Vec<_> = hosts
                .iter()
                .map(|host| &ruling.ruler(*host).unwrap().states().groups[group])
                .collect();
            let owners = states.iter().filter(|state| state.owned.is_some()).count();
            if owners != 1 {
                violations.push(format!("group {group} has {owners} owners"));
            }
            let known: BTreeSet<String> = states
                .iter()
                .map(|state| {
                    let alerts = state.rules[0].alerts.active();
                    let alerts =
                        alerts.map(|(labels, it)| (labels, it.phase, it.active_at, it.fired_at));
                    format!("{:?} {:?}", state.claim, alerts.collect::<Vec<_>>())
                })
                .collect();
            if known.len() > 1 {
                violations.push(format!(
                    "nodes know different things of group {group}: {known:?}"
                ));
            }
            for (state, host) in states.iter().zip(&hosts) {
                let late = wall - state.last_slot.unwrap_or(0);
                if late > ruling.interval(group) + 2000 {
                    violations.push(format!("n{} thinks group {group} {late} ms late", host + 1));
                }
            }
            let fires = |state: &&&watchfire::ruler::GroupState| {
                let mut alerts = state.rules[0].alerts.active();
                alerts.any(|(_, instance)| instance.phase == Phase::Firing)
            };
            let fires = states.iter().filter(fires).count() > 0;
            let name = format!("D{group}");
            for (view, host) in views.iter().zip(&hosts) {
                let mut alerts = view.alerts.values().filter(|alert| *alert.name() == *name);
                let known =
                    alerts.any(|alert| alert.status_at(view.at.wall) == AlertStatus::Firing);
                if known != fires {
                    violations.push(format!(
                        "n{}: {name} fires: {known}, and should: {fires}",
                        host + 1
                    ));
                }
            }
        }
    }

    /// Who evaluates each group.
    pub(super) fn owners(&self) -> Vec<Option<usize>> {
        let Some(ruling) = &self.ruling else {
            return Vec::new();
        };
        let owns = |host: usize, group: usize| {
            let ruler = ruling.ruler(host);
            ruler.is_some_and(|ruler| ruler.states().groups[group].owned.is_some())
        };
        let hosts = 0..self.hosts.len();
        let owner = |group| hosts.clone().find(|host| owns(*host, group));
        (0..ruling.groups()).map(owner).collect()
    }

    /// G7: a node that stops hands over what is its own, and takes it back.
    pub(super) fn check_moves(&mut self, host: usize, violations: &mut Vec<String>) {
        if self.hosts.len() == 1 {
            return;
        }
        let before = self.owners();
        self.stop(host);
        self.run_for(secs(15));
        let without = self.owners();
        for (group, owner) in before.iter().enumerate() {
            let moved = without[group] != *owner;
            if moved != (*owner == Some(host)) || without[group].is_none() {
                violations.push(format!(
                    "G7: group {group}: {owner:?} before n{} stopped, then {:?}",
                    host + 1,
                    without[group]
                ));
            }
        }
        self.start(host);
        self.run_for(secs(25));
        let after = self.owners();
        if after != before {
            violations.push(format!("G7: owners {before:?}, after a restart {after:?}"));
        }
    }
}
