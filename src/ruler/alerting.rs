//! The life of the alerts of one rule (Prometheus's `rules/alerting.go`), with what Prometheus lacks: an answer that does
//! not see all of the world proves neither that a condition holds nor that it ended.

use std::collections::BTreeMap;

use super::record::WRITTEN_AGAIN;
use crate::labels::LabelSet;

/// How long an alert that ended is kept, so that its end is told again if need be; milliseconds (`resolvedRetention`).
pub(super) const RESOLVED_KEPT: i64 = 15 * 60 * 1000;

/// How far an alert has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// The condition holds, but not yet for as long as `for` says.
    Pending,
    /// It fires.
    Firing,
    /// It fired, and the condition ended.
    Resolved,
}

/// Which of two copies of an alert's state holds: that of the later owner of its group, of one owner that of the later slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    /// Counts the owners of the group.
    pub epoch: u64,
    /// The slot; Unix milliseconds.
    pub slot: i64,
}

/// One alert of a rule. All times are Unix milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// The labels of the element of the query's result, by which it is known what the element depends on.
    pub source: LabelSet,
    /// What describes it, as of the last evaluation.
    pub annotations: LabelSet,
    /// The value of the last evaluation.
    pub value: f64,
    /// How far it has come.
    pub phase: Phase,
    /// When the condition began to hold; set once per activation.
    pub active_at: i64,
    /// When it began to fire.
    pub fired_at: Option<i64>,
    /// Since when it fires only because of `keep_firing_for`.
    pub keep_firing_since: Option<i64>,
    /// When it ended.
    pub resolved_at: Option<i64>,
    /// When it was last told.
    pub last_sent: Option<i64>,
    /// Since when it is unknown whether the condition holds.
    pub held_since: Option<i64>,
    /// When it was last told to other nodes.
    pub version: Version,
}

/// An element of the query's result, with the words of the rule filled in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Element {
    /// Its labels in the result.
    pub(super) source: LabelSet,
    /// The labels of the alert.
    pub(super) labels: LabelSet,
    /// The annotations of the alert.
    pub(super) annotations: LabelSet,
    /// Its value.
    pub(super) value: f64,
    /// Whether it would be there, too, if all partitions had answered.
    pub(super) proven: bool,
}

/// What a rule asks for; times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// `for`.
    pub hold: i64,
    /// `keep_firing_for`.
    pub keep_firing_for: i64,
    /// Alerts that it may have; 0 for any number.
    pub limit: usize,
}

/// The alerts of a rule by their labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alerts {
    instances: BTreeMap<LabelSet, Instance>,
    /// Those that are no more, lest what is older brings them back.
    forgotten: BTreeMap<LabelSet, Version>,
    /// The last slot whose answer this node took in itself.
    looked: Option<i64>,
}

/// What an evaluation did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    /// The labels of the alerts whose phase or times changed, those that are gone among them.
    pub(super) changed: Vec<LabelSet>,
    /// How many new alerts the limit refused.
    pub(super) refused: usize,
    /// How many are as they were because it is unknown whether their condition holds.
    pub(super) held: usize,
}

/// An evaluation whose result is taken in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Its slot, and under which owner.
    pub(super) of: Version,
    /// When its result is taken in; Unix milliseconds.
    pub(super) now: i64,
}

/// Two elements of a result became one alert.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("vector contains metrics with the same labelset after applying alert labels")]
pub(super) struct SameLabels;

/// An alert that is due to be told.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Due<'a> {
    /// What identifies it.
    pub(super) labels: &'a LabelSet,
    /// The alert.
    pub(super) instance: &'a Instance,
}

