//! Native histograms whose counts are floats (`model/histogram/float_histogram.go`).

mod arithmetic;
mod bounds;
mod cell;
mod classic;
mod compact;
mod custom;
mod equal;
mod fraction;
mod from_classic;
mod iterate;
mod merge;
mod quantile;
mod reset;
mod resolution;
mod scale;
mod size;
mod spans;
mod statistics;
mod text;
mod total;
mod trim;
mod validity;
mod zero;

use std::sync::Arc;

pub use arithmetic::{IncompatibleSchemas, Outcome};
pub use cell::Cell;
pub use classic::{
    ClassicBucket, ClassicQuantile, ForcedMonotonicity, bucket_fraction, bucket_quantile,
};
pub use fraction::Fraction;
pub use from_classic::{ClassicHistogram, NotConvertible};
pub use iterate::{AllBuckets, Bucket};
pub use quantile::{NanEffect, Quantile};
pub use resolution::CannotReduce;
pub use total::{HistogramMean, HistogramSum};
pub use validity::Invalid;

/// The schema of histograms with custom bounds.
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;

/// What is known of resets between a histogram and the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CounterResetHint {
    /// Nothing.
    #[default]
    Unknown,
    /// There was a reset.
    Reset,
    /// There was none.
    NotReset,
    /// It is no counter.
    Gauge,
}

/// A run of consecutive buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BucketSpan {
    /// Gap to the span before it; for the first, the index of its first bucket.
    pub offset: i32,
    /// Number of buckets.
    pub length: u32,
}

/// The buckets of one sign.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Buckets<C = f64> {
    /// Which buckets there are.
    pub spans: Vec<BucketSpan>,
    /// Their counts, one after the other.
    pub counts: Vec<C>,
}

/// A native histogram whose counts are numbers.
pub type FloatHistogram = Histogram<f64>;

/// A native histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram<C> {
    /// What is known of resets.
    pub counter_reset_hint: CounterResetHint,
    /// -4 to 8: each power of two has `2^schema` buckets; or [`CUSTOM_BUCKETS_SCHEMA`].
    pub schema: i32,
    /// Observations up to this distance from 0 are in the zero bucket.
    pub zero_threshold: f64,
    /// Observations in the zero bucket.
    pub zero_count: C,
    /// All observations.
    pub count: C,
    /// Their sum.
    pub sum: C,
    /// The buckets above zero, or all custom buckets.
    pub positive: Buckets<C>,
    /// The buckets below zero.
    pub negative: Buckets<C>,
    /// The upper bounds of custom buckets, without the last, `+Inf`.
    pub custom_bounds: Arc<[f64]>,
}

#[cfg(test)]
mod cases;
#[cfg(test)]
mod tests;
