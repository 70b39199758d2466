//! A sorted set of label pairs in one allocation, and its two hashes.
//!
//! 100,000 alerts are mostly labels, so a set is one `Arc<str>`: for each pair the length of the name as a `char`, the
//! name, the length of the value, the value. Equal sets have equal texts.

use std::{borrow::Cow, cmp::Ordering, fmt, sync::Arc};

use xxhash_rust::xxh64::Xxh64;

use super::quote::go_quote;

/// Lengths from here on do not fit one `char` below the surrogates; they are written as `LONG` and two 15-bit digits.
const SHORT_LIMIT: u32 = 0xD800;
const LONG: char = '\u{FFFF}';

/// Identifies a label set: FNV-1a over its sorted pairs (`prometheus/common` `LabelSet.Fingerprint`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for Fingerprint {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

/// A set of label pairs, sorted by name; cheap to clone.
///
/// `Ord` is the order of `prometheus/common` `LabelSet.Before`: fewer labels first, then by name and value.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct LabelSet(Arc<str>);

impl LabelSet {
    /// Makes the set without labels.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::from(""))
    }

    /// Makes a set of pairs in any order; of equal names the last wins.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        let mut builder = LabelSetBuilder::default();
        for (name, value) in pairs {
            builder.push(name, value);
        }
        builder.build()
    }

    /// Makes a set of pairs in any order, which it sorts in place; of equal names the last wins.
    #[must_use]
    pub fn from_scratch(pairs: &mut [(Cow<'_, str>, Cow<'_, str>)]) -> Self {
        pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        let size = pairs.iter().map(|(n, v)| n.len() + v.len() + 4).sum();
        let mut text = String::with_capacity(size);
        for (i, (name, value)) in pairs.iter().enumerate() {
            if pairs.get(i + 1).is_none_or(|(next, _)| next != name) {
                push_str(&mut text, name);
                push_str(&mut text, value);
            }
        }
        Self(text.into())
    }

    /// The pairs in the order of their names.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter { rest: &self.0 }
    }

    /// The value of a label, if the set has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value)
    }

    /// The value of a label; a missing label counts as the empty string, as matchers see it.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    /// Whether the set has no labels.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many labels the set has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// The pairs that `keep` accepts.
    #[must_use]
    pub fn filter_pairs(&self, mut keep: impl FnMut(&str, &str) -> bool) -> Self {
        let mut text = String::new();
        for (name, value) in self.iter().filter(|(name, value)| keep(name, value)) {
            push_str(&mut text, name);
            push_str(&mut text, value);
        }
        Self(text.into())
    }

    /// Bytes of memory behind this set.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.0.len() + 16
    }

    /// Reads a little of the text, so that it is on its way from memory when it is needed; the result says nothing.
    #[must_use]
    pub fn touch(&self) -> usize {
        let bytes = self.0.as_bytes();
        let at = |place: usize| usize::from(bytes.get(place).copied().unwrap_or_default());
        at(0) + at(64) + at(128)
    }

    /// FNV-1a over sorted `name FF value FF`.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut feed = |bytes: &[u8]| {
            for byte in bytes.iter().chain(&[0xFF]) {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        };
        for (name, value) in self {
            feed(name.as_bytes());
            feed(value.as_bytes());
        }
        Fingerprint(hash)
    }

    /// xxHash64 over the same bytes: how the notification log names alerts (`notify/dedup_stage.go`).
    #[must_use]
    pub fn log_hash(&self) -> u64 {
        let mut hash = Xxh64::new(0);
        for (name, value) in self {
            hash.update(name.as_bytes());
            hash.update(&[0xFF]);
            hash.update(value.as_bytes());
            hash.update(&[0xFF]);
        }
        hash.digest()
    }
}

impl<'a> IntoIterator for &'a LabelSet {
    type Item = (&'a str, &'a str);
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl Default for LabelSet {
    fn default() -> Self {
        Self::empty()
    }
}

impl Ord for LabelSet {
    fn cmp(&self, other: &Self) -> Ordering {
        let (mut own, mut others) = (self.iter(), other.iter());
        let mut decided = Ordering::Equal;
        loop {
            match (own.next(), others.next()) {
                (None, None) => return decided,
                (None, Some(_)) => return Ordering::Less,
                (Some(_), None) => return Ordering::Greater,
                // `Before` walks the union of the names: a set that lacks the smaller one comes first.
                (Some((name, value)), Some((other_name, other_value))) => {
                    decided = decided
                        .then_with(|| other_name.cmp(name))
                        .then_with(|| value.cmp(other_value));
                }
            }
        }
    }
}

impl PartialOrd for LabelSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As Go's `LabelSet.String`: `{a="b", c="d"}` with Go's quoting. Group keys are made of it.
impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (i, (name, value)) in self.iter().enumerate() {
            let separator = if i > 0 { ", " } else { "" };
            write!(f, "{separator}{name}={}", go_quote(value))?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Walks the pairs of a [`LabelSet`].
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        let name = take_str(&mut self.rest)?;
        let value = take_str(&mut self.rest)?;
        Some((name, value))
    }
}

