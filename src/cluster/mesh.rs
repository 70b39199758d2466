//! The mesh as one state machine.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use super::{
    Electorate, Electors, Lane, MeshEffect, MeshEvent, MeshInput, MeshSettings, MeshStatus,
};
use crate::{rng::Rng, time::Now};

/// The mesh.
#[derive(Debug)]
pub struct Mesh {
    settings: MeshSettings,
    electorate: Electorate,
    effects: VecDeque<MeshEffect>,
    events: VecDeque<MeshEvent>,
}

impl Mesh {
    /// Makes the mesh of one node; `saved` is what [`MeshEvent::Save`] handed out last.
    #[must_use]
    pub fn new(settings: MeshSettings, saved: Option<&[u8]>, rng: Rng, now: Now) -> Self {
        Self {
            electorate: Electorate::new(&settings, saved, rng.child("electorate"), now),
            settings,
            effects: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Takes in what the shell tells.
    pub fn handle(&mut self, _input: MeshInput, _now: Now) {}

    /// Does what is due.
    pub fn handle_timeout(&mut self, _now: Now) {}

    /// When something is due next, and what.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Duration, &'static str)> {
        None
    }

    /// The next thing to do.
    pub fn poll_effect(&mut self) -> Option<MeshEffect> {
        self.effects.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<MeshEvent> {
        self.events.pop_front()
    }

    /// Sends a payload to a node; without a stream to it, it is dropped: whoever sends repeats or synchronises after
    /// [`MeshEvent::Joined`].
    pub fn send(&mut self, _to: &str, _lane: Lane, _bytes: Vec<u8>) {}

    /// Sends a payload to every node that a stream exists to.
    pub fn broadcast(&mut self, _lane: Lane, _bytes: Vec<u8>) {}

    /// How many bytes of bulk payloads a node takes now; 0 without a stream.
    #[must_use]
    pub fn room(&self, _to: &str) -> usize {
        0
    }

    /// Tells that what [`MeshEvent::Save`] asked for is durable.
    pub fn saved(&mut self, _now: Now) {}

    /// Who votes; `None` before there is an electorate.
    #[must_use]
    pub fn electors(&self) -> Option<&Arc<Electors>> {
        self.electorate.electors()
    }

    /// Whether every given peer has answered or refused, or time is up.
    #[must_use]
    pub fn has_met_peers(&self) -> bool {
        !self.settings.has_peers
    }

    /// Tells that this node's state covers that of every peer it met (`true` once it is synchronised): it may vote and
    /// found an electorate from now on.
    pub fn synchronised(&mut self, _now: Now) {}

    /// Says goodbye: the electorate is left, peers are told, streams end.
    pub fn leave(&mut self, _now: Now) {}

    /// Whether goodbye is said, or nobody is there to hear it.
    #[must_use]
    pub fn has_left(&self) -> bool {
        true
    }

    /// Names of nodes with an open stream, sorted.
    pub fn connected(&self) -> impl Iterator<Item = &super::NodeName> {
        std::iter::empty()
    }

    /// The run of a node that a stream exists to.
    #[must_use]
    pub fn run_of(&self, _name: &str) -> Option<u64> {
        None
    }

    /// Whether a node is held for dead, or its process is known to be gone.
    #[must_use]
    pub fn is_down(&self, _name: &str) -> bool {
        false
    }

    /// How far the median clock of the members in reach is ahead of ours, in nanoseconds; 0 when alone.
    #[must_use]
    pub fn clock_ahead(&self) -> i64 {
        0
    }

    /// A snapshot for status and metrics.
    #[must_use]
    pub fn status(&self, _now: Now) -> MeshStatus {
        MeshStatus {
            name: Arc::clone(&self.settings.name),
            advertise: Arc::clone(&self.settings.advertise),
            ..MeshStatus::default()
        }
    }
}
