//! The functions of templates: Go's own, Alertmanager's, and ours.

mod table;

mod address;
mod args;
mod escape;
mod json;

mod builtin;
mod compare;

mod collections;
mod human;
mod rule;
mod text;
mod time;

mod title;

pub(crate) use escape::{html_escape, query_escape};
pub(crate) use json::write as write_json;
pub(crate) use rule::is_of_rules;
pub(crate) use table::{Context, FuncMap, Function, Special, TOO_MANY_STEPS, too_long};
