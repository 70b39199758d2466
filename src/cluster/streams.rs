//! Streams: who is at the other end, and which of two is used.
//!
//! Whoever dialled says Hello, and is answered with one or refused. It then decides: it adopts the stream, or closes it because it has one with that
//! node already and only wanted to know who answers at an address. Of two that both sides adopted at the same time the one
//! dialled by the smaller name stays. If the other side dials again although we hold a stream that it knew of, it has lost
//! that one.

use std::{net::SocketAddr, sync::Arc};

use super::{
    CloseReason, ConnId, Lane, Mesh, MeshEffect, MeshEvent, NodeName,
    clock::PeerClock,
    frame::{Frame, Refusal},
    hello::{Hello, Member, PROTOCOL},
    lifelines::LifelineEnd,
    peer::{Phase, Stream},
    room::{self, Room},
    swim::Datagrams,
};
use crate::time::Now;

/// The most streams that may be open without it being known whether they are used.
const MAX_UNKNOWN: usize = 64;
/// The most nodes that are remembered.
const MAX_PEERS: usize = 64;

impl Mesh {
    pub(super) fn accepted(&mut self, conn: ConnId, from: SocketAddr, now: Now) {
        let waiting = self
            .streams
            .values()
            .filter(|stream| stream.dialled.is_none() && !stream.phase.is_settled())
            .count();
        if self.is_leaving() || waiting >= MAX_UNKNOWN {
            self.out.effects.push_back(MeshEffect::Close { conn });
            return;
        }
        let stream = Stream::new(None, from.to_string().into(), 0, now.mono);
        self.streams.insert(conn, stream);
    }

    pub(super) fn dialed(&mut self, conn: ConnId, now: Now) {
        let Some(stream) = self.streams.get_mut(&conn) else {
            self.out.effects.push_back(MeshEffect::Close { conn });
            return;
        };
        stream.phase = Phase::Greeting;
        stream.since = now.mono;
        let number = stream.number;
        self.say_hello(conn, number);
    }

    fn say_hello(&mut self, conn: ConnId, dial: u64) {
        let hello = Hello {
            protocol: PROTOCOL,
            name: Arc::clone(&self.settings.name),
            run: self.settings.run,
            generation: self.membership.generation(),
            electors: self.electorate.electors().map(Arc::clone),
            advertise: Arc::clone(&self.settings.advertise),
            version: Arc::clone(&self.settings.version),
            dial,
            members: self.members(),
        };
        self.out.frame(conn, Frame::Hello(hello));
    }

    /// Nodes that there are streams to.
    fn members(&self) -> Vec<Member> {
        self.peers
            .iter()
            .filter(|(_, peer)| peer.stream.is_some())
            .map(|(name, peer)| Member {
                name: Arc::clone(name),
                generation: peer.generation,
                address: Arc::clone(&peer.address),
            })
            .collect()
    }

    pub(super) fn frame(&mut self, conn: ConnId, bytes: Vec<u8>, now: Now) {
        self.out.received(bytes.len());
        let Some(stream) = self.streams.get_mut(&conn) else {
            return;
        };
        stream.heard = now.mono;
        stream.forgiven = 0;
        let (phase, size) = (stream.phase, bytes.len());
        let frame = match Frame::decode(bytes) {
            Ok(Some(frame)) => frame,
            Ok(None) => return,
            Err(_malformed) => {
                self.out.stats.malformed += 1;
                if phase == Phase::Greeting {
                    self.refuse(conn, Refusal::Malformed, "your hello cannot be read", now);
                }
                return;
            }
        };
        match (phase, frame) {
            (Phase::Greeting, Frame::Hello(hello)) => self.greeted(conn, &hello, now),
            (Phase::Offered, Frame::Adopt { seen }) => self.adopted(conn, seen, now),
            (Phase::Offered, Frame::Lifeline) => self.lifeline_offered(conn),
            (
                Phase::Greeting | Phase::Offered | Phase::Open | Phase::Lifeline,
                Frame::Refused { refusal, text },
            ) => {
                self.refused(conn, refusal, &text, now);
            }
            (Phase::Open | Phase::Lifeline, Frame::Parting) => self.is_parting(conn),
            (Phase::Open, frame) => self.spoken(conn, frame, size, now),
            (Phase::Dialling | Phase::Greeting | Phase::Offered | Phase::Lifeline, _) => {
                self.out.stats.malformed += 1;
            }
        }
    }

