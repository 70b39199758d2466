//! One claim of this node, from the question to the log.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{LEASE, Quorum, acceptor::Earlier, message::Word};
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
    /// Names the notification, and what it tells.
    pub idempotency_key: Arc<str>,
    /// Whether the receiver drops what it was told before, by that name.
    pub idempotent: bool,
    /// Whether an unknown outcome counts as sent.
    pub drops: bool,
    /// How long to wait for a majority that is gone; `None` for ever.
    pub minority_delay: Option<Duration>,
    /// How much longer than that it waits while others are there that get as little acknowledged: they hear of each other's
    /// claims all the same, if they do not begin at once.
    pub order: Duration,
}

/// What became of a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimEvent {
    /// This node may notify.
    Held {
        /// Which.
        key: LogKey,
        /// Who may have sent it before.
        earlier: Vec<Earlier>,
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
    /// This node gets nothing acknowledged from now on, or does again: see [`Quorum::is_stuck`].
    Reach,
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

/// What a voter answered.
#[derive(Debug)]
struct Promised {
    /// When it was asked.
    asked: Duration,
    /// Who may have sent it before, as it says.
    earlier: Vec<Earlier>,
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
    /// When it was first asked for.
    pub(super) began: Duration,
    /// Number of the question under way.
    pub(super) round: u64,
    pub(super) asked_at: Duration,
    /// The questions whose answers count, and when they were asked.
    rounds: Vec<(u64, Duration)>,
    promised: BTreeMap<NodeName, Promised>,
    pub(super) refused: BTreeSet<NodeName>,
    /// For how long others hold it, at least.
    pub(super) held_elsewhere: Duration,
    pub(super) start_round: u64,
    pub(super) start_noted: BTreeSet<NodeName>,
    pub(super) done_noted: BTreeSet<NodeName>,
    pub(super) lease_until: Duration,
    /// What those who answered know of their own requests, with the run in which they said so.
    pub(super) words: BTreeMap<NodeName, (u64, Word)>,
    /// Whether others were told that it starts, and nothing definite since.
    pub(super) marked: bool,
    /// Whether it started before and that was taken back, as this node's disk may know.
    pub(super) taken_back: bool,
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
            began: now,
            round: 0,
            asked_at: now,
            rounds: Vec::new(),
            promised: BTreeMap::new(),
            refused: BTreeSet::new(),
            held_elsewhere: Duration::ZERO,
            start_round: 0,
            start_noted: BTreeSet::new(),
            done_noted: BTreeSet::new(),
            lease_until: Duration::ZERO,
            words: BTreeMap::new(),
            marked: false,
            taken_back: false,
            minority: false,
        }
    }

    /// Begins another attempt: what was answered to the one before counts no more.
    pub(super) fn begin_attempt(&mut self, attempt: u64) {
        self.attempt = attempt;
        self.rounds.clear();
        self.promised.clear();
    }

    /// Begins another question. Answers to those before count as long as a lease lasts that began when they were asked, so
    /// whoever takes longer than from one to the next is heard all the same.
    pub(super) fn begin_round(&mut self, round: u64, now: Duration) {
        self.round = round;
        self.asked_at = now;
        self.rounds.retain(|(_, asked)| *asked + LEASE > now);
        self.rounds.push((round, now));
        self.promised.retain(|_, it| it.asked + LEASE > now);
        self.refused.clear();
        self.words.clear();
        self.held_elsewhere = Duration::ZERO;
    }

    /// Takes in a promise that answers a question, and who may have sent it before; tells whether it counts.
    pub(super) fn promise(&mut self, from: &NodeName, round: u64, earlier: Vec<Earlier>) -> bool {
        let asked = self.rounds.iter().find(|(number, _)| *number == round);
        let Some((_, asked)) = asked.copied() else {
            return false;
        };
        let later = self.promised.get(from).is_some_and(|it| it.asked > asked);
        if later || (round != self.round && self.refused.contains(from)) {
            return false;
        }
        self.refused.remove(from);
        let promised = Promised { asked, earlier };
        self.promised.insert(Arc::clone(from), promised);
        true
    }

    /// Takes in that somebody else has it.
    pub(super) fn refuse(&mut self, from: &NodeName) {
        self.promised.remove(from);
        self.refused.insert(Arc::clone(from));
    }

    /// Takes in what is known without asking anybody of who may have sent it before.
    pub(super) fn promise_alone(&mut self, me: &NodeName, earlier: Vec<Earlier>) {
        let asked = self.asked_at;
        let promised = Promised { asked, earlier };
        self.promised.insert(Arc::clone(me), promised);
    }

    /// The latest time since which enough were asked that promised it, and who they are; `None` if they are not enough.
    pub(super) fn enough_since(
        &self,
        quorum: &Quorum,
        now: Duration,
    ) -> Option<(Duration, BTreeSet<NodeName>)> {
        let times = self.promised.values().map(|it| it.asked);
        let mut times: BTreeSet<Duration> = times.filter(|asked| *asked + LEASE > now).collect();
        times.insert(self.asked_at);
        times.into_iter().rev().find_map(|since| {
            let acks = self.promised.iter().filter(|(_, it)| it.asked >= since);
            let acks = acks.map(|(name, _)| Arc::clone(name)).collect();
            self.is_enough(&acks, quorum, now).then_some((since, acks))
        })
    }

    /// Takes in what a node knows of its own requests.
    pub(super) fn hear(&mut self, from: &NodeName, run: u64, word: Word) {
        let known = self.words.get(from).copied();
        let word = match (known, word) {
            // Answers may overtake each other; that nothing was taken up to a question stays true.
            (Some((same, Word::Nothing { round: known })), Word::Nothing { round })
                if same == run =>
            {
                Word::Nothing {
                    round: round.max(known),
                }
            }
            (_, word) => word,
        };
        self.words.insert(Arc::clone(from), (run, word));
    }

    /// Who may have sent it before, as those say who promised it since then, but for those that say themselves that nothing
    /// was taken.
    pub(super) fn may_have_sent(&self, since: Duration) -> Vec<Earlier> {
        let mut all: Vec<Earlier> = Vec::new();
        for start in self.starts_known_since(since) {
            if !all.contains(start) {
                all.push(start.clone());
            }
        }
        all
    }

    fn starts_known_since(&self, since: Duration) -> impl Iterator<Item = &Earlier> {
        let promised = self.promised.values().filter(move |it| it.asked >= since);
        let earlier = promised.flat_map(|it| &it.earlier);
        earlier.filter(|start| {
            let word = self.words.get(&start.owner).copied();
            !matches!(
                word,
                Some((run, Word::Nothing { round }))
                    if run == start.run && start.round > 0 && start.round <= round
            )
        })
    }

    /// Whether somebody who is in reach knows better than all others whether it was sent, and has not said it yet. Where
    /// what is unknown counts as sent, that is waited for: it would be lost if it was not.
    pub(super) fn waits_for_word(&self, since: Duration, quorum: &Quorum) -> bool {
        self.terms.drops
            && self.starts_known_since(since).any(|start| {
                let word = self.words.get(&start.owner).copied();
                let said = word.filter(|(run, _)| *run == start.run);
                let open = matches!(said, None | Some((_, Word::Open)));
                open && quorum.is_there(&start.owner, start.run)
                    && !quorum.mute.contains(&start.owner)
            })
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
        // As long as nobody votes, none is in reach either.
        let order = quorum
            .stuck_since
            .map_or(Duration::ZERO, |_| self.terms.order);
        let delay = self.terms.minority_delay?;
        let rising = quorum.rising_until().filter(|_| !delay.is_zero());
        let alone_from = (quorum.lost_since? + delay).max(rising.unwrap_or_default());
        // Those that get nothing acknowledged hear of each other what is told, in the order in which they tell.
        Some(alone_from.max(self.began) + order)
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
    pub(super) fn lease(&mut self, since: Duration) {
        self.lease_until = since + LEASE;
    }
}
