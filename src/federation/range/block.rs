//! Values of a query at successive steps.

use std::{cmp::Ordering, iter::Peekable, mem::size_of, sync::Arc};

use crate::{
    labels::LabelSet,
    promql::{Annotations, FloatHistogram, Samples, Series},
};

/// Steps of a block; those of one share the number that is theirs divided by this.
pub(super) const STEPS: i64 = 120;

/// What a row and a block take beside their labels and values, about.
const OVERHEAD: usize = size_of::<Row>() + 64;

/// The values of a query at successive steps of at most `STEPS`.
#[derive(Clone, Debug)]
pub struct Block {
    /// The number of the first step.
    pub(super) first: i64,
    /// That of the last.
    pub(super) last: i64,
    /// Sorted as results are: by labels, pair by pair.
    pub(super) rows: Vec<Row>,
    /// Remarks, none of them a warning.
    pub(super) notes: Annotations,
}

/// The values of a series.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) labels: LabelSet,
    pub(super) floats: Column<f64>,
    pub(super) histograms: Column<Arc<FloatHistogram>>,
}

/// Values and the steps that have one, by their places in the block.
#[derive(Clone, Debug)]
pub(super) struct Column<T> {
    places: Vec<u8>,
    values: Vec<T>,
}

impl<T> Default for Column<T> {
    fn default() -> Self {
        Self {
            places: Vec::new(),
            values: Vec::new(),
        }
    }
}

/// In the order in which results are sorted.
pub(super) fn by_labels(a: &LabelSet, b: &LabelSet) -> Ordering {
    a.iter().cmp(b.iter())
}

impl<T: Clone> Column<T> {
    /// The samples of the steps from `first` to `last`; `number` tells the step of a time.
    pub(super) fn cut(samples: &Samples<T>, times: (i64, i64), number: impl Fn(i64) -> u8) -> Self {
        let from = samples.times.partition_point(|time| *time < times.0);
        let to = samples.times.partition_point(|time| *time <= times.1);
        let times = samples.times.get(from..to).unwrap_or_default();
        let values = samples.values.get(from..to).unwrap_or_default();
        Self {
            places: times.iter().map(|time| number(*time)).collect(),
            values: values.to_vec(),
        }
    }

    /// Those up to a place, and those of another column after it.
    fn joined(&self, last: u8, later: &Self) -> Self {
        let own = self.places.partition_point(|place| *place <= last);
        let from = later.places.partition_point(|place| *place <= last);
        let (places, more_places) = (self.places.get(..own), later.places.get(from..));
        let (values, more_values) = (self.values.get(..own), later.values.get(from..));
        Self {
            places: [places.unwrap_or_default(), more_places.unwrap_or_default()].concat(),
            values: [values.unwrap_or_default(), more_values.unwrap_or_default()].concat(),
        }
    }

    /// Appends the samples of places to a series; `time` tells the time of a place.
    pub(super) fn append_to(
        &self,
        samples: &mut Samples<T>,
        places: (u8, u8),
        time: impl Fn(u8) -> i64,
    ) {
        let from = self.places.partition_point(|place| *place < places.0);
        let to = self.places.partition_point(|place| *place <= places.1);
        let places = self.places.get(from..to).unwrap_or_default();
        let values = self.values.get(from..to).unwrap_or_default();
        samples
            .times
            .extend(places.iter().map(|place| time(*place)));
        samples.values.extend_from_slice(values);
    }

    fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether it has a sample in these places.
    fn has(&self, places: (u8, u8)) -> bool {
        let from = self.places.partition_point(|place| *place < places.0);
        self.places
            .get(from)
            .is_some_and(|place| *place <= places.1)
    }
}

/// The number of the block of a step.
pub(super) fn block_of(number: i64) -> i64 {
    number.div_euclid(STEPS)
}

/// The place of a step in its block.
pub(super) fn place_of(number: i64) -> u8 {
    u8::try_from(number.rem_euclid(STEPS)).unwrap_or(u8::MAX)
}

impl Row {
    pub(super) fn new(series: &Series, times: (i64, i64), number: impl Fn(i64) -> u8) -> Self {
        Self {
            labels: series.labels.clone(),
            floats: Column::cut(&series.floats, times, &number),
            histograms: Column::cut(&series.histograms, times, &number),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.floats.is_empty() && self.histograms.is_empty()
    }

    /// Whether it has a sample in these places.
    pub(super) fn has(&self, places: (u8, u8)) -> bool {
        self.floats.has(places) || self.histograms.has(places)
    }

    fn joined(&self, last: u8, later: &Self) -> Self {
        Self {
            labels: self.labels.clone(),
            floats: self.floats.joined(last, &later.floats),
            histograms: self.histograms.joined(last, &later.histograms),
        }
    }

    fn bytes(&self) -> usize {
        let labels = self.labels.iter();
        let labels: usize = labels
            .map(|(name, value)| name.len() + value.len() + 2)
            .sum();
        let histograms = self.histograms.values.iter();
        let histograms: usize = histograms.map(|one| one.byte_size() + 32).sum();
        OVERHEAD + labels + self.floats.values.len() * 9 + histograms
    }
}

impl Block {
    /// What it takes in memory, about.
    pub(super) fn bytes(&self) -> usize {
        let notes: usize = self.notes.iter().map(|note| note.text.len() + 96).sum();
        OVERHEAD + notes + self.rows.iter().map(Row::bytes).sum::<usize>()
    }

    /// One block of two of the same place, if no step is missing between them.
    pub(super) fn joined(&self, other: &Self) -> Option<Self> {
        let (early, late) = if self.first <= other.first {
            (self, other)
        } else {
            (other, self)
        };
        if late.first > early.last.saturating_add(1) {
            return None;
        }
        if late.last <= early.last {
            return Some(early.clone());
        }
        let last = place_of(early.last);
        let mut rows = Vec::with_capacity(early.rows.len().max(late.rows.len()));
        let (mut left, mut right) = (early.rows.iter().peekable(), late.rows.iter().peekable());
        let nothing = |labels: &LabelSet| Row {
            labels: labels.clone(),
            floats: Column::default(),
            histograms: Column::default(),
        };
        while let Some((a, b)) = next_of_both(&mut left, &mut right) {
            let row = match (a, b) {
                (Some(a), Some(b)) => a.joined(last, b),
                (Some(a), None) => a.clone(),
                (None, Some(b)) => nothing(&b.labels).joined(last, b),
                (None, None) => break,
            };
            if !row.is_empty() {
                rows.push(row);
            }
        }
        let mut notes = early.notes.clone();
        notes.merge(late.notes.clone());
        Some(Self {
            first: early.first,
            last: late.last,
            rows,
            notes,
        })
    }
}

/// The next rows of two sorted lists, both if they have the same labels.
fn next_of_both<'r>(
    left: &mut Peekable<impl Iterator<Item = &'r Row>>,
    right: &mut Peekable<impl Iterator<Item = &'r Row>>,
) -> Option<(Option<&'r Row>, Option<&'r Row>)> {
    let order = match (left.peek(), right.peek()) {
        (None, None) => return None,
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (Some(a), Some(b)) => by_labels(&a.labels, &b.labels),
    };
    Some(match order {
        Ordering::Less => (left.next(), None),
        Ordering::Equal => (left.next(), right.next()),
        Ordering::Greater => (None, right.next()),
    })
}
