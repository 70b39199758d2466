//! Which rows belong together: signatures of labels (`rangeEval` and `generateGroupingKey` of `promql/engine.go`).

use std::collections::hash_map::Entry;

use crate::{
    labels::LabelSet,
    promql::{hash::FastMap, text::is_utf8},
};

/// The label that holds the name of a metric.
pub(super) const NAME: &str = "__name__";

/// Gives each different part of label sets a number, from 0.
pub(super) struct Signatures<'a> {
    labels: &'a [String],
    /// Whether only `labels` count; else all but them and the name.
    only: bool,
    numbers: FastMap<Box<[u8]>, usize>,
    key: Vec<u8>,
}

impl<'a> Signatures<'a> {
    pub(super) fn new(labels: &'a [String], only: bool) -> Self {
        Self {
            labels,
            only,
            numbers: FastMap::default(),
            key: Vec::new(),
        }
    }

    /// The number of a label set, and whether it is new.
    pub(super) fn number(&mut self, set: &LabelSet) -> (usize, bool) {
        self.key.clear();
        for (name, value) in set {
            let listed = self.labels.iter().any(|label| label == name);
            let counts = if self.only {
                listed
            } else {
                !listed && name != NAME
            };
            if counts {
                self.key.extend_from_slice(name.as_bytes());
                self.key.push(0xFF);
                self.key.extend_from_slice(value.as_bytes());
                self.key.push(0xFF);
            }
        }
        if let Some(number) = self.numbers.get(self.key.as_slice()) {
            return (*number, false);
        }
        let number = self.numbers.len();
        match self.numbers.entry(self.key.as_slice().into()) {
            Entry::Occupied(entry) => (*entry.get(), false),
            Entry::Vacant(entry) => {
                entry.insert(number);
                (number, true)
            }
        }
    }

    /// How many numbers were given.
    pub(super) fn len(&self) -> usize {
        self.numbers.len()
    }
}

/// The labels by which rows were matched: for error texts and for elements that are filled in.
pub(super) fn matched_labels(set: &LabelSet, labels: &[String], on: bool) -> LabelSet {
    set.filter_pairs(|name, _| {
        let listed = labels.iter().any(|label| label == name);
        if on { listed } else { !listed && name != NAME }
    })
}

/// Labels without the name, and without `__type__` and `__unit__`, which belong to it.
pub(super) fn without_name(set: &LabelSet) -> LabelSet {
    set.filter_pairs(|name, _| !is_metadata(name))
}

pub(super) fn is_metadata(name: &str) -> bool {
    matches!(name, NAME | "__type__" | "__unit__")
}

/// Labels with one set, or removed if the value is empty.
pub(super) fn with_label(set: &LabelSet, name: &str, value: &str) -> LabelSet {
    let mut pairs: Vec<(&str, &str)> = set.iter().filter(|(other, _)| *other != name).collect();
    if !value.is_empty() {
        pairs.push((name, value));
    }
    LabelSet::from_pairs(pairs)
}

/// Whether a text may be the name of a label.
pub(super) fn is_label_name(name: &str) -> bool {
    !name.is_empty() && is_utf8(name)
}
