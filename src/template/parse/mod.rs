//! Reads the source of a file into trees.

mod parser;

pub(crate) use parser::parse;
