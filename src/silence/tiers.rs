//! Keeps the index of a store in step with it at little cost: a large index of what is old, a smaller one of what changed
//! since, both made by a worker, and tiny ones of what changed last. Only of these some are made anew with each change.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use super::index::{Index, Indexed};
use crate::time::Timestamp;

/// Changes in a tiny index that are made anew with each change; there are more only while a worker makes another.
const TINY: usize = if cfg!(test) { 4 } else { 32 };

/// Changes in the smaller index, unless an eighth of all silences is more.
const SMALL: usize = if cfg!(test) { 12 } else { 1024 };

/// The silences of a store by id.
pub(super) type ById = OrdMap<Arc<str>, Indexed>;

/// The indexes of a store, the newest first. A silence is found through one of them at most.
#[derive(Clone, Debug)]
pub(super) struct Tiers {
    /// Each of those made since the worker began has at most half as many silences as the one before it, so that many
    /// changes need few indexes, and each change is filed few times.
    tiny: Vec<Tier>,
    /// How many of them the index that a worker makes replaces.
    replaced: usize,
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
            tiny: Vec::new(),
            replaced: 0,
            small: Tier::empty(),
            large: Tier::new(Index::build(by_id.values(), now)),
            since: None,
            gone: 0,
        }
    }

    /// Takes in that a silence is new or has changed; `by_id` has it.
    pub(super) fn put(&mut self, id: &Arc<str>, by_id: &ById, now: Timestamp) {
        self.put_all([id], by_id, now);
    }

    /// Takes in that silences are new or have changed; `by_id` has them.
    pub(super) fn put_all<'a>(
        &mut self,
        ids: impl IntoIterator<Item = &'a Arc<str>>,
        by_id: &ById,
        now: Timestamp,
    ) {
        let mut changed = OrdSet::new();
        for id in ids {
            self.outdate(id);
            changed.insert(Arc::clone(id));
        }
        if changed.is_empty() {
            return;
        }
        while self.tiny.len() > self.replaced
            && let Some(last) = self
                .tiny
                .pop_if(|last| last.ids.len() <= TINY.max(2 * changed.len()))
        {
            changed = changed.union(last.ids);
        }
        self.tiny.push(Tier::of(changed, by_id, now));
    }

    /// Takes in that a silence is gone.
    pub(super) fn remove(&mut self, id: &Arc<str>) {
        self.outdate(id);
        self.small.ids.remove(id);
        self.gone += 1;
    }

    /// The index to make next, if it is time for one and nobody makes one.
    pub(super) fn job(&mut self, by_id: &ById, now: Timestamp) -> Option<IndexJob> {
        // The indexes hold on to what is gone until they are made anew.
        let is_hollow = self.gone > SMALL.max(by_id.len() / 8);
        let tiny: usize = self.tiny.iter().map(|tier| tier.ids.len()).sum();
        if self.since.is_some() || (tiny <= TINY && !is_hollow) {
            return None;
        }
        self.since = Some(OrdSet::new());
        self.replaced = self.tiny.len();
        let tiny = self.tiny.iter().map(|tier| tier.ids.clone());
        let ids = tiny.fold(self.small.ids.clone(), OrdSet::union);
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
    pub(super) fn take(&mut self, made: Option<MadeIndex>) {
        let since = self.since.take().unwrap_or_default();
        let replaced = std::mem::take(&mut self.replaced);
        let Some(MadeIndex { index, ids }) = made else {
            return;
        };
        let mut tier = Tier::new(index);
        for id in &since {
            tier.outdate(id);
        }
        match ids {
            Some(ids) => {
                tier.ids = ids.relative_complement(since);
                self.small = tier;
            }
            None => {
                self.small = Tier::empty();
                self.large = tier;
            }
        }
        self.tiny.drain(..replaced);
    }

    /// The indexes that hold anything.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Tier> {
        let tiny = self.tiny.iter().rev();
        tiny.chain([&self.small, &self.large])
            .filter(|tier| tier.index.len() > 0)
    }

    fn outdate(&mut self, id: &Arc<str>) {
        for tier in &mut self.tiny {
            tier.outdate(id);
            tier.ids.remove(id);
        }
        for tier in [&mut self.small, &mut self.large] {
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

    fn of(ids: OrdSet<Arc<str>>, by_id: &ById, now: Timestamp) -> Self {
        let silences = ids.iter().filter_map(|id| by_id.get(id));
        Self {
            index: Arc::new(Index::build(silences, now)),
            outdated: Arc::default(),
            ids,
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

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use super::*;
    use crate::silence::Silence;

    fn silence(number: usize) -> Indexed {
        let now = Timestamp::from_unix(1_795_000_000, 0);
        let silence = Silence {
            id: format!("{number:05}").into(),
            matcher_sets: Arc::default(),
            starts_at: now,
            ends_at: now.plus(Duration::from_secs(60)),
            updated_at: now,
            created_by: String::new(),
            comment: String::new(),
            annotations: BTreeMap::new(),
            expires_at: now.plus(Duration::from_secs(120)),
            rev: 1,
            expired_by_user: false,
        };
        Indexed {
            silence: Arc::new(silence),
            pivots: Arc::default(),
        }
    }

    #[test]
    fn what_changes_while_a_worker_is_busy_is_filed_few_times() {
        let now = Timestamp::from_unix(1_795_000_000, 0);
        for at_once in [1, 200] {
            let mut by_id = ById::new();
            let mut tiers = Tiers::new(&by_id, now);
            let mut job = None;
            let mut filed = 0;
            for first in (0..10_000).step_by(at_once) {
                let ids: Vec<Arc<str>> = (first..first + at_once)
                    .map(|number| {
                        let silence = silence(number);
                        let id = Arc::clone(&silence.silence.id);
                        by_id.insert(Arc::clone(&id), silence);
                        id
                    })
                    .collect();
                tiers.put_all(&ids, &by_id, now);
                filed += tiers.tiny.last().map_or(0, |tier| tier.ids.len());
                job = job.or_else(|| tiers.job(&by_id, now));
            }
            assert!(filed <= 10_000 * 20, "{filed} for {at_once} at once");
            assert!(tiers.tiny.len() <= 20, "{}", tiers.tiny.len());
            assert!(job.is_some());
            tiers.take(job.map(IndexJob::run));
            let left: usize = tiers.tiny.iter().map(|tier| tier.ids.len()).sum();
            assert!(left < 10_000, "{left}");
        }
    }
}
