//! Renders trees.
//!
//! Blocks and calls of templates lie on a stack of our own; natively nest only the parentheses of one expression, whose
//! depth the parser bounds. Every evaluated part is a step, and steps are limited.

mod state;

mod call;
mod eval;
mod field;

mod range;
mod walk;

pub(crate) use walk::render;
