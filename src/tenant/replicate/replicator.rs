//! What replication keeps of a tenant, and what the mesh tells it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use prost::Message as _;

use super::{
    frame::{Frame, RawRecord},
    lag::Told,
    peer::{Lag, Peer, Peers},
    quarantine::Quarantine,
    refresh::Refreshes,
    repair::{Indexing, STUCK},
    vector::{PbVector, Tracker, Vector},
};
use crate::{
    cluster::{Lane, NodeName},
    labels::Fingerprint,
    tenant::{PeerLag, Tenant, TenantEffect},
    time::Now,
};

/// Nodes without a stream of which is remembered what they knew.
const MAX_PARTED: usize = 64;

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

/// What tests leave out of replication, to see that they notice.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Omissions {
    /// What was told is not told to other nodes.
    pub done: bool,
    /// Refreshes do not say when they were heard.
    pub updated_at: bool,
    /// That a user ended a silence does not count.
    pub expiry: bool,
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
    /// What the own changes hold.
    pub(super) told: Told,
    /// Up to which own change nodes knew all whose streams ended.
    parted: BTreeMap<NodeName, u64>,
    /// Changes that the others are to be told.
    pub(super) outbox: Vec<RawRecord>,
    /// Whether something changed while nobody was there to be told.
    pub(super) untold: bool,
    pub(super) refreshes: Refreshes,
    pub(super) peers: Peers,
    pub(super) indexing: Indexing,
    /// Names repairs.
    pub(super) next_repair: u64,
    /// When digests are next compared with some peer.
    pub(super) round_due: Option<Duration>,
    /// With whom that was done last.
    round: Option<NodeName>,
    /// The vector of the last beat.
    told_vector: Vector,
    /// Nodes with which a repair was completed since the start, or since this node stood still.
    pub(super) repaired: BTreeSet<NodeName>,
    /// Whether it stood still: then there are others, in reach or not.
    stood_still: bool,
    pub(super) quarantine: Quarantine,
    pub(in crate::tenant) omissions: Omissions,
}

impl Replicator {
    fn new(identity: MeshIdentity, now: Now) -> Self {
        let interval = identity.pushpull_interval;
        Self {
            identity,
            tracker: Tracker::default(),
            number: 0,
            next_message: 0,
            told: Told::default(),
            parted: BTreeMap::new(),
            outbox: Vec::new(),
            untold: false,
            refreshes: Refreshes::default(),
            peers: Peers::new(),
            indexing: Indexing::default(),
            next_repair: 0,
            round_due: (!interval.is_zero()).then(|| now.mono + interval),
            round: None,
            told_vector: Vector::default(),
            repaired: BTreeSet::new(),
            stood_still: false,
            quarantine: Quarantine::default(),
            omissions: Omissions::default(),
        }
    }

    /// When something is due.
    pub(in crate::tenant) fn next_due(&self) -> Option<Duration> {
        let running = self.peers.values().filter_map(|peer| peer.repair.as_ref());
        let stuck = running.map(|repair| repair.touched + STUCK).min();
        let round = self.round_due.filter(|_| !self.peers.is_empty());
        let dues = [self.refreshes.due(), stuck, round];
        dues.into_iter().flatten().min()
    }

    /// See [`crate::node::Node::sizes`].
    pub(in crate::tenant) fn sizes(&self) -> [(&'static str, usize); 12] {
        let (told, order) = self.refreshes.len();
        let of = |size: fn(&Peer) -> usize| self.peers.values().map(size).sum();
        [
            ("untold changes", self.outbox.len()),
            ("refreshes", told),
            ("refreshes in order", order),
            ("replication peers", self.peers.len()),
            ("replication queues", of(|peer| peer.out.len())),
            ("replication queue bytes", of(|peer| peer.out_bytes)),
            ("unfinished bytes", of(|peer| peer.assembler.bytes())),
            ("changes ahead", self.tracker.ahead()),
            ("repaired", self.repaired.len()),
            ("quarantined", self.quarantine.len()),
            ("changes told apart", self.told.marks()),
            ("parted nodes", self.parted.len()),
        ]
    }

    /// Whether nobody is there, nor was since the start: whoever comes knows nothing of this run and compares everything.
    pub(super) fn is_alone(&self) -> bool {
        self.peers.is_empty() && self.repaired.is_empty()
    }

    /// Changes that are known to be missing here.
    fn behind(&self) -> u64 {
        let all = self.peers.values().map(|peer| peer.behind);
        all.max().unwrap_or_default()
    }

    /// With whom digests are compared next: each in turn.
    pub(super) fn next_in_round(&mut self) -> Option<NodeName> {
        let last = self.round.take();
        let mut names = self.peers.keys();
        let next = names.find(|name| last.as_ref().is_none_or(|last| *name > last));
        let next = next.or_else(|| self.peers.keys().next()).cloned();
        self.round.clone_from(&next);
        next
    }
}

impl Tenant {
    /// Has the tenant tell other nodes what changes, and follow them.
    pub fn join_mesh(&mut self, identity: MeshIdentity, now: Now) {
        self.replicator = Some(Replicator::new(identity, now));
    }

