//! How text moves the context through HTML: between tags, in tags, comments and special elements.
//!
//! Each function takes the context and the text that follows, and gives the context after some of the text and how many
//! bytes that was. None looks at what is behind the end of an attribute's value; `text.rs` cuts it off.

use super::{
    attribute::{AttrKind, attr_kind},
    context::{Attr, Context, Delim, Element, State, UrlPart},
    error::{EscapeError, quoted, quoted_beginning},
};

pub(super) fn text(c: Context, s: &[u8]) -> (Context, usize) {
    let mut from = 0;
    loop {
        let Some(open) = find(&s[from..], b"<").map(|at| from + at) else {
            return (c, s.len());
        };
        if open + 1 == s.len() {
            return (c, s.len());
        }
        if s[open..].starts_with(b"<!--") {
            return (Context::of(State::HtmlComment), open + 4);
        }
        let closing = s[open + 1] == b'/';
        let name = open + 1 + usize::from(closing);
        if name == s.len() {
            return (c, s.len());
        }
        let end = tag_name_end(s, name);
        if end > name {
            let element = match closing {
                true => Element::None,
                false => Element::named(&s[name..end]),
            };
            let tag = Context {
                element,
                ..Context::of(State::Tag)
            };
            return (tag, end);
        }
        from = end;
    }
}

pub(super) fn tag(c: Context, s: &[u8]) -> (Context, usize) {
    let name = skip_space(s, 0);
    if name == s.len() {
        return (c, s.len());
    }
    if s[name] == b'>' {
        // `<meta>` has no end tag that would end the element.
        let element = match c.element == Element::Meta {
            true => Element::None,
            false => c.element,
        };
        let content = Context {
            element,
            ..Context::of(element.content())
        };
        return (content, name + 1);
    }
    let end = match attr_name_end(s, name) {
        Ok(end) if end > name => end,
        Ok(_) => {
            let message = format!(
                "expected space, attr name, or end of tag, but got {}",
                quoted(&s[name..])
            );
            return (Context::failed(EscapeError::of_text(message)), s.len());
        }
        Err(error) => return (Context::failed(error), s.len()),
    };
    let state = match end == s.len() {
        true => State::AttrName,
        false => State::AfterName,
    };
    let attr = attribute(c.element, &String::from_utf8_lossy(&s[name..end]));
    let next = Context {
        element: c.element,
        attr,
        ..Context::of(state)
    };
    (next, end)
}

fn attribute(element: Element, name: &str) -> Attr {
    let name = name.to_lowercase();
    match (element, name.as_str()) {
        (Element::Script, "type") => Attr::ScriptType,
        (Element::Meta, "content") => Attr::MetaContent,
        (_, name) => match attr_kind(name) {
            AttrKind::Url => Attr::Url,
            AttrKind::Css => Attr::Style,
            AttrKind::Script => Attr::Script,
            AttrKind::Srcset => Attr::Srcset,
            AttrKind::Plain | AttrKind::Html | AttrKind::Unsafe => Attr::None,
        },
    }
}

pub(super) fn attr_name(mut c: Context, s: &[u8]) -> (Context, usize) {
    match attr_name_end(s, 0) {
        Ok(end) => {
            if end != s.len() {
                c.state = State::AfterName;
            }
            (c, end)
        }
        Err(error) => (Context::failed(error), s.len()),
    }
}

pub(super) fn after_name(mut c: Context, s: &[u8]) -> (Context, usize) {
    let at = skip_space(s, 0);
    match s.get(at) {
        None => (c, s.len()),
        Some(b'=') => {
            c.state = State::BeforeValue;
            (c, at + 1)
        }
        // The attribute has no value.
        Some(_) => {
            c.state = State::Tag;
            (c, at)
        }
    }
}

pub(super) fn before_value(mut c: Context, s: &[u8]) -> (Context, usize) {
    let at = skip_space(s, 0);
    let (delim, used) = match s.get(at) {
        None => return (c, s.len()),
        Some(b'"') => (Delim::DoubleQuote, at + 1),
        Some(b'\'') => (Delim::SingleQuote, at + 1),
        Some(_) => (Delim::SpaceOrTagEnd, at),
    };
    c.state = c.attr.value();
    c.delim = delim;
    (c, used)
}

pub(super) fn comment(c: Context, s: &[u8]) -> (Context, usize) {
    match find(s, b"-->") {
        Some(at) => (Context::default(), at + 3),
        None => (c, s.len()),
    }
}

/// The content of `<textarea>` and `<title>`, up to the end tag.
pub(super) fn rcdata(c: Context, s: &[u8]) -> (Context, usize) {
    match special_end(&c, s) {
        Some(at) => (Context::default(), at),
        None => (c, s.len()),
    }
}

/// Text of an attribute's value, which changes nothing.
pub(super) fn value(c: Context, s: &[u8]) -> (Context, usize) {
    (c, s.len())
}

pub(super) fn url(mut c: Context, s: &[u8]) -> (Context, usize) {
    if s.iter().any(|byte| matches!(byte, b'#' | b'?')) {
        c.url_part = UrlPart::QueryOrFragment;
    } else if c.url_part == UrlPart::None && skip_space(s, 0) != s.len() {
        c.url_part = UrlPart::PreQuery;
    }
    (c, s.len())
}

