//! PromQL as Prometheus 3.14 has it: its syntax, its values, and an engine that evaluates an expression over data that
//! was fetched before.
//!
//! An expression is parsed (`parse`), prepared for a range of steps, which names the data it needs,
//! and evaluated over that data. Nothing here reads a clock, awaits or fetches.

mod deep;
mod kahan;
mod language;
pub mod parse;
mod position;
mod pretty;
mod print;

pub mod ast;
pub mod engine;
mod function;
pub mod functions;
mod hash;

mod annotations;
pub mod histogram;
pub mod memory;
mod text;
mod value;

pub use annotations::{Annotation, Annotations, Mended, Severity, Together};
pub(crate) use deep::{on_large_stack, with_room};
pub use function::{Function, FunctionId, Variadic};
pub use functions::go_float;
pub(crate) use hash::FastMap;
pub use histogram::FloatHistogram;
pub use kahan::Kahan;
pub use language::Language;
pub use position::{Place, Span};
pub use value::{
    Point, STALE, STALE_BITS, Sample, Samples, Series, Slice, Value, Window, is_stale,
};
