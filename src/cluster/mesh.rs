//! The mesh as one state machine: what it is given, what it asks for, what it knows.
//!
//! Streams are in `streams`, dials in `dials`, lifelines in `lifelines`, beats in `beats`, the membership
//! protocol in `swim`, the electorate in `votes`.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{
    CloseReason, ConnId, Electorate, Lane, MeshEffect, MeshEvent, MeshInput, MeshSettings,
    MeshStatus, NodeName, PeerState, PeerStatus, Settling,
    addresses::Addresses,
    frame::Frame,
    lifelines::Lifelines,
    membership::Membership,
    outbox::Outbox,
    peer::{Peer, Phase, Stream},
    port::MAX_FRAME,
};
use crate::{rng::Rng, time::Now};

/// The most bytes of bulk payloads on a stream that the other side has not handed on.
const WINDOW: usize = 1024 * 1024;
/// The most bytes that a beat carries.
const MAX_BEAT: usize = 16 * 1024;
/// Credit is given for so many bytes at once.
const CREDIT_STEP: usize = 128 * 1024;
/// How long a goodbye may take.
const LEAVE_TIMEOUT: Duration = Duration::from_millis(1500);
/// `--cluster.settle-timeout=0s` still gives peers so long to answer.
const LEAST_SETTLE: Duration = Duration::from_secs(1);

