//! What is known of the other nodes.

use std::{collections::BTreeMap, time::Duration};

use super::wire::Tell;
use crate::cluster::NodeName;

/// Another node.
#[derive(Debug, Default)]
pub(super) struct Peer {
    /// Whether a stream to it is open.
    pub connected: bool,
    /// Since when it is held for dead; `None` while it is seen, or parted and not yet given up.
    pub down_since: Option<Duration>,
    /// It said goodbye and did not come back.
    pub left: bool,
    /// Whether it said in Hello that it has electors.
    pub founded: bool,
    /// What it told last in this run.
    pub tell: Option<Tell>,
    /// When it was last told that its charter is outdated.
    pub corrected_at: Option<Duration>,
}

impl Peer {
    /// What it told, if it is in reach.
    pub(super) fn live(&self) -> Option<&Tell> {
        self.tell.as_ref().filter(|_| self.connected)
    }
}

/// The most nodes that are remembered: twice as many as a mesh may have, for those that left or were refused.
const MAX_KEPT: usize = 2 * crate::cluster::settings::MAX_NODES;

/// The other nodes by name.
#[derive(Debug, Default)]
pub(super) struct Peers(BTreeMap<NodeName, Peer>);

impl Peers {
    pub(super) fn get(&self, name: &str) -> Option<&Peer> {
        self.0.get(name)
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Peer> {
        self.0.get_mut(name)
    }

    /// The node of this name, made if need be; those that `keep` says no to make room.
    pub(super) fn entry(&mut self, name: &NodeName, keep: impl Fn(&str) -> bool) -> &mut Peer {
        if !self.0.contains_key(name) && self.0.len() >= MAX_KEPT {
            self.0.retain(|name, peer| peer.connected || keep(name));
        }
        self.0.entry(name.clone()).or_default()
    }

    /// Those with an open stream.
    pub(super) fn connected(&self) -> impl Iterator<Item = (&NodeName, &Peer)> {
        self.0.iter().filter(|(_, peer)| peer.connected)
    }

    /// All of them, to change.
    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = (&NodeName, &mut Peer)> {
        self.0.iter_mut()
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (&NodeName, &Peer)> {
        self.0.iter()
    }
}
