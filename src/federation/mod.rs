//! One query over several endpoints that each hold a part of the data.
//!
//! A query is [planned](plan::plan): what a partition can compute by itself becomes a fragment that its endpoint
//! evaluates, the rest is evaluated here over the fragments' values. Which partitions answered is part of the
//! [answer](Answer). The shell (`io::federation`) fetches; everything here is pure.

mod answer;
pub mod plan;
mod world;

pub use answer::{Answer, Fetched, Missing};
pub use world::{Dialect, Partition, PartitionMode, Pushdown, World};
