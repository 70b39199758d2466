//! Fields and methods of values.

mod fields;
mod methods;

pub(crate) use fields::{Fields, field, has_fields};
pub(crate) use methods::{join, method, pairs_text, plain_pairs, sorted_pairs};
