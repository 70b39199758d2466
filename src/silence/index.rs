//! Finds the silences that may match a label set without looking at all of them.
//!
//! Each matcher set is filed once, under the pivot that the fewest others share. An index never changes; the store
//! rebuilds it once enough silences differ from it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use aho_corasick::AhoCorasick;
use foldhash::fast::RandomState;

use super::{
    model::Silence,
    pivot::{Need, Pivot},
};
use crate::{labels::Matcher, time::Timestamp};

/// A map of short strings, which every alert looks up several times.
pub(super) type TextMap<K, V> = HashMap<K, V, RandomState>;

/// How long ended silences stay in the index; a clock that is set back by less needs no fallback.
const ENDED_SLACK: Duration = Duration::from_secs(3600);

/// Lengths to which prefixes and suffixes are cut, so that a value is looked up a few times only.
const AFFIX_LENGTHS: [usize; 10] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32];

/// A silence as the store keeps it.
#[derive(Clone, Debug)]
pub(super) struct Indexed {
    pub(super) silence: Arc<Silence>,
    /// Per matcher set.
    pub(super) pivots: Arc<[Box<[Pivot]>]>,
}

/// One matcher set of one silence.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) silence: Arc<Silence>,
    /// Index of the matcher set.
    pub(super) set: usize,
    /// The other labels that its matchers look at than the one under which it is filed, by their numbers in the index.
    pub(super) rest: Box<[u32]>,
}

impl Slot {
    /// Whether this value of a label passes all matchers of the set that look at it.
    pub(super) fn matches(&self, name: &str, value: &str) -> bool {
        self.silence.matcher_sets[self.set]
            .iter()
            .all(|matcher| matcher.name() != name || matcher.matches_value(value))
    }
}

/// The index of some silences.
#[derive(Debug)]
pub(super) struct Index {
    slots: Vec<Slot>,
    /// Places in `labels`.
    names: TextMap<Arc<str>, usize>,
    /// Bit per length of a name, the last for all lengths from 63 on.
    lengths: u64,
    labels: Vec<NameIndex>,
    /// The labels of [`Slot::rest`].
    rest: Vec<Arc<str>>,
    always: Vec<u32>,
    of_id: HashMap<Arc<str>, Vec<u32>>,
    valid_from: Timestamp,
}

/// What is filed under one label.
#[derive(Debug, Default)]
struct NameIndex {
    exact: TextMap<Box<[u8]>, Vec<u32>>,
    prefix: Affixes,
    suffix: Affixes,
    contains: Option<(AhoCorasick, Vec<Vec<u32>>)>,
    present: Vec<u32>,
}

#[derive(Debug, Default)]
struct Affixes {
    lengths: Vec<usize>,
    by_text: TextMap<Box<[u8]>, Vec<u32>>,
}

