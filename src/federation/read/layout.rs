//! What all native histograms of a chunk have in common (`tsdb/chunkenc/histogram_meta.go`).

use std::sync::Arc;

use super::{Malformed, bits::Bits};
use crate::promql::histogram::{
    BucketSpan, Buckets, CUSTOM_BUCKETS_SCHEMA, CounterResetHint, FloatHistogram,
};

/// The highest resolution that the engine knows.
const HIGHEST_SCHEMA: i32 = 8;

/// The highest resolution of which a lower one can be made.
const HIGHEST_READABLE_SCHEMA: i32 = 52;

/// The layout of all histograms of a chunk.
#[derive(Debug)]
pub(super) struct Layout {
    /// Whether they are counters; then none but the first follows a reset.
    gauges: bool,
    schema: i32,
    zero_threshold: f64,
    positive: Vec<BucketSpan>,
    negative: Vec<BucketSpan>,
    custom_bounds: Arc<[f64]>,
    pub(super) positive_buckets: usize,
    pub(super) negative_buckets: usize,
}

/// The numbers of one histogram.
pub(super) struct Numbers {
    pub(super) count: f64,
    pub(super) zero_count: f64,
    pub(super) sum: f64,
    pub(super) positive: Vec<f64>,
    pub(super) negative: Vec<f64>,
}

impl Layout {
    /// Reads what follows the count of samples. Each bucket of the first histogram takes at least `bucket_bits`.
    pub(super) fn read(bits: &mut Bits<'_>, bucket_bits: usize) -> Result<Self, Malformed> {
        /// The two highest bits of a chunk of gauges.
        const GAUGES: u64 = 0b11;
        let gauges = bits.take(8)? >> 6 == GAUGES;
        let zero_threshold = zero_threshold(bits)?;
        let schema = i32::try_from(bits.signed_varbit()?).unwrap_or(i32::MAX);
        if schema != CUSTOM_BUCKETS_SCHEMA && !(-4..=HIGHEST_READABLE_SCHEMA).contains(&schema) {
            return Err(Malformed::new(format!("schema {schema} is not known")));
        }
        let positive = spans(bits)?;
        let negative = spans(bits)?;
        let custom_bounds = if schema == CUSTOM_BUCKETS_SCHEMA {
            custom_bounds(bits)?.into()
        } else {
            Arc::default()
        };
        let (positive_buckets, negative_buckets) = (count(&positive)?, count(&negative)?);
        let buckets = positive_buckets.saturating_add(negative_buckets);
        if buckets.saturating_mul(bucket_bits) > bits.left() {
            return Err(Malformed::ENDS_EARLY);
        }
        Ok(Self {
            gauges,
            schema,
            zero_threshold,
            positive,
            negative,
            custom_bounds,
            positive_buckets,
            negative_buckets,
        })
    }

    /// The histogram of some numbers, the first or a later one of the chunk.
    pub(super) fn histogram(
        &self,
        numbers: Numbers,
        first: bool,
    ) -> Result<FloatHistogram, Malformed> {
        let mut histogram = FloatHistogram {
            counter_reset_hint: match (self.gauges, first) {
                (true, _) => CounterResetHint::Gauge,
                // Who knows whether the chunk before it is there as well.
                (false, true) => CounterResetHint::Unknown,
                (false, false) => CounterResetHint::NotReset,
            },
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: numbers.zero_count,
            count: numbers.count,
            sum: numbers.sum,
            positive: Buckets {
                spans: self.positive.clone(),
                counts: numbers.positive,
            },
            negative: Buckets {
                spans: self.negative.clone(),
                counts: numbers.negative,
            },
            custom_bounds: Arc::clone(&self.custom_bounds),
        };
        finish(&mut histogram)?;
        Ok(histogram)
    }
}

/// Lowers a resolution that the engine does not know, and looks whether the histogram makes sense.
pub(super) fn finish(histogram: &mut FloatHistogram) -> Result<(), Malformed> {
    let (schema, bounds) = (histogram.schema, &histogram.custom_bounds);
    if (HIGHEST_SCHEMA + 1..=HIGHEST_READABLE_SCHEMA).contains(&schema) && bounds.is_empty() {
        check_spans(&histogram.positive)?;
        check_spans(&histogram.negative)?;
        let reduced = histogram.reduce_resolution(HIGHEST_SCHEMA);
        reduced.map_err(|error| Malformed::new(error.to_string()))?;
    }
    let valid = histogram.validate();
    valid.map_err(|error| Malformed::new(format!("a histogram makes no sense: {error}")))
}

/// Whether there is a count for each bucket.
fn check_spans(buckets: &Buckets) -> Result<(), Malformed> {
    if count(&buckets.spans)? == buckets.counts.len() {
        return Ok(());
    }
    Err(Malformed::new(
        "a histogram has more or fewer counts than buckets",
    ))
}

fn count(spans: &[BucketSpan]) -> Result<usize, Malformed> {
    let lengths = spans.iter().map(|span| u64::from(span.length));
    let count = lengths.fold(0_u64, u64::saturating_add);
    usize::try_from(count).map_err(|_too_many| Malformed::new("a histogram has too many buckets"))
}

fn spans(bits: &mut Bits<'_>) -> Result<Vec<BucketSpan>, Malformed> {
    let count = bits.varbit()?;
    let mut spans = Vec::new();
    for _ in 0..count {
        let length = u32::try_from(bits.varbit()?);
        let offset = i32::try_from(bits.signed_varbit()?);
        let (Ok(length), Ok(offset)) = (length, offset) else {
            return Err(Malformed::new("a span is out of range"));
        };
        spans.push(BucketSpan { offset, length });
    }
    Ok(spans)
}

/// Bounds that are multiples of 0.001 are stored as such, plus 1; others whole, behind a 0.
fn custom_bounds(bits: &mut Bits<'_>) -> Result<Vec<f64>, Malformed> {
    let count = bits.varbit()?;
    let mut bounds = Vec::new();
    for _ in 0..count {
        bounds.push(match bits.varbit()? {
            0 => bits.float()?,
            thousandths => (thousandths - 1) as f64 / 1000.0,
        });
    }
    Ok(bounds)
}

/// One byte for 0 and powers of two, or 255 and the number.
fn zero_threshold(bits: &mut Bits<'_>) -> Result<f64, Malformed> {
    /// What is added to exponents.
    const BIAS: i32 = 243;
    match bits.take(8)? {
        0 => Ok(0.0),
        255 => bits.float(),
        exponent => {
            let exponent = i32::try_from(exponent).unwrap_or_default() - BIAS;
            Ok(0.5 * 2.0_f64.powi(exponent))
        }
    }
}
