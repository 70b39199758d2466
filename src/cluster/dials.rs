//! Dialling: whom, when, and what a failure proves.

use std::{sync::Arc, time::Duration};

use super::{
    CloseReason, ConnId, Mesh, MeshEffect, MeshEvent, NodeName,
    addresses::{Outcome, Target},
    frame::Frame,
    peer::{Phase, Stream},
    swim::{LAST_CALL, SILENCE_OF_DEAD},
};
use crate::time::Now;

/// So many dials to one address may hang at a time.
const HANGING: usize = 3;
/// How long a dial may hang.
const DIALLING: Duration = Duration::from_secs(30);
/// How long the other side may take to say who it is.
const GREETING: Duration = Duration::from_secs(5);
/// How long a stream may be silent; every node speaks at least every four seconds.
const SILENCE: Duration = Duration::from_secs(8);

/// A node that does so much later what is due was held up.
const HELD_UP: Duration = Duration::from_secs(1);
/// So often in a row that is an excuse for whoever is not heard: between two of them there is time to read what it sent.
const EXCUSES: u32 = 3;

impl Mesh {
    /// When an address is to be dialled, if it is: nobody is known to be there, or whoever is has no stream to us, was never
    /// reached there in this run, or has no lifeline to us. That it was reached there is what makes a refusal of that address
    /// a proof that the process is gone.
    fn dials_at(&self, address: &Arc<str>, target: &Target) -> Option<Duration> {
        if target.outcome == Outcome::Own || *address == self.settings.advertise && !target.given {
            return None;
        }
        let peer = target.name.as_ref().and_then(|name| self.peers.get(name));
        match peer {
            Some(peer) if peer.stream.is_some() && peer.verified.contains(address) => {
                Some(target.next.max(peer.lifeline_due()?))
            }
            Some(_) | None => Some(target.next),
        }
    }

    pub(super) fn next_dial(&self) -> Option<Duration> {
        self.addresses
            .iter()
            .filter_map(|(address, target)| self.dials_at(address, target))
            .min()
    }

    pub(super) fn dial_due(&mut self, now: Now) {
        let due: Vec<Arc<str>> = self
            .addresses
            .iter()
            .filter(|(address, target)| {
                self.dials_at(address, target)
                    .is_some_and(|at| at <= now.mono)
            })
            .map(|(address, _)| Arc::clone(address))
            .collect();
        for address in due {
            self.give_up_oldest(&address, now);
            self.dial(&address, now);
        }
        self.addresses
            .forget(self.settings.reconnect_timeout, now.mono);
    }

    fn dial(&mut self, address: &Arc<str>, now: Now) {
        self.dials += 1;
        let conn = ConnId(self.dials * 2);
        let stream = Stream::new(
            Some(Arc::clone(address)),
            Arc::clone(address),
            self.dials,
            now.mono,
        );
        self.streams.insert(conn, stream);
        self.addresses.dialled(address, now.mono);
        self.out.effects.push_back(MeshEffect::Dial {
            conn,
            to: Arc::clone(address),
        });
    }

    /// Ends the oldest of the dials that hang, if there are as many as may be.
    fn give_up_oldest(&mut self, address: &Arc<str>, now: Now) {
        let hanging: Vec<ConnId> = self
            .streams
            .iter()
            .filter(|(_, stream)| {
                stream.dialled.as_ref() == Some(address)
                    && matches!(stream.phase, Phase::Dialling | Phase::Greeting)
            })
            .map(|(conn, _)| *conn)
            .collect();
        if hanging.len() >= HANGING
            && let Some(oldest) = hanging.first()
        {
            self.close(*oldest);
            let why = CloseReason::Unreachable("no answer".to_owned());
            self.dial_failed(address, now.mono, &why, now);
        }
    }

    /// Notes that a dial which began at `since` failed.
    pub(super) fn dial_failed(
        &mut self,
        address: &Arc<str>,
        since: Duration,
        why: &CloseReason,
        now: Now,
    ) {
        self.out.stats.reconnections_failed += 1;
        let is_news = self
            .addresses
            .failed(address, why, &self.settings, now.mono);
        if is_news {
            self.log_failure(address, why);
        }
        if matches!(why, CloseReason::Refused(_)) {
            self.refused_by_host(address, since, now);
        }
    }

    fn log_failure(&self, address: &Arc<str>, why: &CloseReason) {
        let name = self
            .addresses
            .get(address)
            .and_then(|target| target.name.as_deref());
        let peer = name.and_then(|name| self.peers.get(name));
        let err = why.text();
        if peer.is_some_and(|peer| peer.gone) {
            tracing::debug!(
                peer = name,
                address = &**address,
                err,
                "A peer that ended is not back yet"
            );
            return;
        }
        match why {
            CloseReason::Rejected(_) | CloseReason::Foreign(_) => tracing::error!(
                address = &**address,
                err,
                "A peer and this node do not accept each other; it stays outside of the mesh until that is put right"
            ),
            CloseReason::Refused(_)
            | CloseReason::Unreachable(_)
            | CloseReason::Ended(_)
            | CloseReason::Finished(_) => {
                if peer.is_some_and(|peer| peer.stream.is_some()) {
                    tracing::warn!(
                        peer = name,
                        address = &**address,
                        err,
                        "A peer cannot be reached at the address that it advertises; the mesh hangs on its dialling this node. Check --cluster.advertise-address there"
                    );
                } else {
                    tracing::warn!(
                        peer = name,
                        address = &**address,
                        err,
                        "Cannot reach a peer; trying again for as long as it is missing"
                    );
                }
            }
        }
    }

