//! What flags say of the mesh.

use std::{sync::Arc, time::Duration};

use super::NodeName;

/// Settings of the mesh; fields are named after their flags.
#[derive(Debug, Clone)]
pub struct MeshSettings {
    /// `--cluster.peer-name`, or the one that was drawn and persisted.
    pub name: NodeName,
    /// Higher with each start of this name: milliseconds since 1970, and more than the last one.
    pub run: u64,
    /// Where others reach this node, `host:port`.
    pub advertise: Arc<str>,
    /// Whether peers were given at all (`--cluster.peer`).
    pub has_peers: bool,
    /// The version of this program, for status.
    pub version: Arc<str>,
    /// `--cluster.gossip-interval`
    pub gossip_interval: Duration,
    /// `--cluster.probe-interval`
    pub probe_interval: Duration,
    /// `--cluster.probe-timeout`
    pub probe_timeout: Duration,
    /// `--cluster.pushpull-interval`: how often digests are compared.
    pub pushpull_interval: Duration,
    /// `--cluster.reconnect-interval`: the longest wait between two attempts to reach a node that is missing.
    pub reconnect_interval: Duration,
    /// `--cluster.reconnect-timeout`: a node that was missing for so long is forgotten.
    pub reconnect_timeout: Duration,
    /// `--cluster.settle-timeout`
    pub settle_timeout: Duration,
    /// `--cluster.expected-size`
    pub expected_size: Option<usize>,
    /// `--cluster.minority-delay`; `None` is `inf`.
    pub minority_delay: Option<Duration>,
    /// `--cluster.evict-after`
    pub evict_after: Duration,
}

/// The most nodes that a mesh may have.
pub const MAX_NODES: usize = 16;
