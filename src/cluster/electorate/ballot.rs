//! Single-decree Paxos for the next charter: what an acceptor remembers, what a proposer collects.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::charter::{Charter, CharterId};
use crate::cluster::NodeName;

/// A ballot: of two the one of the later round goes first, then the one of the larger name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ballot {
    pub round: u64,
    pub name: NodeName,
}

/// What an acceptor accepted last.
pub(super) type Accepted = Option<(Ballot, Charter)>;

/// The votes of one member on the next charter after the one that it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Votes {
    pub promised: Option<Ballot>,
    pub accepted: Accepted,
}

impl Votes {
    /// Whether a ballot may go on: nothing newer was promised.
    pub(super) fn allows(&self, ballot: &Ballot) -> bool {
        self.promised.as_ref().is_none_or(|held| held <= ballot)
    }

    /// Promises to accept nothing older; `false` if something newer was promised.
    pub(super) fn promise(&mut self, ballot: &Ballot) -> bool {
        let allowed = self.allows(ballot);
        if allowed {
            self.promised = Some(ballot.clone());
        }
        allowed
    }

    /// Accepts; `false` if something newer was promised.
    pub(super) fn accept(&mut self, ballot: &Ballot, value: &Charter) -> bool {
        let allowed = self.promise(ballot);
        if allowed {
            self.accepted = Some((ballot.clone(), value.clone()));
        }
        allowed
    }

    /// Takes over what another acceptor promised and accepted where that is newer.
    pub(super) fn cover(&mut self, other: Self) {
        if other.promised > self.promised {
            self.promised = other.promised;
        }
        let ballot = |accepted: &Accepted| accepted.as_ref().map(|(ballot, _)| ballot.clone());
        if ballot(&other.accepted) > ballot(&self.accepted) {
            self.accepted = other.accepted;
        }
    }
}

/// How far a proposal is.
#[derive(Debug)]
pub(super) enum Phase {
    /// Promises so far, with what was accepted before.
    Promises(BTreeMap<NodeName, Accepted>),
    /// Who accepted this.
    Accepts(Charter, BTreeSet<NodeName>),
}

/// A proposal of this node.
#[derive(Debug)]
pub(super) struct Attempt {
    /// The charter to follow.
    pub base: CharterId,
    pub ballot: Ballot,
    pub phase: Phase,
    /// When it is given up.
    pub until: Duration,
}

impl Attempt {
    /// Whether a member answered with a yes in this phase.
    pub(super) fn has(&self, name: &str) -> bool {
        match &self.phase {
            Phase::Promises(from) => from.contains_key(name),
            Phase::Accepts(_, from) => from.contains(name),
        }
    }

    /// What has to be proposed: whatever was accepted under the newest ballot.
    pub(super) fn bound(&self) -> Option<Charter> {
        match &self.phase {
            Phase::Promises(from) => from
                .values()
                .flatten()
                .max_by(|(a, _), (b, _)| a.cmp(b))
                .map(|(_, value)| value.clone()),
            Phase::Accepts(value, _) => Some(value.clone()),
        }
    }
}
