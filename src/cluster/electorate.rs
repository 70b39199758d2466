//! Who votes: one persisted set of names that changes one at a time with a majority of the old one.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{MeshSettings, NodeName};
use crate::time::Now;

/// The voters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Electors {
    /// Names the founding: electorates of different foundings know nothing of each other.
    pub founding: u64,
    /// Counts changes.
    pub epoch: u64,
    /// Who votes.
    pub names: BTreeSet<NodeName>,
}

/// Which nodes are in reach.
pub trait Visible {
    /// Whether there is a stream to it.
    fn connected(&self, name: &str) -> bool;
    /// Whether the membership protocol holds it for dead or its process is known to be gone.
    fn down(&self, name: &str) -> bool;
}

impl Electors {
    /// Whether those that `acknowledged` are enough: a majority, or of two members both, or the smaller name alone once
    /// it sees the other down.
    #[must_use]
    pub fn is_majority(
        &self,
        acknowledged: impl Fn(&str) -> bool,
        down: impl Fn(&str) -> bool,
    ) -> bool {
        let count = self.names.iter().filter(|name| acknowledged(name)).count();
        if self.names.len() == 2 {
            let mut names = self.names.iter();
            if let (Some(smaller), Some(larger)) = (names.next(), names.next()) {
                return count == 2 || (acknowledged(smaller) && down(larger));
            }
        }
        count * 2 > self.names.len()
    }
}

/// What the electorate asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElectorateOutput {
    /// Send a message, at most 16 KiB.
    Send {
        /// To whom.
        to: NodeName,
        /// What.
        bytes: Vec<u8>,
    },
    /// Save this durably; outputs behind it wait for [`Electorate::saved`].
    Save(Vec<u8>),
    /// Who votes has changed.
    Changed,
}

/// The state machine that agrees on the voters.
#[derive(Debug)]
pub struct Electorate {
    electors: Option<Arc<Electors>>,
}

impl Electorate {
    /// Makes it from what was saved.
    #[must_use]
    pub fn new(_settings: &MeshSettings, _saved: Option<&[u8]>, _now: Now) -> Self {
        Self { electors: None }
    }

    /// Who votes; `None` before there is an electorate.
    #[must_use]
    pub fn electors(&self) -> Option<&Arc<Electors>> {
        self.electors.as_ref()
    }

    /// When something is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        None
    }
}