    /// A frame on a stream that is in use.
    fn spoken(&mut self, conn: ConnId, frame: Frame, size: usize, now: Now) {
        let Some(name) = self
            .streams
            .get(&conn)
            .and_then(|stream| stream.name.clone())
        else {
            return;
        };
        match frame {
            Frame::Urgent(bytes) => {
                let event = MeshEvent::Payload { from: name, bytes };
                self.out.payload(event, conn, Lane::Urgent, size);
            }
            Frame::Bulk(bytes) => {
                let event = MeshEvent::Payload { from: name, bytes };
                self.out.payload(event, conn, Lane::Bulk, size);
            }
            Frame::Credit(bytes) => self.credited(conn, bytes),
            Frame::Goodbye => self.said_goodbye(&name, now),
            Frame::Members(members) => self.learn(&members, now),
            Frame::Beat(beat) => self.beat_heard(conn, &name, beat, now),
            Frame::Swim(bytes) => self.swim_frame(conn, &name, &bytes, now),
            Frame::Over { name: other, run } => self.told_over(&other, run, &name, now),
            Frame::Vote(bytes) => {
                self.electorate.handle(&name, &bytes, now);
                self.carry_out_votes();
            }
            Frame::Hello(_)
            | Frame::Adopt { .. }
            | Frame::Refused { .. }
            | Frame::Parting
            | Frame::Lifeline => {
                self.out.stats.malformed += 1;
            }
        }
    }

    /// The other side says that it ends this stream on purpose.
    fn is_parting(&mut self, conn: ConnId) {
        if let Some(stream) = self.streams.get_mut(&conn) {
            stream.parting = true;
        }
    }

    /// The other side said who it is.
    fn greeted(&mut self, conn: ConnId, hello: &Hello, now: Now) {
        if !hello.is_understood() {
            let text = format!(
                "no common version of the protocol: versions {} to {} here, {} to {} there",
                PROTOCOL.0, PROTOCOL.1, hello.protocol.0, hello.protocol.1
            );
            self.refuse(conn, Refusal::Version, &text, now);
            return;
        }
        if hello.name == self.settings.name {
            self.met_own_name(conn, hello, now);
            return;
        }
        let Some(stream) = self.streams.get_mut(&conn) else {
            return;
        };
        stream.name = Some(Arc::clone(&hello.name));
        stream.run = hello.run;
        stream.generation = hello.generation;
        stream.address = Arc::clone(&hello.advertise);
        stream.version = Arc::clone(&hello.version);
        stream.electors = hello.electors.clone();
        stream.knows_lifelines = hello.knows_lifelines();
        stream.theirs = hello.dial;
        stream.phase = Phase::Offered;
        let dialled = stream.dialled.clone();
        if let Some(address) = &dialled {
            self.addresses.answered(address, Some(&hello.name));
        }
        if !self.is_welcome(conn, now) {
            return;
        }
        self.learn(&hello.members, now);
        match dialled {
            Some(address) => self.decide(conn, &address, now),
            None => self.say_hello(conn, 0),
        }
    }

    /// Whether there is room for the node of this stream, and no later process of its name.
    fn is_welcome(&mut self, conn: ConnId, now: Now) -> bool {
        let Some((name, run)) = self.identity_of(conn) else {
            return false;
        };
        self.forget_longest_missing();
        let known = self.peers.get(&name);
        let is_connected = known.is_some_and(|peer| peer.stream.is_some());
        if is_connected && known.is_some_and(|peer| run < peer.run) {
            let text = format!("another process named {name} is in the mesh and started later");
            self.refuse(conn, Refusal::NameTaken, &text, now);
            return false;
        }
        let room = match known {
            Some(_) if is_connected => Room::Free,
            None if self.peers.len() >= MAX_PEERS => Room::Full,
            Some(_) | None => self.room_for(&name, now),
        };
        match room {
            Room::Free | Room::InsteadOf(_) => return true,
            Room::Full => self.refuse(conn, Refusal::Full, &room::full(), now),
            // The others will say so; it is not this one that is one too many.
            Room::Outside => self.close(conn),
        }
        false
    }

    /// Makes room for a node that was never met; names that were drawn anew at each start would fill it up.
    fn forget_longest_missing(&mut self) {
        if self.peers.len() < MAX_PEERS {
            return;
        }
        let electors = self.electorate.electors();
        let missing = self.peers.iter().filter(|(name, peer)| {
            peer.stream.is_none() && electors.is_none_or(|electors| !electors.names.contains(*name))
        });
        let longest = missing.min_by_key(|(_, peer)| peer.parted);
        if let Some(name) = longest.map(|(name, _)| Arc::clone(name)) {
            self.peers.remove(&name);
        }
    }

