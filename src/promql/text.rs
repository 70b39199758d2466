//! Texts of a query that need not be UTF-8: `"\xff"` is a text in Go, but not in Rust.

use crate::labels::go_quote;

/// Bytes that are not UTF-8 stand as the characters of this and the 255 following code points, which nobody uses.
const FIRST: u32 = 0x10_FF00;

/// Makes a text of bytes.
pub(super) fn from_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let wrong = chunk.invalid().iter();
        text.extend(wrong.filter_map(|byte| char::from_u32(FIRST + u32::from(*byte))));
    }
    text
}

fn broken_byte(c: char) -> Option<u32> {
    u32::from(c).checked_sub(FIRST).filter(|byte| *byte <= 0xFF)
}

/// Whether a text was UTF-8.
pub(super) fn is_utf8(text: &str) -> bool {
    text.is_ascii() || !text.contains(|c| broken_byte(c).is_some())
}

/// Quotes a text as Go does.
pub(super) fn quote(text: &str) -> String {
    if is_utf8(text) {
        return go_quote(text);
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match broken_byte(c) {
            Some(byte) => quoted.push_str(&format!("\\x{byte:02x}")),
            None => {
                let one = go_quote(c.encode_utf8(&mut [0; 4]));
                quoted.push_str(one.get(1..one.len() - 1).unwrap_or_default());
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_survive() {
        let text = from_bytes(b"a\xc5z\"\xc3\xa9");
        assert!(!is_utf8(&text));
        assert_eq!(quote(&text), r#""a\xc5z\"é""#);
        assert!(is_utf8(&from_bytes("é".as_bytes())));
    }
}
