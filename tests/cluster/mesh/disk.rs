//! A disk that forgets as disks do: what is under way at a crash may be there or not, what was not synced is gone with
//! the power.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use watchfire::{
    node::{SaveBatch, StoreOp},
    storage::Key,
    tenant::Saved,
};

use super::chance::Chance;

/// How long the system keeps what nobody synced before it writes it.
const UNSYNCED: Duration = Duration::from_secs(5);

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

/// What keys held before a write.
type Undo = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// One database: writes end in the order in which they began.
#[derive(Debug, Default)]
struct Database {
    records: Records,
    under_way: VecDeque<SaveBatch>,
    last_end: Duration,
    /// When the sync under way ends, if syncs take a time of their own.
    sync_ends: Duration,
    /// What undoes the writes that are not synced, the latest last.
    undo: VecDeque<(Duration, Undo)>,
}

impl Database {
    fn apply(&mut self, ops: Vec<StoreOp>, at: Duration) {
        let mut undo = Vec::with_capacity(ops.len());
        for op in ops {
            let (key, before) = match op {
                StoreOp::Put { key, value } => {
                    let before = self.records.insert(key.clone(), value);
                    (key, before)
                }
                StoreOp::Delete { key } => {
                    let before = self.records.remove(&key);
                    (key, before)
                }
            };
            undo.push((key, before));
        }
        self.undo.push_back((at, undo));
        while self
            .undo
            .front()
            .is_some_and(|(written, _)| *written + UNSYNCED < at)
        {
            self.undo.pop_front();
        }
    }

    /// When a write ends that is begun now, if each sync takes so long: one follows the other, and what waits for one is
    /// written together by the next.
    fn synced_at(&mut self, now: Duration, sync: Duration) -> Duration {
        if now >= self.last_end {
            self.sync_ends = now + sync;
            self.last_end = self.sync_ends;
        } else {
            if now >= self.sync_ends {
                self.sync_ends = self.last_end;
            }
            self.last_end = self.sync_ends + sync;
        }
        self.last_end
    }

    /// The process ends: some of what was under way was written.
    fn cut(&mut self, now: Duration, chance: &mut Chance) {
        let written = chance.index(self.under_way.len() + 1);
        for batch in std::mem::take(&mut self.under_way)
            .into_iter()
            .take(written)
        {
            self.apply(batch.ops, now);
        }
        self.last_end = Duration::ZERO;
        self.sync_ends = Duration::ZERO;
    }

    /// The power is gone: nothing after `at` was written.
    fn roll_back(&mut self, at: Duration) {
        while self.undo.back().is_some_and(|(written, _)| *written > at) {
            let (_, ops) = self.undo.pop_back().unwrap();
            for (key, before) in ops.into_iter().rev() {
                match before {
                    Some(value) => self.records.insert(key, value),
                    None => self.records.remove(&key),
                };
            }
        }
    }
}

/// The disk of a host.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    state: Database,
    bulk: Database,
    /// The longest time of an fsync.
    pub(crate) slowest_sync: Duration,
    /// How long every fsync takes, if they are all slow.
    pub(crate) slow_sync: Option<Duration>,
    /// No write ends.
    pub(crate) hangs: bool,
    /// Since when no write begins.
    pub(crate) hangs_since: Option<Duration>,
    /// What was to be written since.
    pub(crate) waiting: Vec<SaveBatch>,
}

impl Disk {
    fn database(&mut self, durable: bool) -> &mut Database {
        if durable {
            &mut self.state
        } else {
            &mut self.bulk
        }
    }

    /// Begins a write; says when it ends.
    pub(crate) fn begin(
        &mut self,
        batch: SaveBatch,
        now: Duration,
        chance: &mut Chance,
    ) -> Duration {
        if let Some(sync) = self.slow_sync.filter(|_| batch.durable) {
            self.state.under_way.push_back(batch);
            return self.state.synced_at(now, sync);
        }
        let most = if batch.durable {
            self.slowest_sync
        } else {
            Duration::from_millis(20)
        };
        let took = chance.between(Duration::from_micros(100), most);
        let database = self.database(batch.durable);
        database.under_way.push_back(batch);
        database.last_end = database.last_end.max(now + took);
        database.last_end
    }

    /// Ends the oldest write.
    pub(crate) fn end(&mut self, durable: bool, now: Duration) -> Option<SaveBatch> {
        let database = self.database(durable);
        let mut batch = database.under_way.pop_front()?;
        database.apply(std::mem::take(&mut batch.ops), now);
        Some(batch)
    }

    /// The process ended without warning.
    pub(crate) fn process_ended(&mut self, now: Duration, chance: &mut Chance) {
        self.waiting.clear();
        self.state.cut(now, chance);
        self.bulk.cut(now, chance);
    }

    /// The power went; what was acknowledged as durable stays.
    pub(crate) fn power_lost(&mut self, now: Duration, chance: &mut Chance) {
        self.process_ended(now, chance);
        let lost = chance.between(Duration::ZERO, UNSYNCED);
        self.bulk.roll_back(now.saturating_sub(lost));
    }

    /// Everything is gone.
    pub(crate) fn lose(&mut self) {
        *self = Self {
            slowest_sync: self.slowest_sync,
            slow_sync: self.slow_sync,
            hangs: self.hangs,
            hangs_since: self.hangs_since,
            ..Self::default()
        };
    }

    /// What the mesh asked to keep.
    pub(crate) fn mesh(&self) -> Option<Vec<u8>> {
        let key = Key::fact(&"anonymous".into(), "mesh").encode();
        self.state.records.get(&key).cloned()
    }

    /// What a node continues from.
    pub(crate) fn load(&self) -> Saved {
        let records = self.state.records.iter().chain(&self.bulk.records);
        let records = records.map(|(key, value)| (key.clone(), value.clone()));
        let (saved, damaged) = Saved::decode(records.collect::<Vec<_>>(), "anonymous");
        assert!(damaged.is_empty(), "{damaged:?}");
        saved
    }
}
