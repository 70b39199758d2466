//! All entries of one tenant. `Clone` is O(1) and gives a reader its own snapshot.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use imbl::OrdMap;

use super::{
    entry::{LogKey, NflogEntry},
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
    /// Where to go on; `None` at the end.
    pub next: Option<LogKey>,
}

impl Nflog {
    /// Makes an empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Enters what was told. An entry that is not newer than the one in place (by sequence number, then by time) is
    /// refused, as Alertmanager refuses an older timestamp; one that was told without knowing of the one in place is joined
    /// with it. Returns what to persist if the log changed.
    pub fn log(&mut self, entry: NflogEntry) -> Option<Arc<NflogEntry>> {
        if let Some(joined) = self.join(&entry) {
            return Some(joined);
        }
        if let Some(own) = self.get(&entry.key)
            && entry.precedence(own).is_le()
        {
            self.stats.stale += 1;
            return None;
        }
        Some(self.put(entry))
    }

    /// Joins a copy with the entry in place if they are of two sides of a cut that told on without each other; returns
    /// what to persist, and to tell all nodes.
    pub fn join(&mut self, entry: &NflogEntry) -> Option<Arc<NflogEntry>> {
        let joined = self.get(&entry.key)?.joined(entry)?;
        Some(self.put(joined))
    }

    /// Takes in a copy from another node or from the own disk; tells whether it changed the log.
    ///
    /// Commutative, associative and idempotent. [`Self::join`] goes before. Expiry does not matter: an entry counts until it is collected.
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

    /// Has one alert of a group told again as firing: it is a new incident of the same labels. The receivers know of the
    /// old one, so a resolve is owed even if it comes before they are told. Returns what to persist.
    pub fn tell_again(&mut self, group_key: &str, hash: u64) -> Vec<Arc<NflogEntry>> {
        let changed: Vec<NflogEntry> = self
            .of_group(group_key)
            .filter(|entry| entry.has_firing([hash]))
            .map(|entry| {
                let held: BTreeSet<u64> = entry.held.iter().copied().chain([hash]).collect();
                NflogEntry {
                    firing: entry
                        .firing
                        .iter()
                        .copied()
                        .filter(|h| *h != hash)
                        .collect(),
                    held: held.into_iter().collect(),
                    edit: entry.edit.saturating_add(1),
                    ..NflogEntry::clone(entry)
                }
            })
            .collect();
        changed.into_iter().map(|entry| self.put(entry)).collect()
    }

    /// Forgets entries whose group is not alive and whose expiry has come; entries of living groups get `retention` from
    /// `now` once half of it is over. Looks at `most` entries from `from` on.
    pub fn gc(
        &mut self,
        from: &LogKey,
        most: usize,
        now: Timestamp,
        retention: Duration,
        mut is_alive: impl FnMut(&LogKey) -> bool,
    ) -> Collected {
        let mut collected = Collected::default();
        let mut renewed = Vec::new();
        let mut entries = self.entries.range::<_, LogKey>(from..).map(|(_, e)| e);
        for entry in entries.by_ref().take(most) {
            if is_alive(&entry.key) {
                if entry.expires_at < now.plus(retention / 2) {
                    renewed.push(entry.clone());
                }
            } else if entry.expires_at <= now {
                collected.removed.push(entry.key.clone());
            }
        }
        collected.next = entries.next().map(|entry| entry.key.clone());
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
            ..LogKey::first()
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::nflog::{ReceiverKey, Teller, Trail};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(1_795_000_000 + seconds, 0)
    }

    fn key(group: &str, index: u32) -> LogKey {
        LogKey {
            group_key: group.into(),
            receiver: ReceiverKey {
                group_name: "team".into(),
                integration: "webhook".into(),
                index,
            },
        }
    }

    fn entry(key: LogKey, seq: u64, timestamp: i64, firing: &[u64]) -> NflogEntry {
        NflogEntry {
            key,
            seq,
            edit: 0,
            timestamp: at(timestamp),
            firing: firing.into(),
            resolved: Arc::default(),
            held: Arc::default(),
            receiver_data: BTreeMap::new(),
            repeat_interval: Duration::from_secs(60),
            trail: Trail::default(),
            expires_at: at(timestamp + 100),
        }
    }

    #[test]
    fn keys_print_as_alertmanagers() {
        assert_eq!(
            key("{}:{a=\"b\"}", 1).to_string(),
            "{}:{a=\"b\"}:team/webhook/1"
        );
    }

