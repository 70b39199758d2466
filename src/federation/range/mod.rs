//! Queries of many times in parts, and what is kept of them.
//!
//! The value of a query at a time does not depend on the other times it is asked for, but for few [exceptions](Horizon).
//! So a query is cut at times that do not depend on where it begins, and what no longer changes is kept for the next one.

mod assemble;
mod block;
mod cache;
mod cut;
mod horizon;
mod query;

#[cfg(test)]
mod tests;

pub use assemble::{Part, assemble};
pub use block::Block;
pub use cache::{CacheCounts, RangeCache};
pub use cut::cut;
pub use horizon::Horizon;
pub use query::{Gap, Planned, RangeQuery};