    fn identity_of(&self, conn: ConnId) -> Option<(NodeName, u64)> {
        let stream = self.streams.get(&conn)?;
        Some((stream.name.clone()?, stream.run))
    }

    /// Whoever says our own name is this process, or another one that took the name.
    fn met_own_name(&mut self, conn: ConnId, hello: &Hello, now: Now) {
        let Some(stream) = self.streams.get(&conn) else {
            return;
        };
        if hello.run == self.settings.run {
            if let Some(address) = stream.dialled.clone() {
                tracing::debug!(address = &*address, "A peer's address is this node's own");
                self.addresses.answered(&address, None);
            } else {
                self.say_hello(conn, 0);
            }
            self.close(conn);
            return;
        }
        let was_accepted = stream.dialled.is_none();
        if hello.run < self.settings.run {
            let text = format!(
                "another process named {} at {} started later",
                self.settings.name, self.settings.advertise
            );
            self.refuse(conn, Refusal::NameTaken, &text, now);
        } else if was_accepted {
            // The older of the two says who it is and is told so by the other.
            self.say_hello(conn, 0);
        }
    }

    /// Tells the other side that it is not wanted, and why.
    pub(super) fn refuse(&mut self, conn: ConnId, refusal: Refusal, text: &str, now: Now) {
        let Some(stream) = self.streams.get(&conn) else {
            return;
        };
        let (remote, name) = (Arc::clone(&stream.remote), stream.name.clone());
        self.out.rejected(refusal.word());
        // Whoever is refused dials again for ever; the log says it once for each node and reason.
        let host = remote.rsplit_once(':').map_or("", |(host, _)| host);
        let key = name.clone().unwrap_or_else(|| host.into());
        if self.is_news(&key, refusal.word()) {
            tracing::error!(
                peer = name.as_deref(),
                remote = &*remote,
                reason = text,
                "A node was refused; it stays outside of the mesh until that is put right"
            );
        }
        let frame = Frame::Refused {
            refusal,
            text: text.into(),
        };
        self.out.frame(conn, frame);
        self.out.effects.push_back(MeshEffect::Close { conn });
        // If we dialled, whoever is at that address has answered, and is dialled less often.
        let why = CloseReason::Rejected(format!("refused it: {text}"));
        self.closed(conn, &why, now);
        if refusal == Refusal::NameTaken {
            self.out.stats.name_conflicts += 1;
        }
    }

    /// The other side does not want us.
    fn refused(&mut self, conn: ConnId, refusal: Refusal, text: &str, now: Now) {
        if refusal == Refusal::NameTaken {
            self.out.stats.name_conflicts += 1;
        }
        if self.is_news("", refusal.word()) {
            tracing::error!(
                reason = text,
                remote = self.streams.get(&conn).map(|stream| &*stream.remote),
                "Another node refuses this one, which stays outside of the mesh; {}",
                refusal.advice()
            );
        }
        self.out.rejected("refused");
        let why = CloseReason::Rejected(format!("refused: {text}"));
        self.out.effects.push_back(MeshEffect::Close { conn });
        self.closed(conn, &why, now);
    }

    /// Whether a reason was not logged yet for a node or an address.
    fn is_news(&mut self, about: &str, reason: &'static str) -> bool {
        if self.refusals.len() >= 256 {
            self.refusals.clear();
        }
        self.refusals.insert((about.into(), reason))
    }

    /// We dialled and know who answered: adopt the stream, make it a lifeline, or leave it at knowing.
    fn decide(&mut self, conn: ConnId, address: &Arc<str>, now: Now) {
        let Some((name, run)) = self.identity_of(conn) else {
            return;
        };
        let peer = self.peers.entry(Arc::clone(&name)).or_default();
        if peer.stream.is_some() && peer.run == run {
            peer.verified.insert(Arc::clone(address));
            if peer.lifeline_due().is_some_and(|due| due <= now.mono) {
                self.make_lifeline(conn);
            } else {
                self.close(conn);
            }
            return;
        }
        let seen = if peer.run == run { peer.adopted } else { 0 };
        self.out.frame(conn, Frame::Adopt { seen });
        self.join(conn, now);
        self.addresses.answered(address, Some(&name));
        if let Some(peer) = self.peers.get_mut(&name) {
            peer.verified.insert(Arc::clone(address));
        }
    }

