//! Keys of the store: one byte for the map, the tenant, a zero byte, and what identifies the record in its map.
//!
//! Keys sort by map, then tenant, so a map of one tenant is one range. Sequence numbers are big endian and sort as numbers.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// The two databases: the second holds bulk data that is not fsynced, so that it never delays what is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Database {
    /// Silences and the notification log: acknowledged only once they survive a power cut.
    Durable,
    /// Alerts, schedules, history, rules: written behind.
    Bulk,
}

/// The kinds of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Map {
    /// One value per silence.
    Silences,
    /// One value per group and integration.
    Nflog,
    /// Batches of alerts.
    Alerts,
    /// Batches of group schedules.
    Schedules,
    /// Batches of history entries.
    History,
    /// When the node last lived.
    Heartbeat,
    /// What was promised to other nodes, one value per group and integration.
    Promises,
    /// Small facts about the node by name, such as which files were imported.
    Facts,
    /// One value per group of rules, and per alert of a rule.
    Rules,
}

impl Map {
    /// Every map.
    pub const ALL: [Self; 9] = [
        Self::Silences,
        Self::Nflog,
        Self::Alerts,
        Self::Schedules,
        Self::History,
        Self::Heartbeat,
        Self::Promises,
        Self::Facts,
        Self::Rules,
    ];

    /// Where its values live.
    #[must_use]
    pub fn database(self) -> Database {
        match self {
            Self::Silences | Self::Nflog | Self::Promises | Self::Facts => Database::Durable,
            Self::Alerts | Self::Schedules | Self::History | Self::Heartbeat | Self::Rules => {
                Database::Bulk
            }
        }
    }

    /// What every key of the map begins with, for one tenant.
    #[must_use]
    pub fn prefix(self, tenant: &str) -> Vec<u8> {
        let mut key = vec![self.byte()];
        key.extend_from_slice(tenant.as_bytes());
        key.push(0);
        key
    }

    /// `p` is that of parts of large values.
    fn byte(self) -> u8 {
        match self {
            Self::Silences => b's',
            Self::Nflog => b'n',
            Self::Alerts => b'a',
            Self::Schedules => b'g',
            Self::History => b'h',
            Self::Heartbeat => b'b',
            Self::Promises => b'c',
            Self::Facts => b'f',
            Self::Rules => b'r',
        }
    }
}

/// A key in parts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The kind of record.
    pub map: Map,
    /// Whose record; no zero bytes.
    pub tenant: Arc<str>,
    /// What identifies the record in its map.
    pub id: Vec<u8>,
}

impl Key {
    /// The key of a silence.
    #[must_use]
    pub fn silence(tenant: &Arc<str>, id: &str) -> Self {
        Self::new(Map::Silences, tenant, id.as_bytes().to_vec())
    }

    /// The key of a notification-log entry. Group keys have no bound on their length, so the key is a hash of the name
    /// under which Alertmanager keeps the entry; the record holds the name itself.
    #[must_use]
    pub fn nflog(tenant: &Arc<str>, key: &crate::nflog::LogKey) -> Self {
        let hash = Sha256::digest(key.to_string().as_bytes());
        Self::new(Map::Nflog, tenant, hash[..16].to_vec())
    }

    /// The key of a promise about a notification-log entry.
    #[must_use]
    pub fn promise(tenant: &Arc<str>, key: &crate::nflog::LogKey) -> Self {
        Self {
            map: Map::Promises,
            ..Self::nflog(tenant, key)
        }
    }

    /// The key of a record of rules; a hash, since labels have no bound on their length.
    #[must_use]
    pub fn rule(tenant: &Arc<str>, key: u64) -> Self {
        Self::new(Map::Rules, tenant, key.to_be_bytes().to_vec())
    }

    /// The key of a numbered batch.
    #[must_use]
    pub fn batch(map: Map, tenant: &Arc<str>, seq: u64) -> Self {
        Self::new(map, tenant, seq.to_be_bytes().to_vec())
    }

    /// The key of a record of which a tenant has one.
    #[must_use]
    pub fn single(map: Map, tenant: &Arc<str>) -> Self {
        Self::new(map, tenant, Vec::new())
    }

    /// The key of a fact.
    #[must_use]
    pub fn fact(tenant: &Arc<str>, name: &str) -> Self {
        Self::new(Map::Facts, tenant, name.as_bytes().to_vec())
    }

    /// The number of a batch.
    #[must_use]
    pub fn batch_seq(&self) -> Option<u64> {
        self.id.as_slice().try_into().ok().map(u64::from_be_bytes)
    }

    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut key = self.map.prefix(&self.tenant);
        key.extend_from_slice(&self.id);
        key
    }

    /// Reads the bytes; `None` if they are no key.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        let map = Map::ALL.into_iter().find(|map| map.byte() == *first)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        let tenant = std::str::from_utf8(&rest[..end]).ok()?;
        Some(Self {
            map,
            tenant: tenant.into(),
            id: rest[end + 1..].to_vec(),
        })
    }

    fn new(map: Map, tenant: &Arc<str>, id: Vec<u8>) -> Self {
        Self {
            map,
            tenant: tenant.clone(),
            id,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::nflog::{LogKey, ReceiverKey};

    #[test]
    fn keys_of_a_map_and_tenant_share_a_prefix_and_sort_by_number() {
        let tenant: Arc<str> = "anonymous".into();
        let log_key = LogKey {
            group_key: "{}:{}".into(),
            receiver: ReceiverKey {
                group_name: "team".into(),
                integration: "webhook".into(),
                index: 0,
            },
        };
        for (key, expect) in [
            (Key::silence(&tenant, "9b2c"), &b"sanonymous\x009b2c"[..]),
            (
                Key::batch(Map::Alerts, &tenant, 258),
                b"aanonymous\0\0\0\0\0\0\0\x01\x02",
            ),
            (Key::single(Map::Heartbeat, &tenant), b"banonymous\0"),
            (Key::fact(&tenant, "nflog"), b"fanonymous\0nflog"),
            (
                Key::nflog(&tenant, &log_key),
                b"nanonymous\0\xdd\xc3\x9b\xc0\x45\xd0\x80\x63\x6c\x93\xa9\x92\xe6\x8e\xe9\x16",
            ),
        ] {
            let bytes = key.encode();
            assert_eq!(bytes, expect, "{key:?}");
            assert!(bytes.starts_with(&key.map.prefix(&tenant)));
            assert_eq!(Key::decode(&bytes), Some(key));
        }
        // Parts of large values stand beside them.
        let mut firsts: Vec<u8> = Map::ALL.iter().map(|map| map.prefix("t")[0]).collect();
        firsts.push(crate::storage::parts::PART_KEY);
        firsts.sort_unstable();
        firsts.dedup();
        assert_eq!(firsts.len(), Map::ALL.len() + 1);
        let batch = |seq| Key::batch(Map::History, &tenant, seq);
        assert!(batch(255).encode() < batch(256).encode());
        assert_eq!(batch(256).batch_seq(), Some(256));
        assert_eq!(Key::silence(&tenant, "x").batch_seq(), None);
    }

    proptest! {
        #[test]
        fn hostile_keys_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(key) = Key::decode(&bytes) {
                prop_assert_eq!(key.encode(), bytes);
            }
        }
    }
}
