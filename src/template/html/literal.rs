//! Escapers for JavaScript: strings, template literals, regular expressions, and values as literals.

use std::borrow::Cow;

use super::{
    replace::{Table, push_hex},
    script::is_word,
};

/// For quoted strings.
pub(super) static STRING: Table = Table::new(b"\"&'+/<>\\`\xe2", escape).and_controls();

/// The same for text that has its backslashes escaped.
pub(super) static STRING_ESCAPES_STAY: Table = Table::new(b"\"&'+/<>`\xe2", escape).and_controls();

/// For the text of template literals.
pub(super) static TEMPLATE: Table = Table::new(b"\"&'+/<>\\`${}\xe2", |rest, out| match rest[0] {
    byte @ (b'$' | b'{' | b'}') => unicode(byte, out),
    _ => escape(rest, out),
})
.and_controls();

static REGEXP: Table = Table::new(b"\"&'+/<>\\$()*-.?[]^{|}\xe2", |rest, out| match rest[0] {
    byte @ (b'$' | b'(' | b')' | b'*' | b'-' | b'.' | b'?' | b'[' | b']' | b'^' | b'{' | b'|'
    | b'}') => {
        out.push('\\');
        out.push(char::from(byte));
        1
    }
    _ => escape(rest, out),
})
.and_controls();

fn escape(rest: &[u8], out: &mut String) -> usize {
    match rest {
        [b'\t', ..] => out.push_str("\\t"),
        [b'\n', ..] => out.push_str("\\n"),
        [0x0c, ..] => out.push_str("\\f"),
        [b'\r', ..] => out.push_str("\\r"),
        [b'\\', ..] => out.push_str("\\\\"),
        [b'/', ..] => out.push_str("\\/"),
        [0xe2, 0x80, last @ (0xa8 | 0xa9), ..] => {
            out.push_str(if *last == 0xa8 { "\\u2028" } else { "\\u2029" });
            return 3;
        }
        [byte, ..] if byte.is_ascii() => return unicode(*byte, out),
        _ => return 0,
    }
    1
}

fn unicode(byte: u8, out: &mut String) -> usize {
    out.push_str("\\u00");
    push_hex(byte, out);
    1
}

/// Text that a regular expression takes literally; nothing becomes `(?:)`, since `//` is a comment.
pub(super) fn regexp(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.is_empty() {
        true => Cow::Borrowed("(?:)"),
        false => REGEXP.apply(text),
    }
}

/// JSON as a value in a script, with spaces where it could run into a keyword or number beside it; why there is no JSON
/// is a comment, and `null` the value.
pub(super) fn value(json: Result<String, String>) -> String {
    let json = match json {
        Ok(json) => json,
        Err(why) => return failed(&why),
    };
    let (Some(first), Some(last)) = (json.bytes().next(), json.bytes().next_back()) else {
        return " null ".to_owned();
    };
    match is_word(first) || is_word(last) {
        true => format!(" {json} "),
        false => json,
    }
}

/// The comment may not end early, nor the script.
fn failed(why: &str) -> String {
    let mut hidden = String::with_capacity(why.len());
    let mut rest = why;
    while let Some(at) = rest.find(['<', '*']) {
        hidden.push_str(&rest[..at]);
        rest = &rest[at..];
        let bytes = rest.as_bytes();
        let starts = |word: &[u8]| {
            bytes
                .get(1..1 + word.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        let used = if rest.starts_with("*/") {
            hidden.push_str("* /");
            2
        } else if starts(b"script") {
            hidden.push_str("\\x3Cscript");
            7
        } else if starts(b"/script") {
            hidden.push_str("\\x3C/script");
            8
        } else if rest.starts_with("<!--") {
            hidden.push_str("\\x3C!--");
            4
        } else {
            hidden.push_str(&rest[..1]);
            1
        };
        rest = &rest[used..];
    }
    hidden.push_str(rest);
    format!(" /* {hidden} */null ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\0\u{1}\u{8}\t\n\u{b}\u{c}\r\u{1f} !\"#$%&'()*+,-./09:;<=>?@A[\\]^_`a{|}~\u{7f}\u{a0}\u{2027}\u{2028}\u{2029}\u{feff}é𝄞";

    #[test]
    fn tables_replace_as_go() {
        let applied = |table: &Table| table.apply(Cow::Borrowed(SAMPLE)).into_owned();
        assert_eq!(
            applied(&STRING),
            "\\u0000\\u0001\\u0008\\t\\n\\u000b\\f\\r\\u001f !\\u0022#$%\\u0026\\u0027()*\\u002b,-.\\/09:;\\u003c=\\u003e?@A[\\\\]^_\\u0060a{|}~\u{7f}\u{a0}\u{2027}\\u2028\\u2029\u{feff}é𝄞"
        );
        assert_eq!(
            applied(&STRING_ESCAPES_STAY),
            "\\u0000\\u0001\\u0008\\t\\n\\u000b\\f\\r\\u001f !\\u0022#$%\\u0026\\u0027()*\\u002b,-.\\/09:;\\u003c=\\u003e?@A[\\]^_\\u0060a{|}~\u{7f}\u{a0}\u{2027}\\u2028\\u2029\u{feff}é𝄞"
        );
        assert_eq!(
            applied(&TEMPLATE),
            "\\u0000\\u0001\\u0008\\t\\n\\u000b\\f\\r\\u001f !\\u0022#\\u0024%\\u0026\\u0027()*\\u002b,-.\\/09:;\\u003c=\\u003e?@A[\\\\]^_\\u0060a\\u007b|\\u007d~\u{7f}\u{a0}\u{2027}\\u2028\\u2029\u{feff}é𝄞"
        );
        assert_eq!(
            regexp(Cow::Borrowed(SAMPLE)),
            "\\u0000\\u0001\\u0008\\t\\n\\u000b\\f\\r\\u001f !\\u0022#\\$%\\u0026\\u0027\\(\\)\\*\\u002b,\\-\\.\\/09:;\\u003c=\\u003e\\?@A\\[\\\\\\]\\^_`a\\{\\|\\}~\u{7f}\u{a0}\u{2027}\\u2028\\u2029\u{feff}é𝄞"
        );
        assert_eq!(regexp(Cow::Borrowed("")), "(?:)");
    }

    #[test]
    fn values_keep_apart_from_words() {
        for (json, written) in [
            ("42", " 42 "),
            ("-42", " -42 "),
            ("true", " true "),
            ("\"a\"", "\"a\""),
            ("[1]", "[1]"),
            ("{}", "{}"),
            ("", " null "),
        ] {
            assert_eq!(value(Ok(json.to_owned())), written);
        }
        assert_eq!(
            value(Err("a*/ </ScRipt> <script <!-- <b * é".to_owned())),
            " /* a* / \\x3C/script> \\x3Cscript \\x3C!-- <b * é */null "
        );
    }
}