    #[test]
    fn what_is_older_is_refused() {
        let mut log = Nflog::new();
        assert!(log.log(entry(key("g", 0), 5, 10, &[1])).is_some());
        assert!(log.log(entry(key("g", 0), 5, 9, &[2])).is_none());
        assert!(log.log(entry(key("g", 0), 4, 99, &[2])).is_none());
        // The clock was set back between two notifications: the number decides.
        assert!(log.log(entry(key("g", 0), 6, 3, &[3])).is_some());
        assert_eq!(*log.get(&key("g", 0)).unwrap().firing, [3]);
        assert_eq!((log.len(), log.stats().stale), (1, 2));
    }

    #[test]
    fn a_group_has_the_entries_of_its_receivers_only() {
        let mut log = Nflog::new();
        for (group, index) in [("g", 1), ("g", 0), ("f", 0), ("ga", 0)] {
            log.log(entry(key(group, index), 1, 0, &[]));
        }
        let of_group: Vec<_> = log.of_group("g").map(|e| e.key.clone()).collect();
        assert_eq!(of_group, [key("g", 0), key("g", 1)]);
        assert_eq!(log.of_group("x").count(), 0);
        assert!(log.remove(&key("g", 0)).is_some());
        assert!(log.remove(&key("g", 0)).is_none());
        assert_eq!((log.len(), log.iter().count()), (3, 3));
    }

    #[test]
    fn telling_an_alert_again_leaves_the_others_and_beats_the_old_copy() {
        let mut log = Nflog::new();
        let old = NflogEntry {
            held: [2].into(),
            ..entry(key("g", 0), 1, 0, &[1, 2, 3])
        };
        log.log(old.clone());
        log.log(entry(key("g", 1), 1, 0, &[1]));
        let changed = log.tell_again("g", 2);
        assert_eq!(changed.len(), 1);
        assert_eq!(
            (&*changed[0].firing, &*changed[0].held),
            (&[1, 3][..], &[2][..])
        );
        assert!(!log.merge(old));
        assert!(log.tell_again("g", 2).is_empty());
    }

    #[test]
    fn of_what_may_have_been_told_neither_is_taken_for_known() {
        let before = NflogEntry {
            resolved: [3].into(),
            held: [9].into(),
            ..entry(key("g", 0), 1, 0, &[1, 2])
        };
        let next = NflogEntry {
            resolved: [2].into(),
            ..entry(key("g", 0), 2, 5, &[1, 3, 4])
        };
        let perhaps = before.perhaps_told(&next);
        assert_eq!((perhaps.seq, &*perhaps.firing), (1, &[1][..]));
        assert_eq!(
            (&*perhaps.resolved, &*perhaps.held),
            (&[][..], &[2, 3, 4, 9][..])
        );
        assert_eq!(perhaps.perhaps_told(&next), perhaps);
    }

    #[test]
    fn what_two_sides_told_without_each_other_is_joined() {
        let before = NflogEntry {
            trail: Trail::default().with(Teller::voters(1), 1, None),
            ..entry(key("g", 0), 1, 0, &[1, 2])
        };
        let majority = NflogEntry {
            trail: before.trail.with(Teller::voters(1), 3, None),
            resolved: [1, 2].into(),
            ..entry(key("g", 0), 3, 20, &[5, 6])
        };
        let minority = NflogEntry {
            trail: before.trail.with(Teller::alone("n1"), 2, None),
            resolved: [4].into(),
            held: [6].into(),
            ..entry(key("g", 0), 2, 30, &[1, 3, 5])
        };
        let mut log = Nflog::new();
        log.log(before.clone());
        assert!(log.join(&majority).is_none());
        log.log(majority.clone());
        let joined = log.log(minority.clone()).unwrap();
        assert_eq!((joined.seq, joined.edit, joined.timestamp), (3, 1, at(20)));
        assert_eq!(&*joined.firing, &[5]);
        assert_eq!(&*joined.resolved, &[2, 4]);
        assert_eq!(&*joined.held, &[1, 3, 6]);
        assert_eq!(minority.joined(&majority).as_ref(), Some(&*joined));
        for known in [before, majority, minority] {
            assert!(log.join(&known).is_none() && log.log(known).is_none());
        }
    }

