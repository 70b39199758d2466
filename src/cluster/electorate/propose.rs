//! Changing the electorate by one name: who proposes when, what, and how members vote.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    Electorate,
    ballot::{Accepted, Attempt, Ballot, Phase},
    charter::{Charter, CharterId},
    wire::Message,
};
use crate::{
    cluster::{NodeName, settings::MAX_NODES},
    time::Now,
};

/// How much longer each further member waits for those before it to propose what it wants.
const TURN: Duration = Duration::from_secs(1);

/// How long one phase of a proposal may take, and how long others keep still meanwhile.
const PHASE: Duration = Duration::from_secs(2);

/// The first wait after a proposal that failed; it doubles up to eight times as much.
const BACKOFF: Duration = Duration::from_millis(100);

/// When this node may propose.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Since when a change is wished for.
    wished_since: Option<Duration>,
    /// Not before this: somebody else is at it, or the last proposal failed.
    not_before: Duration,
    /// Proposals that failed in a row.
    failed: u32,
    /// The highest round seen.
    round: u64,
    /// Who was refused because the electorate is full; said once.
    refused: BTreeSet<NodeName>,
}

impl Turn {
    pub(super) fn is_pending(&self) -> bool {
        self.wished_since.is_some()
    }
}

impl Electorate {
    /// The change that this node sees the need of: first those who leave, then those who come, then those who are dead.
    pub(super) fn wish(&self, now: Now) -> Option<Charter> {
        let charter = self.charter.as_ref()?;
        let leaver = self
            .leaver(charter)
            .filter(|_| self.gives_up_places(charter));
        leaver
            .map(|name| charter.without(&name))
            .or_else(|| {
                let (name, ticket) = self.joiners(charter).next()?;
                (charter.names.len() < self.largest()).then(|| charter.with(name, ticket))
            })
            .or_else(|| {
                let name = self
                    .dead(charter, now)
                    .filter(|_| self.gives_up_places(charter))?;
                Some(charter.without(&name))
            })
    }

    /// Whether whoever leaves or is dead is removed. Of an expected size a majority is as large without it as with it; so it
    /// keeps its place until somebody comes for it, or those who stay could be too few to ever change anything again.
    fn gives_up_places(&self, charter: &Charter) -> bool {
        let comes = self.joiners(charter).next().is_some();
        self.expected.is_none()
            || charter.names.len() > self.largest()
            || (comes && charter.names.len() == self.largest())
    }

    /// The largest electorate that this node proposes.
    fn largest(&self) -> usize {
        self.expected
            .map_or(MAX_NODES, |expected| expected.min(MAX_NODES))
    }

    /// The largest name that leaves; this node itself only after all others, and not if none of them is in reach to go on.
    fn leaver(&self, charter: &Charter) -> Option<NodeName> {
        if charter.names.len() < 2 {
            return None;
        }
        let leaves = |name: &NodeName| {
            self.peers
                .get(name)
                .is_some_and(|peer| peer.left || peer.live().is_some_and(|tell| tell.leaving))
        };
        let stays = |name: &NodeName| {
            !leaves(name) && self.peers.get(name).is_some_and(|peer| peer.connected)
        };
        if let Some(name) = charter.names.keys().rev().find(|name| leaves(name)) {
            return Some(name.clone());
        }
        let own = self.leaving.is_some() && charter.has(&self.name);
        (own && charter.names.keys().any(stays)).then(|| self.name.clone())
    }