/// The mesh.
#[derive(Debug)]
pub struct Mesh {
    pub(super) settings: MeshSettings,
    pub(super) electorate: Electorate,
    pub(super) out: Outbox,
    pub(super) streams: BTreeMap<ConnId, Stream>,
    pub(super) peers: BTreeMap<NodeName, Peer>,
    pub(super) addresses: Addresses,
    pub(super) membership: Membership,
    /// When missing nodes are called again.
    pub(super) next_announce: Duration,
    /// What the electorate was told of the peers that were given: whether one could not be reached.
    pub(super) settled: Option<Settling>,
    /// Counts the streams dialled.
    pub(super) dials: u64,
    /// What beats carry, and how often it changed.
    pub(super) beat: Vec<u8>,
    pub(super) beat_version: u64,
    /// Refusals that the log has told: of whom, and why.
    pub(super) refusals: BTreeSet<(Arc<str>, &'static str)>,
    pub(super) started: Duration,
    /// What time it was when our clock was last looked at.
    pub(super) noticed: Now,
    met: bool,
    /// Whether this node knew of voters when it started.
    knew_voters: bool,
    leaving: Option<Duration>,
    left: bool,
    /// See [`Self::poll_timeout`]; looking at everything with each packet would cost more than the packet.
    due: Option<(Duration, &'static str)>,
}

impl Mesh {
    /// Makes the mesh of one node; `saved` is what [`MeshEvent::Save`] handed out last.
    #[must_use]
    pub fn new(settings: MeshSettings, saved: Option<&[u8]>, rng: Rng, now: Now) -> Self {
        let mut mesh = Self {
            electorate: Electorate::new(&settings, saved, rng.child("electorate"), now),
            out: Outbox::default(),
            streams: BTreeMap::new(),
            peers: BTreeMap::new(),
            addresses: Addresses::default(),
            membership: Membership::new(&settings, rng.child("membership")),
            next_announce: now.mono,
            settled: None,
            dials: 0,
            beat: Vec::new(),
            beat_version: 0,
            refusals: BTreeSet::new(),
            started: now.mono,
            noticed: now,
            met: false,
            knew_voters: false,
            leaving: None,
            left: false,
            due: None,
            settings,
        };
        mesh.knew_voters = mesh.electorate.electors().is_some();
        mesh.call_electors();
        mesh.meet(now);
        mesh.set_due();
        mesh
    }

    /// Takes in what the shell tells.
    pub fn handle(&mut self, input: MeshInput, now: Now) {
        match input {
            MeshInput::Peers(peers) => self.addresses.give(peers, now.mono),
            MeshInput::Accepted { conn, from } => self.accepted(conn, from, now),
            MeshInput::Dialed { conn } => self.dialed(conn, now),
            MeshInput::Frame { conn, bytes } => self.frame(conn, bytes, now),
            MeshInput::Closed { conn, why } => {
                if matches!(why, CloseReason::Rejected(_) | CloseReason::Foreign(_)) {
                    self.out.rejected("handshake");
                }
                self.closed(conn, &why, now);
            }
            MeshInput::Datagram { conn, bytes } => self.datagram(conn, &bytes, now),
        }
        self.follow(now);
        if self.due.is_some_and(|(due, _)| due <= now.mono) {
            self.handle_timeout(now);
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.forgive_silence(now);
        self.end_silent_streams(now);
        if !self.left {
            self.swim_due(now);
            self.send_beats(now);
            self.give_up_absent(now);
        }
        if self.leaving.is_none() {
            self.dial_due(now);
        }
        self.electorate.handle_timeout(now);
        self.follow(now);
    }

    /// Does what follows from what happened.
    fn follow(&mut self, now: Now) {
        self.meet(now);
        self.carry_out_votes();
        self.finish_leaving(now);
        self.set_due();
    }

    /// When something is due next, and what.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Duration, &'static str)> {
        self.due
    }

    pub(super) fn set_due(&mut self) {
        self.due = self.next_due();
    }

    fn next_due(&self) -> Option<(Duration, &'static str)> {
        let dial = self.next_dial().filter(|_| self.leaving.is_none());
        let settle = (!self.met).then(|| (self.started + self.settle_timeout(), "mesh settle"));
        let leave = self.leaving.filter(|_| !self.left);
        let lives = !self.left;
        [
            self.next_swim()
                .filter(|_| lives)
                .map(|at| (at, "mesh membership")),
            self.next_absent()
                .filter(|_| lives)
                .map(|at| (at, "mesh absence")),
            dial.map(|at| (at, "mesh dial")),
            self.next_beat().map(|at| (at, "mesh beat")),
            self.next_silence().map(|at| (at, "mesh silence")),
            settle,
            leave.map(|at| (at + LEAVE_TIMEOUT, "mesh leave")),
            self.electorate
                .next_due()
                .filter(|_| lives)
                .map(|at| (at, "mesh electorate")),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<MeshEffect> {
        self.out.effects.pop_front()
    }

    /// The next thing to know. Taking a bulk payload may bring forth an effect: poll effects after events.
    pub fn poll_event(&mut self) -> Option<MeshEvent> {
        let (event, credit) = self.out.next_event()?;
        if let Some((conn, size)) = credit
            && let Some(stream) = self.streams.get_mut(&conn)
        {
            stream.owed += size;
            if stream.owed >= CREDIT_STEP {
                let bytes = u64::try_from(std::mem::take(&mut stream.owed)).unwrap_or(0);
                self.out.frame(conn, Frame::Credit(bytes));
            }
        }
        Some(event)
    }

    /// Sends a payload to a node; without a stream to it, it is dropped: whoever sends repeats or synchronises after
    /// [`MeshEvent::Joined`].
    pub fn send(&mut self, to: &str, lane: Lane, bytes: Vec<u8>) {
        let Some(bytes) = encode_payload(lane, bytes) else {
            return;
        };
        if let Some(conn) = self.stream_to(to) {
            self.send_payload(conn, lane, bytes);
        }
    }

    /// Sends a payload to every node that a stream exists to.
    pub fn broadcast(&mut self, lane: Lane, bytes: Vec<u8>) {
        let Some(bytes) = encode_payload(lane, bytes) else {
            return;
        };
        for conn in self.open_streams() {
            self.send_payload(conn, lane, Arc::clone(&bytes));
        }
    }

    fn send_payload(&mut self, conn: ConnId, lane: Lane, bytes: Arc<[u8]>) {
        if lane == Lane::Bulk
            && let Some(stream) = self.streams.get_mut(&conn)
        {
            if stream.unacknowledged >= WINDOW {
                tracing::error!(
                    peer = stream.name.as_deref(),
                    "A bulk payload was sent although the peer has no room for it; it is dropped. This is a bug"
                );
                return;
            }
            stream.unacknowledged += bytes.len();
        }
        self.out.bytes(conn, lane == Lane::Urgent, bytes);
    }

    /// How many bytes of bulk payloads a node takes now; 0 without a stream.
    #[must_use]
    pub fn room(&self, to: &str) -> usize {
        let stream = self.stream_to(to).and_then(|conn| self.streams.get(&conn));
        stream.map_or(0, |stream| WINDOW.saturating_sub(stream.unacknowledged))
    }

    /// Sets what is told to all peers within two seconds and again for ever; it comes to them as [`MeshEvent::Beat`].
    pub fn set_beat(&mut self, bytes: Vec<u8>) {
        if bytes.len() > MAX_BEAT {
            tracing::error!(
                bytes = bytes.len(),
                "What is to be said with every beat is too long and is not said. This is a bug"
            );
            return;
        }
        self.beat = bytes;
        self.beat_version += 1;
        self.set_due();
    }

    /// Whether every given peer has answered or refused, or time is up.
    #[must_use]
    pub fn has_met_peers(&self) -> bool {
        self.met
    }

    fn settle_timeout(&self) -> Duration {
        self.settings.settle_timeout.max(LEAST_SETTLE)
    }

    fn meet(&mut self, now: Now) {
        let is_over = now.mono.saturating_sub(self.started) >= self.settle_timeout();
        let met = !self.settings.has_peers
            || self.addresses.has_met_all()
            || !self.addresses.has_unreached() && self.has_met_electors();
        if !self.met && (met || is_over) {
            self.met = true;
            self.out.event(MeshEvent::MetPeers);
        }
        self.settle(now);
    }

    /// Whether this node knew voters before it started, and they are there or known to be down, the former a majority:
    /// whoever the names stand for that cannot be looked up, nobody else needs to be waited for. A node that was stopped in
    /// order is none of them any more.
    fn has_met_electors(&self) -> bool {
        let Some(electors) = self.electorate.electors().filter(|_| self.knew_voters) else {
            return false;
        };
        let others = || {
            electors
                .names
                .iter()
                .filter(|name| **name != self.settings.name)
        };
        let is_there = |name: &NodeName| self.stream_to(name).is_some() || self.is_down(name);
        others().next().is_some() && others().all(is_there) && self.has_quorum(electors)
    }

    /// Says goodbye: the electorate is left, peers are told, streams end.
    pub fn leave(&mut self, now: Now) {
        if self.leaving.is_none() {
            self.leaving = Some(now.mono);
            self.electorate.leave(now);
            self.follow(now);
        }
    }

    fn finish_leaving(&mut self, now: Now) {
        let Some(since) = self.leaving.filter(|_| !self.left) else {
            return;
        };
        let is_late = now.mono.saturating_sub(since) >= LEAVE_TIMEOUT;
        let nobody_hears = self.connected().next().is_none();
        if !is_late && !nobody_hears && !self.electorate.has_left() {
            return;
        }
        self.left = true;
        self.membership.leave(now.mono);
        self.carry_out(None, now);
        for conn in self.open_streams() {
            self.out.frame(conn, Frame::Goodbye);
        }
        self.say_lifelines_part();
        for conn in std::mem::take(&mut self.streams).into_keys() {
            self.out.effects.push_back(MeshEffect::Close { conn });
        }
        for peer in self.peers.values_mut() {
            peer.stream = None;
            peer.lifelines = Lifelines::default();
        }
    }

    /// Whether goodbye is said, or nobody is there to hear it.
    #[must_use]
    pub fn has_left(&self) -> bool {
        self.left
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Names of nodes with an open stream, sorted.
    pub fn connected(&self) -> impl Iterator<Item = &NodeName> {
        self.peers
            .iter()
            .filter(|(_, peer)| peer.stream.is_some())
            .map(|(name, _)| name)
    }

    /// The run of a node that a stream exists to.
    #[must_use]
    pub fn run_of(&self, name: &str) -> Option<u64> {
        let peer = self.peers.get(name)?;
        peer.stream.map(|_| peer.run)
    }

    /// Whether a node is held for dead, or its process is known to be gone.
    #[must_use]
    pub fn is_down(&self, name: &str) -> bool {
        let peer = self.peers.get(name);
        peer.is_some_and(|peer| peer.gone || peer.down_since.is_some())
    }

    /// A snapshot for status and metrics.
    #[must_use]
    pub fn status(&self, _now: Now) -> MeshStatus {
        let peers = self
            .peers
            .iter()
            .filter(|(_, peer)| peer.is_met())
            .map(|(name, peer)| (Arc::clone(name), self.peer_status(name, peer)))
            .collect();
        let mut stats = self.out.stats.clone();
        stats.unsafe_electorates = self.electorate.unsafe_electorates();
        stats.malformed += self.electorate.malformed();
        let electors = self.electorate.electors();
        MeshStatus {
            name: Arc::clone(&self.settings.name),
            advertise: Arc::clone(&self.settings.advertise),
            unreached: self.addresses.unreached(&peers),
            peers,
            electors: electors.map_or_else(Vec::new, |electors| {
                electors.names.iter().map(Arc::clone).collect()
            }),
            epoch: electors.map_or(0, |electors| electors.epoch),
            has_quorum: electors.is_some_and(|electors| self.has_quorum(electors)),
            stats,
        }
    }

    fn peer_status(&self, name: &str, peer: &Peer) -> PeerStatus {
        PeerStatus {
            address: Arc::clone(&peer.address),
            run: peer.run,
            version: Arc::clone(&peer.version),
            state: if peer.gone || peer.down_since.is_some() {
                PeerState::Down
            } else {
                self.membership.state_of(name).unwrap_or_default()
            },
            left: peer.left,
            connected: peer.stream.is_some(),
            udp_blocked: peer.datagrams.blocked,
            round_trip: peer.clock.round_trip(),
            clock_ahead: peer.clock.ahead(),
        }
    }

    /// See [`crate::node::Node::sizes`].
    #[doc(hidden)]
    #[must_use]
    pub fn sizes(&self) -> [(&'static str, usize); 7] {
        let unacknowledged = self.streams.values().map(|stream| stream.unacknowledged);
        let (effects, events) = self.out.len();
        [
            ("streams", self.streams.len()),
            ("mesh peers", self.peers.len()),
            ("mesh effects", effects),
            ("mesh events", events),
            ("unacknowledged bytes", unacknowledged.sum()),
            ("refusals", self.refusals.len()),
            ("membership timers", self.membership.timers()),
        ]
    }

    pub(super) fn stream_to(&self, name: &str) -> Option<ConnId> {
        self.peers.get(name).and_then(|peer| peer.stream)
    }

    pub(super) fn open_streams(&self) -> Vec<ConnId> {
        self.peers.values().filter_map(|peer| peer.stream).collect()
    }

    pub(super) fn credited(&mut self, conn: ConnId, bytes: u64) {
        if let Some(stream) = self.streams.get_mut(&conn)
            && stream.phase == Phase::Open
            && let Some(name) = &stream.name
        {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            stream.unacknowledged = stream.unacknowledged.saturating_sub(bytes);
            let name = Arc::clone(name);
            if self.stream_to(&name) == Some(conn) {
                self.out.event(MeshEvent::Room(name));
            }
        }
    }
}

/// A payload as a frame; one that is too large is a bug of whoever made it.
fn encode_payload(lane: Lane, bytes: Vec<u8>) -> Option<Arc<[u8]>> {
    if bytes.len() >= MAX_FRAME {
        tracing::error!(
            bytes = bytes.len(),
            "A payload is larger than a frame and is dropped. This is a bug"
        );
        return None;
    }
    let frame = match lane {
        Lane::Urgent => Frame::Urgent(bytes),
        Lane::Bulk => Frame::Bulk(bytes),
    };
    Some(frame.encode().into())
}