impl Index {
    /// Makes the index of what has not long ended at `now`.
    pub(super) fn build<'a>(silences: impl Iterator<Item = &'a Indexed>, now: Timestamp) -> Self {
        let valid_from = now.minus(ENDED_SLACK);
        let live: Vec<&Indexed> = silences
            .filter(|indexed| indexed.silence.ends_at >= valid_from)
            .collect();
        let shared = Sharing::count(&live);
        let mut index = Self {
            slots: Vec::with_capacity(live.len()),
            names: TextMap::default(),
            lengths: 0,
            labels: Vec::new(),
            rest: Vec::new(),
            always: Vec::new(),
            of_id: HashMap::with_capacity(live.len()),
            valid_from,
        };
        let mut inner: BTreeMap<usize, Inner> = BTreeMap::new();
        let mut rest_labels = Numbers::default();
        for indexed in live {
            for (set, pivots) in indexed.pivots.iter().enumerate() {
                let slot = u32::try_from(index.slots.len())
                    .expect("memory ends long before four billion matcher sets");
                let pivot = shared.best(pivots);
                let mut rest: Vec<_> = indexed.silence.matcher_sets[set]
                    .iter()
                    .map(Matcher::name)
                    .filter(|name| pivot.is_none_or(|pivot| *pivot.name != **name))
                    .map(|name| rest_labels.number(name))
                    .collect();
                rest.sort_unstable();
                rest.dedup();
                index.slots.push(Slot {
                    silence: indexed.silence.clone(),
                    set,
                    rest: rest.into(),
                });
                let id = indexed.silence.id.clone();
                index.of_id.entry(id).or_default().push(slot);
                let Some(pivot) = pivot else {
                    index.always.push(slot);
                    continue;
                };
                let label = index.label_or_new(&pivot.name);
                if let Need::Contains(text) = &pivot.need {
                    inner.entry(label).or_default().push(text, slot);
                } else {
                    index.labels[label].file(&pivot.need, slot);
                }
            }
        }
        for (label, inner) in inner {
            index.labels[label].contains = inner.build();
        }
        index.rest = rest_labels.names;
        index
    }

    /// The earliest time for which the index is complete.
    pub(super) fn valid_from(&self) -> Timestamp {
        self.valid_from
    }

    /// How many matcher sets are filed.
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// A matcher set.
    pub(super) fn slot(&self, slot: u32) -> &Slot {
        &self.slots[slot as usize]
    }

    /// The matcher sets of a silence.
    pub(super) fn slots_of(&self, id: &str) -> &[u32] {
        self.of_id.get(id).map_or(&[], Vec::as_slice)
    }

    /// The matcher sets that match alerts without any of their labels.
    pub(super) fn always(&self) -> &[u32] {
        &self.always
    }

    /// The number of a label under which anything is filed.
    pub(super) fn label(&self, name: &str) -> Option<usize> {
        // Nearly all labels of an alert end here.
        if self.lengths & length_bit(name) == 0 {
            return None;
        }
        self.names.get(name).copied()
    }

    /// The labels of [`Slot::rest`].
    pub(super) fn rest(&self) -> &[Arc<str>] {
        &self.rest
    }

    /// How many labels have something filed under them; they are numbered from 0.
    pub(super) fn labels(&self) -> usize {
        self.labels.len()
    }

    /// Adds the matcher sets that may match because a label has this value; some may come twice.
    pub(super) fn candidates(&self, label: usize, value: &str, out: &mut Vec<u32>) {
        let of_name = &self.labels[label];
        let value = value.as_bytes();
        if value.is_empty() {
            return;
        }
        if let Some(slots) = of_name.exact.get(value) {
            out.extend_from_slice(slots);
        }
        for length in of_name
            .prefix
            .lengths
            .iter()
            .take_while(|l| **l <= value.len())
        {
            out.extend_from_slice(of_name.prefix.get(&value[..*length]));
        }
        for length in of_name
            .suffix
            .lengths
            .iter()
            .take_while(|l| **l <= value.len())
        {
            out.extend_from_slice(of_name.suffix.get(&value[value.len() - length..]));
        }
        if let Some((automaton, slots)) = &of_name.contains {
            for found in automaton.find_overlapping_iter(value) {
                out.extend_from_slice(&slots[found.pattern().as_usize()]);
            }
        }
        out.extend_from_slice(&of_name.present);
    }

    fn label_or_new(&mut self, name: &Arc<str>) -> usize {
        let next = self.labels.len();
        let label = *self.names.entry(Arc::clone(name)).or_insert(next);
        if label == next {
            self.labels.push(NameIndex::default());
            self.lengths |= length_bit(name);
        }
        label
    }
}

fn length_bit(name: &str) -> u64 {
    1 << name.len().min(63)
}

/// Numbers names in the order in which they come.
#[derive(Default)]
struct Numbers {
    names: Vec<Arc<str>>,
    of_name: TextMap<Arc<str>, u32>,
}

impl Numbers {
    fn number(&mut self, name: &str) -> u32 {
        if let Some(number) = self.of_name.get(name) {
            return *number;
        }
        let number = u32::try_from(self.names.len())
            .expect("memory ends long before four billion label names");
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.of_name.insert(name, number);
        number
    }
}

impl NameIndex {
    fn file(&mut self, need: &Need, slot: u32) {
        match need {
            Need::Exact(values) => {
                for value in values {
                    self.exact.entry(value.clone()).or_default().push(slot);
                }
            }
            Need::Prefix(texts) => self.prefix.file(texts.iter().map(|t| head(t)), slot),
            Need::Suffix(texts) => self.suffix.file(texts.iter().map(|t| tail(t)), slot),
            Need::Contains(_) | Need::Present => self.present.push(slot),
        }
    }
}

