//! The bits of a chunk (`tsdb/chunkenc/bstream.go`, `varbit.go`).

use super::Malformed;

/// Reads bits from the highest of each byte on.
#[derive(Clone, Debug)]
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    /// The next bit.
    at: usize,
}

impl<'a> Bits<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// How many are left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_mul(8).saturating_sub(self.at)
    }

    pub(super) fn bit(&mut self) -> Result<bool, Malformed> {
        self.take(1).map(|bit| bit == 1)
    }

    /// The next bits, at most 64, as a number.
    pub(super) fn take(&mut self, count: u32) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        let mut missing = count;
        while missing > 0 {
            let byte = self.bytes.get(self.at / 8).ok_or(Malformed::ENDS_EARLY)?;
            let used = u32::try_from(self.at % 8).unwrap_or_default();
            let now = missing.min(8 - used);
            let part = (u64::from(*byte) >> (8 - used - now)) & ((1 << now) - 1);
            value = value << now | part;
            missing -= now;
            self.at += usize::try_from(now).unwrap_or_default();
        }
        Ok(value)
    }

    /// 64 bits as a number with a fraction.
    pub(super) fn float(&mut self) -> Result<f64, Malformed> {
        self.take(64).map(f64::from_bits)
    }

    /// A number whose bits are stored so, of which the upper half of the range is negative but for its lowest number.
    pub(super) fn signed(&mut self, count: u32) -> Result<i64, Malformed> {
        let bits = self.take(count)?;
        let folded = if count < 64 && bits > 1 << (count - 1) {
            bits.wrapping_sub(1 << count)
        } else {
            bits
        };
        Ok(folded.cast_signed())
    }

    /// How many ones there are before a zero; the zero is not looked for behind so many.
    pub(super) fn ones(&mut self, most: u32) -> Result<u32, Malformed> {
        for ones in 0..most {
            if !self.bit()? {
                return Ok(ones);
            }
        }
        Ok(most)
    }

    /// A number in one of nine lengths.
    pub(super) fn varbit(&mut self) -> Result<u64, Malformed> {
        match self.width()? {
            0 => Ok(0),
            width => self.take(width),
        }
    }

    /// A signed number in one of nine lengths.
    pub(super) fn signed_varbit(&mut self) -> Result<i64, Malformed> {
        match self.width()? {
            0 => Ok(0),
            width => self.signed(width),
        }
    }

    fn width(&mut self) -> Result<u32, Malformed> {
        const WIDTHS: [u32; 9] = [0, 3, 6, 9, 12, 18, 25, 56, 64];
        let ones = usize::try_from(self.ones(8)?).unwrap_or_default();
        Ok(WIDTHS.get(ones).copied().unwrap_or_default())
    }

    /// A number in bytes of seven bits each, the lowest first.
    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.take(8)?;
            value |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed::new("a number is too long"))
    }

    /// A signed number in bytes, whose sign is its lowest bit.
    pub(super) fn signed_varint(&mut self) -> Result<i64, Malformed> {
        let value = self.varint()?;
        let sign = 0_u64.wrapping_sub(value & 1);
        Ok((value >> 1 ^ sign).cast_signed())
    }
}

/// A number that is stored as its difference from the one before (`xorRead` of `tsdb/chunkenc/xor.go`).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Xor {
    pub(super) value: f64,
    /// Zeros before the bits that differ, and behind them.
    leading: u32,
    trailing: u32,
}

impl Xor {
    pub(super) fn new(value: f64) -> Self {
        Self {
            value,
            ..Self::default()
        }
    }

    /// The next value.
    pub(super) fn read(&mut self, bits: &mut Bits<'_>) -> Result<f64, Malformed> {
        if !bits.bit()? {
            return Ok(self.value);
        }
        if bits.bit()? {
            let leading = narrow(bits.take(5)?);
            let count = match narrow(bits.take(6)?) {
                0 => 64,
                count => count,
            };
            self.trailing = (64_u32.checked_sub(leading + count))
                .ok_or_else(|| Malformed::new("a number has more than 64 bits"))?;
            self.leading = leading;
        }
        let changed = bits.take(64 - self.leading - self.trailing)?;
        self.value = f64::from_bits(self.value.to_bits() ^ changed << self.trailing);
        Ok(self.value)
    }
}

fn narrow(bits: u64) -> u32 {
    u32::try_from(bits).unwrap_or_default()
}
