//! Go's html/template: what a template prints is escaped for the place in the HTML where it stands.
//!
//! [`escape`] reads the text of a template as a browser would, follows calls and all branches, and edits a copy of the
//! tree: every action gets the escapers of its place, comments go, a template that is called in several contexts
//! becomes several. This happens once; rendering then only runs the escapers ([`push_escaped`]).
//!
//! Contexts, escapers, order and messages are those of Go 1.27. Where Go's work grows without bound, ours stops with an
//! error.

mod attribute;
mod context;
mod entity;
mod error;

mod script;
mod style;
mod tag;

mod text;

mod replace;

mod declaration;
mod literal;
mod markup;
mod url;

mod escaper;

mod join;
mod pipeline;

mod walk;

mod rewrite;

#[cfg(test)]
mod tests;

pub(super) use escaper::{Escaper, push_escaped};
pub(super) use rewrite::escape;

/// What Go prints in the place of a value that could do harm: a word to search for.
const FAILSAFE: &str = "ZgotmplZ";