impl Alerts {
    /// Takes in the result of an evaluation; `certain` says of the source labels of an element whether it, or that it is not
    /// there, would be the same if all partitions had answered. What an older owner knew counts as changed as soon as it is
    /// certain: what it still says of it loses then. But what is known of a later slot stays as it is: an answer that comes
    /// late may say what was, not what is.
    ///
    /// # Errors
    /// When two elements have the same labels; nothing changes then.
    pub(super) fn advance(
        &mut self,
        Look { of, now }: Look,
        elements: Vec<Element>,
        certain: &dyn Fn(&LabelSet) -> bool,
        terms: Terms,
    ) -> Result<Progress, SameLabels> {
        let Version { epoch, slot: at } = of;
        let mut found = BTreeMap::new();
        for element in elements {
            if found.insert(element.labels.clone(), element).is_some() {
                return Err(SameLabels);
            }
        }
        let mut progress = Progress::default();
        for (labels, instance) in &mut self.instances {
            if instance.version.is_of_later_than(at, now) {
                found.remove(labels);
                continue;
            }
            let before = instance.clone();
            match found.remove(labels) {
                Some(element) => instance.seen(at, element, certain, terms, &mut progress),
                None => instance.unseen(at, certain, terms, &mut progress),
            }
            let old = at.saturating_sub(instance.version.slot) >= WRITTEN_AGAIN;
            let inherited = instance.version.epoch < epoch && certain(&instance.source);
            if instance.differs(&before) || inherited || old && instance.phase != Phase::Resolved {
                progress.changed.push(labels.clone());
            }
        }
        self.looked = Some(at);
        self.instances.retain(|_, instance| !instance.is_over(at));
        found.retain(|labels, _| {
            let ended = self.forgotten.get(labels);
            !ended.is_some_and(|ended| ended.is_of_later_than(at, now))
        });
        self.admit(at, found, certain, terms, &mut progress);
        Ok(progress)
    }

    fn admit(
        &mut self,
        at: i64,
        found: BTreeMap<LabelSet, Element>,
        certain: &dyn Fn(&LabelSet) -> bool,
        terms: Terms,
        progress: &mut Progress,
    ) {
        let mut active = self.active().count();
        for (labels, element) in found {
            if !element.proven && !certain(&element.source) {
                progress.held += 1;
                continue;
            }
            if terms.limit > 0 && active >= terms.limit {
                progress.refused += 1;
                continue;
            }
            active += 1;
            progress.changed.push(labels.clone());
            let mut instance = Instance::new(at, element);
            instance.fire_if_due(at, terms.hold);
            self.instances.insert(labels, instance);
        }
    }

    /// Those that are pending or fire, by their labels.
    pub fn active(&self) -> impl Iterator<Item = (&LabelSet, &Instance)> {
        let active = |(_, instance): &(&LabelSet, &Instance)| instance.phase != Phase::Resolved;
        self.instances.iter().filter(active)
    }

    /// All of them, those that ended lately as well.
    pub fn all(&self) -> impl Iterator<Item = (&LabelSet, &Instance)> {
        self.instances.iter()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, labels: &LabelSet) -> Option<&Instance> {
        self.instances.get(labels)
    }

