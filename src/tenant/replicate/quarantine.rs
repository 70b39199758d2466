//! Records that could not be used are kept aside, counted, and stop nobody.

use std::collections::{BTreeSet, VecDeque};

use xxhash_rust::xxh64::xxh64;

use crate::cluster::NodeName;

/// Records kept.
const MAX_RECORDS: usize = 100;
/// Bytes kept of each.
const MAX_BYTES: usize = 4096;
/// Hashes kept, so that a record that comes with every repair is told once.
const MAX_HASHES: usize = 10_000;

/// A record that could not be used.
#[derive(Debug, Clone)]
pub(super) struct Quarantined {
    /// Who sent it.
    #[expect(dead_code, reason = "for whoever looks at a dump of the node")]
    pub(super) from: NodeName,
    /// Its beginning.
    #[expect(dead_code, reason = "for whoever looks at a dump of the node")]
    pub(super) bytes: Vec<u8>,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Quarantine {
    records: VecDeque<Quarantined>,
    hashes: BTreeSet<u64>,
}

impl Quarantine {
    /// Records kept.
    pub(super) fn len(&self) -> usize {
        self.records.len()
    }

    /// Keeps a record aside; tells whether it is one more.
    pub(super) fn put(&mut self, from: &NodeName, map: &str, bytes: &[u8], error: &str) -> bool {
        let hash = xxh64(bytes, 0);
        if self.hashes.contains(&hash) {
            return false;
        }
        if self.hashes.len() >= MAX_HASHES {
            self.hashes.pop_first();
        }
        self.hashes.insert(hash);
        if self.records.len() >= MAX_RECORDS {
            self.records.pop_front();
        }
        self.records.push_back(Quarantined {
            from: NodeName::clone(from),
            bytes: bytes[..bytes.len().min(MAX_BYTES)].to_vec(),
        });
        tracing::error!(
            peer = %from,
            map,
            bytes = bytes.len(),
            err = error,
            "A record from another node cannot be used and is left out; the nodes may run different versions"
        );
        true
    }
}
