//! The limit on nodes: who stays outside if there are more.
//!
//! All have to leave out the same ones, or those that stay would not all be connected. Whoever votes stays. When all start at
//! the same moment, and nobody is known to vote, those with the smallest names stay. Later nobody goes for one that only
//! came.

use std::time::Duration;

use super::{ConnId, Mesh, NodeName, frame::Refusal, settings::MAX_NODES};
use crate::time::Now;

/// Who started so short a time ago does not know yet who is there.
const STARTING: Duration = Duration::from_secs(3);

/// Whether there is room for another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Room {
    /// There is.
    Free,
    /// Once this one has gone.
    InsteadOf(NodeName),
    /// There is not.
    Full,
    /// There is, but not for this node itself.
    Outside,
}

impl Mesh {
    /// Whether there is room for a node that is not connected.
    pub(super) fn room_for(&self, name: &NodeName, now: Now) -> Room {
        let own = self.place(&self.settings.name);
        let wanted = self.place(name);
        let last = self
            .connected()
            .map(|name| (self.place(name), name))
            .max_by_key(|(place, _)| *place);
        let Some((last, whose)) = last.filter(|_| self.connected().count() + 1 >= MAX_NODES) else {
            return Room::Free;
        };
        let starts = now.mono < self.started + STARTING && self.electorate.electors().is_none();
        let goes = |place: (bool, &str)| place > wanted && (starts || place.0 != wanted.0);
        if own > last && goes(own) {
            Room::Outside
        } else if goes(last) {
            Room::InsteadOf(NodeName::clone(whose))
        } else {
            Room::Full
        }
    }

    /// By what nodes are ordered; the last one goes first.
    fn place<'a>(&self, name: &'a str) -> (bool, &'a str) {
        let electors = self.electorate.electors();
        let votes = electors.is_some_and(|electors| electors.names.contains(name));
        (!votes, name)
    }

    /// Sends the last one away if a node that is about to join needs its place.
    pub(super) fn make_room_for(&mut self, name: &NodeName, now: Now) {
        let Room::InsteadOf(last) = self.room_for(name, now) else {
            return;
        };
        let Some(conn) = self.stream_to(&last) else {
            return;
        };
        // None of its other streams is to be used instead.
        let spares = self.streams.iter().filter(|(other, stream)| {
            **other != conn && stream.phase.is_settled() && stream.name.as_ref() == Some(&last)
        });
        let spares: Vec<ConnId> = spares.map(|(conn, _)| *conn).collect();
        for spare in spares {
            self.close(spare);
        }
        self.close_lifelines(&last);
        self.refuse(conn, Refusal::Full, &full(), now);
    }
}

/// What whoever stays outside is told.
pub(super) fn full() -> String {
    format!("the mesh has {MAX_NODES} nodes, which is the most it may have")
}
