//! Go's regular expressions (RE2 syntax and classes) on top of the `regex` crate.

mod ast;
mod class;
mod parse;

mod re2;

mod shape;

mod anchored;
mod expand;

pub use anchored::Anchored;
pub use expand::{expand, expand_with};
pub use re2::{RegexError, compile, translate};