    /// Marks those that are to be told at `at` and gives them: an end that was not told yet, and what fires at every
    /// `resend` milliseconds (`needsSending`).
    pub(super) fn due(&mut self, at: i64, resend: i64) -> impl Iterator<Item = Due<'_>> {
        self.instances
            .iter_mut()
            .filter_map(move |(labels, instance)| {
                if !instance.needs_sending(at, resend) {
                    return None;
                }
                instance.last_sent = Some(at);
                Some(Due { labels, instance })
            })
    }

    /// Those that fire and were not told since that time; Unix milliseconds.
    pub(super) fn untold_since(&self, time: i64) -> impl Iterator<Item = Due<'_>> {
        let untold = move |(_, one): &(&LabelSet, &Instance)| {
            one.phase == Phase::Firing && one.last_sent.is_none_or(|sent| sent < time)
        };
        let all = self.instances.iter().filter(untold);
        all.map(|(labels, instance)| Due { labels, instance })
    }

    /// Takes in what another owner knew of an alert at `now`, `None` if it is no more. Gives the version under which other
    /// nodes are to be told of it if this node knows more.
    pub(super) fn learn(
        &mut self,
        labels: &LabelSet,
        version: Version,
        instance: Option<&Instance>,
        now: i64,
    ) -> Option<Version> {
        let own = self.instances.get(labels).map(|own| own.version);
        let own = own.max(self.forgotten.get(labels).copied());
        if own.is_some_and(|own| own >= version) {
            return None;
        }
        let heard = instance.filter(|instance| !instance.is_over(now));
        let more = self.more_than(labels, version, heard, now);
        self.instances.remove(labels);
        self.forgotten.remove(labels);
        match more.as_ref().map(|(more, _)| more).or(heard) {
            Some(instance) => {
                let mut instance = instance.clone();
                instance.version = version;
                self.instances.insert(labels.clone(), instance);
            }
            None => {
                self.forgotten.insert(labels.clone(), version);
            }
        }
        more.map(|(_, seen)| Version {
            epoch: version.epoch,
            slot: seen.max(version.slot.saturating_add(1)),
        })
    }

    /// What two owners know together who did not know of each other, as in a mesh that was cut, if that is more than what was
    /// heard: this node looked later than the other one noted it, or heard so of an owner that may be gone, and an alert
    /// that is active is so since either saw it. With the slot in which it was seen.
    fn more_than(
        &self,
        labels: &LabelSet,
        version: Version,
        heard: Option<&Instance>,
        now: i64,
    ) -> Option<(Instance, i64)> {
        let own = self.instances.get(labels)?;
        let looked = self.looked.filter(|looked| *looked >= version.slot);
        let looked = looked.filter(|looked| *looked >= own.version.slot);
        let told = own.version.is_of_later_than(version.slot, now);
        let seen = looked.or_else(|| told.then_some(own.version.slot))?;
        let holds = own.held_since.is_none() && own.keep_firing_since.is_none();
        if own.version.epoch >= version.epoch || !holds || own.phase == Phase::Resolved {
            return None;
        }
        let Some(heard) = heard.filter(|heard| heard.phase != Phase::Resolved) else {
            return Some((own.clone(), seen));
        };
        let fired_at = [own.fired_at, heard.fired_at].into_iter().flatten().min();
        let both = Instance {
            active_at: own.active_at.min(heard.active_at),
            phase: own.phase.max(heard.phase),
            fired_at,
            ..heard.clone()
        };
        (both != *heard).then_some((both, seen))
    }

    /// Notes under which version an alert is told to other nodes; gives its state then, `None` if it is no more.
    pub(super) fn tell_others(&mut self, labels: &LabelSet, version: Version) -> Option<Instance> {
        match self.instances.get_mut(labels) {
            Some(instance) => {
                instance.version = version;
                Some(instance.clone())
            }
            None => {
                self.forgotten.insert(labels.clone(), version);
                None
            }
        }
    }

    /// Drops what nobody needs any more at `now`, of a group of that interval.
    pub(super) fn collect(&mut self, interval: i64, now: i64) {
        self.instances.retain(|_, instance| !instance.is_over(now));
        self.forgotten
            .retain(|_, version| !version.is_settled(interval, now));
    }

    /// Whether there is something to [`collect`](Self::collect).
    pub(super) fn has_what_is_over(&self, interval: i64, now: i64) -> bool {
        let mut forgotten = self.forgotten.values();
        forgotten.any(|version| version.is_settled(interval, now))
            || self.instances.values().any(|one| one.is_over(now))
    }

    /// Puts all times so many milliseconds earlier, as a clock that was set back needs it: what holds for five minutes goes
    /// on to.
    pub(super) fn shift(&mut self, by: i64) {
        self.looked = None;
        for instance in self.instances.values_mut() {
            instance.active_at = instance.active_at.saturating_sub(by);
            let times = [
                &mut instance.fired_at,
                &mut instance.keep_firing_since,
                &mut instance.resolved_at,
                &mut instance.last_sent,
                &mut instance.held_since,
            ];
            for time in times.into_iter().flatten() {
                *time = time.saturating_sub(by);
            }
        }
    }

    /// Drops those that are pending, as far as nothing is known of later slots than that; gives their labels.
    pub(super) fn drop_pending(&mut self, slot: i64, now: i64) -> Vec<LabelSet> {
        let pending = |(_, instance): &(&LabelSet, &Instance)| {
            instance.phase == Phase::Pending && !instance.version.is_of_later_than(slot, now)
        };
        let dropped = self.instances.iter().filter(pending);
        let dropped: Vec<LabelSet> = dropped.map(|(labels, _)| labels.clone()).collect();
        for labels in &dropped {
            if let Some(instance) = self.instances.remove(labels) {
                self.forgotten.insert(labels.clone(), instance.version);
            }
        }
        dropped
    }

    /// Ends all that fire, as when their rule is gone.
    pub(super) fn end(&mut self, at: i64) {
        self.instances
            .retain(|_, instance| instance.phase != Phase::Pending);
        for instance in self.instances.values_mut() {
            instance.resolve(at);
        }
    }
}

