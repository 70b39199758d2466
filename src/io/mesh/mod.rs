//! The sockets of the mesh: streams and datagrams that the core ([`crate::cluster`]) asks for and hears of.
//!
//! `port` binds, `peers` looks names up, `shell` carries out what the core asks. A connection passes `foreign` (who
//! speaks another protocol), `preamble` (what both sides are) and `handshake` (keys or TLS, and the proof of them)
//! before it is a `stream`; its session then opens and seals `datagram`s. Nothing that is not authentic in the sense of
//! the chosen mode reaches the core.

mod datagram;
mod decoders;
mod dial;
mod foreign;
mod frame;
mod gate;
mod handshake;
mod inbox;
mod interfaces;
mod keys;
mod lanes;
mod mesh_tls;
mod newcomers;
mod peers;
mod port;
mod preamble;
mod refusal;
mod replay;
mod seal;
mod shell;
mod srv;
mod stats;
mod stream;

#[cfg(test)]
mod tests;

#[doc(hidden)]
pub use decoders::decoders;
pub(super) use dial::look_up as look_up_host;
pub use gate::{GateError, MeshSecurity};
pub(super) use inbox::MeshInbox;
pub use peers::PeerSpec;
pub use port::{GossipError, GossipOptions, GossipPort, random_peer_name};
pub use shell::{MeshSockets, MeshSocketsOptions, TellMesh};
pub(super) use srv::look_up as look_up_service;
pub use stats::MeshSocketStats;
