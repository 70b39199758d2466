//! Replication: every change is told to all other nodes at once, and what a node missed is found by comparing digests.
//!
//! Nothing here knows sockets: the mesh carries the messages, and says who is there.

mod apply;
mod frame;
mod parts;
mod peer;
mod quarantine;
mod refresh;
mod replicator;
mod tell;
#[cfg(test)]
mod tests;
mod vector;
mod version;

pub use frame::REPLICATION_PAYLOAD;
pub use replicator::MeshIdentity;
pub(super) use replicator::Replicator;
