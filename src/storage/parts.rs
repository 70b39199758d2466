//! Values that are too large for the store, such as the log entry of a group of 100,000 alerts, kept as several.
//!
//! Under the key itself stands a head: a zero byte (no format version), how many parts follow, a hash of the whole, and the
//! beginning. The parts have keys of their own. Head and parts are written in one batch; the hash tells whether they
//! belong together.

use std::collections::BTreeMap;

use xxhash_rust::xxh64::xxh64;

use super::journal::MAX_BATCH_BYTES;

/// Values from here on are kept as several; the store takes less than 64 KiB.
const PART_BYTES: usize = MAX_BATCH_BYTES;

/// First byte of the keys of parts; no map has it.
pub(super) const PART_KEY: u8 = b'p';

/// First byte of heads; format versions begin at 1.
const HEAD: u8 = 0;

/// A key and what is to stand there; `None` deletes it.
pub type StoredOp = (Vec<u8>, Option<Vec<u8>>);

/// Knows which values are kept as several, so that writing a key leaves no old parts behind.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    counts: BTreeMap<Vec<u8>, u16>,
}

impl Parts {
    /// Appends to `ops` what writing or deleting a value takes; to be done as one.
    pub fn write(&mut self, key: Vec<u8>, value: Option<Vec<u8>>, ops: &mut Vec<StoredOp>) {
        let old = self.counts.remove(&key).unwrap_or_default();
        let mut new = 0;
        match value {
            Some(value) if value.len() > PART_BYTES => {
                let hash = xxh64(&value, 0).to_be_bytes();
                let mut chunks = value.chunks(PART_BYTES);
                let first = chunks.next().unwrap_or_default();
                new = u16::try_from(chunks.len())
                    .expect("a value of four gigabytes has no room in memory beside itself");
                let head = [&[HEAD], &new.to_be_bytes()[..], &hash, first].concat();
                ops.push((key.clone(), Some(head)));
                for (number, chunk) in (0..).zip(chunks) {
                    ops.push((part_key(&key, number), Some([&hash, chunk].concat())));
                }
            }
            value => ops.push((key.clone(), value)),
        }
        for number in new..old.max(new) {
            ops.push((part_key(&key, number), None));
        }
        if new > 0 {
            self.counts.insert(key, new);
        }
    }
}

/// Puts values together again while a store is read.
#[derive(Debug, Default)]
pub struct Joiner {
    heads: BTreeMap<Vec<u8>, Vec<u8>>,
    parts: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What [`Joiner::finish`] found.
#[derive(Debug, Default)]
pub struct Joined {
    /// The values that were kept as several, with their keys.
    pub records: Vec<(Vec<u8>, Vec<u8>)>,
    /// To write on with.
    pub parts: Parts,
    /// Keys whose parts are not all there.
    pub damaged: Vec<Vec<u8>>,
}

impl Joiner {
    /// Takes in a record of the store; gives it back if it is a whole value.
    pub fn push(&mut self, key: Vec<u8>, value: Vec<u8>) -> Option<(Vec<u8>, Vec<u8>)> {
        if key.first() == Some(&PART_KEY) {
            self.parts.insert(key, value);
        } else if value.first() == Some(&HEAD) {
            self.heads.insert(key, value);
        } else {
            return Some((key, value));
        }
        None
    }

