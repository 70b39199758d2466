//! Where in HTML, CSS or JavaScript a part of a template stands.
//!
//! The states are those of Go 1.27's html/template, and they are printed under Go's names: errors show them, and the
//! names of derived templates hold them.

use std::fmt::{self, Write as _};

use super::error::EscapeError;

/// What the text at a place means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
    /// Between tags.
    #[default]
    Text,
    /// In a tag, before an attribute or the end of the tag.
    Tag,
    AttrName,
    /// After an attribute's name, before any `=`.
    AfterName,
    /// After `=`, before the value.
    BeforeValue,
    HtmlComment,
    /// In `<textarea>` or `<title>`.
    Rcdata,
    /// In the value of an attribute that is plain text.
    Attr,
    Url,
    Srcset,
    /// In the `content` of a `<meta>`.
    MetaContent,
    /// The same, after `url=`.
    MetaContentUrl,
    Js,
    JsDoubleQuoted,
    JsSingleQuoted,
    JsTemplateLiteral,
    JsRegexp,
    JsBlockComment,
    JsLineComment,
    /// `<!--` in a script: a comment to the end of the line.
    JsHtmlOpenComment,
    /// `-->` in a script: likewise.
    JsHtmlCloseComment,
    Css,
    CssDoubleQuoted,
    CssSingleQuoted,
    CssDoubleQuotedUrl,
    CssSingleQuotedUrl,
    CssUrl,
    CssBlockComment,
    CssLineComment,
    /// Nothing leads out of it.
    Error,
    /// After `break` or `continue`.
    Dead,
}

impl State {
    /// Whether what stands here is for the authors of templates alone.
    pub(super) const fn is_comment(self) -> bool {
        matches!(
            self,
            Self::HtmlComment
                | Self::JsBlockComment
                | Self::JsLineComment
                | Self::JsHtmlOpenComment
                | Self::JsHtmlCloseComment
                | Self::CssBlockComment
                | Self::CssLineComment
        )
    }

    /// How long the beginning of such a comment is: `<!--`, `-->`, `/*` or `//`.
    pub(super) fn comment_opening(self) -> usize {
        if matches!(self, Self::HtmlComment | Self::JsHtmlOpenComment) {
            4
        } else if self == Self::JsHtmlCloseComment {
            3
        } else {
            2
        }
    }

    /// Whether it occurs only within a tag.
    pub(super) const fn is_in_tag(self) -> bool {
        matches!(
            self,
            Self::Tag | Self::AttrName | Self::AfterName | Self::BeforeValue | Self::Attr
        )
    }

    /// Whether `<!--`, `<script` and `</script` must be hidden here from the parser of HTML.
    pub(super) const fn is_script_literal(self) -> bool {
        matches!(
            self,
            Self::JsDoubleQuoted | Self::JsSingleQuoted | Self::JsTemplateLiteral | Self::JsRegexp
        )
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Text => "stateText",
            Self::Tag => "stateTag",
            Self::AttrName => "stateAttrName",
            Self::AfterName => "stateAfterName",
            Self::BeforeValue => "stateBeforeValue",
            Self::HtmlComment => "stateHTMLCmt",
            Self::Rcdata => "stateRCDATA",
            Self::Attr => "stateAttr",
            Self::Url => "stateURL",
            Self::Srcset => "stateSrcset",
            Self::MetaContent => "stateMetaContent",
            Self::MetaContentUrl => "stateMetaContentURL",
            Self::Js => "stateJS",
            Self::JsDoubleQuoted => "stateJSDqStr",
            Self::JsSingleQuoted => "stateJSSqStr",
            Self::JsTemplateLiteral => "stateJSTmplLit",
            Self::JsRegexp => "stateJSRegexp",
            Self::JsBlockComment => "stateJSBlockCmt",
            Self::JsLineComment => "stateJSLineCmt",
            Self::JsHtmlOpenComment => "stateJSHTMLOpenCmt",
            Self::JsHtmlCloseComment => "stateJSHTMLCloseCmt",
            Self::Css => "stateCSS",
            Self::CssDoubleQuoted => "stateCSSDqStr",
            Self::CssSingleQuoted => "stateCSSSqStr",
            Self::CssDoubleQuotedUrl => "stateCSSDqURL",
            Self::CssSingleQuotedUrl => "stateCSSSqURL",
            Self::CssUrl => "stateCSSURL",
            Self::CssBlockComment => "stateCSSBlockCmt",
            Self::CssLineComment => "stateCSSLineCmt",
            Self::Error => "stateError",
            Self::Dead => "stateDead",
        }
    }
}

