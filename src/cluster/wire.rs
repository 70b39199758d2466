//! Bytes of the mesh's own frames and packets: numbers and short texts, every read bounded.
//!
//! A reader that meets what it does not understand gives `None`; nothing allocates more than what was received.

use std::sync::Arc;

/// The longest text in bytes: a name, an address, a version.
const MAX_TEXT: usize = 300;

/// Writes what [`Reader`] reads.
#[derive(Debug, Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub(super) fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }

    /// A number in as few bytes as it needs.
    pub(super) fn number(&mut self, value: u64) -> &mut Self {
        let mut rest = value;
        while rest >= 0x80 {
            self.0.push(u8::try_from(rest & 0x7f).unwrap_or(0) | 0x80);
            rest >>= 7;
        }
        self.byte(u8::try_from(rest).unwrap_or(0))
    }

    /// A number that may be negative.
    pub(super) fn signed(&mut self, value: i64) -> &mut Self {
        self.number(value.wrapping_shl(1).cast_unsigned() ^ (value >> 63).cast_unsigned())
    }

    /// A text, cut at what a reader takes.
    pub(super) fn text(&mut self, value: &str) -> &mut Self {
        let mut end = value.len().min(MAX_TEXT);
        while !value.is_char_boundary(end) {
            end -= 1;
        }
        self.number(u64::try_from(end).unwrap_or(0));
        self.0
            .extend_from_slice(value.as_bytes().get(..end).unwrap_or_default());
        self
    }

    /// Bytes up to the end.
    pub(super) fn rest(&mut self, value: &[u8]) -> &mut Self {
        self.0.extend_from_slice(value);
        self
    }

    pub(super) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.0)
    }
}

/// Reads what may be anything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let value = self.number()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }

    pub(super) fn text(&mut self) -> Option<Arc<str>> {
        let length = usize::try_from(self.number()?).ok()?;
        if length > MAX_TEXT {
            return None;
        }
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(text).ok().map(Arc::from)
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(number: u64, signed: i64, text in ".{0,70}") {
            let bytes = Writer::default().number(number).signed(signed).text(&text).byte(7).rest(b"end").finish();
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.number(), Some(number));
            prop_assert_eq!(reader.signed(), Some(signed));
            let read = reader.text();
            prop_assert_eq!(read.as_deref(), Some(text.as_str()));
            prop_assert_eq!(reader.byte(), Some(7));
            prop_assert_eq!(reader.rest(), b"end");
        }

        #[test]
        fn garbage_is_refused_and_nothing_else(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut reader = Reader::new(&bytes);
            let _ = reader.text();
            let _ = reader.number();
            let _ = reader.signed();
        }
    }

    #[test]
    fn long_texts_are_cut_between_characters() {
        let bytes = Writer::default().text(&"ä".repeat(200)).finish();
        assert_eq!(Reader::new(&bytes).text().unwrap().len(), 300);
    }
}
