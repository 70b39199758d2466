//! Strings with Go's escapes.

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Bytes that stand for themselves whatever the mode; 0xE2 begins U+2028 and U+2029.
const PLAIN: [bool; 256] = {
    let mut plain = [true; 256];
    let mut byte = 0;
    while byte < 0x20 {
        plain[byte] = false;
        byte += 1;
    }
    plain[b'"' as usize] = false;
    plain[b'\\' as usize] = false;
    plain[b'<' as usize] = false;
    plain[b'>' as usize] = false;
    plain[b'&' as usize] = false;
    plain[0xE2] = false;
    plain
};

/// Appends `text` quoted and escaped; with `escape_html`, Go's default, `<`, `>` and `&` become `\u00xx`.
pub fn push_str(out: &mut String, text: &str, escape_html: bool) {
    out.reserve(text.len() + 2);
    out.push('"');
    if is_plain(text, escape_html) {
        out.push_str(text);
        out.push('"');
        return;
    }
    let bytes = text.as_bytes();
    let mut done = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if PLAIN[usize::from(byte)] {
            at += 1;
            continue;
        }
        let width = escaped_width(&bytes[at..], escape_html);
        if width == 0 {
            at += 1;
            continue;
        }
        out.push_str(&text[done..at]);
        push_escape(out, &bytes[at..at + width]);
        at += width;
        done = at;
    }
    out.push_str(&text[done..]);
    out.push('"');
}

/// Appends an object of strings; the pairs come in the order in which they are to stand.
pub fn push_map<'a>(
    out: &mut String,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
    escape_html: bool,
) {
    out.push('{');
    let mut begin = "\"";
    for (name, value) in pairs {
        if is_plain(name, escape_html) && is_plain(value, escape_html) {
            out.reserve(name.len() + value.len() + 6);
            out.push_str(begin);
            out.push_str(name);
            out.push_str("\":\"");
            out.push_str(value);
            out.push('"');
        } else {
            out.push_str(&begin[..begin.len() - 1]);
            push_str(out, name, escape_html);
            out.push(':');
            push_str(out, value, escape_html);
        }
        begin = ",\"";
    }
    out.push('}');
}

/// Whether no byte needs a second look, as in nearly all strings.
fn is_plain(text: &str, escape_html: bool) -> bool {
    if escape_html {
        are_plain::<true>(text.as_bytes())
    } else {
        are_plain::<false>(text.as_bytes())
    }
}

/// Sixteen or eight bytes at once, the last ones perhaps twice.
fn are_plain<const HTML: bool>(bytes: &[u8]) -> bool {
    if let Some(last) = bytes.last_chunk::<16>() {
        let (chunks, _) = bytes.as_chunks::<16>();
        return chunks.iter().chain([last]).all(all_plain::<HTML, 16>);
    }
    match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => all_plain::<HTML, 8>(first) && all_plain::<HTML, 8>(last),
        _ => bytes.iter().all(|byte| PLAIN[usize::from(*byte)]),
    }
}

/// Without branches, so that the compiler compares all bytes at once.
fn all_plain<const HTML: bool, const N: usize>(bytes: &[u8; N]) -> bool {
    let special = |byte: u8| {
        let html = HTML && ((byte == b'<') | (byte == b'>') | (byte == b'&'));
        (byte < 0x20) | (byte == b'"') | (byte == b'\\') | (byte == 0xE2) | html
    };
    !bytes
        .iter()
        .fold(false, |found, byte| found | special(*byte))
}

/// How many bytes at the beginning of `rest` need an escape.
fn escaped_width(rest: &[u8], escape_html: bool) -> usize {
    match rest {
        [b'<' | b'>' | b'&', ..] => usize::from(escape_html),
        [0xE2, 0x80, 0xA8 | 0xA9, ..] => 3,
        [0xE2, ..] => 0,
        _ => 1,
    }
}

fn push_escape(out: &mut String, escaped: &[u8]) {
    match escaped {
        [b'"'] => out.push_str("\\\""),
        [b'\\'] => out.push_str("\\\\"),
        [b'\n'] => out.push_str("\\n"),
        [b'\r'] => out.push_str("\\r"),
        [b'\t'] => out.push_str("\\t"),
        // Short since Go 1.22.
        [0x08] => out.push_str("\\b"),
        [0x0C] => out.push_str("\\f"),
        [_, _, last] => {
            out.push_str("\\u202");
            out.push(char::from(HEX[usize::from(last & 0xF)]));
        }
        _ => {
            let byte = escaped.first().copied().unwrap_or_default();
            out.push_str("\\u00");
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 0xF)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn quoted(text: &str, escape_html: bool) -> String {
        let mut out = String::new();
        push_str(&mut out, text, escape_html);
        out
    }

    #[test]
    fn escapes_as_go() {
        for (text, html, plain) in [
            ("", r#""""#, r#""""#),
            ("plain é", r#""plain é""#, r#""plain é""#),
            ("a\"b\\c", r#""a\"b\\c""#, r#""a\"b\\c""#),
            (
                "\u{8}\u{c}\n\r\t\u{0}\u{1f}\u{7f}",
                "\"\\b\\f\\n\\r\\t\\u0000\\u001f\u{7f}\"",
                "\"\\b\\f\\n\\r\\t\\u0000\\u001f\u{7f}\"",
            ),
            (
                "a long text with a \" somewhere",
                "\"a long text with a \\\" somewhere\"",
                "\"a long text with a \\\" somewhere\"",
            ),
            ("<a&b>", r#""\u003ca\u0026b\u003e""#, r#""<a&b>""#),
            (
                "\u{2028}|\u{2029}|\u{2027}|…",
                "\"\\u2028|\\u2029|\u{2027}|…\"",
                "\"\\u2028|\\u2029|\u{2027}|…\"",
            ),
        ] {
            assert_eq!(quoted(text, true), html, "{text:?}");
            assert_eq!(quoted(text, false), plain, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn reads_back_as_what_was_written(text in any::<String>(), escape_html: bool) {
            let back: String = serde_json::from_str(&quoted(&text, escape_html)).unwrap();
            prop_assert_eq!(back, text);
        }

        #[test]
        fn objects_are_made_of_strings(pairs in prop::collection::vec(("[a-z<\\n]{0,40}", any::<String>()), 0..5), escape_html: bool) {
            let mut out = String::new();
            push_map(&mut out, pairs.iter().map(|(name, value)| (&**name, &**value)), escape_html);
            let pair = |(name, value): &(String, String)| {
                format!("{}:{}", quoted(name, escape_html), quoted(value, escape_html))
            };
            let all: Vec<_> = pairs.iter().map(pair).collect();
            prop_assert_eq!(out, format!("{{{}}}", all.join(",")));
        }
    }
}
