//! Plans of single queries.

mod plans;
