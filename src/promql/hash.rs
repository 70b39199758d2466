//! Maps for keys that nobody chooses to do harm: labels of series that were fetched.

use std::collections::HashMap;

/// A map with a fast, seeded hasher.
pub(crate) type FastMap<K, V> = HashMap<K, V, foldhash::fast::RandomState>;
