//! Tests of rules: the ruler in virtual time, over data that a file gives, and what is expected of it.
//!
//! What runs here is the ruler itself, so that a rule that passes is the rule that pages people.

mod data;
mod expect;
mod failure;
mod federated;
mod run;

#[cfg(test)]
mod tests;

pub use failure::Failure;
pub use run::{Setting, Tested, run};
