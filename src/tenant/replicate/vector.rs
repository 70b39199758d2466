//! Version vectors: up to which of each node's changes somebody knows everything.
//!
//! A node numbers its changes from 1 in each run. What is kept is the greatest of each, of the latest runs and names:
//! such a maximum does not depend on the order in which vectors meet.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use crate::cluster::NodeName;

/// Runs kept of one name; what a name told in runs before is found by comparing digests.
const MAX_RUNS: usize = 2;
/// Names kept: those with the latest runs.
const MAX_NAMES: usize = 32;
/// Numbers kept that came before others.
const MAX_AHEAD: usize = 4096;

/// Up to which change of each run of each node everything is known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Vector {
    upto: BTreeMap<NodeName, BTreeMap<u64, u64>>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct PbVector {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<PbEntry>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct PbEntry {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(fixed64, tag = "2")]
    run: u64,
    #[prost(uint64, tag = "3")]
    upto: u64,
}

impl Vector {
    /// Up to which change of a run everything is known.
    pub(super) fn get(&self, name: &str, run: u64) -> u64 {
        let runs = self.upto.get(name);
        runs.and_then(|runs| runs.get(&run).copied())
            .unwrap_or_default()
    }

    /// Takes in that everything up to a change is known.
    pub(super) fn raise(&mut self, name: &NodeName, run: u64, upto: u64) {
        if upto == 0 {
            return;
        }
        let runs = self.upto.entry(NodeName::clone(name)).or_default();
        let known = runs.entry(run).or_default();
        *known = upto.max(*known);
        while runs.len() > MAX_RUNS {
            runs.pop_first();
        }
        if self.upto.len() > MAX_NAMES {
            let latest = |runs: &BTreeMap<u64, u64>| runs.last_key_value().map(|(run, _)| *run);
            let oldest = self
                .upto
                .iter()
                .min_by_key(|(name, runs)| (latest(runs), NodeName::clone(name)));
            if let Some(oldest) = oldest.map(|(name, _)| NodeName::clone(name)) {
                self.upto.remove(&oldest);
            }
        }
    }

    /// Takes in all that another vector knows.
    pub(super) fn merge(&mut self, other: &Self) {
        for (name, run, upto) in other.iter() {
            self.raise(name, run, upto);
        }
    }

    /// How many changes the other knows that this one does not.
    pub(super) fn lacks(&self, other: &Self) -> u64 {
        let mut all = self.clone();
        all.merge(other);
        let missing = all
            .iter()
            .map(|(name, run, upto)| upto - self.get(name, run));
        missing.fold(0, u64::saturating_add)
    }

    /// The bytes.
    pub(super) fn to_pb(&self) -> PbVector {
        let entries = self.iter().map(|(name, run, upto)| PbEntry {
            name: name.to_string(),
            run,
            upto,
        });
        PbVector {
            entries: entries.collect(),
        }
    }

    /// From the bytes.
    pub(super) fn from_pb(pb: PbVector) -> Self {
        let mut vector = Self::default();
        for entry in pb.entries {
            vector.raise(&entry.name.into(), entry.run, entry.upto);
        }
        vector
    }

    fn iter(&self) -> impl Iterator<Item = (&NodeName, u64, u64)> {
        self.upto
            .iter()
            .flat_map(|(name, runs)| runs.iter().map(move |(run, upto)| (name, *run, *upto)))
    }
}

/// A vector that grows with single changes, which may come in any order.
#[derive(Debug, Default)]
pub(super) struct Tracker {
    vector: Vector,
    /// Changes that came before others of the same run.
    ahead: BTreeMap<(NodeName, u64), BTreeSet<u64>>,
}

impl Tracker {
    /// Changes that came before others of the same run.
    pub(super) fn ahead(&self) -> usize {
        self.ahead.values().map(BTreeSet::len).sum()
    }

    /// What is known.
    pub(super) fn vector(&self) -> &Vector {
        &self.vector
    }

    /// Takes in one change.
    pub(super) fn take(&mut self, name: &NodeName, run: u64, number: u64) {
        let known = self.vector.get(name, run);
        if number <= known {
            return;
        }
        let key = (NodeName::clone(name), run);
        let ahead = self.ahead.entry(key).or_default();
        // What is forgotten here counts as missed and is repaired.
        if ahead.len() < MAX_AHEAD || number == known + 1 {
            ahead.insert(number);
        }
        self.settle(name, run, known);
    }

    /// Takes in all that a vector knows.
    pub(super) fn merge(&mut self, other: &Vector) {
        self.vector.merge(other);
        let keys: Vec<_> = self.ahead.keys().cloned().collect();
        for (name, run) in keys {
            let known = self.vector.get(&name, run);
            self.settle(&name, run, known);
        }
    }

    /// Forgets what came too early of runs that have ended.
    pub(super) fn forget(&mut self, name: &NodeName, but: u64) {
        self.ahead.retain(|(of, run), _| of != name || *run == but);
    }

    fn settle(&mut self, name: &NodeName, run: u64, mut known: u64) {
        let key = (NodeName::clone(name), run);
        let Some(ahead) = self.ahead.get_mut(&key) else {
            return;
        };
        while let Some(first) = ahead.first().copied()
            && first <= known.saturating_add(1)
        {
            known = known.max(first);
            ahead.pop_first();
        }
        if ahead.is_empty() {
            self.ahead.remove(&key);
        }
        self.vector.raise(name, run, known);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vector(entries: &[(u8, u64, u64)]) -> Vector {
        let mut vector = Vector::default();
        for (name, run, upto) in entries {
            vector.raise(&name.to_string().into(), *run, *upto);
        }
        vector
    }

    #[test]
    fn changes_count_once_all_before_them_came() {
        let name: NodeName = "a".into();
        let mut tracker = Tracker::default();
        for (number, expect) in [(2, 0), (1, 2), (2, 2), (5, 2), (4, 2), (3, 5)] {
            tracker.take(&name, 7, number);
            assert_eq!(tracker.vector().get("a", 7), expect, "after {number}");
        }
        tracker.take(&name, 7, 9);
        tracker.merge(&vector(&[]));
        let mut known = Vector::default();
        known.raise(&name, 7, 8);
        assert_eq!(tracker.vector().lacks(&known), 3);
        tracker.merge(&known);
        assert_eq!(tracker.vector().get("a", 7), 9);
        assert!(tracker.ahead.is_empty());
    }

    proptest! {
        #[test]
        fn merging_does_not_depend_on_order_or_repetition(
            a in prop::collection::vec((0..20_u8, 0..5_u64, 0..9_u64), 0..60),
            b in prop::collection::vec((0..20_u8, 0..5_u64, 0..9_u64), 0..60),
        ) {
            let (a, b) = (vector(&a), vector(&b));
            let (mut ab, mut ba) = (a.clone(), b.clone());
            ab.merge(&b);
            ba.merge(&a);
            prop_assert_eq!(&ab, &ba);
            prop_assert_eq!(ab.lacks(&a), 0);
            prop_assert_eq!(Vector::from_pb(ab.to_pb()), ab);
        }
    }
}
