//! A sample on its way out.

use crate::{
    labels::LabelSet,
    promql::{Point, histogram::CUSTOM_BUCKETS_SCHEMA},
};

/// A sample as it is sent: relabelled, with external labels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) labels: LabelSet,
    /// A hash of the labels: samples of one series go one way.
    pub(super) hash: u64,
    /// Unix milliseconds.
    pub(super) time: i64,
    pub(super) point: Point,
}

impl Entry {
    pub(super) fn is_histogram(&self) -> bool {
        matches!(self.point, Point::Histogram(_))
    }

    /// Whether remote write 1.0 has no place for it.
    pub(super) fn needs_second_version(&self) -> bool {
        match &self.point {
            Point::Float(_) => false,
            Point::Histogram(histogram) => histogram.schema == CUSTOM_BUCKETS_SCHEMA,
        }
    }
}

/// How many samples there are of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) numbers: u64,
    pub(super) histograms: u64,
}

impl Counts {
    pub(super) fn of(entries: &[Entry]) -> Self {
        let histograms = entries.iter().filter(|entry| entry.is_histogram()).count();
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        Self {
            numbers: number(entries.len() - histograms),
            histograms: number(histograms),
        }
    }

    /// What is left of these without others.
    pub(super) fn without(self, others: Self) -> Self {
        Self {
            numbers: self.numbers.saturating_sub(others.numbers),
            histograms: self.histograms.saturating_sub(others.histograms),
        }
    }

    pub(super) fn all(self) -> u64 {
        self.numbers + self.histograms
    }
}
