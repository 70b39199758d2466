//! Plans of single queries, and what comes of their answers.

mod answers;
pub(super) mod plans;
