//! The electorate on the streams: its messages, what it is told, what it has saved.

use std::{sync::Arc, time::Duration};

use super::{
    ElectorateOutput, Electors, Mesh, MeshEvent, NodeName, Settling, frame::Frame, peer::Peer,
};
use crate::time::Now;

/// A node that was neither met nor seen for so long is held for dead.
const ABSENT: Duration = Duration::from_secs(5);

impl Mesh {
    /// Does what the electorate asks for.
    pub(super) fn carry_out_votes(&mut self) {
        while let Some(output) = self.electorate.poll() {
            match output {
                ElectorateOutput::Send { to, bytes } => {
                    if let Some(conn) = self.stream_to(&to) {
                        self.out.frame(conn, Frame::Vote(bytes));
                    }
                }
                ElectorateOutput::Save(bytes) => self.out.event(MeshEvent::Save(bytes)),
                ElectorateOutput::Changed => {
                    self.call_electors();
                    self.out.event(MeshEvent::ElectorsChanged);
                }
            }
        }
    }

    /// Notes who votes, so that those who never come are held for dead in time.
    pub(super) fn call_electors(&mut self) {
        let Some(electors) = self.electorate.electors().map(Arc::clone) else {
            return;
        };
        let others = electors
            .names
            .iter()
            .filter(|name| **name != self.settings.name);
        for name in others {
            self.peers
                .entry(Arc::clone(name))
                .or_insert_with(|| Peer::missing_since(self.started));
        }
    }

    fn absent(&self) -> impl Iterator<Item = (&NodeName, &Peer)> {
        self.peers.iter().filter(|(name, peer)| {
            peer.stream.is_none()
                && peer.down_since.is_none()
                && !peer.gone
                && !self.membership.sees(name)
        })
    }

    pub(super) fn next_absent(&self) -> Option<Duration> {
        self.absent().map(|(_, peer)| peer.parted + ABSENT).min()
    }

    /// Holds those for dead that were never seen.
    pub(super) fn give_up_absent(&mut self, now: Now) {
        let absent: Vec<NodeName> = self
            .absent()
            .filter(|(_, peer)| peer.parted + ABSENT <= now.mono)
            .map(|(name, _)| Arc::clone(name))
            .collect();
        for name in absent {
            self.unseen(&name, false, now);
        }
    }

    /// Tells the electorate that the peers that were given answered or did not, once that is known and when it changes.
    pub(super) fn settle(&mut self, now: Now) {
        let settling = Settling {
            unreached: self.addresses.has_unreached(),
            shut_out: self.addresses.shut_out(),
        };
        if self.has_met_peers() && self.settled != Some(settling) {
            self.settled = Some(settling);
            self.electorate.settled(settling, now);
        }
    }

    /// Whether the nodes in reach are a majority of those that vote.
    pub(super) fn has_quorum(&self, electors: &Electors) -> bool {
        let in_reach = |name: &str| *name == *self.settings.name || self.stream_to(name).is_some();
        electors.is_majority(in_reach, |name| self.is_down(name))
    }

    /// Whether this node may acknowledge claims.
    #[must_use]
    pub fn may_vote(&self, now: Now) -> bool {
        self.electorate.may_vote(now)
    }

    /// Tells that what [`MeshEvent::Save`] asked for is durable.
    pub fn saved(&mut self, now: Now) {
        self.electorate.saved(now);
        self.carry_out_votes();
        self.set_due();
    }

    /// Who votes; `None` before there is an electorate.
    #[must_use]
    pub fn electors(&self) -> Option<&Arc<Electors>> {
        self.electorate.electors()
    }

    /// Tells that this node's state covers that of every peer it met (`true` once it is synchronised): it may vote and
    /// found an electorate from now on.
    pub fn synchronised(&mut self, now: Now) {
        self.electorate.synchronised(now);
        self.carry_out_votes();
        self.set_due();
    }
}