    #[test]
    fn entries_live_with_their_group_and_the_retention_after() {
        let mut log = Nflog::new();
        for group in ["alive", "gone"] {
            log.log(entry(key(group, 0), 1, 0, &[1]));
        }
        let is_alive = |key: &LogKey| &*key.group_key == "alive";
        let retention = Duration::from_secs(100);
        assert_eq!(
            log.gc(&LogKey::first(), 10, at(50), retention, is_alive),
            Collected::default()
        );
        let collected = log.gc(&LogKey::first(), 10, at(51), retention, is_alive);
        assert_eq!(collected.removed, []);
        assert_eq!(collected.renewed.len(), 1);
        assert_eq!(collected.renewed[0].expires_at, at(151));
        assert_eq!(
            log.gc(&LogKey::first(), 10, at(99), retention, is_alive)
                .removed,
            []
        );
        assert_eq!(
            log.gc(&LogKey::first(), 10, at(100), retention, is_alive)
                .removed,
            [key("gone", 0)]
        );
        assert_eq!(
            log.gc(&LogKey::first(), 10, at(300), retention, |_| false)
                .removed,
            [key("alive", 0)]
        );
        assert!(log.is_empty());
    }

    #[test]
    fn collecting_goes_on_where_it_stopped() {
        let mut log = Nflog::new();
        for group in ["a", "b", "c"] {
            log.log(entry(key(group, 0), 1, 0, &[1]));
        }
        let (retention, dead) = (Duration::from_secs(100), |_: &LogKey| false);
        let mut from = Some(LogKey::first());
        let mut portions = Vec::new();
        while let Some(first) = from {
            let collected = log.gc(&first, 2, at(300), retention, dead);
            portions.push(collected.removed.len());
            from = collected.next;
        }
        assert_eq!(portions, [2, 1]);
        assert!(log.is_empty());
    }

    #[test]
    fn an_entry_from_a_file_wins_by_its_time() {
        let mut log = Nflog::new();
        log.log(entry(key("g", 0), 1000, 10, &[1]));
        assert!(
            log.import(entry(key("g", 0), 7, 10, &[2]), at(20))
                .is_none()
        );
        let imported = log.import(entry(key("g", 0), 7, 11, &[2]), at(20)).unwrap();
        assert_eq!(imported.seq, 1001);
        assert!(
            log.import(entry(key("h", 0), 7, 11, &[2]), at(111))
                .is_none()
        );
        assert!(
            log.import(entry(key("h", 0), 7, 11, &[2]), at(110))
                .is_some()
        );
    }

    #[test]
    fn alertmanager_forgets_sooner_when_it_repeats_often() {
        let day = Duration::from_secs(86_400);
        let mut entry = entry(key("g", 0), 1, 0, &[]);
        assert_eq!(entry.upstream_expiry(day), at(120));
        entry.repeat_interval = day;
        assert_eq!(entry.upstream_expiry(day), at(86_400));
        entry.repeat_interval = Duration::ZERO;
        assert_eq!(entry.upstream_expiry(day), at(86_400));
    }

    fn merged(entries: &[NflogEntry]) -> Vec<Arc<NflogEntry>> {
        let mut log = Nflog::new();
        for entry in entries {
            log.merge(entry.clone());
        }
        log.iter().cloned().collect()
    }

    fn any_entry() -> impl Strategy<Value = NflogEntry> {
        (
            0..2_u32,
            0..3_u64,
            0..2_u32,
            0..2_i64,
            prop::collection::vec(0..3_u64, 0..3),
        )
            .prop_map(|(index, seq, edit, timestamp, mut firing)| {
                firing.sort_unstable();
                firing.dedup();
                NflogEntry {
                    edit,
                    ..entry(key("g", index), seq, timestamp, &firing)
                }
            })
    }

    proptest! {
        #[test]
        fn merging_does_not_depend_on_order_or_repetition(
            (entries, shuffled) in prop::collection::vec(any_entry(), 1..8)
                .prop_flat_map(|entries| (Just(entries.clone()), Just(entries).prop_shuffle())),
            repeat in any::<prop::sample::Index>(),
        ) {
            let expect = merged(&entries);
            prop_assert_eq!(&merged(&shuffled), &expect);
            let mut again = shuffled;
            again.push(entries[repeat.index(entries.len())].clone());
            prop_assert_eq!(&merged(&again), &expect);
        }
    }
}
