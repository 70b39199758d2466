//! Replication: every change is told to all other nodes at once, and what a node missed is found by comparing digests.
//!
//! Nothing here knows sockets: the mesh carries the messages, and says who is there.

mod apply;
mod digest;
mod frame;
mod lag;
mod parts;
mod peer;
mod portion;
mod quarantine;
mod refresh;
mod repair;
mod replicator;
mod rules;
mod tell;
#[cfg(test)]
mod tests;
mod vector;
mod version;

use prost::Message as _;

use crate::decoder::Decoder;

/// The decoders of messages of replication and of what beats carry.
pub(super) fn decoders() -> Vec<Decoder> {
    let vector = |bytes: &[u8]| {
        let pb = vector::PbVector::decode(bytes).ok()?;
        Some(vector::Vector::from_pb(pb))
    };
    vec![
        Decoder::new(
            "replication",
            |bytes| frame::Frame::decode(bytes).ok(),
            frame::Frame::encode,
        ),
        Decoder::new("vector", vector, |vector| vector.to_pb().encode_to_vec()),
    ]
}

pub use digest::{Index, IndexInput};
pub use frame::REPLICATION_PAYLOAD;
pub use portion::{Portion, PortionInput};
pub(super) use replicator::Replicator;
pub use replicator::{MeshIdentity, Omissions};
pub(super) use version::counts_after;
