//! Series of samples, and windows of them.

use std::sync::Arc;

use super::histogram::FloatHistogram;
use crate::labels::LabelSet;

/// The bits of the NaN that marks a series as ended (`model/value` `StaleNaN`).
pub const STALE_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The NaN that marks a series as ended. Arithmetic never yields its bits.
pub const STALE: f64 = f64::from_bits(STALE_BITS);

/// Whether a value is the mark of an ended series; other NaNs are data.
#[must_use]
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_BITS
}

/// The value of one series at one time.
#[derive(Clone, Debug, PartialEq)]
pub enum Point {
    /// A number.
    Float(f64),
    /// A native histogram.
    Histogram(Arc<FloatHistogram>),
}

/// Samples of one kind, ordered by time, in columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples<T> {
    /// Unix milliseconds.
    pub times: Vec<i64>,
    /// As long as `times`.
    pub values: Vec<T>,
    /// When the counters started, in Unix milliseconds, 0 for unknown; as long as `times`, or empty if none is known.
    pub starts: Vec<i64>,
}

impl<T> Samples<T> {
    /// Puts samples that are ordered by time where they belong; of none the time is there already. No start timestamp is
    /// known any more.
    pub fn put_between(&mut self, others: Vec<(i64, T)>) {
        let own = std::mem::take(self);
        let mut own = own.times.into_iter().zip(own.values).peekable();
        let mut put = |(time, value)| {
            self.times.push(time);
            self.values.push(value);
        };
        for other in others {
            while let Some(before) = own.next_if(|(time, _)| *time < other.0) {
                put(before);
            }
            put(other);
        }
        own.for_each(put);
    }
}

impl<T> Default for Samples<T> {
    fn default() -> Self {
        Self {
            times: Vec::new(),
            values: Vec::new(),
            starts: Vec::new(),
        }
    }
}

/// A series as it was fetched: floats and histograms apart, stale markers as floats with [`STALE`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// Its labels, the name among them.
    pub labels: LabelSet,
    /// Its numbers.
    pub floats: Samples<f64>,
    /// Its native histograms.
    pub histograms: Samples<Arc<FloatHistogram>>,
}

/// Consecutive samples of one kind.
#[derive(Debug)]
pub struct Slice<'a, T> {
    /// Unix milliseconds.
    pub times: &'a [i64],
    /// As long as `times`.
    pub values: &'a [T],
    /// As long as `times`, or empty if no start is known; 0 for unknown.
    pub starts: &'a [i64],
}

impl<T> Clone for Slice<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slice<'_, T> {}

impl<'a, T> Slice<'a, T> {
    /// How many samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// The first sample.
    #[must_use]
    pub fn first(&self) -> Option<(i64, &'a T)> {
        Some((*self.times.first()?, self.values.first()?))
    }

    /// The last sample.
    #[must_use]
    pub fn last(&self) -> Option<(i64, &'a T)> {
        Some((*self.times.last()?, self.values.last()?))
    }

    /// The samples with their times.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (i64, &'a T)> + ExactSizeIterator {
        self.times.iter().copied().zip(self.values)
    }
}

impl<T> Samples<T> {
    /// The samples of the places `from..to`.
    #[must_use]
    pub fn slice(&self, from: usize, to: usize) -> Slice<'_, T> {
        Slice {
            times: self.times.get(from..to).unwrap_or_default(),
            values: self.values.get(from..to).unwrap_or_default(),
            starts: self.starts.get(from..to).unwrap_or_default(),
        }
    }
}

/// What a range selector sees of one series at one step; stale markers are left out.
#[derive(Clone, Copy, Debug)]
pub struct Window<'a> {
    /// Its numbers.
    pub floats: Slice<'a, f64>,
    /// Its native histograms.
    pub histograms: Slice<'a, Arc<FloatHistogram>>,
}

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels.
    pub labels: LabelSet,
    /// Unix milliseconds.
    pub time: i64,
    /// Its value.
    pub point: Point,
}

/// What a query yields.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number, at a time in Unix milliseconds.
    Scalar {
        /// Unix milliseconds.
        time: i64,
        /// The number.
        value: f64,
    },
    /// A text, at a time in Unix milliseconds.
    String {
        /// Unix milliseconds.
        time: i64,
        /// The text.
        value: String,
    },
    /// An instant vector; its order counts if the query sorts.
    Vector(Vec<Sample>),
    /// A range vector, or the result of a range query, sorted by labels.
    Matrix(Vec<Series>),
}
