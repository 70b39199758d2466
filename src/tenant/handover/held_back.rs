//! Attempts that wait until a majority knows that they begin.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::{
    config::Texts,
    nflog::LogKey,
    notify::{by_key::ByKey, retry::Attempt},
};

/// An attempt that waits until everything it tells of may be sent.
#[derive(Debug)]
pub(super) struct HeldBack {
    pub(super) attempt: Attempt,
    pub(super) texts: Arc<Texts>,
    /// What is not acknowledged yet.
    missing: BTreeSet<LogKey>,
    /// When it must have begun.
    until: Duration,
}

impl HeldBack {
    pub(super) fn new(
        attempt: Attempt,
        texts: Arc<Texts>,
        missing: BTreeSet<LogKey>,
        until: Duration,
    ) -> Self {
        Self {
            attempt,
            texts,
            missing,
            until,
        }
    }

    pub(super) fn missing(&self) -> &BTreeSet<LogKey> {
        &self.missing
    }
}

/// All of them, by the attempt's number, by what is missing, and by when they are given up.
#[derive(Debug)]
pub(super) struct AllHeldBack {
    all: BTreeMap<u64, HeldBack>,
    by_missing: ByKey,
    timers: BTreeSet<(Duration, u64)>,
}

impl AllHeldBack {
    pub(super) fn new() -> Self {
        Self {
            all: BTreeMap::new(),
            by_missing: ByKey::new(),
            timers: BTreeSet::new(),
        }
    }

    pub(super) fn insert(&mut self, held: HeldBack) {
        let id = held.attempt.attempt;
        self.remove(id);
        for key in &held.missing {
            self.by_missing.insert(key.clone(), id);
        }
        self.timers.insert((held.until, id));
        self.all.insert(id, held);
    }

    /// Attempts, their timers, and what they wait for.
    pub(super) fn len(&self) -> (usize, usize, usize) {
        (self.all.len(), self.timers.len(), self.by_missing.len())
    }

    pub(super) fn get(&self, id: u64) -> Option<&HeldBack> {
        self.all.get(&id)
    }

    pub(super) fn attempt_mut(&mut self, id: u64) -> Option<&mut Attempt> {
        self.all.get_mut(&id).map(|held| &mut held.attempt)
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<HeldBack> {
        let held = self.all.remove(&id)?;
        self.timers.remove(&(held.until, id));
        for key in &held.missing {
            self.by_missing.remove(key, id);
        }
        Some(held)
    }

    /// The attempt that waits for the acknowledgement of a key.
    pub(super) fn waiting_for(&self, key: &LogKey) -> Option<u64> {
        self.by_missing.of(key).next()
    }

    /// Takes in that a key is acknowledged; returns the attempt that waits for nothing more.
    pub(super) fn acknowledged(&mut self, key: &LogKey) -> Option<HeldBack> {
        let ids: Vec<u64> = self.by_missing.of(key).collect();
        for id in ids {
            self.by_missing.remove(key, id);
            let Some(held) = self.all.get_mut(&id) else {
                continue;
            };
            held.missing.remove(key);
            if held.missing.is_empty() {
                return self.remove(id);
            }
        }
        None
    }

    /// When the first is given up.
    pub(super) fn next_due(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// The first of those whose time is up.
    pub(super) fn late(&self, now: Duration) -> Option<u64> {
        let first = self.timers.first().filter(|(at, _)| *at <= now);
        first.map(|(_, id)| *id)
    }
}
