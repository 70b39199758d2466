//! Which escapers an action needs in its context, and what becomes of `html` and `urlquery` in its pipeline.

use super::{
    context::{Context, Delim, State, UrlPart},
    escaper::Escaper,
};
use crate::template::ast::{Arg, Command, Pipe};

/// What an action becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ActionEdit {
    /// How many commands of the pipeline stay.
    pub(super) commands: usize,
    /// Whether the one command, `html X Y`, is to print its arguments only: the escaping is among the escapers.
    pub(super) prints_arguments: bool,
    pub(super) escapers: Vec<Escaper>,
}

/// Why an action cannot be escaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    Predefined(&'static str),
    AmbiguousUrl,
}

/// Go's function that escapes on its own, if the command calls one.
fn predefined(command: &Command) -> Option<&'static str> {
    match command.args.first()? {
        Arg::Function(_, function) if matches!(function.name, "html" | "urlquery") => {
            Some(function.name)
        }
        Arg::Function(..)
        | Arg::Dot(_)
        | Arg::Nil(_)
        | Arg::Bool(..)
        | Arg::Number(_)
        | Arg::Str(_)
        | Arg::Field(_)
        | Arg::Variable(_)
        | Arg::Pipe(_)
        | Arg::Chain(_) => None,
    }
}

/// The predefined function that may not stand where it does: anywhere but at the end, and `html` in a value without
/// quotes, where it does not suffice.
pub(super) fn misplaced(pipe: &Pipe, c: &Context) -> Option<Refused> {
    let unquoted = c.state == State::Attr && c.delim == Delim::SpaceOrTagEnd;
    let last = pipe.commands.len().saturating_sub(1);
    pipe.commands
        .iter()
        .enumerate()
        .find_map(|(i, command)| {
            predefined(command).filter(|name| i < last || unquoted && *name == "html")
        })
        .map(Refused::Predefined)
}

/// The escapers of a place that is neither dead nor an error.
pub(super) fn escapers(c: &Context) -> Result<Vec<Escaper>, Refused> {
    let mut escapers = Vec::with_capacity(3);
    match c.state {
        State::Url
        | State::CssDoubleQuoted
        | State::CssSingleQuoted
        | State::CssDoubleQuotedUrl
        | State::CssSingleQuotedUrl
        | State::CssUrl => {
            let string = matches!(c.state, State::CssDoubleQuoted | State::CssSingleQuoted);
            let rest = match string {
                true => Escaper::CssString,
                false => Escaper::UrlNormalizer,
            };
            match c.url_part {
                UrlPart::None => escapers.extend([Escaper::UrlFilter, rest]),
                UrlPart::PreQuery => escapers.push(rest),
                UrlPart::QueryOrFragment => escapers.push(Escaper::UrlQuery),
                UrlPart::Unknown => return Err(Refused::AmbiguousUrl),
            }
        }
        State::MetaContentUrl => escapers.push(Escaper::UrlFilter),
        State::Srcset => escapers.push(Escaper::Srcset),
        State::Js => escapers.push(Escaper::JsValue),
        State::JsDoubleQuoted | State::JsSingleQuoted => escapers.push(Escaper::JsString),
        State::JsTemplateLiteral => escapers.push(Escaper::JsTemplate),
        State::JsRegexp => escapers.push(Escaper::JsRegexp),
        State::Css => escapers.push(Escaper::CssValue),
        State::Text => escapers.push(Escaper::Text),
        State::Rcdata => escapers.push(Escaper::Rcdata),
        State::Tag | State::AttrName | State::AfterName | State::BeforeValue => {
            escapers.push(Escaper::Name);
        }
        State::HtmlComment
        | State::JsBlockComment
        | State::JsLineComment
        | State::JsHtmlOpenComment
        | State::JsHtmlCloseComment
        | State::CssBlockComment
        | State::CssLineComment => escapers.push(Escaper::Comment),
        // The delimiter below is all there is to respect.
        State::Attr | State::MetaContent | State::Error | State::Dead => {}
    }
    match c.delim {
        Delim::None => {}
        Delim::SpaceOrTagEnd => escapers.push(Escaper::UnquotedAttr),
        Delim::DoubleQuote | Delim::SingleQuote => escapers.push(Escaper::Attr),
    }
    Ok(escapers)
}

/// Merges the escapers with a predefined function at the end of the pipeline: it takes the place of those that do the
/// same. Escapers whose work is done by the one before are left out.
pub(super) fn edit(pipe: &Pipe, mut escapers: Vec<Escaper>) -> ActionEdit {
    let mut commands = pipe.commands.len();
    let mut prints_arguments = false;
    let at_end = pipe.commands.last().and_then(predefined);
    if let Some(name) = at_end {
        let (own, same): (Escaper, &[Escaper]) = match name {
            "html" => (
                Escaper::PredefinedHtml,
                &[Escaper::Attr, Escaper::Text, Escaper::Rcdata],
            ),
            _ => (
                Escaper::PredefinedUrlQuery,
                &[Escaper::UrlQuery, Escaper::UrlNormalizer],
            ),
        };
        let mut merged = false;
        for escaper in &mut escapers {
            if same.contains(escaper) {
                *escaper = own;
                merged = true;
            }
        }
        if commands == 1 {
            prints_arguments = true;
            if !merged {
                escapers.insert(0, own);
            }
        } else if merged {
            commands -= 1;
        }
    }
    escapers.dedup_by(|next, last| is_redundant(*last, *next));
    ActionEdit {
        commands,
        prints_arguments,
        escapers,
    }
}

/// Whether the next escaper changes nothing that the last one printed.
fn is_redundant(last: Escaper, next: Escaper) -> bool {
    matches!(
        (last, next),
        (Escaper::Comment, Escaper::Attr | Escaper::Text)
            | (
                Escaper::CssString | Escaper::JsString | Escaper::JsTemplate | Escaper::JsRegexp,
                Escaper::Attr
            )
    )
}
