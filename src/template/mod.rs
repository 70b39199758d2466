//! Go's template language: text/template in full, html/template's contextual escaping on top of it, and the data and
//! functions of Alertmanager.
//!
//! A [`Library`] holds the named templates of the files, [`Library::compile`] reads one text over it, and a
//! [`Template`] renders as often as wanted. Nothing here reads a clock, a file or a time zone of the machine: all of it
//! comes with the [`Scope`]. Every loop, depth and length is bounded; no template can end the process.

mod error;

mod ast;
mod lex;
mod parse;
mod patterns;
mod print;

mod data;
mod go_type;
mod gotime;
mod value;

mod object;
mod printf;

mod funcs;

mod html;

mod exec;

mod check;

mod scope;

mod built_in;
mod library;
mod routes;

mod rule;

mod cases;

pub use built_in::Language;
pub use data::{AlertData, Data, Pair, QuerySample, quote_meta};
pub use error::TemplateError;
pub use gotime::{FixedZone, Time, Zone};
pub(crate) use library::check_syntax;
pub use library::{Library, Mode, Template};
pub use routes::RouteLabel;
pub use rule::{Expanded, QueryReply, RuleData, RuleTemplate, expand_rule, native_histogram};
pub use scope::{Host, Limits, Scope};
pub use value::{Int, List, Map, Object, Safe, Uint, Value};
