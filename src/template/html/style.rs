//! How text moves the context through CSS, and CSS's escapes.
//!
//! Every string of a style sheet is taken for a URL: it mostly is one, and what else it may be suffers nothing.

use super::{
    context::{Context, State},
    error::{EscapeError, quoted},
    tag,
};

const SPACE: &[u8] = b"\t\n\x0c\r ";

pub(super) fn code(mut c: Context, s: &[u8]) -> (Context, usize) {
    for (at, byte) in s.iter().enumerate() {
        let (state, used) = match (byte, s.get(at + 1)) {
            (b'"', _) => (State::CssDoubleQuoted, at + 1),
            (b'\'', _) => (State::CssSingleQuoted, at + 1),
            (b'/', Some(b'/')) => (State::CssLineComment, at + 2),
            (b'/', Some(b'*')) => (State::CssBlockComment, at + 2),
            (b'(', _) if ends_with_url(&s[..at]) => {
                let inner = at + 1 + s[at + 1..].iter().take_while(|b| SPACE.contains(b)).count();
                match s.get(inner) {
                    Some(b'"') => (State::CssDoubleQuotedUrl, inner + 1),
                    Some(b'\'') => (State::CssSingleQuotedUrl, inner + 1),
                    _ => (State::CssUrl, inner),
                }
            }
            _ => continue,
        };
        c.state = state;
        return (c, used);
    }
    (c, s.len())
}

/// Whether the text ends in the word `url`, white space aside.
fn ends_with_url(s: &[u8]) -> bool {
    let space = s.iter().rev().take_while(|b| SPACE.contains(b)).count();
    let Some((before, word)) = s[..s.len() - space].split_last_chunk::<3>() else {
        return false;
    };
    word.eq_ignore_ascii_case(b"url")
        && !before
            .last()
            .is_some_and(|byte| is_name_byte(*byte) || !byte.is_ascii())
}

/// A line comment, which browsers know though no standard does.
pub(super) fn line_comment(mut c: Context, s: &[u8]) -> (Context, usize) {
    match s.iter().position(|byte| b"\n\x0c\r".contains(byte)) {
        Some(at) => {
            c.state = State::Css;
            (c, at)
        }
        None => (c, s.len()),
    }
}

/// What ends `url(…)` without quotes.
pub(super) const URL_ENDS: &[u8] = b")\t\n\x0c\r ";

/// A string or the inside of `url(…)`, and the bytes that end it.
pub(super) fn string(mut c: Context, s: &[u8], ends: &[u8]) -> (Context, usize) {
    // `seen`: the text before it has moved the part of the URL.
    let (mut seen, mut from) = (0, 0);
    loop {
        let Some(at) = s[from..]
            .iter()
            .position(|byte| *byte == b'\\' || ends.contains(byte))
            .map(|at| from + at)
        else {
            return (tag::url(c, &decode(&s[from..])).0, s.len());
        };
        if s[at] != b'\\' {
            c.state = State::Css;
            return (c, at + 1);
        }
        if at + 1 == s.len() {
            let message = format!("unfinished escape sequence in CSS string: {}", quoted(s));
            return (Context::failed(EscapeError::of_text(message)), s.len());
        }
        // Go decodes everything before the escape and the escape's first character again for each escape.
        for piece in [&s[seen..at], &s[at..at + 2]] {
            c = tag::url(c, &decode(piece)).0;
        }
        seen = at;
        from = at + 2;
    }
}

/// The text with its escapes replaced.
pub(super) fn decode(s: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(s.len());
    let mut rest = s;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        if rest.len() < 2 {
            return out;
        }
        let digits = rest[1..]
            .iter()
            .take(6)
            .take_while(|byte| byte.is_ascii_hexdigit())
            .count();
        if digits == 0 {
            let length = character(&rest[1..]);
            out.extend_from_slice(&rest[1..=length]);
            rest = &rest[1 + length..];
            continue;
        }
        let (c, digits) = hex(&rest[1..=digits]);
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        rest = skip_one_space(&rest[1 + digits..]);
    }
    out.extend_from_slice(rest);
    out
}

