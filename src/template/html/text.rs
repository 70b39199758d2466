//! A text node: the context after it, and what is written in its place.
//!
//! Comments are left out, `<` that opens nothing becomes `&lt;`, and `<script`, `</script` and `<!--` in literals of
//! scripts become `\x3C…`, which browsers cannot take for tags.

use super::{
    context::{Attr, Context, Delim, Element, State},
    entity,
    error::{EscapeError, quoted},
    script, style, tag,
};

/// The context after the text, and the text to write unless it is the same.
pub(super) fn escape_text(context: Context, text: &str) -> (Context, Option<String>) {
    let mut pass = Pass {
        text,
        special_end: None,
        edited: Edited {
            out: String::new(),
            written: 0,
        },
    };
    let after = pass.run(context);
    let Edited { mut out, written } = pass.edited;
    if written == 0 || after.is_error() {
        return (after, None);
    }
    if !elided(&after) {
        out.push_str(&text[written..]);
    }
    (after, Some(out))
}

/// Whether the place is in a comment that is left out; those in attributes are kept.
fn elided(c: &Context) -> bool {
    c.state.is_comment() && c.delim == Delim::None
}

struct Pass<'a> {
    text: &'a str,
    /// Where the next end tag of a special element stands, if one does. Its search goes over all that follows.
    special_end: Option<(Element, Option<usize>)>,
    edited: Edited,
}

struct Edited {
    out: String,
    /// Everything before it is in `out` or left out.
    written: usize,
}

impl Edited {
    fn replace(&mut self, text: &str, from: usize, to: usize, by: &str) {
        self.out.push_str(&text[self.written..from]);
        self.out.push_str(by);
        self.written = to;
    }
}

impl Pass<'_> {
    fn run(&mut self, mut c: Context) -> Context {
        let mut at = 0;
        while at < self.text.len() {
            let before = c.clone();
            let (after, used) = self.step(c, at);
            let end = at + used;
            if used == 0 && before.state == after.state {
                // No function of the states does this.
                let message = format!("no progress in {before}");
                return Context::failed(EscapeError::of_text(message));
            }
            self.edit(&before, at, &after, end);
            c = after;
            at = end;
        }
        c
    }

    /// The context after some of the text from `at`, and how much that was.
    fn step(&mut self, c: Context, at: usize) -> (Context, usize) {
        let rest = &self.text.as_bytes()[at..];
        if c.delim != Delim::None {
            return in_value(c, rest);
        }
        match self.special_end(&c, at) {
            Some(0) => (Context::default(), 0),
            Some(length) => transition(c, &rest[..length]),
            None => transition(c, rest),
        }
    }

    fn special_end(&mut self, c: &Context, at: usize) -> Option<usize> {
        // In literals of scripts the end tag does not count.
        let searched = !c.state.is_script_literal() && !c.state.is_comment();
        if let Some((element, end)) = self.special_end
            && element == c.element
            && (searched || element != Element::Script)
            && end.is_none_or(|end| end >= at)
        {
            return end.map(|end| end - at);
        }
        if c.element == Element::None || (!searched && c.element == Element::Script) {
            return None;
        }
        let end = tag::special_end(c, &self.text.as_bytes()[at..]).map(|end| at + end);
        self.special_end = Some((c.element, end));
        end.map(|end| end - at)
    }

    /// Writes what the text from `at` to `end` becomes, if it is changed.
    fn edit(&mut self, before: &Context, at: usize, after: &Context, end: usize) {
        if matches!(before.state, State::Text | State::Rcdata) {
            self.escape_brackets(before, at, after, end);
        } else if elided(before) {
            let comment = &self.text.as_bytes()[at..end];
            let is_block = matches!(before.state, State::JsBlockComment | State::CssBlockComment);
            // A comment with a line break in it ends a statement as the line break does.
            let by = match before.state == State::JsBlockComment
                && script::line_end(comment).is_some()
            {
                true => "\n",
                false if is_block => " ",
                false => "",
            };
            self.edited.out.push_str(by);
            self.edited.written = end;
        }
        if before.state != after.state && elided(after) {
            let opening = after.state.comment_opening();
            self.edited.replace(self.text, end - opening, end, "");
        }
        if before.state.is_script_literal() {
            for open in special_script_tags(&self.text.as_bytes()[at..end]) {
                self.edited
                    .replace(self.text, at + open, at + open + 1, "\\x3C");
            }
        }
    }

    fn escape_brackets(&mut self, before: &Context, at: usize, after: &Context, end: usize) {
        let text = self.text.as_bytes();
        // The last `<` is that of the tag or comment which follows.
        let end = match after.state == before.state {
            true => end,
            false => text[at..end]
                .iter()
                .rposition(|byte| *byte == b'<')
                .map_or(end, |open| at + open),
        };
        let mut from = at;
        while let Some(open) = tag::find(&text[from..end], b"<") {
            from += open;
            let doctype = text
                .get(from..from + 9)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"<!DOCTYPE"));
            if !doctype {
                self.edited.replace(self.text, from, from + 1, "&lt;");
            }
            from += 1;
        }
    }
}