    /// A stream to another node is open.
    pub fn peer_joined(&mut self, name: &NodeName, run: u64, now: Now) {
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        replicator.tracker.forget(name, run);
        let begins = *replicator.identity.name < **name;
        let peer = Peer::new(run);
        replicator.parted.remove(name);
        replicator.peers.insert(NodeName::clone(name), peer);
        replicator.refreshes.hurry(now);
        if begins {
            self.want_repair(name, now);
        }
    }

    /// The stream to another node ended.
    pub fn peer_parted(&mut self, name: &NodeName, _now: Now) {
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        let lag = replicator.peers.remove(name).and_then(|peer| peer.lag);
        if let Some(lag) = lag.filter(|_| replicator.parted.len() < MAX_PARTED) {
            replicator.parted.insert(NodeName::clone(name), lag.known);
        }
        self.stats.replication.behind = replicator.behind();
    }

    /// How far other nodes and this one are apart, of those that said so.
    pub(in crate::tenant) fn peer_lags(&self) -> BTreeMap<NodeName, PeerLag> {
        let Some(replicator) = &self.replicator else {
            return BTreeMap::new();
        };
        let present = replicator.peers.iter().filter_map(|(name, peer)| {
            let lag = PeerLag {
                lacks: peer.lag.clone()?.lacks,
                ahead: peer.behind,
            };
            Some((NodeName::clone(name), lag))
        });
        let parted = replicator.parted.iter().map(|(name, known)| {
            let lag = PeerLag {
                lacks: replicator.told.after(*known),
                ahead: 0,
            };
            (NodeName::clone(name), lag)
        });
        present.chain(parted).collect()
    }

    /// The mesh takes so many bytes of bulk payloads for a node now.
    pub fn peer_room(&mut self, name: &NodeName, room: usize, now: Now) {
        if let Some(replicator) = &mut self.replicator
            && let Some(peer) = replicator.peers.get_mut(name)
        {
            peer.room = room;
            self.pump(name, now);
        }
    }

    /// What this node knows, for the others, if that changed since it was last taken.
    pub fn take_beat(&mut self) -> Option<Vec<u8>> {
        let replicator = self.replicator.as_mut()?;
        let vector = replicator.tracker.vector();
        if *vector == replicator.told_vector {
            return None;
        }
        replicator.told_vector = vector.clone();
        Some(vector.to_pb().encode_to_vec())
    }

    /// Another node says what it knows. What it knows twice and this node does not, was lost: it is repaired.
    pub fn peer_beat(&mut self, from: &NodeName, bytes: &[u8], now: Now) {
        let vector = match PbVector::decode(bytes) {
            Ok(vector) => Vector::from_pb(vector),
            Err(error) => {
                self.quarantine(from, "beat", bytes, &error.to_string());
                return;
            }
        };
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        let behind = replicator.tracker.vector().lacks(&vector);
        let Some(peer) = replicator.peers.get_mut(from) else {
            return;
        };
        peer.behind = behind;
        let known = vector.get(&replicator.identity.name, replicator.identity.run);
        peer.lag = Some(Lag {
            known,
            lacks: replicator.told.after(known),
        });
        let twice = behind > 0 && peer.behind_beats > 0;
        peer.behind_beats = if behind > 0 { peer.behind_beats + 1 } else { 0 };
        let repairs = peer.repair.is_some();
        self.stats.replication.behind = replicator.behind();
        if twice && !repairs {
            self.want_repair(from, now);
        }
    }

