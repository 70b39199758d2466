//! One claim of this node, from the question to the log.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{LEASE, Quorum, acceptor::Earlier};
use crate::{cluster::NodeName, nflog::LogKey};

/// An unanswered question is asked again after this time.
pub(super) const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A claim is renewed this long after it was last asked for.
pub(super) const RENEW: Duration = Duration::from_secs(5);

/// How long `done` waits for its acknowledgements.
pub(super) const FINISH: Duration = Duration::from_millis(500);

/// What a receiver allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// What the notification is called at the receiver.
    pub idempotency_key: Arc<str>,
    /// Whether the receiver drops what it was told before, by that name.
    pub idempotent: bool,
    /// Whether an unknown outcome counts as sent.
    pub drops: bool,
    /// How long to wait for a majority that is gone; `None` for ever.
    pub minority_delay: Option<Duration>,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimEvent {
    /// This node may notify.
    Held {
        /// Which.
        key: LogKey,
        /// Who may have sent it before.
        earlier: Option<Earlier>,
        /// Whether only a minority could be asked.
        minority: bool,
    },
    /// `starting` is acknowledged: send now.
    Started(LogKey),
    /// Another node has it, or it is done.
    Lost {
        /// Which.
        key: LogKey,
        /// When to look again; `None` if the log says that it is done.
        again_in: Option<Duration>,
    },
    /// `done` is acknowledged, or nobody acknowledged it in time.
    Finished(LogKey),
    /// Another node gave it up.
    Freed {
        /// Which.
        key: LogKey,
        /// Who.
        by: NodeName,
        /// Its number.
        seq: u64,
        /// Whether it could not reach the receiver.
        unreachable: bool,
    },
}

/// Where a claim is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Asking,
    Held,
    Starting,
    Started,
    Finishing(Duration),
}

/// A claim of this node.
#[derive(Debug)]
pub(super) struct Own {
    pub(super) seq: u64,
    pub(super) attempt: u64,
    /// Number of the notification that the decision knew of last, 0 if of none.
    pub(super) last: u64,
    pub(super) terms: Terms,
    pub(super) stage: Stage,
    /// Number of the question under way.
    pub(super) round: u64,
    pub(super) asked_at: Duration,
    pub(super) promised: BTreeSet<NodeName>,
    pub(super) refused: BTreeSet<NodeName>,
    /// For how long others hold it, at least.
    pub(super) held_elsewhere: Duration,
    pub(super) start_round: u64,
    pub(super) start_noted: BTreeSet<NodeName>,
    pub(super) done_noted: BTreeSet<NodeName>,
    pub(super) lease_until: Duration,
    pub(super) earlier: Option<Earlier>,
    pub(super) minority: bool,
}

impl Own {
    pub(super) fn new(seq: u64, attempt: u64, last: u64, terms: Terms, now: Duration) -> Self {
        Self {
            seq,
            attempt,
            last,
            terms,
            stage: Stage::Asking,
            round: 0,
            asked_at: now,
            promised: BTreeSet::new(),
            refused: BTreeSet::new(),
            held_elsewhere: Duration::ZERO,
            start_round: 0,
            start_noted: BTreeSet::new(),
            done_noted: BTreeSet::new(),
            lease_until: Duration::ZERO,
            earlier: None,
            minority: false,
        }
    }

    /// Whether those who acknowledged are enough: a majority, or, if none is in reach and the receiver allows it,
    /// everybody in reach.
    pub(super) fn is_enough(
        &self,
        acks: &BTreeSet<NodeName>,
        quorum: &Quorum,
        now: Duration,
    ) -> bool {
        quorum.is_majority(acks)
            || (self.may_go_alone(quorum, now)
                && quorum.visible_voters().all(|name| acks.contains(name)))
    }

    /// Whether no majority is in reach and the receiver's policy allows to go on without.
    pub(super) fn may_go_alone(&self, quorum: &Quorum, now: Duration) -> bool {
        if quorum.in_reach() {
            return false;
        }
        self.terms.idempotent || self.waits_until(quorum).is_some_and(|until| until <= now)
    }

    /// Until when a claim waits for a majority that is gone.
    pub(super) fn waits_until(&self, quorum: &Quorum) -> Option<Duration> {
        quorum.electors.as_ref()?;
        Some(quorum.lost_since? + self.terms.minority_delay?)
    }

    /// Whether those in reach that did not refuse cannot be enough.
    pub(super) fn is_hopeless(&self, quorum: &Quorum) -> bool {
        if self.refused.is_empty() {
            return false;
        }
        let possible = quorum.visible_voters();
        let possible = possible.filter(|name| !self.refused.contains(*name));
        !quorum.in_reach() || !quorum.is_majority(&possible.cloned().collect())
    }

    pub(super) fn holds(&self, now: Duration) -> bool {
        self.stage != Stage::Asking && now < self.lease_until
    }

    /// Takes in that enough promised: the lease counts from when they were asked.
    pub(super) fn lease(&mut self) {
        self.lease_until = self.asked_at + LEASE;
    }
}