/// The character of a number, and how many digits make it: one less where all of them would be too great.
fn hex(digits: &[u8]) -> (char, usize) {
    let value = digits.iter().fold(0, |value, digit| {
        value * 16 + char::from(*digit).to_digit(16).unwrap_or(0)
    });
    let (value, used) = match value > u32::from(char::MAX) {
        true => (value / 16, digits.len() - 1),
        false => (value, digits.len()),
    };
    let c = char::from_u32(value).unwrap_or(char::REPLACEMENT_CHARACTER);
    (c, used)
}

/// How many bytes the first character has.
fn character(s: &[u8]) -> usize {
    (1..=s.len().min(4))
        .find(|length| std::str::from_utf8(&s[..*length]).is_ok())
        .unwrap_or(1)
}

fn skip_one_space(s: &[u8]) -> &[u8] {
    match s {
        [b'\r', b'\n', rest @ ..] => rest,
        [byte, rest @ ..] if SPACE.contains(byte) => rest,
        _ => s,
    }
}

/// Whether an ASCII byte may stand in a name of CSS.
pub(super) const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

pub(super) fn is_space(byte: u8) -> bool {
    SPACE.contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::html::{context::UrlPart, text::transition};

    #[test]
    fn escapes_are_decoded() {
        for (text, decoded) in [
            ("", ""),
            ("foo", "foo"),
            ("foo\\", "foo"),
            ("foo\\\\", "foo\\"),
            ("\\", ""),
            ("\\A", "\n"),
            ("\\a", "\n"),
            ("\\0a", "\n"),
            ("\\00000a", "\n"),
            ("\\000000a", "\u{0}a"),
            ("\\1234 5\\1234 5", "\u{1234}5\u{1234}5"),
            ("\\12345", "\u{12345}"),
            ("\\10fffff", "\u{10ffff}f"),
            ("\\110000", "\u{11000}0"),
            ("\\d800x", "\u{fffd}x"),
            ("\\\\", "\\"),
            ("\\\"\\'", "\"'"),
            ("\\22\t\\27\r\nx", "\"'x"),
            ("\\é\\日", "é日"),
            ("a\\26 b", "a&b"),
        ] {
            assert_eq!(
                String::from_utf8(decode(text.as_bytes())).unwrap(),
                decoded,
                "{text}"
            );
        }
    }

    #[test]
    fn urls_are_recognized_by_the_word() {
        for (text, is) in [
            ("url", true),
            ("a: URL \n", true),
            (" Url", true),
            (")url", true),
            ("curl", false),
            ("-url", false),
            ("éurl", false),
            ("_url", false),
            ("ur", false),
            ("url x", false),
            ("image-url", false),
        ] {
            assert_eq!(ends_with_url(text.as_bytes()), is, "{text}");
        }
    }

    #[test]
    fn strings_end_and_move_urls() {
        for (state, text, expected) in [
            (
                State::CssDoubleQuoted,
                "a'b\"c",
                (State::Css, 4, UrlPart::None),
            ),
            (State::CssUrl, " x", (State::Css, 1, UrlPart::None)),
            (
                State::CssUrl,
                "/a?b",
                (State::CssUrl, 4, UrlPart::QueryOrFragment),
            ),
            (
                State::CssSingleQuotedUrl,
                "/a",
                (State::CssSingleQuotedUrl, 2, UrlPart::PreQuery),
            ),
            (
                State::CssSingleQuotedUrl,
                "\\\\",
                (State::CssSingleQuotedUrl, 2, UrlPart::PreQuery),
            ),
            (
                State::CssDoubleQuoted,
                "\\#",
                (State::CssDoubleQuoted, 2, UrlPart::QueryOrFragment),
            ),
            // The escape's first digit alone is looked at where no other escape follows.
            (
                State::CssDoubleQuoted,
                "\\3f ",
                (State::CssDoubleQuoted, 4, UrlPart::PreQuery),
            ),
            (
                State::CssDoubleQuoted,
                "\\3f \\41",
                (State::CssDoubleQuoted, 7, UrlPart::QueryOrFragment),
            ),
            (
                State::CssDoubleQuoted,
                "x\\",
                (State::Error, 2, UrlPart::None),
            ),
        ] {
            let (c, used) = transition(Context::of(state), text.as_bytes());
            assert_eq!((c.state, used, c.url_part), expected, "{text}");
        }
    }
}