/// What ends the value of the attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Delim {
    /// Not in a value.
    #[default]
    None,
    DoubleQuote,
    SingleQuote,
    /// The value has no quotes.
    SpaceOrTagEnd,
}

impl Delim {
    pub(super) const fn ends(self, byte: u8) -> bool {
        match self {
            Self::None => false,
            Self::DoubleQuote => byte == b'"',
            Self::SingleQuote => byte == b'\'',
            Self::SpaceOrTagEnd => matches!(byte, b' ' | b'\t' | b'\n' | 0x0c | b'\r' | b'>'),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "delimNone",
            Self::DoubleQuote => "delimDoubleQuote",
            Self::SingleQuote => "delimSingleQuote",
            Self::SpaceOrTagEnd => "delimSpaceOrTagEnd",
        }
    }
}

/// How far a URL has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum UrlPart {
    /// At its beginning, or not in a URL.
    #[default]
    None,
    /// In scheme, authority or path.
    PreQuery,
    QueryOrFragment,
    /// Branches differ in it.
    Unknown,
}

impl UrlPart {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "urlPartNone",
            Self::PreQuery => "urlPartPreQuery",
            Self::QueryOrFragment => "urlPartQueryOrFrag",
            Self::Unknown => "urlPartUnknown",
        }
    }
}

/// What a `/` in JavaScript would begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Slash {
    #[default]
    Regexp,
    Division,
    /// Branches differ in it.
    Unknown,
}

impl Slash {
    const fn name(self) -> &'static str {
        match self {
            Self::Regexp => "jsCtxRegexp",
            Self::Division => "jsCtxDivOp",
            Self::Unknown => "jsCtxUnknown",
        }
    }
}

/// The elements whose content or attributes are read in a way of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Element {
    #[default]
    None,
    Script,
    Style,
    Textarea,
    Title,
    Meta,
}

impl Element {
    /// The element of that name in any case; all others are `None`.
    pub(super) fn named(name: &[u8]) -> Self {
        [
            (Self::Script, "script"),
            (Self::Style, "style"),
            (Self::Textarea, "textarea"),
            (Self::Title, "title"),
            (Self::Meta, "meta"),
        ]
        .into_iter()
        .find(|(_, known)| name.eq_ignore_ascii_case(known.as_bytes()))
        .map_or(Self::None, |(element, _)| element)
    }

    /// The name in the end tag that ends the content.
    pub(super) const fn end_tag(self) -> &'static [u8] {
        match self {
            Self::Script => b"script",
            Self::Style => b"style",
            Self::Textarea => b"textarea",
            Self::Title => b"title",
            Self::None | Self::Meta => b"",
        }
    }

    pub(super) const fn content(self) -> State {
        match self {
            Self::None | Self::Meta => State::Text,
            Self::Script => State::Js,
            Self::Style => State::Css,
            Self::Textarea | Self::Title => State::Rcdata,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "elementNone",
            Self::Script => "elementScript",
            Self::Style => "elementStyle",
            Self::Textarea => "elementTextarea",
            Self::Title => "elementTitle",
            Self::Meta => "elementMeta",
        }
    }
}

/// The kind of the attribute, from its name to the end of its value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Attr {
    #[default]
    None,
    Script,
    /// The `type` of a `<script>`.
    ScriptType,
    Style,
    Url,
    Srcset,
    /// The `content` of a `<meta>`.
    MetaContent,
}

