//! Escapers for HTML: text, values of attributes, names.

use std::{borrow::Cow, fmt::Write as _};

use super::{
    FAILSAFE,
    attribute::{AttrKind, attr_kind},
    context::{Context, Delim, Element, State},
    replace::Table,
    tag,
    text::transition,
};

/// For text and quoted values.
pub(super) static HTML: Table = Table::new(b"\0\"&'+<>", |rest, out| {
    out.push_str(entity(rest[0]));
    1
});

/// The same for HTML, whose entities stay.
pub(super) static HTML_ENTITIES_STAY: Table = Table::new(b"\0\"'+<>", |rest, out| {
    out.push_str(entity(rest[0]));
    1
});

/// For values without quotes.
pub(super) static UNQUOTED: Table = Table::new(b"\0\t\n\x0b\x0c\r \"&'+<=>`\xef", |rest, out| {
    unquoted(rest, out)
});

/// The same for HTML, whose entities stay.
pub(super) static UNQUOTED_ENTITIES_STAY: Table =
    Table::new(b"\0\t\n\x0b\x0c\r \"'+<=>`\xef", |rest, out| {
        unquoted(rest, out)
    });

const fn entity(byte: u8) -> &'static str {
    match byte {
        0 => "\u{fffd}",
        b'"' => "&#34;",
        b'&' => "&amp;",
        b'\'' => "&#39;",
        b'+' => "&#43;",
        b'<' => "&lt;",
        _ => "&gt;",
    }
}

fn unquoted(rest: &[u8], out: &mut String) -> usize {
    match rest[0] {
        0 => out.push_str("&#xfffd;"),
        byte @ (b'\t'..=b'\r' | b' ' | b'=' | b'`') => {
            let _ = write!(out, "&#{byte};");
        }
        0xef => return unquoted_noncharacter(rest, out),
        byte => out.push_str(entity(byte)),
    }
    1
}

/// U+FDD0 to U+FDEF and U+FFF0 to U+FFFF, which old browsers do not take in values without quotes.
fn unquoted_noncharacter(rest: &[u8], out: &mut String) -> usize {
    let Some(c) = rest
        .get(..3)
        .and_then(|bytes| std::str::from_utf8(bytes).ok())
        .and_then(|text| text.chars().next())
    else {
        return 0;
    };
    if !matches!(c, '\u{fdd0}'..='\u{fdef}' | '\u{fff0}'..='\u{ffff}') {
        return 0;
    }
    let _ = write!(out, "&#x{:x};", u32::from(c));
    3
}

/// The text of a piece of HTML: `I <b>am</b> &amp; …` is `I am &amp; …`; scripts and styles have none.
pub(super) fn strip_tags(html: &str) -> Cow<'_, str> {
    let bytes = html.as_bytes();
    let mut out = String::new();
    let mut all_text = true;
    let mut c = Context::default();
    let mut at = 0;
    while at < bytes.len() {
        if c.delim != Delim::None {
            let Some(end) = bytes[at..].iter().position(|byte| c.delim.ends(*byte)) else {
                return Cow::Owned(out);
            };
            at += end + usize::from(c.delim != Delim::SpaceOrTagEnd);
            c = Context {
                element: c.element,
                ..Context::of(State::Tag)
            };
            continue;
        }
        let before = c.state;
        let (after, used) = match c.element == Element::None || before.is_in_tag() {
            true => transition(c, &bytes[at..]),
            // Scripts and styles are not looked into.
            false => tag::rcdata(c, &bytes[at..]),
        };
        let end = at + used;
        if matches!(before, State::Text | State::Rcdata) {
            let text = match after.state == before {
                true => end,
                false => bytes[at..end]
                    .iter()
                    .rposition(|byte| *byte == b'<')
                    .map_or(end, |open| at + open),
            };
            out.push_str(&html[at..text]);
        } else {
            all_text = false;
        }
        if used == 0 && after.state == before {
            break;
        }
        c = after;
        at = end;
    }
    match all_text {
        true => Cow::Borrowed(html),
        false => Cow::Owned(out),
    }
}

