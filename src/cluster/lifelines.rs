//! Lifelines: streams on which nothing is said, so that their end tells what that of the stream in use may not.
//!
//! When a process ends, its system closes its streams in order (`FIN`), but resets (`RST`) those with bytes that the process had
//! not read, as there are if it was stopped or starved. A reset proves nothing: a firewall that refuses does the same to a
//! process that lives. So each pair of nodes keeps a second stream. Whoever opened it says [`Frame::Lifeline`], and from then on
//! both are silent: nothing ever waits there to be read, and the system of a process that ended closes it in order. A
//! firewall may reset it, but does not close it in order. Whoever ends one on purpose says [`Frame::Parting`] before.
//!
//! It costs no handshake: whoever did not dial the stream in use dials its other end anyway, to learn who answers there. That
//! one is kept; if it fails, the other side dials a little later. Each side may have one that the other has lost, so
//! there may be two. Nodes that only know version 1 of the frames have none.

use std::time::Duration;

use super::{
    ConnId, Mesh, NodeName,
    frame::Frame,
    peer::{Peer, Phase, Stream},
};
use crate::time::Now;

/// Whoever dialled the stream in use leaves the lifeline to the other side for so long.
const LATER: Duration = Duration::from_secs(2);
/// How long to wait before a lifeline that broke is replaced, at first and at most.
const LEAST_WAIT: Duration = Duration::from_secs(1);
const MOST_WAIT: Duration = Duration::from_mins(5);
/// One that lived for so long does not break all the time.
const STEADY: Duration = Duration::from_mins(1);
/// The most lifelines of a pair.
const MOST: usize = 2;
/// How long a lifeline is kept without a stream: what a dead process held is free by then, whatever it says.
const ALONE: Duration = Duration::from_secs(30);
/// The end of a lifeline says something of the end of a stream that follows within this time.
const TOGETHER: Duration = Duration::from_secs(3);

/// The lifelines to one process of a node.
#[derive(Debug, Default)]
pub(super) struct Lifelines {
    open: Vec<ConnId>,
    /// Whether the other side knows what they are.
    known: bool,
    /// When one is dialled, if there is none.
    due: Duration,
    wait: Duration,
    /// When the other side's system closed one in order, and the process had not said that it would.
    finished: Option<Duration>,
}

/// How a lifeline ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct LifelineEnd {
    pub(super) conn: ConnId,
    /// Whether this side dialled it.
    pub(super) dialled: bool,
    pub(super) age: Duration,
    /// Whether the other side's system closed it in order without a word of the process.
    pub(super) finished: bool,
}

impl Lifelines {
    /// A stream is in use from now on; `dialled` by this side.
    pub(super) fn begin(&mut self, known: bool, dialled: bool, now: Duration) {
        self.known = known;
        self.finished = None;
        self.due = now + if dialled { LATER } else { Duration::ZERO };
    }

    /// Whether they show that the process may have ended: one was closed in order about when the stream ended (at `parted`)
    /// or later, and before a dial at `dialled`.
    pub(super) fn show_an_end(&self, parted: Duration, dialled: Duration) -> bool {
        self.finished
            .is_some_and(|at| at <= dialled && parted <= at + TOGETHER)
    }

    /// One broke: how long to wait until the next is dialled.
    fn broke(&mut self, end: LifelineEnd, now: Duration) {
        self.wait = if end.age >= STEADY {
            LEAST_WAIT
        } else {
            (self.wait * 2).clamp(LEAST_WAIT, MOST_WAIT)
        };
        self.due = now + self.wait + if end.dialled { Duration::ZERO } else { LATER };
    }
}

impl Peer {
    /// When a lifeline to it is dialled: a stream is in use, and no lifeline is there though it could be.
    pub(super) fn lifeline_due(&self) -> Option<Duration> {
        let is_wanted =
            self.stream.is_some() && self.lifelines.known && self.lifelines.open.is_empty();
        is_wanted.then_some(self.lifelines.due)
    }
}

impl Mesh {
    /// Makes a stream that this side dialled a lifeline.
    pub(super) fn make_lifeline(&mut self, conn: ConnId) {
        self.out.frame(conn, Frame::Lifeline);
        self.keep_lifeline(conn);
    }

    /// The other side made a stream that it dialled a lifeline.
    pub(super) fn lifeline_offered(&mut self, conn: ConnId) {
        let of = self.streams.get(&conn);
        let peer = of
            .and_then(|stream| Some((stream.run, stream.name.as_ref()?)))
            .and_then(|(run, name)| Some((run, self.peers.get(name)?)));
        if peer.is_some_and(|(run, peer)| peer.run == run && !peer.gone) {
            self.keep_lifeline(conn);
        } else {
            self.close(conn);
        }
    }

    fn keep_lifeline(&mut self, conn: ConnId) {
        let Some(stream) = self.streams.get_mut(&conn) else {
            return;
        };
        stream.phase = Phase::Lifeline;
        let Some(peer) = stream
            .name
            .as_ref()
            .and_then(|name| self.peers.get_mut(name))
        else {
            return;
        };
        let open = &mut peer.lifelines.open;
        open.push(conn);
        if open.len() > MOST {
            let oldest = open.remove(0);
            self.close(oldest);
        }
    }

    /// A lifeline ended. If it ended as that of a dead process does, whether the process is dead is found out at once.
    pub(super) fn lifeline_ended(&mut self, name: &NodeName, end: LifelineEnd, now: Now) {
        let Some(peer) = self.peers.get_mut(name) else {
            return;
        };
        let lifelines = &mut peer.lifelines;
        if !lifelines.open.contains(&end.conn) {
            return;
        }
        lifelines.open.retain(|conn| *conn != end.conn);
        lifelines.broke(end, now.mono);
        if !end.finished {
            return;
        }
        lifelines.finished = Some(now.mono);
        match peer.stream {
            // If its reset got lost, the next thing that is said is answered with another.
            Some(conn) => self.send_beat(name, conn, now),
            None => self.addresses.hurry(Some(name), now.mono),
        }
    }

    /// Ends all lifelines to a node.
    pub(super) fn close_lifelines(&mut self, name: &str) {
        let open = self
            .peers
            .get_mut(name)
            .map(|peer| std::mem::take(&mut peer.lifelines.open));
        for conn in open.into_iter().flatten() {
            self.close(conn);
        }
    }

    /// Says on all lifelines, and on streams that may be some, that they end on purpose.
    pub(super) fn say_lifelines_part(&mut self) {
        let others = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.phase != Phase::Open);
        let others: Vec<ConnId> = others.map(|(conn, _)| *conn).collect();
        for conn in others {
            self.say_parting(conn);
        }
    }

    /// When a lifeline is given up: it is not that of a process that there is a stream to, or was lately.
    pub(super) fn lifeline_deadline(&self, stream: &Stream) -> Option<Duration> {
        let peer = stream.name.as_ref().and_then(|name| self.peers.get(name));
        match peer.filter(|peer| peer.run == stream.run) {
            Some(peer) if peer.stream.is_some() => None,
            Some(peer) => Some(peer.parted + ALONE),
            None => Some(stream.since),
        }
    }
}