pub(super) fn meta_content(mut c: Context, s: &[u8]) -> (Context, usize) {
    // Go sees no `url` in the last three bytes.
    for at in 0..s.len().saturating_sub(3) {
        if s[at..at + 3].eq_ignore_ascii_case(b"url") {
            let equals = skip_space(s, at + 3);
            if s.get(equals) == Some(&b'=') {
                c.state = State::MetaContentUrl;
                return (c, equals + 1);
            }
        }
    }
    (c, s.len())
}

pub(super) fn meta_content_url(mut c: Context, s: &[u8]) -> (Context, usize) {
    match find(s, b";") {
        Some(at) => {
            c.state = State::MetaContent;
            (c, at + 1)
        }
        None => (c, s.len()),
    }
}

/// Where the end tag of the special element begins, if the content is ended by it.
pub(super) fn special_end(c: &Context, s: &[u8]) -> Option<usize> {
    if c.element == Element::None {
        return None;
    }
    // `</script` in a literal is escaped rather than obeyed.
    if c.element == Element::Script && (c.state.is_script_literal() || c.state.is_comment()) {
        return None;
    }
    end_tag(s, c.element.end_tag())
}

/// Where `</name` stands in any case with one of `> \t\n\f/` after it.
fn end_tag(s: &[u8], name: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = find(&s[from..], b"</") {
        let start = from + at;
        from = start + 2;
        let after = from + name.len();
        if s.get(from..after)
            .is_some_and(|tag| tag.eq_ignore_ascii_case(name))
        {
            if s.get(after)
                .is_some_and(|byte| matches!(byte, b'>' | b' ' | b'\t' | b'\n' | 0x0c | b'/'))
            {
                return Some(start);
            }
            from = after;
        }
    }
    None
}

/// Where the attribute's name ends that begins at `from`. A quote or `<` in it is an error, since browsers warn of it
/// and templates with it are mostly broken.
fn attr_name_end(s: &[u8], from: usize) -> Result<usize, EscapeError> {
    for (at, byte) in s.iter().enumerate().skip(from) {
        match byte {
            b' ' | b'\t' | b'\n' | 0x0c | b'\r' | b'=' | b'>' => return Ok(at),
            b'\'' | b'"' | b'<' => {
                return Err(EscapeError::of_text(format!(
                    "{} in attribute name: {}",
                    quoted(&s[at..=at]),
                    quoted_beginning(s)
                )));
            }
            _ => {}
        }
    }
    Ok(s.len())
}

/// Where the tag's name ends that begins at `from`: letters and digits after a letter, and single `:` and `-` in it.
fn tag_name_end(s: &[u8], from: usize) -> usize {
    if !s.get(from).is_some_and(u8::is_ascii_alphabetic) {
        return from;
    }
    let mut at = from + 1;
    while let Some(byte) = s.get(at) {
        let joins =
            matches!(byte, b':' | b'-') && s.get(at + 1).is_some_and(u8::is_ascii_alphanumeric);
        match (byte.is_ascii_alphanumeric(), joins) {
            (true, _) => at += 1,
            (false, true) => at += 2,
            (false, false) => break,
        }
    }
    at
}

/// The first place from `from` that is no white space.
pub(super) fn skip_space(s: &[u8], from: usize) -> usize {
    s.iter()
        .enumerate()
        .skip(from)
        .find(|(_, byte)| !matches!(byte, b' ' | b'\t' | b'\n' | 0x0c | b'\r'))
        .map_or(s.len(), |(at, _)| at)
}

/// Where `wanted` begins in `s`.
pub(super) fn find(s: &[u8], wanted: &[u8]) -> Option<usize> {
    let (first, _) = wanted.split_first()?;
    let mut from = 0;
    while let Some(at) = s[from..].iter().position(|byte| byte == first) {
        if s[from + at..].starts_with(wanted) {
            return Some(from + at);
        }
        from += at + 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_tags_need_their_name_and_a_separator() {
        for (text, name, at) in [
            ("", "script", None),
            ("foo bar", "script", None),
            ("</script", "script", None),
            ("</script>", "script", Some(0)),
            ("ab</ScRiPt/", "script", Some(2)),
            ("</scripty></script\t", "script", Some(10)),
            ("</script</script>", "script", Some(8)),
            ("</</title\u{c}", "title", Some(2)),
            ("</title\r>", "title", None),
            ("</ textarea></textarea >", "textarea", Some(12)),
        ] {
            assert_eq!(end_tag(text.as_bytes(), name.as_bytes()), at, "{text}");
        }
    }

    #[test]
    fn tag_names_end() {
        for (text, end) in [
            ("", 0),
            ("1a", 0),
            ("-", 0),
            ("br>", 2),
            ("h1 x", 2),
            ("svg:a>", 5),
            ("x-y-z=", 5),
            ("x--y", 1),
            ("x-", 1),
            ("a:", 1),
        ] {
            assert_eq!(tag_name_end(text.as_bytes(), 0), end, "{text}");
        }
    }

    #[test]
    fn urls_in_meta_content_are_found() {
        for (text, state, used) in [
            ("0;url=x", State::MetaContentUrl, 6),
            ("0; URL \t= x", State::MetaContentUrl, 9),
            ("url", State::MetaContent, 3),
            ("curl url", State::MetaContent, 8),
            ("a=url;b", State::MetaContent, 7),
        ] {
            let (c, at) = meta_content(Context::of(State::MetaContent), text.as_bytes());
            assert_eq!((c.state, at), (state, used), "{text}");
        }
    }
}
