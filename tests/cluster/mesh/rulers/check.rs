//! What must hold of rulers, whatever happened: G1, G2, G3, G6 and G7.
//!
//! G1: a slot is begun at most once under one owner, and soon after it is due. G2: `for` and `keep_firing_for` do not begin
//! anew because a node is lost. G3: nothing ends because an endpoint does not answer. G6: nobody is told again because the
//! owner changed. G7: whoever comes or goes moves only what is its own.

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
    ruling::{Begun, Ruling},
};

/// How long it takes, at most, until another node evaluates what a node evaluated that is gone.
const FAILOVER: Duration = Duration::from_secs(20);

/// A node is ready so long after its start, whatever it knows then.
const READY: Duration = Duration::from_secs(65);

/// What a crash may take with it that was neither told nor written.
const UNSAVED: Duration = Duration::from_secs(8);

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn clock_of(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis - BEGINNING * 1000).unwrap_or(0))
}

impl Ruling {
    /// Whether what began then may be unknown to whoever goes on, or known to several.
    fn is_excused(&self, at: Duration) -> bool {
        self.was_divided(at.saturating_sub(secs(5)), at + secs(5))
            || self.crashed(at, at + UNSAVED)
            || self.lost_disks.iter().any(|lost| *lost <= at + UNSAVED)
    }

    /// G1, the first half.
    pub(super) fn check_epochs(&self, violations: &mut Vec<String>) {
        let mut seen = BTreeSet::new();
        let mut last = BTreeMap::new();
        let mut firsts: BTreeMap<(usize, u64), Duration> = BTreeMap::new();
        for begun in &self.begun {
            let under = (begun.group, begun.slot, begun.epoch);
            let first = *firsts.entry((begun.group, begun.epoch)).or_insert(begun.at);
            let unknown = last.get(&begun.group).is_some_and(|before: &&Begun| {
                !self.may_know(begun.host, begun.at, before.host, before.at)
            });
            // Nobody may know of a node that owned it, or two may not know of each other.
            let excused = unknown
                || self.was_divided(begun.at.saturating_sub(FAILOVER), begun.at)
                || self.lost_disks.iter().any(|lost| *lost <= begun.at)
                || self.crashed(first.saturating_sub(secs(1)), first + UNSAVED);
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

    /// G2: while a condition holds, its alert has one beginning.
    pub(super) fn check_beginnings(&self, violations: &mut Vec<String>) {
        let mut first: BTreeMap<(usize, i64), i64> = BTreeMap::new();
        for (at, record) in &self.kept {
            let RuleValue::Alert(instance) = &record.value else {
                continue;
            };
            if instance.phase == Phase::Resolved {
                continue;
            }
            let group = group_of(&record.key.group.name);
            let Some((from, _)) = self.truth.row(group, instance.active_at) else {
                continue;
            };
            let begun = *first.entry((group, from)).or_insert(instance.active_at);
            if instance.active_at > begun && !self.is_excused(clock_of(begun)) {
                violations.push(format!(
                    "G2: D{group} was active since {:?}, at {at:?} since {:?}",
                    clock_of(begun),
                    clock_of(instance.active_at)
                ));
            }
        }
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

fn group_of(name: &str) -> usize {
    name[1..].parse().unwrap()
}

impl World {
    /// G6: one notification of each beginning.
    pub(super) fn check_notified(&self, violations: &mut Vec<String>) {
        let Some(ruling) = &self.ruling else { return };
        let mut firing: BTreeMap<(&str, i64), (usize, Duration)> = BTreeMap::new();
        for sent in self.visible() {
            for (name, (fires, since)) in &sent.alerts {
                let group = group_of(name);
                let row = ruling.truth.row(group, since.unix_millis());
                let Some((from, _)) = row.filter(|_| *fires) else {
                    continue;
                };
                let told = (name.as_str(), from);
                let Some((teller, at)) = firing.insert(told, (sent.host, sent.began)) else {
                    continue;
                };
                let begun = clock_of(from);
                let excused = !ruling.may_know(sent.host, sent.began, teller, at)
                    || ruling.was_divided(begun, sent.began)
                    || ruling.crashed(begun, begun + UNSAVED)
                    || !ruling.lost_disks.is_empty();
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