/// Collects pairs in any order and sorts them once.
#[derive(Clone, Debug, Default)]
pub struct LabelSetBuilder {
    pairs: Vec<(Box<str>, Box<str>)>,
}

impl LabelSetBuilder {
    /// Adds a pair; of equal names the last wins.
    pub fn push(&mut self, name: impl AsRef<str>, value: impl AsRef<str>) {
        self.pairs
            .push((name.as_ref().into(), value.as_ref().into()));
    }

    /// Makes the set.
    #[must_use]
    pub fn build(mut self) -> LabelSet {
        self.pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
        let size = self.pairs.iter().map(|(n, v)| n.len() + v.len() + 4).sum();
        let mut text = String::with_capacity(size);
        for (i, (name, value)) in self.pairs.iter().enumerate() {
            if self.pairs.get(i + 1).is_none_or(|(next, _)| next != name) {
                push_str(&mut text, name);
                push_str(&mut text, value);
            }
        }
        LabelSet(text.into())
    }
}

fn push_str(text: &mut String, part: &str) {
    let len = u32::try_from(part.len())
        .unwrap_or(u32::MAX)
        .min((1 << 30) - 1);
    match char::from_u32(len) {
        Some(short) if len < SHORT_LIMIT => text.push(short),
        _ => {
            text.push(LONG);
            text.extend(
                [len >> 15, len & 0x7FFF]
                    .into_iter()
                    .filter_map(char::from_u32),
            );
        }
    }
    text.push_str(part);
}

fn take_str<'a>(rest: &mut &'a str) -> Option<&'a str> {
    let (len, text) = match rest.as_bytes().first()? {
        short @ 0..0x80 => (usize::from(*short), rest.get(1..)?),
        _ => take_long_len(rest)?,
    };
    let (part, after) = text.split_at_checked(len)?;
    *rest = after;
    Some(part)
}

/// A length that takes more than one byte, and the text after it.
#[cold]
fn take_long_len(rest: &str) -> Option<(usize, &str)> {
    let mut chars = rest.chars();
    let mut len = chars.next()? as u32;
    if len == LONG as u32 {
        len = (chars.next()? as u32) << 15 | chars.next()? as u32;
    }
    Some((len as usize, chars.as_str()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn fingerprints_are_those_of_prometheus() {
        assert_eq!(
            LabelSet::empty().fingerprint().to_string(),
            "cbf29ce484222325"
        );
        let labels = LabelSet::from_pairs([("b", "2"), ("a", "1")]);
        assert_eq!(labels.to_string(), "{a=\"1\", b=\"2\"}");
        assert_eq!("00000000000000ff".parse(), Ok(Fingerprint(255)));
    }

    #[test]
    fn orders_as_label_set_before() {
        let set = |pairs: &[(&str, &str)]| LabelSet::from_pairs(pairs.iter().copied());
        assert!(set(&[("z", "9")]) < set(&[("a", "1"), ("b", "1")]));
        assert!(set(&[("a", "1")]) < set(&[("a", "2")]));
        // At "a", the set without it comes first.
        assert!(set(&[("b", "1")]) < set(&[("a", "1")]));
    }

    proptest! {
        #[test]
        fn behaves_as_a_map(pairs in prop::collection::vec((".{0,4}", ".{0,9}"), 0..9)) {
            let map: BTreeMap<_, _> = pairs.iter().cloned().collect();
            let set = LabelSet::from_pairs(pairs);
            prop_assert_eq!(set.len(), map.len());
            let listed: Vec<_> = set.iter().collect();
            let expected: Vec<_> = map.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            prop_assert_eq!(listed, expected);
            for (name, value) in &map {
                prop_assert_eq!(set.get(name), Some(value.as_str()));
            }
        }

        #[test]
        fn long_values_survive(len in 50_000_usize..80_000) {
            let value = "é".repeat(len);
            let set = LabelSet::from_pairs([("a", value.as_str()), ("b", "x")]);
            prop_assert_eq!(set.get("a"), Some(value.as_str()));
            prop_assert_eq!(set.get("b"), Some("x"));
        }
    }
}
