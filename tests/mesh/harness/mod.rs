//! Clusters of real processes in network namespaces, what can befall them, and what their receiver saw.
//!
//! Shared by the tests beside it and by `examples/faults`, which runs every row and writes the table.

pub(crate) mod cluster;
mod delay;
mod enclosure;
mod lab;
mod measures;
pub(crate) mod network;
pub(crate) mod receiver;
pub(crate) mod rows;
pub(crate) mod source;
mod tally;
pub(crate) mod web;

pub(crate) use self::{
    cluster::Program,
    enclosure::{enclosed, impossible, wait_bounded},
    rows::{ROWS, run_row},
    tally::Run,
};
