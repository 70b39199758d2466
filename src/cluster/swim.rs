//! The membership protocol on the streams' sessions: its packets out and in, what it finds out, datagrams that do not
//! arrive.

use std::{sync::Arc, time::Duration};

use super::{
    ConnId, Mesh, MeshEvent, NodeName,
    frame::Frame,
    identity::{End, expand, shrink},
    membership::Said,
    peer::{Peer, Phase},
};
use crate::time::Now;

/// How often a node that is connected but not seen is called.
const ANNOUNCE: Duration = Duration::from_secs(1);
/// How long the stream to a node that is held for dead may be silent.
pub(super) const SILENCE_OF_DEAD: Duration = Duration::from_millis(2500);
/// How long it has at least to answer when it is called.
pub(super) const LAST_CALL: Duration = Duration::from_millis(1000);
/// A node whose stream brought something so short a time ago is not silent, whatever is said of it.
const HEARD: Duration = Duration::from_secs(1);
/// So many answers in a row that came on the stream only mean that datagrams are blocked.
const BLOCKED_AFTER: u32 = 6;
/// So many answers by datagram mean that they are not any more.
const OPEN_AFTER: u32 = 3;

/// How datagrams to a node fare.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    /// Answers that came on the stream only, since the last one that came by datagram.
    missed: u32,
    arrived: u32,
    pub(super) blocked: bool,
}

/// On which way a packet came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Datagram,
    Stream,
}

impl Mesh {
    pub(super) fn datagram(&mut self, conn: ConnId, bytes: &[u8], now: Now) {
        self.out.received(bytes.len());
        let stream = self.streams.get(&conn);
        let Some(name) = stream
            .filter(|stream| stream.phase == Phase::Open)
            .and_then(|stream| stream.name.clone())
        else {
            return;
        };
        self.packet(conn, &name, bytes, Way::Datagram, now);
    }

    /// A packet that came on the stream.
    pub(super) fn swim_frame(&mut self, conn: ConnId, name: &NodeName, bytes: &[u8], now: Now) {
        self.packet(conn, name, bytes, Way::Stream, now);
    }

    fn packet(&mut self, conn: ConnId, name: &NodeName, bytes: &[u8], way: Way, now: Now) {
        let Some(run) = self.streams.get(&conn).map(|stream| stream.run) else {
            return;
        };
        let own = Arc::clone(&self.settings.name);
        let to = End {
            name: &own,
            run: self.settings.run,
        };
        let packet = expand(bytes, End { name, run }, to);
        let result = packet.map(|packet| self.membership.packet(name, &packet, now.mono));
        match result {
            Some(Ok(Some(_))) => self.answered(name, way),
            Some(Ok(None)) => {}
            Some(Err(_)) | None => self.out.stats.malformed += 1,
        }
        self.carry_out(Some((name, way)), now);
    }

    /// A ping was answered: datagrams arrive, or only the stream works.
    fn answered(&mut self, name: &NodeName, way: Way) {
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        let datagrams = &mut peer.datagrams;
        match way {
            Way::Datagram => {
                datagrams.missed = 0;
                datagrams.arrived += 1;
                if datagrams.blocked && datagrams.arrived >= OPEN_AFTER {
                    datagrams.blocked = false;
                    tracing::info!(peer = &**name, "UDP to a peer works again");
                }
            }
            Way::Stream => {
                datagrams.missed += 1;
                if datagrams.missed >= 2 {
                    datagrams.arrived = 0;
                }
                if !datagrams.blocked && datagrams.missed >= BLOCKED_AFTER {
                    datagrams.blocked = true;
                    tracing::warn!(
                        peer = &**name,
                        address = &*peer.address,
                        "UDP to or from a peer is blocked; the mesh works over TCP alone, but open the port for UDP too: a host that dies is found out later"
                    );
                }
            }
        }
    }

