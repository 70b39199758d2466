//! Keeps the index of a store in step with it at little cost: a large index of what is old, a smaller one of what changed
//! since, and a tiny one of what changed last. Only the tiny one is made anew with each change.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::index::{Index, Indexed};
use crate::time::Timestamp;

/// Changes in the tiny index.
const TINY: usize = if cfg!(test) { 4 } else { 32 };

/// Changes in the smaller index, unless an eighth of all silences is more.
const SMALL: usize = if cfg!(test) { 12 } else { 1024 };

/// The silences of a store by id.
pub(super) type ById = OrdMap<Arc<str>, Indexed>;

/// The indexes of a store, the newest first. A silence is found through one of them at most.
#[derive(Clone, Debug)]
pub(super) struct Tiers {
    tiny: Tier,
    small: Tier,
    large: Tier,
}

/// One index and what of it does not hold any more.
#[derive(Clone, Debug)]
pub(super) struct Tier {
    pub(super) index: Arc<Index>,
    /// Bit per matcher set: a newer index has its silence, or it is gone.
    outdated: Arc<Vec<u64>>,
    /// The silences in it; not kept for the large one.
    ids: OrdSet<Arc<str>>,
}

impl Tiers {
    /// Makes the indexes of a store.
    pub(super) fn new(by_id: &ById, now: Timestamp) -> Self {
        Self {
            tiny: Tier::empty(),
            small: Tier::empty(),
            large: Tier::new(Index::build(by_id.values(), now)),
        }
    }

    /// Takes in that a silence is new or has changed; `by_id` has it.
    pub(super) fn put(&mut self, id: &Arc<str>, by_id: &ById, now: Timestamp) {
        self.outdate(id);
        self.tiny.ids.insert(id.clone());
        if self.tiny.ids.len() <= TINY {
            self.tiny.rebuild(by_id, now);
            return;
        }
        let ids = std::mem::replace(&mut self.tiny, Tier::empty()).ids;
        self.small.ids = std::mem::take(&mut self.small.ids).union(ids);
        if self.small.ids.len() <= SMALL.max(by_id.len() / 8) {
            self.small.rebuild(by_id, now);
        } else {
            *self = Self::new(by_id, now);
        }
    }

    /// Takes in that a silence is gone.
    pub(super) fn remove(&mut self, id: &str) {
        self.outdate(id);
        self.tiny.ids.remove(id);
        self.small.ids.remove(id);
    }

    /// The indexes that hold anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Tier> {
        [&self.tiny, &self.small, &self.large]
            .into_iter()
            .filter(|tier| tier.index.len() > 0)
    }

    fn outdate(&mut self, id: &str) {
        for tier in [&mut self.tiny, &mut self.small, &mut self.large] {
            tier.outdate(id);
        }
    }
}

impl Tier {
    fn new(index: Index) -> Self {
        Self {
            index: Arc::new(index),
            outdated: Arc::default(),
            ids: OrdSet::new(),
        }
    }

    fn empty() -> Self {
        Self::new(Index::build(std::iter::empty(), Timestamp::ZERO))
    }

    /// Whether a matcher set is to be passed over.
    pub(super) fn is_outdated(&self, slot: u32) -> bool {
        self.outdated
            .get(slot as usize / 64)
            .is_some_and(|word| word & (1 << (slot % 64)) != 0)
    }

    fn rebuild(&mut self, by_id: &ById, now: Timestamp) {
        let silences = self.ids.iter().filter_map(|id| by_id.get(id));
        self.index = Arc::new(Index::build(silences, now));
        self.outdated = Arc::default();
    }

    fn outdate(&mut self, id: &str) {
        let slots = self.index.slots_of(id);
        if slots.is_empty() {
            return;
        }
        let outdated = Arc::make_mut(&mut self.outdated);
        for slot in slots {
            let word = *slot as usize / 64;
            if outdated.len() <= word {
                outdated.resize(word + 1, 0);
            }
            outdated[word] |= 1 << (slot % 64);
        }
    }
}
