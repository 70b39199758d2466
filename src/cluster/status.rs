//! What the mesh shows of itself.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::NodeName;

/// A snapshot for status and metrics.
#[derive(Debug, Clone, Default)]
pub struct MeshStatus {
    /// This node.
    pub name: NodeName,
    /// Where others reach it.
    pub advertise: Arc<str>,
    /// All others that are known, by name.
    pub peers: BTreeMap<NodeName, PeerStatus>,
    /// Addresses from the command line with which no stream exists, and why.
    pub unreached: BTreeMap<Arc<str>, String>,
    /// Who votes, by name.
    pub electors: Vec<NodeName>,
    /// How often that changed.
    pub epoch: u64,
    /// Whether a majority of them is in reach.
    pub has_quorum: bool,
    /// Counters.
    pub stats: MeshStats,
}

/// How a peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PeerState {
    /// Alive.
    #[default]
    Alive,
    /// Under suspicion.
    Suspect,
    /// Held for dead.
    Down,
}

/// What is known of a peer.
#[derive(Debug, Clone, Default)]
pub struct PeerStatus {
    /// Where it is reached.
    pub address: Arc<str>,
    /// Its run.
    pub run: u64,
    /// Its program's version.
    pub version: Arc<str>,
    /// What the membership protocol says.
    pub state: PeerState,
    /// Whether it said goodbye and has not come back.
    pub left: bool,
    /// Whether a stream to it is open.
    pub connected: bool,
    /// Whether datagrams go unanswered although the stream works.
    pub udp_blocked: bool,
    /// The time of a round trip on the stream.
    pub round_trip: Option<Duration>,
    /// How far its clock is ahead of ours, in nanoseconds.
    pub clock_ahead: Option<i64>,
}

/// What the mesh counts since the start.
#[derive(Debug, Clone, Default)]
pub struct MeshStats {
    /// Nodes that joined.
    pub joined: u64,
    /// Nodes that left or died.
    pub left: u64,
    /// Nodes that came with another address or run.
    pub updated: u64,
    /// Streams opened again.
    pub reconnections: u64,
    /// Attempts to open one that failed.
    pub reconnections_failed: u64,
    /// Streams refused by what was wrong with the other side.
    pub rejected: BTreeMap<Arc<str>, u64>,
    /// Times that two nodes had one name.
    pub name_conflicts: u64,
    /// Times that this node had to renew its identity.
    pub rejoins: u64,
    /// Electorates formed although a majority of the one before was gone.
    pub unsafe_electorates: u64,
    /// Frames and datagrams that could not be read.
    pub malformed: u64,
    /// Datagrams and frames received, and their bytes.
    pub received: (u64, u64),
    /// Datagrams and frames sent, and their bytes.
    pub sent: (u64, u64),
    /// Of those received, the ones that repair, and their bytes.
    pub received_bulk: (u64, u64),
    /// Of those sent, the ones that repair, and their bytes.
    pub sent_bulk: (u64, u64),
}
