//! Reads the source of a file into trees.
//!
//! Blocks are kept on a stack of our own, so that nothing nests natively but parentheses, which are bounded.

mod number;
mod unquote;

mod stream;

mod pipeline;

mod blocks;

pub(crate) use blocks::{Parsed, parse};
