//! All entries of one tenant. `Clone` is O(1) and gives a reader its own snapshot.

use std::{sync::Arc, time::Duration};

use imbl::OrdMap;

use super::{
    entry::{LogKey, NflogEntry, ReceiverKey},
    stats::NflogStats,
};
use crate::time::Timestamp;

/// The notification log.
#[derive(Debug, Clone, Default)]
pub struct Nflog {
    entries: OrdMap<LogKey, Arc<NflogEntry>>,
    stats: NflogStats,
}

/// What [`Nflog::gc`] did; both are to be persisted.
#[derive(Debug, Default, PartialEq)]
pub struct Collected {
    /// Entries that are gone.
    pub removed: Vec<LogKey>,
    /// Entries of living groups whose expiry was moved on.
    pub renewed: Vec<Arc<NflogEntry>>,
}

impl Nflog {
    /// Makes an empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters what was told. An entry that is not newer than the one in place (by sequence number, then by time) is
    /// refused, as Alertmanager refuses an older timestamp; returns what to persist if the log changed.
    pub fn log(&mut self, entry: NflogEntry) -> Option<Arc<NflogEntry>> {
        if let Some(own) = self.get(&entry.key)
            && entry.precedence(own).is_le()
        {
            self.stats.stale += 1;
            return None;
        }
        Some(self.put(entry))
    }

    /// Takes in a copy from another node or from the own disk; tells whether it changed the log.
    ///
    /// Commutative, associative and idempotent. Expiry does not matter: an entry counts until it is collected.
    pub fn merge(&mut self, entry: NflogEntry) -> bool {
        if let Some(own) = self.get(&entry.key)
            && entry.precedence(own).is_le()
        {
            return false;
        }
        self.put(entry);
        true
    }

    /// Takes in an entry from a file of Alertmanager, which knows no sequence numbers: the newer timestamp wins.
    ///
    /// Returns what to persist if the log changed.
    pub fn import(&mut self, mut entry: NflogEntry, now: Timestamp) -> Option<Arc<NflogEntry>> {
        if entry.expires_at <= now {
            return None;
        }
        if let Some(own) = self.get(&entry.key) {
            if own.timestamp >= entry.timestamp {
                return None;
            }
            entry.seq = entry.seq.max(own.seq + 1);
        }
        Some(self.put(entry))
    }

    /// Takes one alert out of what the receivers of a group were told as firing, so that it is told again: it is a new
    /// incident of the same labels. Returns what to persist.
    pub fn forget(&mut self, group_key: &str, hash: u64) -> Vec<Arc<NflogEntry>> {
        let without = |hashes: &[u64]| hashes.iter().copied().filter(|h| *h != hash).collect();
        let changed: Vec<NflogEntry> = self
            .of_group(group_key)
            .filter(|e| e.has_firing([hash]) || e.held.binary_search(&hash).is_ok())
            .map(|entry| NflogEntry {
                firing: without(&entry.firing),
                held: without(&entry.held),
                edit: entry.edit.saturating_add(1),
                ..NflogEntry::clone(entry)
            })
            .collect();
        changed.into_iter().map(|entry| self.put(entry)).collect()
    }

    /// Forgets entries whose group is not alive and whose expiry has come; entries of living groups get `retention` from
    /// `now` once half of it is over.
    pub fn gc(
        &mut self,
        now: Timestamp,
        retention: Duration,
        mut is_alive: impl FnMut(&LogKey) -> bool,
    ) -> Collected {
        let mut collected = Collected::default();
        let mut renewed = Vec::new();
        for entry in self.iter() {
            if is_alive(&entry.key) {
                if entry.expires_at < now.plus(retention / 2) {
                    renewed.push(entry.clone());
                }
            } else if entry.expires_at <= now {
                collected.removed.push(entry.key.clone());
            }
        }
        for key in &collected.removed {
            self.remove(key);
        }
        for entry in renewed {
            collected.renewed.push(self.put(NflogEntry {
                expires_at: now.plus(retention),
                ..NflogEntry::clone(&entry)
            }));
        }
        collected
    }

    /// Removes an entry, if there is one.
    pub fn remove(&mut self, key: &LogKey) -> Option<Arc<NflogEntry>> {
        self.entries.remove(key)
    }

    /// Counts what a reader did.
    pub fn count(&mut self, done: &NflogStats) {
        self.stats.add(done);
    }

    /// The entry of a key.
    #[must_use]
    pub fn get(&self, key: &LogKey) -> Option<&Arc<NflogEntry>> {
        self.entries.get(key)
    }

    /// The entries of a group, by receiver.
    pub fn of_group<'a>(&'a self, group_key: &'a str) -> impl Iterator<Item = &'a Arc<NflogEntry>> {
        let first = LogKey {
            group_key: group_key.into(),
            receiver: ReceiverKey {
                group_name: Arc::default(),
                integration: Arc::default(),
                index: 0,
            },
        };
        self.entries
            .range(first..)
            .map(|(_, entry)| entry)
            .take_while(move |entry| *entry.key.group_key == *group_key)
    }

    /// All entries, by group and receiver.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<NflogEntry>> {
        self.entries.values()
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

    /// What was counted since the start.
    #[must_use]
    pub fn stats(&self) -> &NflogStats {
        &self.stats
    }

    fn put(&mut self, entry: NflogEntry) -> Arc<NflogEntry> {
        let entry = Arc::new(entry);
        self.entries.insert(entry.key.clone(), entry.clone());
        entry
    }
}
