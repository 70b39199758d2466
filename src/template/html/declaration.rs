//! Escapers for CSS: strings and values.

use std::borrow::Cow;

use super::{
    FAILSAFE,
    replace::Table,
    style::{decode, is_name_byte, is_space},
};

/// For quoted strings.
pub(super) static STRING: Table = Table::new(b"\0\t\n\x0c\r\"&'()+/:;<>\\{}", |rest, out| {
    let escape = match rest[0] {
        0 => "\\0",
        b'\t' => "\\9",
        b'\n' => "\\a",
        0x0c => "\\c",
        b'\r' => "\\d",
        b'"' => "\\22",
        b'&' => "\\26",
        b'\'' => "\\27",
        b'(' => "\\28",
        b')' => "\\29",
        b'+' => "\\2b",
        b'/' => "\\2f",
        b':' => "\\3a",
        b';' => "\\3b",
        b'<' => "\\3c",
        b'>' => "\\3e",
        b'{' => "\\7b",
        b'}' => "\\7d",
        _ => {
            out.push_str("\\\\");
            return 1;
        }
    };
    out.push_str(escape);
    // A digit or space after it would belong to the escape.
    if rest
        .get(1)
        .is_none_or(|next| next.is_ascii_hexdigit() || is_space(*next))
    {
        out.push(' ');
    }
    1
});

/// A harmless value: a quantity, colour, keyword, class or the like. Brackets, quotes, comments and what old browsers ran
/// as a script are refused, be it written in escapes.
pub(super) fn value(text: Cow<'_, str>) -> Cow<'_, str> {
    let decoded = decode(text.as_bytes());
    let mut name = Vec::with_capacity(decoded.len());
    for (i, byte) in decoded.iter().enumerate() {
        match byte {
            0 | b'"' | b'\'' | b'(' | b')' | b'/' | b';' | b'@' | b'[' | b'\\' | b']' | b'`'
            | b'{' | b'}' | b'<' | b'>' => return Cow::Borrowed(FAILSAFE),
            // `<!--` and `-->`
            b'-' if i > 0 && decoded[i - 1] == b'-' => return Cow::Borrowed(FAILSAFE),
            // Go leaves it out of the word that is looked for below, and so sees through `-moz-binding`.
            b'-' => {}
            byte if is_name_byte(*byte) => name.push(byte.to_ascii_lowercase()),
            _ => {}
        }
    }
    for refused in [&b"expression"[..], b"mozbinding"] {
        if super::tag::find(&name, refused).is_some() {
            return Cow::Borrowed(FAILSAFE);
        }
    }
    match decoded == text.as_bytes() {
        true => text,
        false => Cow::Owned(String::from_utf8_lossy(&decoded).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_go() {
        for (text, escaped) in [
            ("clean é", "clean é"),
            ("\0\t\n\u{c}\r", "\\0 \\9 \\a \\c \\d "),
            (
                "\"&'()+/:;<>\\{}",
                "\\22\\26\\27\\28\\29\\2b\\2f\\3a\\3b\\3c\\3e\\\\\\7b\\7d ",
            ),
            ("\"a\"g\" \"", "\\22 a\\22g\\22  \\22 "),
            ("\\a", "\\\\a"),
            ("\u{b}\u{1}", "\u{b}\u{1}"),
        ] {
            assert_eq!(STRING.apply(Cow::Borrowed(text)), escaped, "{text:?}");
        }
    }

    #[test]
    fn values_are_filtered() {
        for passed in [
            "",
            "foo",
            "0",
            "0px",
            "-5px",
            "1.25in",
            "+.33em",
            "100%",
            ".foo",
            "#bar",
            "corner-radius",
            "-moz-corner-radius",
            "#000",
            "#48f",
            "#123456",
            "U+00-FF, U+980-9FF",
            "color: red",
            "a b",
            "!important",
            "é",
        ] {
            assert_eq!(value(Cow::Borrowed(passed)), passed);
        }
        for refused in [
            "<!--",
            "-->",
            "<![CDATA[",
            "]]>",
            "</style",
            "\"",
            "'",
            "`",
            "\0",
            "/* foo */",
            "//",
            "[href=~",
            "expression(alert(1337))",
            "-expression(alert(1337))",
            "expression",
            "Expression",
            "EXPRESSION",
            "-moz-binding",
            "-expr\0ession(alert(1337))",
            "-expr\\65ssion",
            "\\28",
            "a;b",
            "@import",
            "x--y",
            "{}",
            "moz-bind\\69ng",
        ] {
            assert_eq!(value(Cow::Borrowed(refused)), FAILSAFE, "{refused}");
        }
        assert_eq!(value(Cow::Borrowed("\\66oo")), "foo");
    }
}