impl Affixes {
    fn file<'a>(&mut self, texts: impl Iterator<Item = &'a [u8]>, slot: u32) {
        for text in texts {
            if let Err(at) = self.lengths.binary_search(&text.len()) {
                self.lengths.insert(at, text.len());
            }
            let slots = self.by_text.entry(text.into()).or_default();
            if slots.last() != Some(&slot) {
                slots.push(slot);
            }
        }
    }

    fn get(&self, text: &[u8]) -> &[u32] {
        self.by_text.get(text).map_or(&[], Vec::as_slice)
    }
}

/// Inner literals of one label on their way into one automaton.
#[derive(Default)]
struct Inner {
    texts: Vec<Box<[u8]>>,
    slots: Vec<Vec<u32>>,
    of_text: HashMap<Box<[u8]>, usize>,
}

impl Inner {
    fn push(&mut self, text: &[u8], slot: u32) {
        let next = self.texts.len();
        let at = *self.of_text.entry(text.into()).or_insert(next);
        if at == next {
            self.texts.push(text.into());
            self.slots.push(Vec::new());
        }
        self.slots[at].push(slot);
    }

    fn build(self) -> Option<(AhoCorasick, Vec<Vec<u32>>)> {
        let automaton = AhoCorasick::new(&self.texts)
            .expect("literals of patterns that compile are far from the automaton's limits");
        Some((automaton, self.slots))
    }
}

/// How many matcher sets could be filed under the same text.
#[derive(Default)]
struct Sharing<'a> {
    exact: HashMap<(&'a str, &'a [u8]), usize>,
    prefix: HashMap<(&'a str, &'a [u8]), usize>,
    suffix: HashMap<(&'a str, &'a [u8]), usize>,
    contains: HashMap<(&'a str, &'a [u8]), usize>,
}

impl<'a> Sharing<'a> {
    fn count(silences: &[&'a Indexed]) -> Self {
        let mut shared = Self::default();
        let pivots = silences.iter().flat_map(|indexed| indexed.pivots.iter());
        for pivot in pivots.flatten() {
            let name: &'a str = &pivot.name;
            match &pivot.need {
                Need::Exact(texts) => {
                    for text in texts {
                        *shared.exact.entry((name, text)).or_default() += 1;
                    }
                }
                Need::Prefix(texts) => {
                    for text in texts {
                        *shared.prefix.entry((name, head(text))).or_default() += 1;
                    }
                }
                Need::Suffix(texts) => {
                    for text in texts {
                        *shared.suffix.entry((name, tail(text))).or_default() += 1;
                    }
                }
                Need::Contains(text) => {
                    *shared.contains.entry((name, text)).or_default() += 1;
                }
                Need::Present => {}
            }
        }
        shared
    }

    /// The pivot that brings the fewest vain candidates; a hash lookup is preferred to a search.
    fn best<'p>(&self, pivots: &'p [Pivot]) -> Option<&'p Pivot> {
        pivots.iter().min_by_key(|pivot| self.cost(pivot))
    }

    fn cost(&self, pivot: &Pivot) -> usize {
        let name = &*pivot.name;
        let most = |counts: &HashMap<(&str, &[u8]), usize>,
                    texts: &mut dyn Iterator<Item = &[u8]>| {
            texts
                .filter_map(|text| counts.get(&(name, text)).copied())
                .max()
                .unwrap_or_default()
        };
        match &pivot.need {
            Need::Exact(texts) => most(&self.exact, &mut texts.iter().map(|t| &**t)),
            Need::Prefix(texts) => 4 * most(&self.prefix, &mut texts.iter().map(|t| head(t))),
            Need::Suffix(texts) => 4 * most(&self.suffix, &mut texts.iter().map(|t| tail(t))),
            Need::Contains(text) => 8 * most(&self.contains, &mut std::iter::once(&**text)),
            Need::Present => usize::MAX,
        }
    }
}

fn head(text: &[u8]) -> &[u8] {
    &text[..cut_length(text.len())]
}

fn tail(text: &[u8]) -> &[u8] {
    &text[text.len() - cut_length(text.len())..]
}

fn cut_length(length: usize) -> usize {
    AFFIX_LENGTHS
        .into_iter()
        .rev()
        .find(|allowed| *allowed <= length)
        .unwrap_or(length)
}
