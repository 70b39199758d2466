//! Chunks of native histograms whose counts are any numbers (`tsdb/chunkenc/float_histogram.go`).

use super::{
    Malformed,
    bits::{Bits, Xor},
    histogram_chunk::stale,
    layout::{Layout, Numbers},
};
use crate::promql::{FloatHistogram, is_stale};

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
    let layout = Layout::read(&mut bits, 64)?;
    let mut time = bits.signed_varbit()?;
    let mut step = 0_i64;
    let mut count = Xor::new(bits.float()?);
    let mut zero_count = Xor::new(bits.float()?);
    let mut sum = Xor::new(bits.float()?);
    let mut positive = first(&mut bits, layout.positive_buckets)?;
    let mut negative = first(&mut bits, layout.negative_buckets)?;
    for number in 0..total {
        if number > 0 {
            step = step.wrapping_add(bits.signed_varbit()?);
            time = time.wrapping_add(step);
            count.read(&mut bits)?;
            zero_count.read(&mut bits)?;
            sum.read(&mut bits)?;
        }
        if is_stale(sum.value) {
            sample(time, stale())?;
            continue;
        }
        if number > 0 {
            for bucket in positive.iter_mut().chain(&mut negative) {
                bucket.read(&mut bits)?;
            }
        }
        let numbers = Numbers {
            count: count.value,
            zero_count: zero_count.value,
            sum: sum.value,
            positive: counts(&positive),
            negative: counts(&negative),
        };
        sample(time, layout.histogram(numbers, number == 0)?)?;
    }
    Ok(())
}

fn first(bits: &mut Bits<'_>, count: usize) -> Result<Vec<Xor>, Malformed> {
    let one = |_| bits.float().map(Xor::new);
    (0..count).map(one).collect()
}

fn counts(buckets: &[Xor]) -> Vec<f64> {
    buckets.iter().map(|bucket| bucket.value).collect()
}
