//! Numbers for the label sets of a segment.

use std::collections::HashMap;

use crate::labels::LabelSet;

/// Identifies label sets: two independent hashes of 64 bits, instead of the sets, which would take five times the memory.
pub(super) type Key = (u64, u64);

/// What is known of a label set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It has this number.
    Known(u32),
    /// It is not written.
    Dropped,
    /// Nothing yet.
    New(Key),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Interner {
    /// By the labels as they came, so that relabelling is done once for each series and segment.
    numbers: HashMap<Key, Option<u32>>,
    next: u32,
    bytes: usize,
    begun: bool,
}

/// Bytes that an entry of the map takes, about.
const ENTRY: usize = 40;

impl Interner {
    /// Whether its segment was made.
    pub(super) fn is_of_segment(&self) -> bool {
        self.begun
    }

    /// Its segment was made.
    pub(super) fn begin(&mut self) {
        self.begun = true;
    }

    /// The number of the next new label set.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// Bytes of memory for it, and for the label sets that a reader of the segment keeps.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What is known of labels as they came.
    pub(super) fn meaning(&self, labels: &LabelSet) -> Meaning {
        let key = (labels.fingerprint().0, labels.log_hash());
        match self.numbers.get(&key) {
            Some(Some(number)) => Meaning::Known(*number),
            Some(None) => Meaning::Dropped,
            None => Meaning::New(key),
        }
    }

    /// Takes up labels as they are written.
    pub(super) fn add(&mut self, key: Key, labels: &LabelSet) -> u32 {
        let number = self.next;
        // 32 MiB of label sets are reached long before 2^32 of them.
        self.next = self.next.saturating_add(1);
        self.bytes += labels.heap_bytes() + 24 + ENTRY;
        self.numbers.insert(key, Some(number));
        number
    }

    /// Remembers that labels are not written.
    pub(super) fn drop_series(&mut self, key: Key) {
        self.bytes += ENTRY;
        self.numbers.insert(key, None);
    }
}