/// Where `<script`, `</script` and `<!--` begin.
fn special_script_tags(s: &[u8]) -> impl Iterator<Item = usize> {
    s.iter().enumerate().filter_map(|(at, byte)| {
        let starts = |word: &[u8]| {
            s.get(at + 1..at + 1 + word.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(word))
        };
        (*byte == b'<' && (starts(b"script") || starts(b"/script") || starts(b"!--"))).then_some(at)
    })
}

/// In the value of an attribute: to its end, or over all of the text.
fn in_value(mut c: Context, s: &[u8]) -> (Context, usize) {
    let end = s.iter().position(|byte| c.delim.ends(*byte));
    let value = &s[..end.unwrap_or(s.len())];
    if c.delim == Delim::SpaceOrTagEnd {
        // Parsers differ on where values with these end.
        if let Some(at) = value.iter().position(|byte| b"\"'<=`".contains(byte)) {
            let message = format!(
                "{} in unquoted attr: {}",
                quoted(&value[at..=at]),
                quoted(value)
            );
            return (Context::failed(EscapeError::of_text(message)), s.len());
        }
    }
    let Some(end) = end else {
        let decoded = entity::unescape(s);
        let mut rest = decoded.as_slice();
        while !rest.is_empty() {
            let (after, used) = transition(c, rest);
            rest = &rest[used..];
            c = after;
        }
        return (c, s.len());
    };
    let other_script = c.state == State::Attr
        && c.element == Element::Script
        && c.attr == Attr::ScriptType
        && !script::is_script_type(value);
    let element = match other_script {
        true => Element::None,
        false => c.element,
    };
    let quote = usize::from(c.delim != Delim::SpaceOrTagEnd);
    let after = Context {
        element,
        ..Context::of(State::Tag)
    };
    (after, end + quote)
}

/// Moves through some of the text as the state of the context does.
pub(super) fn transition(c: Context, s: &[u8]) -> (Context, usize) {
    match c.state {
        State::Text => tag::text(c, s),
        State::Tag => tag::tag(c, s),
        State::AttrName => tag::attr_name(c, s),
        State::AfterName => tag::after_name(c, s),
        State::BeforeValue => tag::before_value(c, s),
        State::HtmlComment => tag::comment(c, s),
        State::Rcdata => tag::rcdata(c, s),
        State::Attr | State::Error | State::Dead => tag::value(c, s),
        State::Url | State::Srcset => tag::url(c, s),
        State::MetaContent => tag::meta_content(c, s),
        State::MetaContentUrl => tag::meta_content_url(c, s),
        State::Js => script::code(c, s),
        State::JsDoubleQuoted => script::delimited(c, s, b'"'),
        State::JsSingleQuoted => script::delimited(c, s, b'\''),
        State::JsRegexp => script::delimited(c, s, b'/'),
        State::JsTemplateLiteral => script::template_literal(c, s),
        State::JsBlockComment => script::block_comment(c, s, State::Js),
        State::CssBlockComment => script::block_comment(c, s, State::Css),
        State::JsLineComment | State::JsHtmlOpenComment | State::JsHtmlCloseComment => {
            script::line_comment(c, s)
        }
        State::CssLineComment => style::line_comment(c, s),
        State::Css => style::code(c, s),
        State::CssDoubleQuoted | State::CssDoubleQuotedUrl => style::string(c, s, b"\""),
        State::CssSingleQuoted | State::CssSingleQuotedUrl => style::string(c, s, b"'"),
        State::CssUrl => style::string(c, s, style::URL_ENDS),
    }
}
