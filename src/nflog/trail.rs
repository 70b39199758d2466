//! Which notifications an entry knows of. Two sides of a cut number what they tell by themselves, so the number alone does
//! not say whether one of two entries knows what the other says.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use xxhash_rust::xxh64::xxh64;

/// So many tellers are remembered, those with the highest numbers.
const MAX_TELLERS: usize = 32;

/// So many names are remembered, those with the highest numbers.
const MAX_NAMES: usize = 8;

/// Who told: the voters of one founding, whose majorities know of each other, or one node without a majority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Teller(u64);

impl Teller {
    /// Whoever sends with a majority of the voters of this founding.
    #[must_use]
    pub fn voters(founding: u64) -> Self {
        Self(founding)
    }

    /// A node that sends without a majority.
    #[must_use]
    pub fn alone(node: &str) -> Self {
        Self(xxh64(node.as_bytes(), 0))
    }
}

/// What an entry knows of. Empty where that is not known: with a node that has no mesh, or from Alertmanager's file.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trail {
    /// By teller, the number of its last notification.
    told: Arc<[(u64, u64)]>,
    /// Number and hashed name of the last notifications to a receiver that recognises names: told again from the other
    /// side of a cut, they changed nothing.
    names: Arc<[(u64, u64)]>,
}

impl Trail {
    /// Makes the trail of these pairs, as [`Self::told`] and [`Self::names`] give them.
    #[must_use]
    pub fn of(told: &[(u64, u64)], names: &[(u64, u64)]) -> Self {
        let mut last: BTreeMap<u64, u64> = BTreeMap::new();
        for (teller, seq) in told {
            let known = last.entry(*teller).or_default();
            *known = (*known).max(*seq);
        }
        while last.len() > MAX_TELLERS {
            let least = last.iter().min_by_key(|(_, seq)| **seq);
            let Some(least) = least.map(|(teller, _)| *teller) else {
                break;
            };
            last.remove(&least);
        }
        let mut names: BTreeSet<(u64, u64)> = names.iter().copied().collect();
        while names.len() > MAX_NAMES {
            names.pop_first();
        }
        Self {
            told: last.into_iter().collect(),
            names: names.into_iter().collect(),
        }
    }

    /// Tellers with their last numbers.
    #[must_use]
    pub fn told(&self) -> &[(u64, u64)] {
        &self.told
    }

    /// Numbers with names.
    #[must_use]
    pub fn names(&self) -> &[(u64, u64)] {
        &self.names
    }

    /// The trail once this is told as well; `name` if its receiver recognises it.
    #[must_use]
    pub fn with(&self, teller: Teller, seq: u64, name: Option<&str>) -> Self {
        let name = name.map(|name| (seq, xxh64(name.as_bytes(), 0)));
        let names: Vec<_> = self.names.iter().copied().chain(name).collect();
        let told: Vec<_> = self.told.iter().copied().chain([(teller.0, seq)]).collect();
        Self::of(&told, &names)
    }

    /// A number for what it knows of, by which two can be held against each other; 0 if that is not known.
    #[must_use]
    pub fn mark(&self) -> u64 {
        if self.told.is_empty() {
            return 0;
        }
        let words = self.told.iter().flat_map(|(teller, seq)| [*teller, *seq]);
        let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        xxh64(&bytes, 0).max(1)
    }

    /// What either knows of.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let told = [&*self.told, &*other.told].concat();
        let names = [&*self.names, &*other.names].concat();
        Self::of(&told, &names)
    }

    /// Whether neither knows of all that the other one knows of.
    #[must_use]
    pub fn is_apart(&self, other: &Self) -> bool {
        !self.covers(other) && !other.covers(self)
    }

    /// Whether it knows of the other's last notification; what is not known to differ does not.
    fn covers(&self, other: &Self) -> bool {
        let known = |(teller, seq): &(u64, u64)| {
            let at = self.told.binary_search_by_key(teller, |(known, _)| *known);
            at.ok()
                .and_then(|at| self.told.get(at))
                .is_some_and(|(_, last)| last >= seq)
        };
        let recognised = || {
            other
                .names
                .last()
                .is_some_and(|name| self.names.contains(name))
        };
        self.told.is_empty() || other.told.iter().all(known) || recognised()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_that_told_by_themselves_are_apart_until_they_are_joined() {
        let (voters, lone) = (Teller::voters(7), Teller::alone("n1"));
        let before = Trail::default().with(voters, 20, None);
        let majority = before.with(voters, 21, None);
        let minority = before.with(lone, 21, None);
        assert!(!before.is_apart(&majority) && !before.is_apart(&minority));
        assert!(majority.is_apart(&minority));
        let joined = majority.joined(&minority);
        assert_eq!(joined, minority.joined(&majority));
        for side in [&before, &majority, &minority] {
            assert!(!joined.is_apart(side));
        }
        assert!(
            !joined
                .with(voters, 22, None)
                .is_apart(&majority.with(voters, 22, None))
        );
        assert!(joined.is_apart(&minority.with(lone, 22, None)));
    }

    #[test]
    fn what_is_recognised_or_of_unknown_origin_is_not_apart() {
        let before = Trail::default().with(Teller::voters(7), 20, Some("a"));
        let majority = before.with(Teller::voters(7), 21, Some("b"));
        let minority = before.with(Teller::alone("n1"), 21, Some("b"));
        let later = majority.with(Teller::voters(7), 22, Some("c"));
        assert!(!majority.is_apart(&minority) && !later.is_apart(&minority));
        assert!(later.is_apart(&before.with(Teller::alone("n1"), 21, Some("d"))));
        assert!(!Trail::default().is_apart(&later) && !later.is_apart(&Trail::default()));
    }

    #[test]
    fn a_trail_does_not_grow_without_end() {
        let mut trail = Trail::default();
        for seq in 0..100 {
            let node = format!("n{seq}");
            trail = trail.with(Teller::alone(&node), seq, Some(&node));
        }
        let (told, names) = (trail.told(), trail.names());
        assert_eq!((told.len(), names.len()), (MAX_TELLERS, MAX_NAMES));
        assert!(told.contains(&(Teller::alone("n99").0, 99)));
        assert_eq!(Trail::of(told, names), trail);
    }
}
