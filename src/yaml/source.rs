//! The bytes of a file as text that the scanner can take.

use std::borrow::Cow;

use super::Error;

/// Largest file that is read; the largest configurations seen in the field have a few megabytes.
const MAX_BYTES: usize = 16 << 20;

/// The text of a file without byte order mark, all of its lines complete.
pub(super) struct Source<'a> {
    pub(super) text: Cow<'a, str>,
    /// Whether the last line lacked its line break. `libyaml-safer` 0.3.0 panics on a block scalar that ends so.
    pub(super) completed: bool,
}

impl<'a> Source<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Result<Self, Error> {
        if bytes.len() > MAX_BYTES {
            let size = bytes.len();
            let message = format!("the file has {size} bytes, more than {MAX_BYTES} are not read");
            return Err(Error::fatal(0, 0, message));
        }
        let text = decode(bytes)?;
        if let Some(at) = text.find(is_refused) {
            return Err(error_at(&text[..at], "control characters are not allowed"));
        }
        let last_line = text.rsplit(is_line_break).next().unwrap_or_default();
        if last_line.bytes().all(|b| b == b' ') {
            let end = text.len() - last_line.len();
            let text = match text {
                Cow::Borrowed(text) => Cow::Borrowed(&text[..end]),
                Cow::Owned(text) => Cow::Owned(text[..end].to_owned()),
            };
            let completed = false;
            return Ok(Self { text, completed });
        }
        Ok(Self {
            text: Cow::Owned(text.into_owned() + "\n"),
            completed: true,
        })
    }
}

/// UTF-8, or UTF-16 behind its byte order mark.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    let bytes = match bytes {
        [0xff, 0xfe, rest @ ..] => return decode_utf16(rest, u16::from_le_bytes).map(Cow::Owned),
        [0xfe, 0xff, rest @ ..] => return decode_utf16(rest, u16::from_be_bytes).map(Cow::Owned),
        [0xef, 0xbb, 0xbf, rest @ ..] => rest,
        _ => bytes,
    };
    std::str::from_utf8(bytes)
        .map(Cow::Borrowed)
        .map_err(|error| {
            let valid = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
            error_at(valid, "invalid leading UTF-8 octet")
        })
}

fn decode_utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Result<String, Error> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let mut text = String::with_capacity(pairs.len());
    for c in char::decode_utf16(pairs.iter().map(|pair| unit(*pair))) {
        let Ok(c) = c else {
            return Err(error_at(&text, "invalid UTF-16"));
        };
        text.push(c);
    }
    if rest.is_empty() {
        Ok(text)
    } else {
        Err(error_at(&text, "incomplete UTF-16 character"))
    }
}

fn is_line_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_refused(c: char) -> bool {
    (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}'))
        || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// An error behind the text that was good.
fn error_at(before: &str, message: &str) -> Error {
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default();
    Error::fatal(number(line), number(column.chars().count() + 1), message)
}
