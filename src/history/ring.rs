//! The newest entries, bounded in number and in bytes. `Clone` is O(1) and gives a reader its own snapshot.

use std::sync::Arc;

use imbl::Vector;

use super::{
    entry::HistoryEntry,
    query::{HistoryPage, HistoryQuery},
};

/// Bounds on the history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HistoryLimits {
    /// `--history.max-entries`; 0 keeps none.
    pub max_entries: usize,
    /// `--history.max-bytes`.
    pub max_bytes: usize,
}

impl Default for HistoryLimits {
    fn default() -> Self {
        Self {
            max_entries: 10_000,
            max_bytes: 64 * 1024 * 1024,
        }
    }
}

/// The history of one node, the oldest entry first.
#[derive(Clone, Debug, Default)]
pub struct History {
    limits: HistoryLimits,
    entries: Vector<Arc<HistoryEntry>>,
    bytes: usize,
    last_id: u64,
}

impl History {
    /// Makes an empty history.
    #[must_use]
    pub fn new(limits: HistoryLimits) -> Self {
        Self {
            limits,
            ..Self::default()
        }
    }

    /// Adds an entry, bounded and with its id; the oldest ones make room. Returns what to persist.
    pub fn push(&mut self, mut entry: HistoryEntry) -> Arc<HistoryEntry> {
        self.last_id += 1;
        entry.id = self.last_id;
        entry.bound();
        let entry = Arc::new(entry);
        self.append(entry.clone());
        entry
    }

    /// Puts back entries from disk, in any order; those that are there already are left out.
    pub fn restore(&mut self, entries: impl IntoIterator<Item = HistoryEntry>) {
        let mut all: Vec<Arc<HistoryEntry>> = self.entries.iter().cloned().collect();
        all.extend(entries.into_iter().map(|mut entry| {
            entry.bound();
            Arc::new(entry)
        }));
        all.sort_by_key(|entry| entry.id);
        all.dedup_by_key(|entry| entry.id);
        self.entries = Vector::new();
        self.bytes = 0;
        for entry in all {
            self.last_id = self.last_id.max(entry.id);
            self.append(entry);
        }
    }

    /// A page of entries, the newest first.
    #[must_use]
    pub fn query(&self, query: &HistoryQuery) -> HistoryPage {
        let limit = if query.limit == 0 {
            usize::MAX
        } else {
            query.limit
        };
        let mut found = self
            .entries
            .iter()
            .rev()
            .skip_while(|entry| query.before.is_some_and(|before| entry.id >= before))
            .filter(|entry| query.accepts(entry));
        let entries: Vec<_> = found.by_ref().take(limit).cloned().collect();
        let next = found
            .next()
            .and_then(|_| entries.last().map(|entry| entry.id));
        HistoryPage { entries, next }
    }

    /// The entry of that id.
    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Arc<HistoryEntry>> {
        let index = self.entries.binary_search_by_key(&id, |entry| entry.id);
        self.entries.get(index.ok()?)
    }

    /// The id of the oldest entry; whatever lies below may be removed from disk.
    #[must_use]
    pub fn oldest_id(&self) -> Option<u64> {
        self.entries.front().map(|entry| entry.id)
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of memory that the entries take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn append(&mut self, entry: Arc<HistoryEntry>) {
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        while self.entries.len() > self.limits.max_entries || self.bytes > self.limits.max_bytes {
            let Some(oldest) = self.entries.pop_front() else {
                return;
            };
            self.bytes -= oldest.bytes();
        }
    }
}
