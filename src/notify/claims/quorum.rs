//! Who votes and who is in reach, as claims need to know it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use crate::cluster::{Electors, NodeName};

/// For so long whoever begins to vote waits for those in reach that are about to: nodes that start together, and wait in
/// vain for one that is gone, are ready within seconds of each other.
const RISING: Duration = Duration::from_secs(5);

/// The voters and what is known of them.
#[derive(Debug, Clone, Default)]
pub struct Quorum {
    /// This node.
    pub me: NodeName,
    /// This run of it.
    pub run: u64,
    /// Who votes; `None` before that is agreed on.
    pub electors: Option<Arc<Electors>>,
    /// Other nodes with a stream, and their runs.
    pub connected: BTreeMap<NodeName, u64>,
    /// Other nodes that are held for dead or known to be gone.
    pub down: BTreeSet<NodeName>,
    /// Runs that are over, by name: the highest.
    pub ended: BTreeMap<NodeName, u64>,
    /// Nodes with a stream that may not promise anything yet.
    pub silent: BTreeSet<NodeName>,
    /// Nodes, this one among them, that leave open what they are asked although they are there; claims find that out.
    pub mute: BTreeSet<NodeName>,
    /// Whether this node may promise anything.
    pub may_vote: bool,
    /// Since when it may; `None` while it may not.
    pub voting_since: Option<Duration>,
    /// Since when no majority is in reach; `None` while one is.
    pub lost_since: Option<Duration>,
    /// Since when this node had better leave it to others to notify; see [`Self::is_stuck`].
    pub stuck_since: Option<Duration>,
}

impl Quorum {
    /// A node without a mesh.
    #[must_use]
    pub fn alone(me: NodeName) -> Self {
        let electors = Electors {
            names: [Arc::clone(&me)].into(),
            ..Electors::default()
        };
        Self {
            me,
            electors: Some(Arc::new(electors)),
            may_vote: true,
            ..Self::default()
        }
    }

    /// Whether this node is the only voter and knows of no other node.
    #[must_use]
    pub fn is_alone(&self) -> bool {
        let only = self
            .electors
            .as_ref()
            .is_some_and(|electors| electors.names.len() == 1 && electors.names.contains(&self.me));
        only && self.connected.is_empty()
    }

    /// Whether those who acknowledged are enough.
    #[must_use]
    pub fn is_majority(&self, acknowledged: &BTreeSet<NodeName>) -> bool {
        self.electors.as_ref().is_some_and(|electors| {
            electors.is_majority(
                |name| acknowledged.contains(name),
                |name| self.down.contains(name),
            )
        })
    }

    /// Whether a majority could acknowledge now.
    #[must_use]
    pub fn in_reach(&self) -> bool {
        self.electors.as_ref().is_some_and(|electors| {
            electors.is_majority(|name| self.sees(name), |name| self.down.contains(name))
        })
    }

    /// Until when those in reach are waited for that may promise nothing yet and would make a majority with this node.
    #[must_use]
    pub(super) fn rising_until(&self) -> Option<Duration> {
        let since = self.voting_since.filter(|_| !self.silent.is_empty())?;
        let there = |name: &str| {
            !self.mute.contains(name) && (*name == *self.me || self.connected.contains_key(name))
        };
        let electors = self.electors.as_ref()?;
        let enough = electors.is_majority(there, |name| self.down.contains(name));
        enough.then(|| since + RISING)
    }

    /// Whether this node gets nothing acknowledged although it is there: its own disk takes nothing, or no majority is in
    /// reach since some leave open what they are asked. Others may be better off.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.mute.contains(&self.me) || (!self.mute.is_empty() && !self.in_reach())
    }

    /// The voters in reach that may promise something, this node included.
    pub fn visible_voters(&self) -> impl Iterator<Item = &NodeName> {
        let names = self.electors.iter().flat_map(|electors| &electors.names);
        names.filter(|name| self.sees(name))
    }

    /// Whether this run of a node is in reach.
    #[must_use]
    pub fn is_there(&self, name: &str, run: u64) -> bool {
        if *name == *self.me {
            return run == self.run;
        }
        self.connected.get(name) == Some(&run)
    }

    /// Whether a node that something was promised to is gone.
    #[must_use]
    pub fn is_over(&self, owner: &str, run: u64) -> bool {
        if *owner == *self.me {
            return run != self.run;
        }
        let later = self.connected.get(owner).is_some_and(|now| *now > run);
        later || self.ended.get(owner).is_some_and(|ended| *ended >= run)
    }

    fn sees(&self, name: &str) -> bool {
        if self.mute.contains(name) {
            return false;
        }
        if *name == *self.me {
            return self.may_vote;
        }
        self.connected.contains_key(name) && !self.silent.contains(name)
    }
}
