//! A consistent snapshot of a tenant, for reads; it shares structure with the live state and costs nothing to make.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use imbl::OrdMap;

use super::Stats;
use crate::{
    alert::Alert,
    cluster::{MeshStatus, NodeName},
    config::Config,
    dispatch::{Group, GroupId, RouteTree},
    history::History,
    inhibit::Inhibitor,
    labels::{Fingerprint, LabelSet},
    nflog::Nflog,
    notify::Muting,
    silence::Silences,
    storage::ReplicaMap,
    time::Now,
};

/// Where a node is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Phase {
    /// It looks for its peers.
    Starting,
    /// It takes over what they have.
    Syncing,
    /// It notifies.
    #[default]
    Ready,
    /// It stops: what is under way ends, nothing new begins.
    Draining,
}

impl Phase {
    /// The word for status and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Syncing => "syncing",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// What another node says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerFacts {
    /// Whether it notifies.
    pub ready: bool,
    /// Whether it may acknowledge claims now.
    pub votes: bool,
    /// Whether it gets nothing acknowledged and leaves it to others to notify.
    pub stuck: bool,
    /// Whether it defines some route or receiver in another way, or has other ones.
    pub differs: bool,
    /// Whether its disk does not take what it saves.
    pub disk_ails: bool,
}

/// How far another node and this one are apart, as of what it said last; a node without a stream falls back since then.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerLag {
    /// Changes of this node that it is not known to have, by kind.
    pub lacks: BTreeMap<ReplicaMap, u64>,
    /// Changes that it knows and this node does not.
    pub ahead: u64,
}

/// Who may tell of the groups of each route, by the route's place: nodes that are ready, in reach, and define the route
/// alike. This node is left out.
pub type Tellers = Arc<[Vec<NodeName>]>;

/// The snapshot.
#[derive(Debug, Clone)]
pub struct View {
    /// When it was taken.
    pub at: Now,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// All alerts, resolved ones included, by fingerprint.
    pub alerts: OrdMap<Fingerprint, Arc<Alert>>,
    /// `--alerts.per-alertname-limit`; zero is none.
    pub alert_limit: usize,
    /// All silences.
    pub silences: Silences,
    /// All inhibitions.
    pub inhibitor: Inhibitor,
    /// What was told.
    pub nflog: Nflog,
    /// Notifications.
    pub history: History,
    /// The routes.
    pub tree: Arc<RouteTree>,
    /// The groups, in the order in which they came to be.
    pub groups: OrdMap<GroupId, Arc<Group>>,
    /// Notifications under way.
    pub deliveries: usize,
    /// Claims that this node holds or asks for, and promises that it remembers.
    pub claims: (usize, usize),
    /// Counters.
    pub stats: Stats,
    /// Where the node is on its way.
    pub phase: Phase,
    /// The mesh; `None` if clustering is switched off.
    pub mesh: Option<Arc<MeshStatus>>,
    /// What other nodes with a stream say of themselves.
    pub peers: BTreeMap<NodeName, PeerFacts>,
    /// How far nodes are behind.
    pub lags: BTreeMap<NodeName, PeerLag>,
    /// Who shares notifications with this node; `None` if clustering is switched off.
    pub tellers: Option<Tellers>,
    /// For how long those who vote, this node's own disk among them, have left open what they were asked; only those who
    /// do.
    pub unanswered: BTreeMap<NodeName, Duration>,
    /// Whether a majority of those that vote can acknowledge claims now.
    pub has_majority: bool,
    /// Whether this node may acknowledge claims now.
    pub may_vote: bool,
}

impl View {
    /// A judge of what mutes alerts at the time of the view. It owns caches: make one for many alerts.
    #[must_use]
    pub fn muting(&self) -> Muting {
        Muting::new(
            &self.silences,
            self.inhibitor.clone(),
            self.alerts.clone(),
            self.at.wall,
        )
    }

    /// The receivers that an alert with these labels is routed to, in the order of routes, each once.
    #[must_use]
    pub fn receivers_of(&self, labels: &LabelSet) -> Vec<Arc<str>> {
        let mut receivers: Vec<Arc<str>> = Vec::with_capacity(1);
        for route in self.tree.matching(labels) {
            if !receivers.contains(&route.receiver) {
                receivers.push(Arc::clone(&route.receiver));
            }
        }
        receivers
    }
}
