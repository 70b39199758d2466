//! The HTTP API: Alertmanager's v2 with its status codes, error texts and quirks, what is added to it, and `/metrics`.
//!
//! Reads take a snapshot of the node and are answered by a worker; writes are requests to the node. Who listens, limits
//! and encrypts is not decided here.

mod body;
pub mod build;
mod error;
mod metrics;
mod negotiate;
pub mod prometheus;
mod query;
mod router;
mod state;
mod stream;
mod v2;
mod write;

#[cfg(test)]
mod contract;
#[cfg(test)]
mod pairs;
#[cfg(test)]
mod testing;

pub use metrics::{HttpStats, MetricLabels, ReloadStats, Sources, own_samples};
pub use router::router;
pub use state::{About, ApiState, Backend, Trials};
