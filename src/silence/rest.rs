//! Looks at the labels under which a matcher set is not filed, and remembers what it saw.
//!
//! Ten silences of one host each ask for other alert names: the alert names are few, so each is asked once per silence and
//! not once per alert.

use super::index::{Index, TextMap};
use crate::labels::LabelSet;

/// Memory for what is remembered, in words of 64 bits.
const MEMO_WORDS: usize = 128 * 1024;

/// Values remembered per label.
const MEMO_VALUES: usize = 1024;

/// What the labels of the current alert mean for matcher sets of one index.
#[derive(Debug)]
pub(super) struct Rest {
    labels: Vec<RestLabel>,
    /// Per value two bits for each matcher set: whether it was asked, and whether it matches.
    answers: Vec<u64>,
    /// Words in `answers` per value.
    words: usize,
    alert: u64,
}

#[derive(Debug, Clone, Default)]
struct RestLabel {
    /// The alert for which `place` holds.
    alert: u64,
    /// Where the answers for the alert's value begin, if they are remembered.
    place: Option<usize>,
    places: TextMap<Box<str>, usize>,
}

impl Rest {
    pub(super) fn new(index: &Index) -> Self {
        Self {
            labels: vec![RestLabel::default(); index.rest().len()],
            answers: Vec::new(),
            words: index.len().div_ceil(32),
            alert: 0,
        }
    }

    /// Begins with another alert.
    pub(super) fn begin(&mut self) {
        self.alert += 1;
    }

    /// Whether a matcher set matches all labels of the alert but the one under which it is filed.
    pub(super) fn matches(&mut self, index: &Index, slot: u32, alert: &LabelSet) -> bool {
        let labels = &index.slot(slot).rest;
        labels
            .iter()
            .all(|label| self.matches_label(index, slot, *label as usize, alert))
    }

    fn matches_label(&mut self, index: &Index, slot: u32, label: usize, alert: &LabelSet) -> bool {
        let name = &index.rest()[label];
        let ask = || index.slot(slot).matches(name, alert.value(name));
        let Some(place) = self.place(label, name, alert) else {
            return ask();
        };
        let (word, shift) = (place + slot as usize / 32, slot % 32 * 2);
        let known = self.answers[word] >> shift;
        if known & 1 != 0 {
            return known & 2 != 0;
        }
        let answer = ask();
        self.answers[word] |= (1 | u64::from(answer) << 1) << shift;
        answer
    }

    /// Where the answers for the alert's value of this label begin.
    fn place(&mut self, label: usize, name: &str, alert: &LabelSet) -> Option<usize> {
        let state = &mut self.labels[label];
        if state.alert == self.alert {
            return state.place;
        }
        let value = alert.value(name);
        let mut place = state.places.get(value).copied();
        let room = self.answers.len() + self.words <= MEMO_WORDS;
        if place.is_none() && room && state.places.len() < MEMO_VALUES {
            place = Some(self.answers.len());
            state.places.insert(value.into(), self.answers.len());
            self.answers.resize(self.answers.len() + self.words, 0);
        }
        state.alert = self.alert;
        state.place = place;
        place
    }
}
