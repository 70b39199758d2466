//! Chunks of numbers (`tsdb/chunkenc/xor.go`): how many, then the times as differences of differences, and the values as
//! what changed of their bits.

use super::{
    Malformed,
    bits::{Bits, Xor},
};

/// Reads each sample of a chunk.
pub(super) fn read(
    chunk: &[u8],
    mut sample: impl FnMut(i64, f64) -> Result<(), Malformed>,
) -> Result<(), Malformed> {
    let mut bits = Bits::new(chunk);
    let count = bits.take(16)?;
    if count == 0 {
        return Ok(());
    }
    let mut time = bits.signed_varint()?;
    let mut value = Xor::new(bits.float()?);
    sample(time, value.value)?;
    let mut step = 0_i64;
    for number in 1..count {
        step = if number == 1 {
            bits.varint()?.cast_signed()
        } else {
            step.wrapping_add(change(&mut bits)?)
        };
        time = time.wrapping_add(step);
        sample(time, value.read(&mut bits)?)?;
    }
    Ok(())
}

/// By how much the distance to the next time differs from the one before.
fn change(bits: &mut Bits<'_>) -> Result<i64, Malformed> {
    match bits.ones(4)? {
        0 => Ok(0),
        1 => bits.signed(14),
        2 => bits.signed(17),
        3 => bits.signed(20),
        _ => bits.signed(64),
    }
}
