//! The shell: the only code that awaits, spawns, reads clocks, and touches files and sockets.
//!
//! `run` drives the node; everything else carries out one kind of effect and hands back one kind of input.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module is the shell that the rest of the program is kept free of"
)]

pub mod alertmanagers;
mod clock;
mod entropy;
pub mod federation;
mod glob;

mod handle;
mod http;
pub mod log;
mod mesh;
pub mod notify_socket;
mod perform;
mod portable;
pub mod remote_write;
mod run;
mod senders;
pub mod server;
mod signal;
mod smtp;
mod stats;
mod store;
mod task;
mod tokens;

pub use clock::Clock;
pub use entropy::{random_bytes, random_seed};
pub use glob::glob;
pub use handle::{Handle, Inbox, Results, channel};
pub use http::HttpClients;
#[doc(hidden)]
pub use mesh::decoders;
pub use mesh::{
    GateError, GossipError, GossipOptions, GossipPort, MeshSecurity, MeshSocketStats, MeshSockets,
    MeshSocketsOptions, PeerSpec, TellMesh, random_peer_name,
};
pub use perform::{Shell, TellRuler};
pub use portable::{FileMark, PortableFiles};
pub use run::{StateMachine, World, start};
pub use senders::Senders;
pub use signal::Signals;
pub use stats::{DatabaseHealth, Histogram, LoopStats, StoreStats, StoreTrouble};
pub use store::{Record, Store, StoreError};
pub use task::{Pool, spawn, spawn_thread};
