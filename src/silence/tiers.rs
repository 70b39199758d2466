//! Keeps the index of a store in step with it at little cost: a large index of what is old, a smaller one of what changed
//! since, and a tiny one of what changed last. Only the tiny one is made anew with each change, the others by a worker.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::index::{Index, Indexed};
use crate::time::Timestamp;

/// Changes in the tiny index; more wait in it only while a worker makes another.
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
    /// What changed since a worker was asked for an index; `None` if none was.
    since: Option<OrdSet<Arc<str>>>,
    /// Silences that are gone from the store since the large index was made.
    gone: usize,
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

/// Work for [`Silences::take_index`](super::Silences::take_index): an index to be made, which takes too long for the loop.
#[derive(Debug)]
pub struct IndexJob {
    by_id: ById,
    /// What it is to cover; `None` for everything.
    ids: Option<OrdSet<Arc<str>>>,
    now: Timestamp,
}

/// What an [`IndexJob`] made.
#[derive(Debug)]
pub struct MadeIndex {
    index: Index,
    ids: Option<OrdSet<Arc<str>>>,
}

impl IndexJob {
    /// Makes the index; pure, on any thread.
    #[must_use]
    pub fn run(self) -> MadeIndex {
        let index = match &self.ids {
            None => Index::build(self.by_id.values(), self.now),
            Some(ids) => Index::build(ids.iter().filter_map(|id| self.by_id.get(id)), self.now),
        };
        MadeIndex {
            index,
            ids: self.ids,
        }
    }
}

impl Tiers {
    /// Makes the indexes of a store.
    pub(super) fn new(by_id: &ById, now: Timestamp) -> Self {
        Self {
            tiny: Tier::empty(),
            small: Tier::empty(),
            large: Tier::new(Index::build(by_id.values(), now)),
            since: None,
            gone: 0,
        }
    }

    /// Takes in that a silence is new or has changed; `by_id` has it.
    pub(super) fn put(&mut self, id: &Arc<str>, by_id: &ById, now: Timestamp) {
        self.outdate(id);
        self.tiny.ids.insert(id.clone());
        self.tiny.rebuild(by_id, now);
    }

    /// Takes in that silences are new or have changed; `by_id` has them.
    pub(super) fn put_all<'a>(
        &mut self,
        ids: impl IntoIterator<Item = &'a Arc<str>>,
        by_id: &ById,
        now: Timestamp,
    ) {
        for id in ids {
            self.outdate(id);
            self.tiny.ids.insert(id.clone());
        }
        self.tiny.rebuild(by_id, now);
    }

    /// Takes in that a silence is gone.
    pub(super) fn remove(&mut self, id: &Arc<str>) {
        self.outdate(id);
        self.tiny.ids.remove(id);
        self.small.ids.remove(id);
        self.gone += 1;
    }

    /// The index to make next, if it is time for one and nobody makes one.
    pub(super) fn job(&mut self, by_id: &ById, now: Timestamp) -> Option<IndexJob> {
        // The indexes hold on to what is gone until they are made anew.
        let is_hollow = self.gone > SMALL.max(by_id.len() / 8);
        if self.since.is_some() || (self.tiny.ids.len() <= TINY && !is_hollow) {
            return None;
        }
        self.since = Some(OrdSet::new());
        let ids = self.small.ids.clone().union(self.tiny.ids.clone());
        let fits = ids.len() <= SMALL.max(by_id.len() / 8) && !is_hollow;
        if !fits {
            self.gone = 0;
        }
        Some(IndexJob {
            by_id: by_id.clone(),
            ids: fits.then_some(ids),
            now,
        })
    }

    /// Puts a new index in force, or none if it was lost.
    pub(super) fn take(&mut self, made: Option<MadeIndex>, by_id: &ById, now: Timestamp) {
        let since = self.since.take().unwrap_or_default();
        let Some(MadeIndex { index, ids }) = made else {
            return;
        };
        let mut tier = Tier::new(index);
        for id in &since {
            tier.outdate(id);
        }
        match ids {
            Some(ids) => {
                tier.ids = ids.relative_complement(since.clone());
                self.small = tier;
            }
            None => {
                self.small = Tier::empty();
                self.large = tier;
            }
        }
        self.tiny.ids = since
            .into_iter()
            .filter(|id| by_id.contains_key(id))
            .collect();
        self.tiny.rebuild(by_id, now);
    }

    /// The indexes that hold anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Tier> {
        [&self.tiny, &self.small, &self.large]
            .into_iter()
            .filter(|tier| tier.index.len() > 0)
    }

    fn outdate(&mut self, id: &Arc<str>) {
        for tier in [&mut self.tiny, &mut self.small, &mut self.large] {
            tier.outdate(id);
        }
        if let Some(since) = &mut self.since {
            since.insert(Arc::clone(id));
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