    /// Whoever dialled uses this stream from now on.
    fn adopted(&mut self, conn: ConnId, seen: u64, now: Now) {
        let Some((name, run)) = self.identity_of(conn) else {
            return;
        };
        let theirs = self.streams.get(&conn).map_or(0, |stream| stream.theirs);
        if self.streams.get(&conn).is_none_or(|s| s.dialled.is_some())
            || !self.is_welcome(conn, now)
        {
            return;
        }
        let peer = self.peers.entry(Arc::clone(&name)).or_default();
        let held = peer.stream.filter(|_| peer.run == run);
        let raced = held
            .and_then(|held| self.streams.get(&held))
            .is_some_and(|held| held.dialled.is_some() && held.number > seen);
        match held {
            Some(_) if raced && self.settings.name < name => {
                // The other side closes this one when it learns of ours; until then it may speak on it.
                if let Some(stream) = self.streams.get_mut(&conn) {
                    stream.phase = Phase::Open;
                }
            }
            Some(held) if raced => {
                self.use_stream(conn, &name, now);
                self.close(held);
            }
            Some(held) => {
                self.close(held);
                self.part(&name, "it opened another one", now);
                self.join(conn, now);
            }
            None => self.join(conn, now),
        }
        if let Some(peer) = self.peers.get_mut(&name) {
            peer.adopted = theirs;
        }
    }

    fn use_stream(&mut self, conn: ConnId, name: &NodeName, now: Now) {
        let (Some(stream), Some(peer)) = (self.streams.get_mut(&conn), self.peers.get_mut(name))
        else {
            return;
        };
        stream.phase = Phase::Open;
        peer.stream = Some(conn);
        peer.lifelines
            .begin(stream.knows_lifelines, stream.dialled.is_some(), now.mono);
    }

    /// A node is there: the first time, again, or as another process.
    fn join(&mut self, conn: ConnId, now: Now) {
        let Some((name, run)) = self.identity_of(conn) else {
            return;
        };
        self.replace_process(&name, run, now);
        if self.stream_to(&name).is_none() {
            self.make_room_for(&name, now);
        }
        let (Some(stream), Some(peer)) = (self.streams.get(&conn), self.peers.get_mut(&name))
        else {
            return;
        };
        let (is_new, is_other) = (peer.run == 0, peer.run != run);
        if is_other {
            peer.verified.clear();
            peer.adopted = 0;
        }
        peer.run = run;
        peer.gone = false;
        peer.left = false;
        peer.down_since = None;
        peer.datagrams = Datagrams::default();
        peer.clock = PeerClock::default();
        peer.generation = stream.generation;
        peer.version = Arc::clone(&stream.version);
        peer.address = Arc::clone(&stream.address);
        let (address, electors) = (Arc::clone(&peer.address), stream.electors.clone());
        match (is_new, is_other) {
            (true, _) => self.out.stats.joined += 1,
            (false, true) => self.out.stats.updated += 1,
            (false, false) => self.out.stats.reconnections += 1,
        }
        self.use_stream(conn, &name, now);
        self.addresses.moved(&name, &address, now.mono);
        self.addresses.hurry(None, now.mono);
        tracing::info!(
            peer = &*name,
            address = &*address,
            "{}",
            match (is_new, is_other) {
                (true, _) => "A peer joined",
                (false, true) => "A peer has restarted and joined again",
                (false, false) => "The stream to a peer is open again",
            }
        );
        self.refusals.retain(|(about, _)| **about != *name);
        self.out.event(MeshEvent::Joined {
            name: Arc::clone(&name),
            run,
        });
        self.tell_others_of(&name, &address);
        self.tell_its_generation(&name);
        self.begin_beats(&name, now);
        self.call(&name, now);
        self.electorate.peer_joined(&name, electors, now);
        self.carry_out_votes();
    }

    /// Another process of a name is there: the one before it is gone.
    fn replace_process(&mut self, name: &NodeName, run: u64, now: Now) {
        let Some(peer) = self.peers.get(name) else {
            return;
        };
        if peer.run == 0 || peer.run == run {
            return;
        }
        if let Some(conn) = peer.stream {
            let text: Arc<str> =
                format!("another process named {name} joined, which started later").into();
            let refusal = Refusal::NameTaken;
            self.out.frame(conn, Frame::Refused { refusal, text });
            self.close(conn);
            self.part(name, "another process took its name", now);
        }
        self.ended(name, false, now);
    }