impl Version {
    /// Whether it is of a later slot than that. One that is yet to come is of a clock that is ahead, and nothing waits for it.
    fn is_of_later_than(self, slot: i64, now: i64) -> bool {
        slot < self.slot && self.slot <= now
    }
}

impl Instance {
    fn new(at: i64, element: Element) -> Self {
        Self {
            source: element.source,
            annotations: element.annotations,
            value: element.value,
            phase: Phase::Pending,
            active_at: at,
            fired_at: None,
            keep_firing_since: None,
            resolved_at: None,
            last_sent: None,
            held_since: None,
            version: Version::default(),
        }
    }

    fn seen(
        &mut self,
        at: i64,
        element: Element,
        certain: &dyn Fn(&LabelSet) -> bool,
        terms: Terms,
        progress: &mut Progress,
    ) {
        if !element.proven && !certain(&element.source) {
            self.stays(at, progress);
            return;
        }
        self.held_since = None;
        if self.phase == Phase::Resolved {
            // What begins again is a new activation; that its last end was told is of no importance any more.
            *self = Self {
                version: self.version,
                ..Self::new(at, element)
            };
        } else {
            self.source = element.source;
            self.annotations = element.annotations;
            self.value = element.value;
            self.keep_firing_since = None;
        }
        self.fire_if_due(at, terms.hold);
    }

    fn unseen(
        &mut self,
        at: i64,
        certain: &dyn Fn(&LabelSet) -> bool,
        terms: Terms,
        progress: &mut Progress,
    ) {
        if self.phase == Phase::Resolved {
            return;
        }
        if !certain(&self.source) {
            self.stays(at, progress);
            return;
        }
        self.held_since = None;
        if self.phase == Phase::Firing && terms.keep_firing_for > 0 {
            let since = *self.keep_firing_since.get_or_insert(at);
            if at.saturating_sub(since) < terms.keep_firing_for {
                return;
            }
        }
        self.resolve(at);
    }

    /// It is unknown how it is.
    fn stays(&mut self, at: i64, progress: &mut Progress) {
        self.held_since.get_or_insert(at);
        progress.held += 1;
    }

    fn fire_if_due(&mut self, at: i64, hold: i64) {
        let long_enough = at.saturating_sub(self.active_at) >= hold;
        match self.phase {
            Phase::Pending if long_enough => {
                self.phase = Phase::Firing;
                self.fired_at = Some(at);
            }
            // The rule's `for` became longer.
            Phase::Firing if !long_enough => {
                self.phase = Phase::Pending;
                self.fired_at = None;
                self.last_sent = None;
            }
            Phase::Pending | Phase::Firing | Phase::Resolved => {}
        }
    }

    fn resolve(&mut self, at: i64) {
        if self.phase != Phase::Resolved {
            // One that never fired has nothing to be told, and is dropped.
            self.resolved_at = Some(at);
        }
        if self.phase == Phase::Firing {
            self.phase = Phase::Resolved;
            self.keep_firing_since = None;
        }
    }

    /// Whether nobody needs to know it any more.
    pub(super) fn is_over(&self, at: i64) -> bool {
        match self.phase {
            Phase::Pending => self.resolved_at.is_some(),
            Phase::Firing => false,
            Phase::Resolved => self
                .resolved_at
                .is_none_or(|ended| at.saturating_sub(ended) > RESOLVED_KEPT),
        }
    }

    fn needs_sending(&self, at: i64, resend: i64) -> bool {
        let sent = self.last_sent.unwrap_or(i64::MIN);
        match self.phase {
            Phase::Pending => false,
            Phase::Resolved if self.resolved_at.is_some_and(|ended| ended > sent) => true,
            Phase::Firing | Phase::Resolved => sent.saturating_add(resend) < at,
        }
    }

    /// Whether other nodes need to know of the difference.
    fn differs(&self, before: &Self) -> bool {
        let key = |one: &Self| {
            (
                one.phase,
                one.active_at,
                one.fired_at,
                one.keep_firing_since,
                one.resolved_at,
                one.held_since,
            )
        };
        key(self) != key(before)
    }
}
