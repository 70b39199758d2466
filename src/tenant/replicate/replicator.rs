//! What replication keeps of a tenant, and what the mesh tells it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    frame::{Frame, RawRecord},
    peer::Peer,
    quarantine::Quarantine,
    refresh::Refreshes,
    vector::Tracker,
};
use crate::{
    cluster::{Lane, NodeName},
    labels::Fingerprint,
    tenant::{Tenant, TenantEffect},
    time::Now,
};

/// Who this node is among others.
#[derive(Debug, Clone)]
pub struct MeshIdentity {
    /// Its name.
    pub name: NodeName,
    /// Its run.
    pub run: u64,
    /// `--cluster.pushpull-interval`
    pub pushpull_interval: Duration,
}

/// The state of replication.
#[derive(Debug)]
pub(in crate::tenant) struct Replicator {
    pub(super) identity: MeshIdentity,
    /// What is known of everybody's changes.
    pub(super) tracker: Tracker,
    /// The number of the own last delta.
    pub(super) number: u64,
    /// Names messages that travel in parts.
    pub(super) next_message: u64,
    /// Changes that the others are to be told.
    pub(super) outbox: Vec<RawRecord>,
    /// Whether something changed while nobody was there to be told.
    pub(super) untold: bool,
    pub(super) refreshes: Refreshes,
    pub(super) peers: BTreeMap<NodeName, Peer>,
    /// Nodes with which a repair was completed since the start.
    pub(super) repaired: BTreeSet<NodeName>,
    pub(super) quarantine: Quarantine,
}

impl Replicator {
    fn new(identity: MeshIdentity) -> Self {
        Self {
            identity,
            tracker: Tracker::default(),
            number: 0,
            next_message: 0,
            outbox: Vec::new(),
            untold: false,
            refreshes: Refreshes::default(),
            peers: BTreeMap::new(),
            repaired: BTreeSet::new(),
            quarantine: Quarantine::default(),
        }
    }

    /// When something is due.
    pub(in crate::tenant) fn next_due(&self) -> Option<Duration> {
        self.refreshes.due()
    }
}

impl Tenant {
    /// Has the tenant tell other nodes what changes, and follow them.
    pub fn join_mesh(&mut self, identity: MeshIdentity) {
        self.replicator = Some(Replicator::new(identity));
    }

    /// A stream to another node is open.
    pub fn peer_joined(&mut self, name: &NodeName, run: u64, _now: Now) {
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        replicator.tracker.forget(name, run);
        replicator.repaired.insert(NodeName::clone(name));
        replicator
            .peers
            .insert(NodeName::clone(name), Peer::new(run));
    }

    /// The stream to another node ended.
    pub fn peer_parted(&mut self, name: &NodeName, _now: Now) {
        if let Some(replicator) = &mut self.replicator {
            replicator.peers.remove(name);
        }
    }

    /// The mesh takes so many bytes of bulk payloads for a node now.
    pub fn peer_room(&mut self, name: &NodeName, room: usize, _now: Now) {
        if let Some(replicator) = &mut self.replicator
            && let Some(peer) = replicator.peers.get_mut(name)
        {
            peer.room = room;
        }
    }

    /// Whether everything that the nodes have that are there now is here too: a repair with each of them was completed
    /// since the start.
    #[must_use]
    pub fn is_synchronised(&self) -> bool {
        self.replicator.as_ref().is_none_or(|replicator| {
            let mut names = replicator.peers.keys();
            names.all(|name| replicator.repaired.contains(name))
        })
    }

    /// A message of replication came.
    pub fn replica_payload(&mut self, from: &NodeName, bytes: &[u8], now: Now) {
        match self.read_frame(from, bytes) {
            Some(Frame::Part(part)) => {
                let peers = self
                    .replicator
                    .as_mut()
                    .map(|replicator| &mut replicator.peers);
                let peer = peers.and_then(|peers| peers.get_mut(from));
                let whole = peer.and_then(|peer| peer.assembler.push(part));
                let frame = whole.and_then(|bytes| self.read_frame(from, &bytes));
                if let Some(frame) = frame {
                    self.take_frame(from, frame, now);
                }
            }
            Some(frame) => self.take_frame(from, frame, now),
            None => {}
        }
    }

    fn read_frame(&mut self, from: &NodeName, bytes: &[u8]) -> Option<Frame> {
        match Frame::decode(bytes) {
            Ok(frame) => Some(frame),
            Err(error) => {
                self.quarantine(from, "message", bytes, &error.to_string());
                None
            }
        }
    }

    fn take_frame(&mut self, from: &NodeName, frame: Frame, now: Now) {
        match frame {
            Frame::Delta { number, records } => {
                let Some(replicator) = &mut self.replicator else {
                    return;
                };
                let Some(run) = replicator.peers.get(from).map(|peer| peer.run) else {
                    return;
                };
                self.apply(from, records, now);
                if let Some(replicator) = &mut self.replicator {
                    replicator.tracker.take(from, run, number);
                }
            }
            Frame::Ask(alerts) => self.answer(from, &alerts),
            Frame::Answer(records) => {
                self.apply(from, records, now);
            }
            Frame::Want | Frame::Repair { .. } => {}
            // Parts of parts are never sent.
            Frame::Part(_) | Frame::Unknown => {}
        }
    }

    /// Does what is due.
    pub(in crate::tenant) fn replicate(&mut self, now: Now) {
        self.tell_refreshes(now);
    }

    /// Takes note that an alert is gone.
    pub(in crate::tenant) fn settle_refresh(&mut self, fingerprint: Fingerprint) {
        if let Some(replicator) = &mut self.replicator {
            replicator.refreshes.settled(fingerprint);
        }
    }

    pub(super) fn quarantine(&mut self, from: &NodeName, map: &str, bytes: &[u8], error: &str) {
        if let Some(replicator) = &mut self.replicator
            && replicator.quarantine.put(from, map, bytes, error)
        {
            self.stats.replication.quarantined += 1;
        }
    }

    pub(super) fn tell_one(&mut self, to: &NodeName, lane: Lane, frames: Vec<Vec<u8>>) {
        for bytes in frames {
            self.effects.push_back(TenantEffect::TellOne {
                to: NodeName::clone(to),
                lane,
                bytes,
            });
        }
    }
}
