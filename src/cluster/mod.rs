//! The mesh: which nodes there are, streams to all of them, who may vote, whose clock is right.
//!
//! Everything here is pure: the shell (`io/mesh`) turns sockets into [`MeshInput`]s and [`MeshEffect`]s into sockets. What
//! nodes say to each other about silences, alerts and notifications passes through as opaque payloads; `tenant` and
//! `notify::claims` know what they mean.

mod addresses;
mod beats;
mod clock;
mod decoders;
mod dials;
mod electorate;
mod event;
mod frame;
mod hello;
mod identity;
mod lifelines;
mod membership;
mod mesh;
mod outbox;
mod peer;
mod port;
mod room;
mod settings;
mod status;
mod streams;
mod swim;
#[cfg(test)]
mod tests;
mod votes;
mod wire;

#[doc(hidden)]
pub use decoders::decoders;
pub use electorate::{Electorate, ElectorateOutput, Electors, Settling, Visible};
pub use event::{Lane, MeshEvent};
pub use mesh::Mesh;
pub use port::{CloseReason, ConnId, GivenPeer, MAX_FRAME, MeshEffect, MeshInput};
pub use settings::{MAX_NODES, MeshSettings};
pub use status::{MeshStats, MeshStatus, PeerState, PeerStatus};

/// The name of a node (`--cluster.peer-name`), unique in its mesh.
pub type NodeName = std::sync::Arc<str>;