    /// Whether everything that the nodes have that are there now is here too: a repair with each of them was completed
    /// since the start, or since this node stood still.
    #[must_use]
    pub fn is_synchronised(&self) -> bool {
        self.replicator.as_ref().is_none_or(|replicator| {
            let mut names = replicator.peers.keys();
            let heard = !replicator.stood_still || !replicator.repaired.is_empty();
            heard && names.all(|name| replicator.repaired.contains(name))
        })
    }

    /// This node stood still: it is as far as others only when it was repaired with one.
    pub fn stood_still(&mut self, now: Now) {
        let Some(replicator) = &mut self.replicator else {
            return;
        };
        replicator.stood_still = true;
        replicator.repaired.clear();
        // What was said of them before is old.
        for peer in replicator.peers.values_mut() {
            peer.repair = None;
        }
        let names: Vec<NodeName> = replicator.peers.keys().cloned().collect();
        for name in names {
            self.want_repair(&name, now);
        }
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
            Frame::Want => self.want_repair(from, now),
            Frame::Repair { session, step } => self.repair_step(from, session, step, now),
            // Parts of parts are never sent.
            Frame::Part(_) | Frame::Unknown => {}
        }
    }

    /// Does what is due.
    pub(in crate::tenant) fn replicate(&mut self, now: Now) {
        self.tell_refreshes(now);
        self.repair_in_time(now);
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

#[cfg(test)]
mod tests {
    use crate::{
        storage::ReplicaMap,
        tenant::replicate::tests::{Net, alert},
    };

    #[test]
    fn how_far_a_node_is_behind_is_known_by_kind() {
        let mut net = Net::new(&["a", "b", "c"]);
        net.join_all();
        net.settle();
        let post = |net: &mut Net, names: &[&str]| {
            for name in names {
                let alert = alert(name, net.now, 300);
                let now = net.now;
                net.tenant("a").post(alert, now);
            }
            net.collect();
        };
        let lacks = |net: &mut Net, name: &str| {
            let lags = net.tenant("a").peer_lags();
            let lag = lags.get(name)?;
            let all: u64 = lag.lacks.values().sum();
            Some((lag.lacks[&ReplicaMap::Alerts], all, lag.ahead))
        };
        post(&mut net, &["A", "B"]);
        net.pass(5);
        assert_eq!(lacks(&mut net, "b"), Some((0, 0, 0)));
        assert_eq!(lacks(&mut net, "c"), Some((0, 0, 0)));
        net.part("a", "b");
        post(&mut net, &["C", "D", "E"]);
        net.pass(5);
        // What `c` passes on to `b` is not known here.
        assert_eq!(lacks(&mut net, "b").map(|lag| lag.0), Some(3));
        assert_eq!(lacks(&mut net, "c"), Some((0, 0, 0)));
        net.join_all();
        net.pass(5);
        assert_eq!(lacks(&mut net, "b"), Some((0, 0, 0)));
    }

    #[test]
    fn a_node_that_was_always_alone_notes_nothing_for_others_who_hear_all_when_they_come() {
        let mut net = Net::new(&["a", "b"]);
        let now = net.now;
        let refresh = |net: &mut Net| net.tenant("a").post(alert("A", now, 300), now);
        refresh(&mut net);
        refresh(&mut net);
        net.collect();
        let own = net.tenant("a").replicator.as_ref().unwrap();
        assert!(own.refreshes.told().is_empty() && own.refreshes.due().is_none());
        assert_eq!(own.number, 0);
        net.join_all();
        net.settle();
        let told = net.tenant("a").store.all().clone();
        assert_eq!((told.len(), &told), (1, net.tenant("b").store.all()));
        // Whoever was there is told what it missed, in few words, when it is back.
        net.part("a", "b");
        refresh(&mut net);
        let own = net.tenant("a").replicator.as_ref().unwrap();
        assert_eq!(own.refreshes.told().len(), 1);
        net.join_all();
        net.pass(31);
        let told = net.tenant("a").store.all().clone();
        assert_eq!(&told, net.tenant("b").store.all());
    }
}
