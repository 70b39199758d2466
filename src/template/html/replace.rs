//! Replacement of some characters of a text by others.

use std::borrow::Cow;

/// Which characters are replaced, and by what.
pub(super) struct Table {
    /// The bytes at which [`Self::write`] is asked.
    suspects: [bool; 256],
    /// Writes what the character at the beginning becomes and returns its length; 0 where it stays.
    write: fn(&[u8], &mut String) -> usize,
}

impl Table {
    pub(super) const fn new(suspects: &[u8], write: fn(&[u8], &mut String) -> usize) -> Self {
        let mut table = [false; 256];
        let mut i = 0;
        while i < suspects.len() {
            table[suspects[i] as usize] = true;
            i += 1;
        }
        Self {
            suspects: table,
            write,
        }
    }

    /// The same, and asked for every control character.
    pub(super) const fn and_controls(mut self) -> Self {
        let mut byte = 0;
        while byte < 0x20 {
            self.suspects[byte] = true;
            byte += 1;
        }
        self
    }

    /// Appends the text with its replacements.
    pub(super) fn push(&self, text: &str, out: &mut String) {
        let mut done = 0;
        let mut at = 0;
        while let Some(found) = self.next(text, at) {
            out.push_str(&text[done..found]);
            // The character itself, if it stays, goes with the text after it.
            let length = (self.write)(&text.as_bytes()[found..], out);
            done = found + length;
            at = found + length.max(1);
        }
        out.push_str(&text[done..]);
    }

    /// The text with its replacements, itself if there are none.
    pub(super) fn apply<'a>(&self, text: Cow<'a, str>) -> Cow<'a, str> {
        if self.next(&text, 0).is_none() {
            return text;
        }
        let mut out = String::with_capacity(text.len() + text.len() / 8 + 16);
        self.push(&text, &mut out);
        Cow::Owned(out)
    }

    fn next(&self, text: &str, from: usize) -> Option<usize> {
        text.as_bytes()[from..]
            .iter()
            .position(|byte| self.suspects[usize::from(*byte)])
            .map(|at| from + at)
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends the byte in two hexadecimal digits.
pub(super) fn push_hex(byte: u8, out: &mut String) {
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}
