//! Strings: plain, quoted, as hexadecimal digits.

use std::fmt::Write as _;

use super::{super::value::Value, printer::Printer};
use crate::labels::go_quote;

impl Printer<'_> {
    pub(super) fn text(&mut self, text: &str, verb: char, value: &Value) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => {
                let text = self.cut(text);
                self.pad(text);
            }
            'q' => self.quoted(text),
            'x' => self.hex(text.as_bytes(), false),
            'X' => self.hex(text.as_bytes(), true),
            _ => self.bad_verb(value, verb),
        }
    }

    /// The text up to as many characters as the precision says.
    fn cut<'a>(&self, text: &'a str) -> &'a str {
        let Some(precision) = self.flags.precision else {
            return text;
        };
        text.char_indices()
            .nth(precision)
            .map_or(text, |(end, _)| &text[..end])
    }

    fn quoted(&mut self, text: &str) {
        let text = self.cut(text);
        let quoted = if self.flags.sharp && can_backquote(text) {
            format!("`{text}`")
        } else {
            quote(text, self.flags.plus)
        };
        self.pad(&quoted);
    }

    fn hex(&mut self, bytes: &[u8], upper: bool) {
        let bytes = &bytes[..self.flags.precision.unwrap_or(bytes.len()).min(bytes.len())];
        let mut text = String::with_capacity(bytes.len() * 2);
        let prefix = match (self.flags.sharp, upper) {
            (false, _) => "",
            (true, false) => "0x",
            (true, true) => "0X",
        };
        for (i, byte) in bytes.iter().enumerate() {
            if self.flags.space && i > 0 {
                text.push(' ');
            }
            if i == 0 || self.flags.space {
                text.push_str(prefix);
            }
            let _ = if upper {
                write!(text, "{byte:02X}")
            } else {
                write!(text, "{byte:02x}")
            };
        }
        self.pad(&text);
    }
}

/// Go's `strconv.Quote`, or `strconv.QuoteToASCII`.
pub(crate) fn quote(text: &str, ascii: bool) -> String {
    let quoted = go_quote(text);
    if !ascii || quoted.is_ascii() {
        return quoted;
    }
    let mut out = String::with_capacity(quoted.len() * 2);
    for c in quoted.chars() {
        push_ascii(&mut out, c);
    }
    out
}

fn push_ascii(out: &mut String, c: char) {
    let code = u32::from(c);
    let _ = match code {
        0..=0x7f => write!(out, "{c}"),
        0x80..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// Go's `strconv.QuoteRune`, or `strconv.QuoteRuneToASCII`.
pub(super) fn quote_char(c: char, ascii: bool) -> String {
    let inside = match c {
        '\'' => "\\'".to_owned(),
        '"' => "\"".to_owned(),
        c => {
            let quoted = quote(c.encode_utf8(&mut [0; 4]), ascii);
            quoted[1..quoted.len() - 1].to_owned()
        }
    };
    format!("'{inside}'")
}

/// Whether Go prints the character as it is.
pub(crate) fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    let mut text = String::from("a");
    text.push(c);
    text.escape_debug().nth(1) == Some(c)
}

/// Whether it can stand in back quotes.
fn can_backquote(text: &str) -> bool {
    !text
        .chars()
        .any(|c| c == '`' || c == '\u{feff}' || c == '\u{7f}' || (c < ' ' && c != '\t'))
}
