//! How a member that lost its store votes again.
//!
//! It may have voted on the next charter and not know it. Before it votes it asks *all* other members what they promised
//! and accepted and takes over the newest of it. That covers whatever it forgot: a proposer keeps its own ballot before it
//! asks for promises and its own vote before it asks for votes, and of every majority that this node was part of there is
//! another member, which remembers. If none of them ever accepted anything, this node cannot have decided a charter that
//! they do not know, and from then on its votes are whole again; otherwise it asks once more after the next change.
//! One that may have decided alone (the only member, the smaller of two) cannot know: it waits, with all others, until
//! the majority counts as gone for good.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Electorate,
    ballot::Votes,
    charter::{Charter, CharterId},
    wire::Message,
};
use crate::{cluster::NodeName, time::Now};

/// How often those are asked who did not answer yet.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// What was answered so far.
#[derive(Debug, Default)]
pub(super) struct Recalling {
    answers: BTreeMap<NodeName, Votes>,
    asked_at: Option<Duration>,
}

impl Electorate {
    /// Asks, if this member does not know its own votes.
    pub(super) fn recall(&mut self, now: Now) {
        let Some(charter) = &self.charter else { return };
        if self.whole || self.recalled || !charter.has(&self.name) {
            return;
        }
        if self.could_decide_alone(charter) {
            return;
        }
        let missing: Vec<NodeName> = charter
            .names
            .keys()
            .filter(|name| **name != self.name && !self.recalling.answers.contains_key(*name))
            .cloned()
            .collect();
        if missing.is_empty() {
            self.take_over_votes();
            return;
        }
        let base = charter.id();
        let asked = self.recalling.asked_at;
        if asked.is_some_and(|at| now.mono < at.saturating_add(ASK_EVERY)) {
            return;
        }
        self.recalling.asked_at = Some(now.mono);
        for name in missing {
            if self.peers.get(&name).is_some_and(|peer| peer.connected) {
                self.send(&name, &Message::Recall { base });
            }
        }
    }

    /// Whether this node alone may have been a majority. Then nobody else knows for sure what it decided.
    fn could_decide_alone(&self, charter: &Charter) -> bool {
        charter
            .electors(self.expected.unwrap_or(0))
            .is_majority(|name| *name == *self.name, |_| true)
    }

    fn take_over_votes(&mut self) {
        let answers = std::mem::take(&mut self.recalling).answers;
        self.whole = answers.values().all(|votes| votes.accepted.is_none());
        for votes in answers.into_values() {
            self.votes.cover(votes);
        }
        self.recalled = true;
        self.save();
    }

    /// A member asks for what this node voted.
    pub(super) fn asked_to_recall(&mut self, from: &NodeName, base: CharterId) {
        if self.id() == Some(base) && self.is_member() && (self.whole || self.recalled) {
            let votes = self.votes.clone();
            self.send(from, &Message::Recalled { base, votes });
        }
    }

    /// A member says what it voted.
    pub(super) fn recalled_by(&mut self, from: &NodeName, base: CharterId, votes: Votes) {
        let Some(charter) = &self.charter else { return };
        if charter.id() == base && charter.has(from) && !self.recalled {
            self.recalling.answers.insert(from.clone(), votes);
        }
    }
}