/// A part of the name of a tag or attribute: only letters and digits, and no attribute whose value is more than text.
pub(super) fn name(text: &str) -> Cow<'_, str> {
    let name = text.to_lowercase();
    let safe = !name.is_empty()
        && attr_kind(&name) == AttrKind::Plain
        && name
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z'));
    match safe {
        true => Cow::Owned(name),
        false => Cow::Borrowed(FAILSAFE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: &str = "\0\u{1}\t\n\u{b}\u{c}\r !\"#&'+-/09:;<=>?@AZ[\\]^_`az{|}~\u{7f}\u{a0}\u{2028}\u{fdd0}\u{fffd}\u{feff}é𝄞&amp;%22";

    #[test]
    fn tables_replace_as_go() {
        let applied = |table: &Table| table.apply(Cow::Borrowed(SAMPLE)).into_owned();
        assert_eq!(
            applied(&HTML),
            "\u{fffd}\u{1}\t\n\u{b}\u{c}\r !&#34;#&amp;&#39;&#43;-/09:;&lt;=&gt;?@AZ[\\]^_`az{|}~\u{7f}\u{a0}\u{2028}\u{fdd0}\u{fffd}\u{feff}é𝄞&amp;amp;%22"
        );
        assert_eq!(
            applied(&HTML_ENTITIES_STAY),
            "\u{fffd}\u{1}\t\n\u{b}\u{c}\r !&#34;#&&#39;&#43;-/09:;&lt;=&gt;?@AZ[\\]^_`az{|}~\u{7f}\u{a0}\u{2028}\u{fdd0}\u{fffd}\u{feff}é𝄞&amp;%22"
        );
        assert_eq!(
            applied(&UNQUOTED),
            "&#xfffd;\u{1}&#9;&#10;&#11;&#12;&#13;&#32;!&#34;#&amp;&#39;&#43;-/09:;&lt;&#61;&gt;?@AZ[\\]^_&#96;az{|}~\u{7f}\u{a0}\u{2028}&#xfdd0;&#xfffd;\u{feff}é𝄞&amp;amp;%22"
        );
        assert_eq!(
            applied(&UNQUOTED_ENTITIES_STAY),
            "&#xfffd;\u{1}&#9;&#10;&#11;&#12;&#13;&#32;!&#34;#&&#39;&#43;-/09:;&lt;&#61;&gt;?@AZ[\\]^_&#96;az{|}~\u{7f}\u{a0}\u{2028}&#xfdd0;&#xfffd;\u{feff}é𝄞&amp;%22"
        );
        assert!(matches!(
            HTML.apply(Cow::Borrowed("clean é")),
            Cow::Borrowed(_)
        ));
    }

    #[test]
    fn tags_are_stripped() {
        for (html, text) in [
            ("", ""),
            ("Hello, World!", "Hello, World!"),
            ("foo&amp;bar", "foo&amp;bar"),
            ("Hello <a href=\"http://x/?a>b\">World</a>!", "Hello World!"),
            ("Foo <textarea>Bar</textarea> Baz", "Foo Bar Baz"),
            ("Foo <!-- Bar --> Baz", "Foo  Baz"),
            ("<", "<"),
            ("foo < bar", "foo < bar"),
            (
                "Foo<script type=\"text/javascript\">alert(1337)</script>Bar",
                "FooBar",
            ),
            ("Foo<div title=\"1>2\">Bar", "FooBar"),
            ("I <3 Ponies!", "I <3 Ponies!"),
            ("<script>foo()</script>", ""),
            ("<style>p { color: red }</style>x", "x"),
            ("a<b", "a<b"),
            ("a<b title='", "a"),
            ("a<b title=x y=z>c", "ac"),
            // Go looks for the last `<`, which is not that of the end tag.
            ("<title><b>x</b></title>y", "<b>xy"),
            ("a<p\"b>c", "a"),
            ("x<meta content=\"url=y\">z", "xz"),
        ] {
            assert_eq!(strip_tags(html), text, "{html}");
        }
    }

    #[test]
    fn names_are_filtered() {
        for (text, passed) in [
            ("checked", "checked"),
            ("TITLE", "title"),
            ("h3", "h3"),
            ("", FAILSAFE),
            ("onclick", FAILSAFE),
            ("sTyle", FAILSAFE),
            ("href", FAILSAFE),
            ("value", FAILSAFE),
            ("a b", FAILSAFE),
            ("a=b", FAILSAFE),
            ("data-x", FAILSAFE),
            ("é", FAILSAFE),
        ] {
            assert_eq!(name(text), passed, "{text}");
        }
    }
}
