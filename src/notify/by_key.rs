//! What is under way, found by the notification that it is about.

use std::collections::BTreeSet;

use crate::nflog::LogKey;

/// Numbers of things by key; a key may have several.
#[derive(Debug)]
pub(crate) struct ByKey<K = LogKey> {
    all: BTreeSet<(K, u64)>,
}

impl<K: Ord + Clone> ByKey<K> {
    pub(crate) fn new() -> Self {
        Self {
            all: BTreeSet::new(),
        }
    }

    /// How many numbers there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    pub(crate) fn insert(&mut self, key: K, id: u64) {
        self.all.insert((key, id));
    }

    pub(crate) fn remove(&mut self, key: &K, id: u64) {
        self.all.remove(&(key.clone(), id));
    }

    /// The numbers of a key, lowest first.
    pub(crate) fn of(&self, key: &K) -> impl Iterator<Item = u64> {
        let all = (key.clone(), 0)..=(key.clone(), u64::MAX);
        self.all.range(all).map(|(_, id)| *id)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, cmp::Ordering, rc::Rc};

    use super::*;

    /// Counts how often it is compared.
    #[derive(Clone)]
    struct Counted(u64, Rc<Cell<u64>>);

    impl Ord for Counted {
        fn cmp(&self, other: &Self) -> Ordering {
            self.1.set(self.1.get() + 1);
            self.0.cmp(&other.0)
        }
    }

    impl PartialOrd for Counted {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl PartialEq for Counted {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other) == Ordering::Equal
        }
    }

    impl Eq for Counted {}

    #[test]
    fn one_of_ten_thousand_is_found_in_few_looks() {
        let looks = Rc::new(Cell::new(0));
        let mut by_key = ByKey::new();
        for id in 0..10_000 {
            by_key.insert(Counted(id / 2, Rc::clone(&looks)), id);
        }
        looks.set(0);
        let key = Counted(3_333, Rc::clone(&looks));
        assert_eq!(by_key.of(&key).collect::<Vec<_>>(), [6_666, 6_667]);
        by_key.remove(&key, 6_666);
        assert_eq!(by_key.of(&key).collect::<Vec<_>>(), [6_667]);
        assert!(looks.get() < 1_000, "{} looks", looks.get());
    }
}
