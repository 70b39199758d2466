//! How far the server has taken what is in the queue: a place on disk with two slots, of which the newer whole one counts.

use std::cmp::Ordering;

/// Bytes of a slot.
pub(super) const SLOT: usize = 32;

/// A place in the queue: everything before it was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Position {
    /// The number of a segment.
    pub(super) segment: u64,
    /// Where a record begins in it.
    pub(super) offset: u64,
    /// Samples of that record before this place.
    pub(super) skip: u32,
}

/// A position that was saved, and the how manieth it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) number: u64,
    pub(super) position: Position,
}

impl Mark {
    /// Where it is saved: 0 or 1, in turn, so that one torn write leaves the other whole.
    pub(super) fn slot(self) -> u64 {
        self.number % 2
    }

    /// Its bytes.
    pub(super) fn bytes(self) -> [u8; SLOT] {
        let mut bytes = [0; SLOT];
        let parts = [
            self.number.to_le_bytes(),
            self.position.segment.to_le_bytes(),
            self.position.offset.to_le_bytes(),
        ];
        for (place, byte) in bytes.iter_mut().zip(parts.iter().flatten()) {
            *place = *byte;
        }
        let checksum = crc32c::crc32c_append(
            crc32c::crc32c(bytes.get(..24).unwrap_or_default()),
            &self.position.skip.to_le_bytes(),
        );
        let tail = self.position.skip.to_le_bytes();
        let end = tail.into_iter().chain(checksum.to_le_bytes());
        for (place, byte) in bytes.iter_mut().skip(24).zip(end) {
            *place = byte;
        }
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk::<8>()?;
        let (segment, rest) = rest.split_first_chunk::<8>()?;
        let (offset, rest) = rest.split_first_chunk::<8>()?;
        let (skip, _) = rest.split_first_chunk::<4>()?;
        let mark = Self {
            number: u64::from_le_bytes(*number),
            position: Position {
                segment: u64::from_le_bytes(*segment),
                offset: u64::from_le_bytes(*offset),
                skip: u32::from_le_bytes(*skip),
            },
        };
        (bytes == mark.bytes()).then_some(mark)
    }

    /// The newest of the slots; the beginning if there is none.
    pub(super) fn newest(slots: &[u8]) -> Self {
        let marks = slots.chunks(SLOT).filter_map(Self::read);
        let newer = |a: &Self, b: &Self| -> Ordering { a.number.cmp(&b.number) };
        marks.max_by(newer).unwrap_or_default()
    }
}