    /// Nodes that want to be added: they hold this charter, know what the others know, and do not vote yet.
    fn joiners<'a>(&'a self, charter: &'a Charter) -> impl Iterator<Item = (&'a NodeName, u64)> {
        let id = charter.id();
        self.peers.connected().filter_map(move |(name, peer)| {
            let tell = peer.tell.as_ref()?;
            let comes = !charter.has(name)
                && tell.ready
                && !tell.leaving
                && !peer.left
                && tell.id() == Some(id);
            comes.then_some((name, tell.ticket))
        })
    }

    /// A member that is down for longer than is waited for.
    fn dead(&self, charter: &Charter, now: Now) -> Option<NodeName> {
        charter
            .names
            .keys()
            .find(|name| {
                **name != self.name
                    && self
                        .gone_since(name)
                        .is_some_and(|since| now.mono >= since.saturating_add(self.evict_after))
            })
            .cloned()
    }

    /// Goes on with what was proposed, or proposes when it is this node's turn.
    pub(super) fn propose(&mut self, now: Now) {
        self.say_refused();
        if self
            .attempt
            .as_ref()
            .is_some_and(|attempt| now.mono >= attempt.until)
        {
            self.fail(now);
        }
        self.advance(now);
        if self.attempt.is_some() || !self.votes_now(now) {
            return;
        }
        if self.wish(now).is_none() {
            self.turn.wished_since = None;
            return;
        }
        let since = *self.turn.wished_since.get_or_insert(now.mono);
        let due = since.saturating_add(TURN * self.rank());
        if now.mono >= due.max(self.turn.not_before) {
            self.start(now);
            self.advance(now);
        }
    }

    /// How many voting members in reach have smaller names.
    fn rank(&self) -> u32 {
        let id = self.id();
        let Some(charter) = &self.charter else {
            return 0;
        };
        let smaller = charter.names.keys().take_while(|name| **name < self.name);
        let before = smaller.filter(|name| {
            self.peers
                .get(name)
                .and_then(|peer| peer.live())
                .is_some_and(|tell| tell.voting && tell.id() == id)
        });
        u32::try_from(before.count()).unwrap_or(u32::MAX)
    }

    fn start(&mut self, now: Now) {
        let Some(charter) = self.charter.clone() else {
            return;
        };
        let promised = self
            .votes
            .promised
            .as_ref()
            .map_or(0, |ballot| ballot.round);
        let Some(round) = self.turn.round.max(promised).checked_add(1) else {
            return;
        };
        let ballot = Ballot {
            round,
            name: self.name.clone(),
        };
        self.turn.round = round;
        self.votes.promise(&ballot);
        self.save();
        let own = (self.name.clone(), self.votes.accepted.clone());
        self.attempt = Some(Attempt {
            base: charter.id(),
            ballot: ballot.clone(),
            phase: Phase::Promises(BTreeMap::from([own])),
            until: now.mono.saturating_add(PHASE),
        });
        self.send_members(&Message::Prepare { charter, ballot });
    }

    fn send_members(&mut self, message: &Message) {
        let Some(charter) = &self.charter else { return };
        let bytes = message.encode();
        for (name, _) in self.peers.connected() {
            if charter.has(name) {
                self.outputs.send(name, bytes.clone());
            }
        }
    }

    /// Goes from promises to votes, and from votes to the new charter, once a majority said yes.
    fn advance(&mut self, now: Now) {
        let (Some(attempt), Some(charter)) = (&self.attempt, &self.charter) else {
            return;
        };
        let promising = matches!(attempt.phase, Phase::Promises(_));
        if promising && self.is_majority(charter, |name| attempt.has(name)) {
            let value = attempt.bound().or_else(|| self.wish(now));
            self.ask_to_accept(value, now);
        }
        let (Some(attempt), Some(charter)) = (&self.attempt, &self.charter) else {
            return;
        };
        if let Phase::Accepts(value, _) = &attempt.phase
            && self.is_majority(self.deciding(charter, value), |name| attempt.has(name))
        {
            let value = value.clone();
            self.adopt(value, now);
        }
    }

    /// Whose majority decides.
    fn deciding<'a>(&self, old: &'a Charter, new: &'a Charter) -> &'a Charter {
        #[cfg(test)]
        if self.mutation == Some(super::tests::Mutation::MajorityOfNew) {
            return new;
        }
        let _ = new;
        old
    }

    fn ask_to_accept(&mut self, value: Option<Charter>, now: Now) {
        let Some(attempt) = &mut self.attempt else {
            return;
        };
        let (base, ballot) = (attempt.base, attempt.ballot.clone());
        // Something newer was promised since, or nothing is wished for any more.
        let Some(value) = value.filter(|_| self.votes.allows(&ballot)) else {
            self.attempt = None;
            return;
        };
        self.votes.accept(&ballot, &value);
        attempt.phase = Phase::Accepts(value.clone(), BTreeSet::from([self.name.clone()]));
        attempt.until = now.mono.saturating_add(PHASE);
        self.save();
        self.send_members(&Message::Accept {
            base,
            ballot,
            value,
        });
    }

    fn fail(&mut self, now: Now) {
        self.attempt = None;
        let doubled = BACKOFF * (1 << self.turn.failed.min(3));
        let wait = doubled.mul_f64(0.5 + self.rng.unit());
        self.turn.failed += 1;
        self.turn.not_before = self.turn.not_before.max(now.mono.saturating_add(wait));
    }

    /// Somebody proposes a change after `charter`.
    pub(super) fn prepare(&mut self, from: &NodeName, charter: Charter, ballot: &Ballot, now: Now) {
        let base = charter.id();
        self.consider(charter, now);
        if !self.may_answer(from, base, ballot, now) {
            return;
        }
        let before = self.votes.promised.clone();
        if self.votes.promise(ballot) {
            if before.as_ref() != Some(ballot) {
                self.save();
            }
            self.keep_still(ballot, now);
            let accepted = self.votes.accepted.clone();
            self.send(
                from,
                &Message::Promise {
                    base,
                    ballot: ballot.clone(),
                    accepted,
                },
            );
        } else {
            self.refuse(from, base, ballot);
        }
    }

    /// Somebody asks for this node's vote.
    pub(super) fn accept(
        &mut self,
        from: &NodeName,
        base: CharterId,
        ballot: &Ballot,
        value: &Charter,
        now: Now,
    ) {
        let follows = self
            .charter
            .as_ref()
            .is_some_and(|charter| value.follows(charter));
        if !follows || !self.may_answer(from, base, ballot, now) {
            return;
        }
        if self.votes.accept(ballot, value) {
            self.save();
            self.keep_still(ballot, now);
            self.send(
                from,
                &Message::Accepted {
                    base,
                    ballot: ballot.clone(),
                },
            );
        } else {
            self.refuse(from, base, ballot);
        }
    }

    /// Whether a ballot is by a member, about the charter after the one that this node has, and this node votes.
    fn may_answer(&self, from: &NodeName, base: CharterId, ballot: &Ballot, now: Now) -> bool {
        ballot.name == *from
            && self.id() == Some(base)
            && self.votes_now(now)
            && self
                .charter
                .as_ref()
                .is_some_and(|charter| charter.has(from))
    }

    fn keep_still(&mut self, ballot: &Ballot, now: Now) {
        self.turn.round = self.turn.round.max(ballot.round);
        self.turn.not_before = now.mono.saturating_add(PHASE);
        if self
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.ballot < *ballot)
        {
            self.attempt = None;
        }
    }

    fn refuse(&mut self, to: &NodeName, base: CharterId, ballot: &Ballot) {
        if let Some(promised) = self.votes.promised.clone() {
            let ballot = ballot.clone();
            self.send(
                to,
                &Message::Refuse {
                    base,
                    ballot,
                    promised,
                },
            );
        }
    }

    /// A member promised to accept nothing older than this node's ballot.
    pub(super) fn promised(
        &mut self,
        from: &NodeName,
        base: CharterId,
        ballot: &Ballot,
        accepted: Accepted,
    ) {
        if let Some(attempt) = &mut self.attempt
            && attempt.base == base
            && attempt.ballot == *ballot
            && let Phase::Promises(promises) = &mut attempt.phase
        {
            promises.insert(from.clone(), accepted);
        }
    }

    /// A member voted for what this node proposed.
    pub(super) fn accepted(&mut self, from: &NodeName, base: CharterId, ballot: &Ballot) {
        if let Some(attempt) = &mut self.attempt
            && attempt.base == base
            && attempt.ballot == *ballot
            && let Phase::Accepts(_, accepts) = &mut attempt.phase
        {
            accepts.insert(from.clone());
        }
    }

    /// A member promised something newer to somebody else.
    pub(super) fn refused(
        &mut self,
        base: CharterId,
        ballot: &Ballot,
        promised: &Ballot,
        now: Now,
    ) {
        if self
            .attempt
            .as_ref()
            .is_some_and(|attempt| attempt.base == base && attempt.ballot == *ballot)
        {
            self.turn.round = self.turn.round.max(promised.round);
            self.fail(now);
        }
    }

    /// Says once of each node that it cannot be added.
    fn say_refused(&mut self) {
        let Some(charter) = &self.charter else { return };
        if charter.names.len() < self.largest() || self.leaver(charter).is_some() {
            return;
        }
        let mut refused = BTreeSet::new();
        for (name, _) in self.joiners(charter) {
            if !self.turn.refused.contains(name) {
                tracing::warn!(
                    peer = %name,
                    electors = charter.names.len(),
                    "This node is one more than vote (--cluster.expected-size, at most 16); it replicates but its vote does not count"
                );
            }
            refused.insert(name.clone());
        }
        self.turn.refused = refused;
    }
}
