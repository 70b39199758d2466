//! Buckets with their bounds.

use super::{
    Buckets, CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Histogram,
    bounds::upper,
    cell::Cell,
    spans::{Indexed, clamp},
};

/// A bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Where it begins.
    pub lower: f64,
    /// Where it ends.
    pub upper: f64,
    /// Whether `lower` is in it.
    pub lower_inclusive: bool,
    /// Whether `upper` is in it.
    pub upper_inclusive: bool,
    /// How many observations are in it.
    pub count: f64,
    /// Its place in the schema, counted away from zero; without meaning for the zero bucket.
    pub index: i32,
}

impl Bucket {
    /// What the HTTP API calls the rule of its bounds: 0 is open at its lower end, 1 at its upper, 2 at both, 3 at none.
    #[must_use]
    pub fn boundary_rule(&self) -> u8 {
        match (self.lower_inclusive, self.upper_inclusive) {
            (false, true) => 0,
            (true, false) => 1,
            (false, false) => 2,
            (true, true) => 3,
        }
    }
}

/// Which way from zero, and by which schema.
#[derive(Clone, Copy, Debug)]
struct Direction<'a> {
    positive: bool,
    schema: i32,
    custom: &'a [f64],
}

impl Direction<'_> {
    fn bucket(self, (index, count): (i64, f64)) -> Bucket {
        let near = upper(index - 1, self.schema, self.custom);
        let far = upper(index, self.schema, self.custom);
        let (lower, upper) = if self.positive {
            (near, far)
        } else {
            (-far, -near)
        };
        let custom = self.schema == CUSTOM_BUCKETS_SCHEMA;
        Bucket {
            lower,
            upper,
            lower_inclusive: if custom { index == 0 } else { lower < 0.0 },
            upper_inclusive: custom || upper > 0.0,
            count,
            index: clamp(index),
        }
    }
}

/// The buckets of a histogram from the lowest to the highest, without an empty zero bucket.
///
/// A bucket that overlaps the zero bucket is cut there.
#[derive(Clone, Debug)]
pub struct AllBuckets<'a> {
    negative: Indexed<'a, f64>,
    zero: Option<Bucket>,
    positive: Indexed<'a, f64>,
    schema: i32,
    custom: &'a [f64],
    zero_threshold: f64,
}

impl AllBuckets<'_> {
    fn bucket(&self, positive: bool, cell: (i64, f64)) -> Bucket {
        let mut bucket = Direction {
            positive,
            schema: self.schema,
            custom: self.custom,
        }
        .bucket(cell);
        if bucket.upper < 0.0 && bucket.upper > -self.zero_threshold {
            bucket.upper = -self.zero_threshold;
        } else if bucket.lower > 0.0 && bucket.lower < self.zero_threshold {
            bucket.lower = self.zero_threshold;
        }
        bucket
    }
}

impl Iterator for AllBuckets<'_> {
    type Item = Bucket;

    fn next(&mut self) -> Option<Bucket> {
        if let Some(cell) = self.negative.next_back() {
            return Some(self.bucket(false, cell));
        }
        if let Some(zero) = self.zero.take() {
            return Some(zero);
        }
        let cell = self.positive.next()?;
        Some(self.bucket(true, cell))
    }
}

impl DoubleEndedIterator for AllBuckets<'_> {
    fn next_back(&mut self) -> Option<Bucket> {
        if let Some(cell) = self.positive.next_back() {
            return Some(self.bucket(true, cell));
        }
        if let Some(zero) = self.zero.take() {
            return Some(zero);
        }
        let cell = self.negative.next()?;
        Some(self.bucket(false, cell))
    }
}

impl FloatHistogram {
    /// All buckets from the lowest to the highest, and back; see [`AllBuckets`].
    #[must_use]
    pub fn buckets(&self) -> AllBuckets<'_> {
        let zero = self.zero_count > 0.0 && !self.is_custom();
        AllBuckets {
            negative: self.negative.indexed(),
            zero: zero.then(|| self.zero_bucket()),
            positive: self.positive.indexed(),
            schema: self.schema,
            custom: &self.custom_bounds,
            zero_threshold: self.zero_threshold,
        }
    }

    /// The buckets that are not empty, as the HTTP API gives them.
    pub fn populated_buckets(&self) -> impl DoubleEndedIterator<Item = Bucket> {
        self.buckets().filter(|bucket| bucket.count != 0.0)
    }

    /// The zero bucket.
    #[must_use]
    pub fn zero_bucket(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: self.zero_count,
            index: 0,
        }
    }
}

impl<C: Cell> Histogram<C> {
    /// The buckets above zero, away from it, with what is in them; nothing is cut.
    pub(super) fn positive_cells(&self) -> impl DoubleEndedIterator<Item = (Bucket, C)> {
        self.cells(true, &self.positive)
    }

    /// The buckets below zero, away from it, with what is in them; nothing is cut.
    pub(super) fn negative_cells(&self) -> impl DoubleEndedIterator<Item = (Bucket, C)> {
        self.cells(false, &self.negative)
    }

    fn cells<'a>(
        &'a self,
        positive: bool,
        buckets: &'a Buckets<C>,
    ) -> impl DoubleEndedIterator<Item = (Bucket, C)> + 'a {
        let direction = Direction {
            positive,
            schema: self.schema,
            custom: &self.custom_bounds,
        };
        buckets
            .indexed()
            .map(move |(index, cell)| (direction.bucket((index, cell.to_sum().sum)), cell))
    }
}

impl<C: Copy> Buckets<C> {
    /// The contents with the indices of their buckets.
    pub(in crate::promql) fn indexed(&self) -> Indexed<'_, C> {
        Indexed::new(&self.spans, &self.counts)
    }
}
