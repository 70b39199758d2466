//! Beats: what every node says on every stream every few seconds, so that silence means something.
//!
//! What they carry is said once: a beat without it says that it is as before. While that changes, and once more, they
//! come every two seconds, otherwise half as often. A beat is answered at once, so that its acknowledgement rides on the
//! answer and the round trip is measured without a wait.

use std::{sync::Arc, time::Duration};

use super::{
    ConnId, Mesh, MeshEvent, NodeName,
    clock::{Beat, is_step, median},
    frame::Frame,
    peer::{Peer, Stream},
};
use crate::time::Now;

const INTERVAL: Duration = Duration::from_secs(2);
/// The first beats of a stream follow each other faster, so that clocks are known at once.
const FIRST: Duration = Duration::from_millis(200);
const FIRST_COUNT: u32 = 3;
/// How often beats come that say nothing new.
const QUIET: Duration = Duration::from_millis(3500);
/// The node with the larger name waits longer, so that one of two asks and the other answers.
const ANSWERER: Duration = Duration::from_millis(500);

/// Which payload a stream's beats told last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told {
    version: u64,
    /// In how many beats.
    times: u32,
}

impl Mesh {
    pub(super) fn begin_beats(&mut self, name: &NodeName, now: Now) {
        if let Some(peer) = self.peers.get_mut(name) {
            peer.beats = 0;
            peer.last_beat = now.mono;
        }
    }

    /// How long to wait after a beat; what changed is said twice before it is quiet, since whoever missed a change acts on
    /// the second beat.
    fn beat_wait(&self, name: &NodeName, peer: &Peer, stream: &Stream) -> Duration {
        let is_news = stream.told.version != self.beat_version || stream.told.times < 2;
        match peer.beats {
            0 => Duration::ZERO,
            1..=FIRST_COUNT => FIRST,
            _ if is_news || peer.down_since.is_some() => INTERVAL,
            _ if *name < self.settings.name => QUIET + ANSWERER,
            _ => QUIET,
        }
    }

    /// Streams that beats are sent on, and when the next one is due.
    fn beats(&self) -> impl Iterator<Item = (&NodeName, ConnId, Duration)> {
        self.peers.iter().filter_map(|(name, peer)| {
            let conn = peer.stream?;
            let wait = self.beat_wait(name, peer, self.streams.get(&conn)?);
            Some((name, conn, peer.last_beat + wait))
        })
    }

    pub(super) fn next_beat(&self) -> Option<Duration> {
        self.beats().map(|(_, _, due)| due).min()
    }

    pub(super) fn send_beats(&mut self, now: Now) {
        let due: Vec<(NodeName, ConnId)> = self
            .beats()
            .filter(|(_, _, due)| *due <= now.mono)
            .map(|(name, conn, _)| (Arc::clone(name), conn))
            .collect();
        for (name, conn) in due {
            self.send_beat(&name, conn, now);
        }
    }

    pub(super) fn send_beat(&mut self, name: &NodeName, conn: ConnId, now: Now) {
        let (Some(peer), Some(stream)) = (self.peers.get_mut(name), self.streams.get_mut(&conn))
        else {
            return;
        };
        peer.beats = peer.beats.saturating_add(1);
        peer.last_beat = now.mono;
        let is_news = stream.told.version != self.beat_version;
        let payload = if is_news {
            stream.told = Told {
                version: self.beat_version,
                times: 1,
            };
            self.beat.clone()
        } else {
            stream.told.times = stream.told.times.saturating_add(1);
            Vec::new()
        };
        let beat = peer.clock.beat(payload, now);
        self.out.frame(conn, Frame::Beat(beat));
    }

    pub(super) fn beat_heard(&mut self, conn: ConnId, name: &NodeName, beat: Beat, now: Now) {
        let (Some(peer), Some(stream)) = (self.peers.get_mut(name), self.streams.get_mut(&conn))
        else {
            return;
        };
        peer.clock.heard(&beat, now);
        if !beat.payload.is_empty() {
            stream.known = beat.payload;
        }
        self.out.event(MeshEvent::Beat {
            from: Arc::clone(name),
            bytes: stream.known.clone(),
        });
        self.answer_beat(conn, name, now);
    }

    /// Says the next beat now if most of the wait for it is over: two nodes never answer each other's answers.
    fn answer_beat(&mut self, conn: ConnId, name: &NodeName, now: Now) {
        let (Some(peer), Some(stream)) = (self.peers.get(name), self.streams.get(&conn)) else {
            return;
        };
        let most = self.beat_wait(name, peer, stream) * 3 / 4;
        if peer.stream == Some(conn)
            && peer.beats > FIRST_COUNT
            && peer.last_beat + most <= now.mono
        {
            self.send_beat(name, conn, now);
        }
    }

    /// Whether the clock of every member in reach is known.
    #[must_use]
    pub fn knows_clocks(&self) -> bool {
        let mut connected = self.peers.values().filter(|peer| peer.stream.is_some());
        connected.all(|peer| peer.clock.ahead().is_some())
    }

    /// Takes in what time it is; tells whether our clock was set since this was last said.
    pub fn notice_clock(&mut self, now: Now) -> bool {
        let before = std::mem::replace(&mut self.noticed, now);
        let step = is_step(before, now);
        if step {
            for peer in self.peers.values_mut() {
                peer.clock.notice_step(now);
            }
        }
        step
    }

    /// How far the median clock of the members in reach is ahead of ours, in nanoseconds; 0 when alone.
    #[must_use]
    pub fn clock_ahead(&self) -> i64 {
        let mut clocks = vec![(&*self.settings.name, 0)];
        for (name, peer) in &self.peers {
            if peer.stream.is_some()
                && let Some(ahead) = peer.clock.ahead()
            {
                clocks.push((name, ahead));
            }
        }
        median(clocks)
    }
}
