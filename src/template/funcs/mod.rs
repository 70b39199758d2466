//! The functions of templates.

mod table;

pub(crate) use table::{Context, FuncMap, Function, Special};
