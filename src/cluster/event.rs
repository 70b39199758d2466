//! What the mesh tells the node.

use super::NodeName;

/// How urgent a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Claims and single changes: sent at once, whatever is queued.
    Urgent,
    /// Synchronisation: sent as the receiver has room ([`super::Mesh::room`]).
    Bulk,
}

/// Something that the node must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeshEvent {
    /// A stream to this node is open and both said who they are. Payloads can be sent from now on.
    Joined {
        /// Who.
        name: NodeName,
        /// Its run: a later process of the same name has a higher one.
        run: u64,
    },
    /// A payload came.
    Payload {
        /// From whom.
        from: NodeName,
        /// What; at most `MAX_FRAME` less a few bytes.
        bytes: Vec<u8>,
    },
    /// What another node gave to [`super::Mesh::set_beat`]; it comes every two to four seconds.
    Beat {
        /// From whom.
        from: NodeName,
        /// What; empty if nothing was given.
        bytes: Vec<u8>,
    },
    /// The receiver has room for more bulk payloads.
    Room(NodeName),
    /// The stream ended; it is dialled again. The node may live on.
    Parted(NodeName),
    /// The process is gone: its stream ended and the address that it spoke from refuses connections, it said goodbye, or
    /// a later run of it came.
    Ended {
        /// Who.
        name: NodeName,
        /// Which run of it.
        run: u64,
        /// Whether it said goodbye: it left on purpose and released what it held.
        left: bool,
    },
    /// The membership protocol holds this node for dead, or sees it again.
    Visible {
        /// Who.
        name: NodeName,
        /// Whether it is seen.
        seen: bool,
    },
    /// Who votes has changed; [`super::Mesh::electors`] has it.
    ElectorsChanged,
    /// Every given peer has answered or refused, or time is up: see [`super::Mesh::has_met_peers`].
    MetPeers,
    /// Save this durably and call [`super::Mesh::saved`]; what depends on it is sent then.
    Save(Vec<u8>),
}
