//! Beats: what every node says on every stream every two seconds, so that silence means something.

use std::{sync::Arc, time::Duration};

use super::{
    Mesh, MeshEvent, NodeName,
    clock::{Beat, is_step, median},
    frame::Frame,
};
use crate::time::Now;

const INTERVAL: Duration = Duration::from_secs(2);
/// The first beats of a stream follow each other faster, so that clocks are known at once.
const FIRST: Duration = Duration::from_millis(200);
const FIRST_COUNT: u32 = 3;

impl Mesh {
    pub(super) fn begin_beats(&mut self, name: &NodeName, now: Now) {
        if let Some(peer) = self.peers.get_mut(name) {
            peer.beats = 0;
            peer.next_beat = now.mono;
        }
    }

    pub(super) fn next_beat(&self) -> Option<Duration> {
        let connected = self.peers.values().filter(|peer| peer.stream.is_some());
        connected.map(|peer| peer.next_beat).min()
    }

    pub(super) fn send_beats(&mut self, now: Now) {
        for peer in self.peers.values_mut() {
            let Some(conn) = peer.stream else { continue };
            if peer.next_beat > now.mono {
                continue;
            }
            peer.beats = peer.beats.saturating_add(1);
            let wait = if peer.beats <= FIRST_COUNT {
                FIRST
            } else {
                INTERVAL
            };
            peer.next_beat = now.mono + wait;
            let beat = peer.clock.beat(self.beat.clone(), now);
            self.out.frame(conn, Frame::Beat(beat));
        }
    }

    pub(super) fn beat_heard(&mut self, name: &NodeName, beat: Beat, now: Now) {
        if let Some(peer) = self.peers.get_mut(name) {
            peer.clock.heard(&beat, now);
            self.out.event(MeshEvent::Beat {
                from: Arc::clone(name),
                bytes: beat.payload,
            });
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