    /// A process that has a lower generation than what is remembered of its name would stay dead to all.
    fn tell_its_generation(&mut self, name: &NodeName) {
        let (Some(peer), Some(generation)) =
            (self.peers.get(name), self.membership.generation_of(name))
        else {
            return;
        };
        if generation > peer.generation
            && let Some(conn) = peer.stream
        {
            let member = Member {
                name: Arc::clone(name),
                generation,
                address: Arc::clone(&peer.address),
            };
            self.out.frame(conn, Frame::Members(vec![member]));
        }
    }

    /// Others may not know of a node that joined; it may not be able to reach them.
    fn tell_others_of(&mut self, name: &NodeName, address: &Arc<str>) {
        let Some(peer) = self.peers.get(name) else {
            return;
        };
        let member = Member {
            name: Arc::clone(name),
            generation: peer.generation,
            address: Arc::clone(address),
        };
        let joined = peer.stream;
        for conn in self.open_streams() {
            if Some(conn) != joined {
                self.out.frame(conn, Frame::Members(vec![member.clone()]));
            }
        }
    }

    fn learn(&mut self, members: &[Member], now: Now) {
        for member in members {
            if member.name == self.settings.name {
                self.membership.exceed(member.generation, now.mono);
            }
            if member.name == self.settings.name || self.stream_to(&member.name).is_some() {
                continue;
            }
            self.addresses
                .learn(&member.name, &member.address, now.mono);
        }
        self.carry_out(None, now);
    }

    pub(super) fn closed(&mut self, conn: ConnId, why: &CloseReason, now: Now) {
        let Some(stream) = self.streams.remove(&conn) else {
            return;
        };
        let finished = matches!(why, CloseReason::Finished(_)) && !stream.parting;
        match (stream.phase, stream.name, stream.dialled) {
            (Phase::Open, Some(name), _) => {
                if self.stream_to(&name) == Some(conn) {
                    self.part(&name, why.text(), now);
                    if let Some(peer) = self.peers.get_mut(&name) {
                        peer.finished = finished;
                    }
                    self.promote_spare(&name, now);
                }
            }
            (Phase::Dialling | Phase::Greeting | Phase::Offered, _, Some(address)) => {
                self.dial_failed(&address, stream.since, why, now);
            }
            (Phase::Lifeline, Some(name), dialled) => {
                let age = now.mono.saturating_sub(stream.since);
                let ended = LifelineEnd {
                    conn,
                    dialled: dialled.is_some(),
                    age,
                    finished,
                };
                self.lifeline_ended(&name, ended, now);
            }
            (Phase::Dialling | Phase::Greeting | Phase::Offered, _, None)
            | (Phase::Open | Phase::Lifeline, None, _) => {}
        }
    }

    /// The stream to a node ended.
    fn part(&mut self, name: &NodeName, why: &str, now: Now) {
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        peer.stream = None;
        peer.parted = now.mono;
        peer.finished = false;
        if !self.is_leaving() {
            tracing::warn!(
                peer = &**name,
                err = why,
                "The stream to a peer ended; dialling it again"
            );
        }
        self.out.event(MeshEvent::Parted(Arc::clone(name)));
        self.electorate.peer_parted(name, now);
        self.addresses.hurry(Some(name), now.mono);
    }

    /// Uses another stream that the node opened meanwhile, if there is one.
    fn promote_spare(&mut self, name: &NodeName, now: Now) {
        let run = self.peers.get(name).map_or(0, |peer| peer.run);
        let spare = self.streams.iter().find(|(_, stream)| {
            stream.phase == Phase::Open && stream.name.as_ref() == Some(name) && stream.run == run
        });
        if let Some(conn) = spare.map(|(conn, _)| *conn) {
            self.join(conn, now);
        }
    }

    /// A node leaves on purpose.
    fn said_goodbye(&mut self, name: &NodeName, now: Now) {
        let conns: Vec<ConnId> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.name.as_ref() == Some(name))
            .map(|(conn, _)| *conn)
            .collect();
        for conn in conns {
            self.close(conn);
        }
        if let Some(peer) = self.peers.get_mut(name) {
            peer.stream = None;
            peer.parted = now.mono;
        }
        self.addresses.rest(name, now.mono);
        tracing::info!(peer = &**name, "A peer left the mesh");
        self.out.event(MeshEvent::Parted(Arc::clone(name)));
        self.electorate.peer_parted(name, now);
        self.electorate.peer_left(name, now);
        self.ended(name, true, now);
    }
}
