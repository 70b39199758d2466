//! What Go would find only while rendering, found before: undefined templates, fields, methods, wrong arguments.
//!
//! The dot of a text is Alertmanager's data, and from it the types of most parts follow. Only what would fail whenever
//! it is evaluated is told; where a type is not known nothing is.

mod shape;

mod function;

mod expression;
mod walk;

pub(super) use shape::Shape;
pub(super) use walk::check;
