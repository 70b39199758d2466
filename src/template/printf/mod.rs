//! Go's `fmt`: how values print, and `printf` with its verbs and flags.

mod printer;

mod composite;
mod float;
mod number;
mod text;

mod format;

pub(crate) use float::shortest_g;
pub(crate) use format::sprintf;
pub(crate) use printer::{display, sprint, sprintln};
pub(crate) use text::is_print;