    /// Puts together what was held back.
    #[must_use]
    pub fn finish(self) -> Joined {
        let mut joined = Joined::default();
        for (key, head) in self.heads {
            let (count, value) = join(&key, &head, &self.parts);
            if count > 0 {
                joined.parts.counts.insert(key.clone(), count);
            }
            match value {
                Some(value) => joined.records.push((key, value)),
                None => joined.damaged.push(key),
            }
        }
        joined
    }
}

/// How many parts a head asks for, and the value if they are there.
fn join(key: &[u8], head: &[u8], parts: &BTreeMap<Vec<u8>, Vec<u8>>) -> (u16, Option<Vec<u8>>) {
    let Some((fixed, first)) = head.split_first_chunk::<11>() else {
        return (0, None);
    };
    let [_, high, low, hash @ ..] = *fixed;
    let count = u16::from_be_bytes([high, low]);
    let mut value = first.to_vec();
    for number in 0..count {
        let part = parts.get(&part_key(key, number));
        let Some(chunk) = part.and_then(|part| part.strip_prefix(hash.as_slice())) else {
            return (count, None);
        };
        value.extend_from_slice(chunk);
    }
    let whole = xxh64(&value, 0).to_be_bytes() == hash;
    (count, whole.then_some(value))
}

fn part_key(key: &[u8], number: u16) -> Vec<u8> {
    [&[PART_KEY], key, &number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Store = BTreeMap<Vec<u8>, Vec<u8>>;

    fn write(parts: &mut Parts, store: &mut Store, key: &[u8], value: Option<&[u8]>) {
        let mut ops = Vec::new();
        parts.write(key.to_vec(), value.map(<[u8]>::to_vec), &mut ops);
        for (key, value) in ops {
            match value {
                Some(value) => {
                    assert!(value.len() < 64 * 1024);
                    store.insert(key, value);
                }
                None => drop(store.remove(&key)),
            }
        }
    }

    fn read(store: &Store) -> (Store, Joined) {
        let mut joiner = Joiner::default();
        let mut values: Store = store
            .iter()
            .filter_map(|(key, value)| joiner.push(key.clone(), value.clone()))
            .collect();
        let mut joined = joiner.finish();
        values.extend(joined.records.drain(..));
        (values, joined)
    }

    fn value(seed: u8, length: usize) -> Vec<u8> {
        let bytes = (0_u8..=250).cycle().skip(usize::from(seed));
        std::iter::once(1).chain(bytes).take(length).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn values_of_any_size_come_back_and_leave_nothing(
            steps in prop::collection::vec(
                (0..3_u8, 0..6_usize, any::<u8>(), any::<bool>()), 1..20),
        ) {
            let (mut parts, mut store, mut model) = (Parts::default(), Store::new(), Store::new());
            for (key, size, seed, restart) in steps {
                let length = [0, 1, PART_BYTES, PART_BYTES + 1, 2 * PART_BYTES, 300_000][size];
                let key = vec![b'n', key];
                if length == 0 {
                    write(&mut parts, &mut store, &key, None);
                    model.remove(&key);
                } else {
                    let value = value(seed, length);
                    write(&mut parts, &mut store, &key, Some(&value));
                    model.insert(key, value);
                }
                let (values, joined) = read(&store);
                prop_assert!(joined.damaged.is_empty());
                prop_assert_eq!(&values, &model);
                if restart {
                    parts = joined.parts;
                }
            }
            for key in model.keys() {
                write(&mut parts, &mut store, key, None);
            }
            prop_assert!(store.is_empty());
        }

        #[test]
        fn hostile_records_never_panic(
            records in prop::collection::vec(
                (prop::collection::vec(0..3_u8, 0..4), prop::collection::vec(0..3_u8, 0..30)), 0..8),
        ) {
            let mut joiner = Joiner::default();
            for (mut key, value) in records {
                if let Some(first) = key.first_mut() && *first == 0 {
                    *first = PART_KEY;
                }
                let _ = joiner.push(key, value);
            }
            let _ = joiner.finish();
        }
    }

    #[test]
    fn parts_that_do_not_belong_together_are_told() {
        let (mut parts, mut store) = (Parts::default(), Store::new());
        write(&mut parts, &mut store, b"na", Some(&value(1, 200_000)));
        let old = store.clone();
        write(&mut parts, &mut store, b"na", Some(&value(2, 200_000)));
        let mut torn = store.clone();
        let part = part_key(b"na", 1);
        torn.insert(part.clone(), old[&part].clone());
        let (values, joined) = read(&torn);
        assert!(values.is_empty());
        assert_eq!(joined.damaged, [b"na"]);
        torn.remove(&part);
        let (_, mut joined) = read(&torn);
        assert_eq!(joined.damaged, [b"na"]);
        // Writing the key again heals it.
        write(&mut joined.parts, &mut torn, b"na", Some(b"\x01small"));
        assert_eq!(torn.len(), 1);
    }
}
