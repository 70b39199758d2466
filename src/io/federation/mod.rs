//! Asks endpoints what queries need of them.
//!
//! A query is planned in `federation`; here its questions are asked, all at once, each of the replica of its partition
//! that answered last and once of another one if that fails. An answer counts only if all of it is there and it is about
//! the times that were asked; otherwise its partition is missing, and the result says so.

mod asking;
mod begun;
mod check;
mod client;
mod conclude;
mod context;
mod decode;
mod discovery;
mod endpoint;
mod endpoints;
mod exchange;
mod explain;
mod flight;
mod freshness;
mod gather;
mod identity;
mod joint;
mod learn;
mod life;
mod limits;
mod lookup;
mod memory;
mod own;
mod probe;
mod query;
mod question;
mod ranges;
mod read;
mod request;
mod round;
mod stats;
mod status;
mod together;
mod transfer;

#[cfg(test)]
mod tests;

pub use client::Federation;
pub use discovery::{DiscoveryStatus, Looking, Resolve};
pub use explain::{Explain, Request};
pub use limits::Load;
pub use lookup::{LookedUp, LookupAnswer, LookupRequest, Subject};
pub use own::Meaning;
pub use query::{Query, QueryError, Reply};
pub use stats::{QueryKind, QueryStats, RequestStats};
pub use status::{EndpointStatus, FederationStatus, PartitionStatus};
pub use together::{Numbered, Together};