    /// A refusal after the system of the other side closed the stream or a lifeline, from the very address that spoke in this
    /// run: the process is gone. A firewall that refuses resets streams instead of closing them.
    fn refused_by_host(&mut self, address: &Arc<str>, since: Duration, now: Now) {
        let Some(name) = self
            .addresses
            .get(address)
            .and_then(|target| target.name.clone())
        else {
            return;
        };
        let is_proof = self.peers.get(&name).is_some_and(|peer| {
            peer.stream.is_none()
                && !peer.gone
                && peer.run != 0
                && since >= peer.parted
                && (peer.finished || peer.lifelines.show_an_end(peer.parted, since))
                && peer.verified.contains(address)
        });
        if is_proof {
            tracing::warn!(
                peer = &*name,
                address = &**address,
                "The process of a peer has ended without saying goodbye; others take over what it held"
            );
            self.tell_over(&name);
            self.ended(&name, false, now);
        }
    }

    /// Tells the others that a process is gone: to some of them its stream may look as if it had been broken.
    fn tell_over(&mut self, name: &NodeName) {
        let run = self.peers.get(name).map_or(0, |peer| peer.run);
        for conn in self.open_streams() {
            let name = Arc::clone(name);
            self.out.frame(conn, Frame::Over { name, run });
        }
    }

    /// Another node knows that a process is gone; if no stream to it is open here, so it is.
    pub(super) fn told_over(&mut self, name: &NodeName, run: u64, by: &NodeName, now: Now) {
        let parted = self
            .peers
            .get(name)
            .is_some_and(|peer| peer.run == run && run != 0 && peer.stream.is_none() && !peer.gone);
        if parted {
            tracing::warn!(
                peer = &**name,
                by = &**by,
                "The process of a peer has ended without saying goodbye, as another one saw; others take over what it held"
            );
            self.ended(name, false, now);
        }
    }

    /// Tells once that the process of a node is gone.
    pub(super) fn ended(&mut self, name: &str, left: bool, now: Now) {
        let Some((name, peer)) = self
            .peers
            .get_key_value(name)
            .map(|(name, _)| Arc::clone(name))
            .and_then(|name| self.peers.get_mut(&name).map(|peer| (name, peer)))
        else {
            return;
        };
        if !peer.gone && peer.run != 0 {
            peer.gone = true;
            peer.left = left;
            self.out.stats.left += 1;
            let run = peer.run;
            let event = MeshEvent::Ended {
                name: Arc::clone(&name),
                run,
                left,
            };
            self.out.event(event);
            self.electorate.peer_down(&name, now);
            self.membership.declare_down(&name, now.mono);
            self.carry_out(None, now);
            self.close_lifelines(&name);
        }
    }

    pub(super) fn next_silence(&self) -> Option<Duration> {
        self.streams
            .values()
            .filter_map(|stream| self.deadline(stream))
            .min()
    }

    /// A node that was held up itself, by a pause or by load, heard nobody meanwhile: what waits to be read is read before a
    /// stream counts as silent. A node that is late all the time hears nothing of whoever is gone all the same.
    pub(super) fn forgive_silence(&mut self, now: Now) {
        let due = self.poll_timeout().map(|(due, _)| due);
        let late = due.map_or(Duration::ZERO, |due| now.mono.saturating_sub(due));
        if late >= HELD_UP {
            let streams = self.streams.values_mut();
            for stream in streams.filter(|stream| stream.forgiven < EXCUSES) {
                stream.forgiven += 1;
                stream.heard = (stream.heard + late).min(now.mono);
            }
        }
    }

    pub(super) fn end_silent_streams(&mut self, now: Now) {
        let silent: Vec<ConnId> = self
            .streams
            .iter()
            .filter(|(_, stream)| self.deadline(stream).is_some_and(|at| at <= now.mono))
            .map(|(conn, _)| *conn)
            .collect();
        for conn in silent {
            self.say_parting(conn);
            self.out.effects.push_back(MeshEffect::Close { conn });
            let why = CloseReason::Ended("nothing was heard for too long".to_owned());
            self.closed(conn, &why, now);
        }
    }

    /// Ends a stream on purpose; what it was for is settled.
    pub(super) fn close(&mut self, conn: ConnId) {
        self.say_parting(conn);
        if self.streams.remove(&conn).is_some() {
            self.out.effects.push_back(MeshEffect::Close { conn });
        }
    }

    /// Says that a stream ends on purpose: its end is no sign that this process ended.
    pub(super) fn say_parting(&mut self, conn: ConnId) {
        let hears_it = |stream: &Stream| match stream.phase {
            Phase::Dialling | Phase::Greeting => false,
            // It may hold it for a lifeline already.
            Phase::Offered => stream.dialled.is_none() && stream.knows_lifelines,
            Phase::Open | Phase::Lifeline => true,
        };
        if self.streams.get(&conn).is_some_and(hears_it) {
            self.out.frame(conn, Frame::Parting);
        }
    }

    /// When a stream is given up unless something is heard.
    fn deadline(&self, stream: &Stream) -> Option<Duration> {
        match stream.phase {
            Phase::Dialling => Some(stream.since + DIALLING),
            Phase::Greeting | Phase::Offered => Some(stream.since + GREETING),
            Phase::Open => {
                let name = stream.name.as_deref();
                let peer = name.and_then(|name| self.peers.get(name));
                let down_since = peer.and_then(|peer| peer.down_since);
                Some(down_since.map_or(stream.heard + SILENCE, |since| {
                    (stream.heard + SILENCE_OF_DEAD).max(since + LAST_CALL)
                }))
            }
            Phase::Lifeline => self.lifeline_deadline(stream),
        }
    }
}
