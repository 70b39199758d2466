//! Plans of single queries, and what comes of their answers.

mod answers;
mod plans;
