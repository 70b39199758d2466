//! Classes of characters, and how errors print one.

use crate::labels::go_quote;

/// As Go's `%q` prints a character; the end of the input is no character.
pub(super) fn quote_char(c: Option<char>) -> String {
    match c {
        Some('"') => "'\"'".to_owned(),
        Some('\'') => "'\\''".to_owned(),
        c => {
            let quoted = go_quote(&c.unwrap_or(char::REPLACEMENT_CHARACTER).to_string());
            format!("'{}'", quoted.trim_matches('"'))
        }
    }
}

/// As Go's `%#U` prints a character.
pub(super) fn unicode_char(c: Option<char>) -> String {
    let c = c.unwrap_or(char::REPLACEMENT_CHARACTER);
    let code = format!("U+{:04X}", u32::from(c));
    let printable =
        go_quote(&c.to_string()).chars().nth(1) != Some('\\') || matches!(c, '"' | '\\');
    if printable {
        format!("{code} '{c}'")
    } else {
        code
    }
}

pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

pub(super) fn is_alpha(byte: u8) -> bool {
    byte == b'_' || byte.is_ascii_alphabetic()
}

pub(super) fn is_alphanumeric(byte: u8) -> bool {
    is_alpha(byte) || byte.is_ascii_digit()
}
