//! How the contexts at the ends of branches become one.

use super::{
    context::{Attr, Context, Delim, Slash, State, UrlPart},
    error::{EscapeError, Place},
};

/// The context that an empty piece of text would lead to: `<a href=` expects a value without quotes, `<a ` a name.
pub(super) fn nudge(mut c: Context) -> Context {
    if c.state == State::Tag {
        c.state = State::AttrName;
    } else if c.state == State::BeforeValue {
        c.state = c.attr.value();
        c.delim = Delim::SpaceOrTagEnd;
        c.attr = Attr::None;
    } else if c.state == State::AfterName {
        c.state = State::AttrName;
        c.attr = Attr::None;
    }
    c
}

/// The context after either of two branches of the block at `place`.
pub(super) fn join(a: Context, b: Context, place: impl FnOnce() -> Place, block: &str) -> Context {
    match (a.state, b.state) {
        (State::Error, _) => return a,
        (_, State::Error) => return b,
        (State::Dead, _) => return b,
        (_, State::Dead) => return a,
        _ => {}
    }
    match united(&a, &b) {
        Some(c) => c,
        None => Context::failed(EscapeError::at(
            place(),
            format!("{{{{{block}}}}} branches end in different contexts: {a}, {b}"),
        )),
    }
}

/// The context that holds after both, if there is one: equal but for the part of the URL or what a `/` means, perhaps
/// after a nudge, as in `<p title={{ if .X }}{{ .X }}{{ end }}>`.
fn united(a: &Context, b: &Context) -> Option<Context> {
    if a == b {
        return Some(a.clone());
    }
    let other_part = Context {
        url_part: b.url_part,
        ..a.clone()
    };
    if other_part == *b {
        return Some(Context {
            url_part: UrlPart::Unknown,
            ..other_part
        });
    }
    let other_slash = Context {
        slash: b.slash,
        ..a.clone()
    };
    if other_slash == *b {
        return Some(Context {
            slash: Slash::Unknown,
            ..other_slash
        });
    }
    let nudged = (nudge(a.clone()), nudge(b.clone()));
    if nudged.0 == *a && nudged.1 == *b {
        return None;
    }
    united(&nudged.0, &nudged.1)
}