    pub(super) fn next_swim(&self) -> Option<Duration> {
        let announce = self.missing().next().map(|_| self.next_announce);
        [announce, self.membership.next_due()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Nodes that are connected, but not seen by the membership protocol.
    fn missing(&self) -> impl Iterator<Item = (&NodeName, &Peer)> {
        let again = self.membership.remedies.announces_again;
        self.peers.iter().filter(move |(name, peer)| {
            again && peer.stream.is_some() && !self.membership.sees(name)
        })
    }

    pub(super) fn swim_due(&mut self, now: Now) {
        self.membership.handle_timeout(now.mono);
        if self.next_announce <= now.mono {
            let missing: Vec<(NodeName, u64)> = self
                .missing()
                .map(|(name, peer)| (Arc::clone(name), peer.generation))
                .collect();
            for (name, generation) in missing {
                self.membership.announce(&name, generation, now.mono);
                self.next_announce = now.mono + ANNOUNCE;
            }
        }
        self.carry_out(None, now);
    }

    /// Calls a node whose stream has just been opened.
    pub(super) fn call(&mut self, name: &NodeName, now: Now) {
        let again = self.membership.generation_of(name).is_some();
        if let Some(peer) = self.peers.get(name)
            && (self.membership.remedies.announces_again || !again)
        {
            self.membership.announce(name, peer.generation, now.mono);
        }
        self.carry_out(None, now);
    }

    /// Does what the protocol asks for, after a packet of that node if there was one. Whoever spoke on the stream is answered
    /// on the stream.
    pub(super) fn carry_out(&mut self, after: Option<(&NodeName, Way)>, now: Now) {
        while let Some(said) = self.membership.poll() {
            match said {
                Said::Packet { to, bytes, joining } => {
                    let answers = after == Some((&to, Way::Stream));
                    self.send_packet(&to, &bytes, !answers, answers || joining);
                }
                Said::Repeat { to, bytes } => self.send_packet(&to, &bytes, false, true),
                Said::Up(name) => self.seen(&name, now),
                Said::Down(name) => {
                    let leaves = after.is_some_and(|(speaker, _)| *speaker == name);
                    self.unseen(&name, leaves, now);
                }
                Said::Rejoined => {
                    self.out.stats.rejoins += 1;
                    tracing::info!(
                        "Other nodes held this one for dead; it has told them that it is not"
                    );
                }
            }
        }
    }

    fn send_packet(&mut self, to: &NodeName, bytes: &[u8], datagram: bool, stream: bool) {
        let Some((peer, conn)) = self
            .peers
            .get(to)
            .and_then(|peer| peer.stream.map(|conn| (peer, conn)))
        else {
            return;
        };
        let Some(bytes) = shrink(bytes, self.settings.run, peer.run) else {
            return;
        };
        let repeats = self.membership.remedies.repeats_on_stream;
        let by_stream = (stream || datagram && peer.datagrams.blocked) && repeats;
        let by_datagram = datagram || !repeats;
        let to = Arc::clone(&peer.address);
        if by_datagram {
            self.out.datagram(conn, to, bytes.clone());
        }
        if by_stream {
            self.out.frame(conn, Frame::Swim(bytes));
        }
    }

    fn seen(&mut self, name: &NodeName, now: Now) {
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        peer.down_since = None;
        self.electorate.peer_seen(name, now);
        self.out.event(MeshEvent::Visible {
            name: Arc::clone(name),
            seen: true,
        });
    }

    /// The membership protocol, or this node itself, sees another one no more; `leaves` if that one says so of itself.
    pub(super) fn unseen(&mut self, name: &NodeName, leaves: bool, now: Now) {
        let stream = self
            .stream_to(name)
            .and_then(|conn| self.streams.get(&conn));
        let is_heard = stream.is_some_and(|stream| now.mono < stream.heard + HEARD);
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        peer.down_since.get_or_insert(now.mono);
        // Its goodbye may come later than that word, which others may pass on. If it does not, the end of the stream is told.
        if !peer.gone && !leaves && !is_heard {
            tracing::warn!(
                peer = &**name,
                address = &*peer.address,
                "A peer is held for dead: nothing is heard of it"
            );
        }
        self.electorate.peer_down(name, now);
        self.out.event(MeshEvent::Visible {
            name: Arc::clone(name),
            seen: false,
        });
    }
}
