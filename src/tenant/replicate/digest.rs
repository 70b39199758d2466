//! What a node has, in hashes: digests of 256 buckets for each map, made on a worker from snapshots that cost nothing.

use std::sync::Arc;

use imbl::OrdMap;

use super::{
    apply::is_over,
    frame::{Digests, Root},
    rules,
    vector::Vector,
    version::{AlertVersion, Hasher},
};
use crate::{
    alert::Alert,
    dispatch::{Aside, Group, GroupId, GroupName},
    labels::Fingerprint,
    nflog::{Nflog, NflogEntry},
    ruler::RuleCopy,
    silence::{Silence, Silences},
    storage::ReplicaMap,
    tenant::Tenant,
    time::{Now, Timestamp},
};

/// The maps that are compared, in the order in which they are sent: who was told comes before what there is to tell.
pub(super) const MAPS: [ReplicaMap; 5] = [
    ReplicaMap::Silences,
    ReplicaMap::Log,
    ReplicaMap::Alerts,
    ReplicaMap::Schedules,
    ReplicaMap::Rules,
];

/// Digests of one map; the highest byte of a key's hash says which counts.
pub(super) const BUCKETS: usize = 256;

/// What a node has at one moment.
#[derive(Debug)]
pub struct IndexInput {
    vector: Vector,
    silences: Silences,
    nflog: Nflog,
    alerts: OrdMap<Fingerprint, Arc<Alert>>,
    /// What the others know of alerts whose refresh they are not told yet.
    told: OrdMap<Fingerprint, AlertVersion>,
    unrefreshed: OrdMap<Fingerprint, Timestamp>,
    groups: OrdMap<GroupId, Arc<Group>>,
    aside: OrdMap<GroupName, Aside>,
    rules: OrdMap<u64, RuleCopy>,
    now: Now,
}

/// Hashes of all that a node has, to be compared with another's, and the records themselves.
#[derive(Debug)]
pub struct Index {
    /// Everything up to here is in it.
    pub(super) vector: Vector,
    maps: [MapIndex; MAPS.len()],
}

/// One map.
#[derive(Debug)]
pub(super) struct MapIndex {
    /// By key, without repetition.
    entries: Vec<IndexEntry>,
    /// Sums of hashes of keys and versions; 0 without entries.
    buckets: Vec<u64>,
}

/// One record.
#[derive(Debug)]
pub(super) struct IndexEntry {
    /// A hash of its key.
    pub(super) key: u64,
    /// A hash of what decides which of two copies holds.
    pub(super) version: u64,
    pub(super) record: IndexRecord,
}

/// The record itself, shared with the node's state.
#[derive(Debug)]
pub(super) enum IndexRecord {
    Silence(Arc<Silence>),
    Log(Arc<NflogEntry>),
    Alert(Arc<Alert>, Option<Timestamp>),
    Group(Arc<Group>),
    Aside(GroupName, Aside),
    Rule(RuleCopy),
}

impl Tenant {
    /// What the tenant has now; costs nothing.
    pub(super) fn index_input(&self, vector: Vector, now: Now) -> IndexInput {
        let replicator = self.replicator.as_ref();
        let told = replicator.map(|replicator| replicator.refreshes.told().clone());
        IndexInput {
            vector,
            silences: self.silences.clone(),
            nflog: self.nflog.clone(),
            alerts: self.store.all().clone(),
            told: told.unwrap_or_default(),
            unrefreshed: self.unrefreshed.clone(),
            groups: self.dispatcher.groups().clone(),
            aside: self.dispatcher.aside().clone(),
            rules: self.rules.all().clone(),
            now,
        }
    }
}

impl IndexInput {
    /// Makes the index; pure, on any thread.
    #[must_use]
    pub fn run(self) -> Index {
        let maps = MAPS.map(|map| MapIndex::new(self.entries(map)));
        Index {
            vector: self.vector,
            maps,
        }
    }

    fn entries(&self, map: ReplicaMap) -> Vec<IndexEntry> {
        match map {
            ReplicaMap::Silences => self.silences(),
            ReplicaMap::Log => self.log(),
            ReplicaMap::Alerts => self.alerts(),
            ReplicaMap::Schedules => self.schedules(),
            ReplicaMap::Rules => rules::entries(&self.rules, self.now),
            ReplicaMap::Refreshes | ReplicaMap::History => Vec::new(),
        }
    }

    fn silences(&self) -> Vec<IndexEntry> {
        let kept = self
            .silences
            .iter()
            .filter(|silence| silence.expires_at > self.now.wall);
        let entries = kept.map(|silence| {
            let mut version = Hasher::new();
            version.number(silence.rev);
            version.number(u64::from(silence.expired_by_user));
            version.time(silence.updated_at);
            version.time(silence.ends_at);
            version.time(silence.starts_at);
            version.text(&silence.created_by);
            version.text(&silence.comment);
            IndexEntry {
                key: key_of(&[&silence.id]),
                version: version.finish(),
                record: IndexRecord::Silence(Arc::clone(silence)),
            }
        });
        entries.collect()
    }

