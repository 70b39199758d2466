//! Fields and methods of values.

mod fields;
mod methods;

pub(crate) use fields::{field, has_fields};
pub(crate) use methods::{join, method, methods_of, pairs_text, plain_pairs, sorted_pairs};
