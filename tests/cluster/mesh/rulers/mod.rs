//! Rulers on the nodes of the mesh: the real core of rules, the real replication, endpoints that answer what is true, as
//! far as they can be reached.

mod check;
mod clocks;
mod knowledge;
mod own;
mod ruling;
mod seeds;
mod story;
mod takeovers;
mod truth;

pub(super) use knowledge::Loss;
pub(super) use ruling::Ruling;
