//! How far other nodes are behind this one, by kind of record.
//!
//! Nodes say up to which change of each other they know everything. What each of the own changes held is kept here, so
//! that a number becomes records of each kind.

use std::collections::{BTreeMap, VecDeque};

use crate::storage::ReplicaMap;

/// So many of the latest changes are told apart.
const MAX_LATEST: usize = 1024;

/// So many of those before, evenly.
const MAX_EARLIER: usize = 1024;

/// One counter for each map, in the order of [`ReplicaMap::ALL`].
type Counts = [u64; ReplicaMap::ALL.len()];

/// The records of the own changes.
#[derive(Debug, Default)]
pub(super) struct Told {
    total: Counts,
    latest: VecDeque<Mark>,
    earlier: Vec<Mark>,
    /// Every so many changes have a mark in `earlier`, as a power of two.
    stride: u32,
}

/// The number of a change, with the records of all changes up to it; numbers ascend by one.
type Mark = (u64, Counts);

impl Told {
    /// A record is part of the next change.
    pub(super) fn count(&mut self, map: ReplicaMap) {
        for (of, count) in ReplicaMap::ALL.iter().zip(&mut self.total) {
            *count += u64::from(*of == map);
        }
    }

    /// What was counted so far are the changes up to this one.
    pub(super) fn numbered(&mut self, number: u64) {
        self.latest.push_back((number, self.total));
        if self.latest.len() <= MAX_LATEST {
            return;
        }
        let oldest = self.latest.pop_front();
        let stride = self.stride;
        self.earlier
            .extend(oldest.filter(|(number, _)| number.trailing_zeros() >= stride));
        if self.earlier.len() > MAX_EARLIER {
            self.stride += 1;
            let stride = self.stride;
            self.earlier
                .retain(|(number, _)| number.trailing_zeros() >= stride);
        }
    }

    /// Records of each kind in the changes after this one; in some more, where changes are not told apart any more.
    pub(super) fn after(&self, known: u64) -> BTreeMap<ReplicaMap, u64> {
        let later = self.latest.partition_point(|(number, _)| *number <= known);
        let mark = later.checked_sub(1).and_then(|at| self.latest.get(at));
        let mark = mark.or_else(|| {
            let later = self.earlier.partition_point(|(number, _)| *number <= known);
            self.earlier.get(later.checked_sub(1)?)
        });
        let known = mark.map(|(_, counts)| *counts).unwrap_or_default();
        let all = ReplicaMap::ALL.into_iter().zip(self.total).zip(known);
        all.map(|((map, total), known)| (map, total - known))
            .collect()
    }

    /// How many changes are told apart.
    pub(super) fn marks(&self) -> usize {
        self.latest.len() + self.earlier.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_somebody_lacks_is_known_by_kind() {
        let mut told = Told::default();
        told.count(ReplicaMap::Alerts);
        told.numbered(1);
        told.count(ReplicaMap::Alerts);
        told.count(ReplicaMap::Silences);
        told.numbered(2);
        told.count(ReplicaMap::Log);
        let lacks = |known| {
            let after = told.after(known);
            [ReplicaMap::Alerts, ReplicaMap::Silences, ReplicaMap::Log].map(|map| after[&map])
        };
        assert_eq!(lacks(0), [2, 1, 1]);
        assert_eq!(lacks(1), [1, 1, 1]);
        // What nobody is there to be told has no number yet.
        assert_eq!(lacks(2), [0, 0, 1]);
        told.numbered(3);
        let nothing = |known| told.after(known).values().all(|count| *count == 0);
        assert!(nothing(3) && nothing(9) && !nothing(2));
    }

    #[test]
    fn marks_are_bounded_and_the_last_are_kept() {
        let mut told = Told::default();
        let last = 100_000;
        for number in 1..=last {
            told.count(ReplicaMap::Alerts);
            told.numbered(number);
            assert!(told.marks() <= MAX_LATEST + MAX_EARLIER);
        }
        let lacks = |known| told.after(known)[&ReplicaMap::Alerts];
        assert_eq!(lacks(last), 0);
        assert_eq!(lacks(last - 1000), 1000);
        for known in [1, 777, 50_000, 98_000] {
            let lacks = lacks(known);
            let exact = last - known;
            assert!((exact..exact + 200).contains(&lacks), "{known}: {lacks}");
        }
        assert_eq!(lacks(0), last);
    }
}
