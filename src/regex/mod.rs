//! Go's regular expressions (RE2 syntax and classes) on top of the `regex` crate.

mod anchored;
mod re2;

pub use anchored::Anchored;
pub use re2::{RegexError, compile, translate};