impl Attr {
    /// Where its value begins.
    pub(super) const fn value(self) -> State {
        match self {
            Self::None | Self::ScriptType => State::Attr,
            Self::Script => State::Js,
            Self::Style => State::Css,
            Self::Url => State::Url,
            Self::Srcset => State::Srcset,
            Self::MetaContent => State::MetaContent,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::None => "attrNone",
            Self::Script => "attrScript",
            Self::ScriptType => "attrScriptType",
            Self::Style => "attrStyle",
            Self::Url => "attrURL",
            Self::Srcset => "attrSrcset",
            Self::MetaContent => "attrMetaContent",
        }
    }
}

/// A place in a document. Its default is the beginning of a fragment of HTML.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) state: State,
    pub(super) delim: Delim,
    pub(super) url_part: UrlPart,
    pub(super) slash: Slash,
    /// For each `${` of a JavaScript template literal that is open, how many braces are open in it.
    pub(super) braces: Vec<u32>,
    pub(super) attr: Attr,
    pub(super) element: Element,
    /// Only in [`State::Error`].
    pub(super) error: Option<Box<EscapeError>>,
}

impl Context {
    pub(super) fn of(state: State) -> Self {
        Self {
            state,
            ..Self::default()
        }
    }

    pub(super) fn failed(error: EscapeError) -> Self {
        Self {
            state: State::Error,
            error: Some(Box::new(error)),
            ..Self::default()
        }
    }

    pub(super) fn is_error(&self) -> bool {
        self.state == State::Error
    }

    /// The name of a template that is called here: its own in text, another one for each other context.
    pub(super) fn mangle(&self, template: &str) -> String {
        if self.state == State::Text {
            return template.to_owned();
        }
        let mut name = format!("{template}$htmltemplate_{}", self.state.name());
        if self.delim != Delim::None {
            let _ = write!(name, "_{}", self.delim.name());
        }
        if self.url_part != UrlPart::None {
            let _ = write!(name, "_{}", self.url_part.name());
        }
        if self.slash != Slash::Regexp {
            let _ = write!(name, "_{}", self.slash.name());
        }
        if !self.braces.is_empty() {
            let _ = write!(name, "_jsBraceDepth({})", Braces(&self.braces));
        }
        if self.attr != Attr::None {
            let _ = write!(name, "_{}", self.attr.name());
        }
        if self.element != Element::None {
            let _ = write!(name, "_{}", self.element.name());
        }
        name
    }
}

/// As Go's `%v` prints it, `{stateURL delimDoubleQuote …}`.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{{} {} {} {} {} {} {} ",
            self.state.name(),
            self.delim.name(),
            self.url_part.name(),
            self.slash.name(),
            Braces(&self.braces),
            self.attr.name(),
            self.element.name(),
        )?;
        match &self.error {
            Some(error) => write!(f, "{}}}", error.message),
            None => f.write_str("<nil>}"),
        }
    }
}

struct Braces<'a>(&'a [u32]);

impl fmt::Display for Braces<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('[')?;
        for (i, depth) in self.0.iter().enumerate() {
            write!(f, "{}{depth}", if i > 0 { " " } else { "" })?;
        }
        f.write_char(']')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_and_names_contexts_as_go() {
        let url = Context {
            state: State::Url,
            delim: Delim::DoubleQuote,
            attr: Attr::Url,
            ..Context::default()
        };
        assert_eq!(
            url.to_string(),
            "{stateURL delimDoubleQuote urlPartNone jsCtxRegexp [] attrURL elementNone <nil>}"
        );
        assert_eq!(
            url.mangle("t"),
            "t$htmltemplate_stateURL_delimDoubleQuote_attrURL"
        );
        assert_eq!(Context::default().mangle("t"), "t");
        let script = Context {
            state: State::Js,
            slash: Slash::Division,
            braces: vec![0, 2],
            element: Element::Script,
            ..Context::default()
        };
        assert_eq!(
            script.mangle("a b"),
            "a b$htmltemplate_stateJS_jsCtxDivOp_jsBraceDepth([0 2])_elementScript"
        );
    }
}
