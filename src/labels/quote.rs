//! Quoted strings as Go (`%q`, `strconv.Unquote`) and OpenMetrics write them.

use std::fmt::Write as _;

/// Quotes as Go's `%q`.
#[must_use]
pub fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if is_print(c) => out.push(c),
            c => {
                let code = u32::from(c);
                let _ = match code {
                    0..=0x7f => write!(out, "\\x{code:02x}"),
                    0x80..=0xffff => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push('"');
    out
}

/// Whether Go prints the character as it is (`strconv.IsPrint`): letters, marks, numbers, punctuation, symbols and the
/// ASCII space.
fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // Rust escapes the same characters in strings, but for marks at the beginning.
    let mut text = String::from("a");
    text.push(c);
    text.escape_debug().nth(1) == Some(c)
}

/// Reads a double-quoted Go string literal; `None` where `strconv.Unquote` fails or the result is not UTF-8.
#[must_use]
pub fn go_unquote(literal: &str) -> Option<String> {
    let inner = literal.strip_prefix('"')?.strip_suffix('"')?;
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            '"' | '\n' => return None,
            '\\' => rest = unescape(rest, &mut bytes)?,
            c => push_char(&mut bytes, c),
        }
    }
    String::from_utf8(bytes).ok()
}

fn push_char(bytes: &mut Vec<u8>, c: char) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

/// Reads what follows a backslash and returns what follows that.
fn unescape<'a>(text: &'a str, bytes: &mut Vec<u8>) -> Option<&'a str> {
    let kind = text.chars().next()?;
    let rest = &text[kind.len_utf8()..];
    let byte = match kind {
        'a' => 7,
        'b' => 8,
        'f' => 12,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 11,
        '\\' => b'\\',
        '"' => b'"',
        'x' => u8::try_from(digits(rest, 2, 16)?).ok()?,
        '0'..='7' => u8::try_from(digits(text, 3, 8)?).ok()?,
        'u' => {
            push_char(bytes, char::from_u32(digits(rest, 4, 16)?)?);
            return rest.get(4..);
        }
        'U' => {
            push_char(bytes, char::from_u32(digits(rest, 8, 16)?)?);
            return rest.get(8..);
        }
        _ => return None,
    };
    bytes.push(byte);
    match kind {
        'x' | '0'..='7' => rest.get(2..),
        _ => Some(rest),
    }
}

/// The number that exactly `count` digits make.
fn digits(text: &str, count: usize, radix: u32) -> Option<u32> {
    let digits = text.get(..count)?;
    let valid = digits.chars().all(|c| c.is_digit(radix));
    valid
        .then(|| u32::from_str_radix(digits, radix).ok())
        .flatten()
}

/// Quotes as OpenMetrics does: only backslash, double quote and line feed are escaped.
#[must_use]
pub(super) fn open_metrics_quote(text: &str) -> String {
    format!(
        "\"{}\"",
        text.replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n")
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_as_go() {
        for (text, expect) in [
            ("", r#""""#),
            ("a\"b\\c'`", r#""a\"b\\c'`""#),
            (
                "\u{7}\u{8}\u{c}\n\r\t\u{b}\0\u{1b}\u{7f}",
                r#""\a\b\f\n\r\t\v\x00\x1b\x7f""#,
            ),
            ("é☃😀日", "\"é☃😀日\""),
            ("\u{300}e\u{301}", "\"\u{300}e\u{301}\""),
            (
                "\u{80}\u{85}\u{a0}\u{ad}\u{200b}\u{2028}\u{feff}",
                r#""\u0080\u0085\u00a0\u00ad\u200b\u2028\ufeff""#,
            ),
            (
                "\u{e000}\u{fffd}\u{10ffff}",
                "\"\\ue000\u{fffd}\\U0010ffff\"",
            ),
        ] {
            assert_eq!(go_quote(text), expect);
            assert_eq!(go_unquote(expect).as_deref(), Some(text));
        }
    }

    #[test]
    fn unquotes_as_go() {
        assert_eq!(
            go_unquote(r#""\x41\101\u00e9\U0001F600""#).unwrap(),
            "AAé😀"
        );
        assert_eq!(go_unquote(r#""\xc3\xa9""#).unwrap(), "é");
        for literal in [
            "",
            "\"",
            "a",
            "'a'",
            "\"a",
            "\"\n\"",
            r#""\'""#,
            r#""\d""#,
            r#""\x4""#,
            r#""\400""#,
            r#""\08""#,
            r#""\ud800""#,
            r#""\U00110000""#,
            r#""a"b""#,
            r#""\""#,
            r#""\xff""#,
            "\"\\u+123\"",
            "\"\\xé\"",
        ] {
            assert_eq!(go_unquote(literal), None, "{literal}");
        }
    }

    proptest! {
        #[test]
        fn what_is_quoted_is_unquoted(text in any::<String>()) {
            prop_assert_eq!(go_unquote(&go_quote(&text)), Some(text));
        }
    }
}
