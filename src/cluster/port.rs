//! What passes between the mesh and the sockets.
//!
//! A stream is a connection on which the shell has already agreed on version, label and keys with the other side; each
//! frame on it is whole, authentic and at most [`MAX_FRAME`] bytes. Datagrams belong to a stream: they are sealed with its
//! session, so that nothing reaches the membership protocol that did not come from a node on a living stream.

use std::{net::SocketAddr, sync::Arc};

/// The largest frame in bytes.
pub const MAX_FRAME: usize = 128 * 1024;

/// Names a stream. The mesh numbers those that it dials with even numbers, the shell those that it accepts with odd ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// What the shell tells the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeshInput {
    /// What the peers of the command line resolve to now; told at the start and whenever it is looked up again.
    Peers(Vec<GivenPeer>),
    /// Another node opened a stream.
    Accepted {
        /// The stream, odd.
        conn: ConnId,
        /// Where it comes from.
        from: SocketAddr,
    },
    /// A stream that [`MeshEffect::Dial`] asked for is open.
    Dialed {
        /// The stream.
        conn: ConnId,
    },
    /// A frame came.
    Frame {
        /// On this stream.
        conn: ConnId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A stream ended or could not be opened; it is not used again.
    Closed {
        /// The stream.
        conn: ConnId,
        /// Why.
        why: CloseReason,
    },
    /// A datagram came that the session of this stream sealed.
    Datagram {
        /// The stream.
        conn: ConnId,
        /// Its bytes, opened.
        bytes: Vec<u8>,
    },
}

/// One `--cluster.peer` and what became of looking it up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenPeer {
    /// As given: `host:port`, an SRV name, or a line of a file.
    pub given: Arc<str>,
    /// Its addresses; empty if it does not resolve.
    pub addresses: Vec<SocketAddr>,
    /// Why it does not resolve.
    pub error: Option<String>,
}

/// Why there is no stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// The host, or a firewall before it, answered that nobody listens there.
    Refused(String),
    /// Nobody answered in time, the name does not resolve, or the network says no.
    Unreachable(String),
    /// Somebody is there who does not belong here: another label, version, key or certificate.
    Rejected(String),
    /// Somebody is there who is no Watchfire.
    Foreign(String),
    /// It was open and ended.
    Ended(String),
    /// It was open, and the other side's system closed it in order, as it does when a process ends. No firewall does.
    Finished(String),
}

impl CloseReason {
    /// What happened, in words.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Refused(text)
            | Self::Unreachable(text)
            | Self::Rejected(text)
            | Self::Foreign(text)
            | Self::Ended(text)
            | Self::Finished(text) => text,
        }
    }
}

/// What the mesh asks of the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeshEffect {
    /// Open a stream; ends in [`MeshInput::Dialed`] or [`MeshInput::Closed`].
    Dial {
        /// The stream, even.
        conn: ConnId,
        /// `host:port`; the host may be a name, of which every address is tried.
        to: Arc<str>,
    },
    /// Send a frame.
    Frame {
        /// The stream.
        conn: ConnId,
        /// Whether it may wait for others: urgent frames overtake bulk ones.
        urgent: bool,
        /// Its bytes, at most [`MAX_FRAME`].
        bytes: Arc<[u8]>,
    },
    /// Send a datagram, sealed with the session of the stream.
    Datagram {
        /// The stream.
        conn: ConnId,
        /// The address that the other node advertises, `host:port`.
        to: Arc<str>,
        /// Its bytes, at most 1200.
        bytes: Vec<u8>,
    },
    /// End a stream once what was sent is written.
    Close {
        /// The stream.
        conn: ConnId,
    },
}
