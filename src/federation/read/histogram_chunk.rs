//! Chunks of native histograms whose counts are whole numbers (`tsdb/chunkenc/histogram.go`).

use super::{
    Malformed,
    bits::{Bits, Xor},
    layout::{Layout, Numbers},
};
use crate::promql::{FloatHistogram, STALE, is_stale};

/// A whole number that is stored as the difference of its difference from the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Second {
    value: i64,
    step: i64,
}

impl Second {
    fn new(value: i64) -> Self {
        Self { value, step: 0 }
    }

    fn read(&mut self, bits: &mut Bits<'_>) -> Result<(), Malformed> {
        self.step = self.step.wrapping_add(bits.signed_varbit()?);
        self.value = self.value.wrapping_add(self.step);
        Ok(())
    }
}

/// Reads each histogram of a chunk.
pub(super) fn read(
    chunk: &[u8],
    mut sample: impl FnMut(i64, FloatHistogram) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut bits = Bits::new(chunk);
    let total = bits.take(16)?;
    if total == 0 {
        return Ok(());
    }
    let layout = Layout::read(&mut bits, 1)?;
    let mut time = Second::new(bits.signed_varbit()?);
    let mut count = Second::new(bits.varbit()?.cast_signed());
    let mut zero_count = Second::new(bits.varbit()?.cast_signed());
    let mut sum = Xor::new(bits.float()?);
    let mut positive = first(&mut bits, layout.positive_buckets)?;
    let mut negative = first(&mut bits, layout.negative_buckets)?;
    for number in 0..total {
        if number > 0 {
            time.read(&mut bits)?;
            count.read(&mut bits)?;
            zero_count.read(&mut bits)?;
            sum.read(&mut bits)?;
        }
        if is_stale(sum.value) {
            sample(time.value, stale())?;
            continue;
        }
        if number > 0 {
            for bucket in positive.iter_mut().chain(&mut negative) {
                bucket.read(&mut bits)?;
            }
        }
        let numbers = Numbers {
            count: unsigned(count.value),
            zero_count: unsigned(zero_count.value),
            sum: sum.value,
            positive: counts(&positive),
            negative: counts(&negative),
        };
        sample(time.value, layout.histogram(numbers, number == 0)?)?;
    }
    Ok(())
}

/// The mark of an ended series.
pub(super) fn stale() -> FloatHistogram {
    FloatHistogram {
        sum: STALE,
        ..FloatHistogram::default()
    }
}

fn unsigned(count: i64) -> f64 {
    count.cast_unsigned() as f64
}

fn first(bits: &mut Bits<'_>, count: usize) -> Result<Vec<Second>, Malformed> {
    let one = |_| bits.signed_varbit().map(Second::new);
    (0..count).map(one).collect()
}

/// The counts of buckets that are stored as the difference from the one beside them.
fn counts(buckets: &[Second]) -> Vec<f64> {
    let mut count = 0_i64;
    let counts = buckets.iter().map(|bucket| {
        count = count.wrapping_add(bucket.value);
        count as f64
    });
    counts.collect()
}