    /// The expiry is no part of a version: each node renews what its groups use.
    fn log(&self) -> Vec<IndexEntry> {
        let kept = self
            .nflog
            .iter()
            .filter(|entry| entry.expires_at > self.now.wall);
        let entries = kept.map(|entry| {
            let mut version = Hasher::new();
            version.number(entry.seq);
            version.number(u64::from(entry.edit));
            version.time(entry.timestamp);
            version.numbers(&entry.firing);
            version.numbers(&entry.resolved);
            version.numbers(&entry.held);
            let trail = entry.trail.told().iter().chain(entry.trail.names());
            for (first, second) in trail {
                version.number(*first);
                version.number(*second);
            }
            let receiver = &entry.key.receiver;
            let mut key = Hasher::new();
            key.text(&entry.key.group_key);
            key.text(&receiver.group_name);
            key.text(&receiver.integration);
            key.number(u64::from(receiver.index));
            IndexEntry {
                key: key.finish(),
                version: version.finish(),
                record: IndexRecord::Log(Arc::clone(entry)),
            }
        });
        entries.collect()
    }

    fn alerts(&self) -> Vec<IndexEntry> {
        let kept = self
            .alerts
            .values()
            .filter(|alert| !is_over(alert, self.now.wall));
        let entries = kept.map(|alert| {
            let outage = self.unrefreshed.get(&alert.fingerprint).copied();
            let told = self.told.get(&alert.fingerprint).copied();
            let version = told.unwrap_or_else(|| AlertVersion::new(alert, outage));
            let mut key = Hasher::new();
            key.number(alert.fingerprint.0);
            IndexEntry {
                key: key.finish(),
                version: version.hash(),
                record: IndexRecord::Alert(Arc::clone(alert), outage),
            }
        });
        entries.collect()
    }

    fn schedules(&self) -> Vec<IndexEntry> {
        let groups = self.groups.values().filter(|group| group.flushes > 0);
        let groups = groups.map(|group| IndexEntry {
            key: key_of(&[&group.route.id, &group.key]),
            version: group.flushes,
            record: IndexRecord::Group(Arc::clone(group)),
        });
        let aside = self.aside.iter();
        let aside = aside.filter(|(_, aside)| aside.due > self.now.mono);
        let aside = aside.map(|(name, aside)| IndexEntry {
            key: key_of(&[&name.route_id, &name.group_key]),
            version: aside.flushes,
            record: IndexRecord::Aside(name.clone(), *aside),
        });
        groups.chain(aside).collect()
    }
}

impl Index {
    pub(super) fn map(&self, map: ReplicaMap) -> Option<&MapIndex> {
        let at = MAPS.iter().position(|of| *of == map)?;
        self.maps.get(at)
    }

    /// A hash of each map.
    pub(super) fn roots(&self) -> Vec<Root> {
        let roots = MAPS.iter().zip(&self.maps).map(|(map, index)| Root {
            map: map.number(),
            hash: index.root(),
        });
        roots.collect()
    }

    /// The digests of those maps that differ from another node's. It does not know a map that it says nothing of: it is of
    /// an earlier version.
    pub(super) fn differing(&self, roots: &[Root]) -> Vec<Digests> {
        let maps = MAPS.iter().zip(&self.maps).filter(|(map, index)| {
            let same = |root: &Root| root.map == map.number();
            let root = roots.iter().find(|root| same(root));
            root.is_some_and(|root| root.hash != index.root())
        });
        let digests = maps.map(|(map, index)| Digests {
            map: map.number(),
            buckets: index.buckets.clone(),
        });
        digests.collect()
    }
}

impl MapIndex {
    fn new(mut entries: Vec<IndexEntry>) -> Self {
        entries.sort_unstable_by_key(|entry| entry.key);
        entries.dedup_by_key(|entry| entry.key);
        let mut buckets = vec![0_u64; BUCKETS];
        for entry in &entries {
            let mut hasher = Hasher::new();
            hasher.number(entry.key);
            hasher.number(entry.version);
            let bucket = &mut buckets[usize::from(bucket_of(entry.key))];
            *bucket = bucket.wrapping_add(hasher.finish());
        }
        Self { entries, buckets }
    }

    /// The digests.
    pub(super) fn buckets(&self) -> &[u64] {
        &self.buckets
    }

    /// The entries whose keys are within bounds, both included.
    pub(super) fn range(&self, from: u64, to: u64) -> &[IndexEntry] {
        let begin = self.entries.partition_point(|entry| entry.key < from);
        let end = self.entries.partition_point(|entry| entry.key <= to);
        self.entries.get(begin..end).unwrap_or_default()
    }

    /// The entry of a key.
    pub(super) fn get(&self, key: u64) -> Option<&IndexEntry> {
        let at = self
            .entries
            .binary_search_by_key(&key, |entry| entry.key)
            .ok()?;
        self.entries.get(at)
    }

    fn root(&self) -> u64 {
        let mut hasher = Hasher::new();
        hasher.numbers(&self.buckets);
        hasher.finish()
    }
}

/// The first and the last key of a bucket.
pub(super) fn bounds(bucket: u8) -> (u64, u64) {
    let first = u64::from(bucket) << 56;
    (first, first | (u64::MAX >> 8))
}

fn bucket_of(key: u64) -> u8 {
    key.to_be_bytes()[0]
}

fn key_of(texts: &[&str]) -> u64 {
    let mut hasher = Hasher::new();
    for text in texts {
        hasher.text(text);
    }
    hasher.finish()
}
