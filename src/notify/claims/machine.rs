//! Claims of this node and promises to others, as one state machine.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    Quorum,
    acceptor::{Acceptor, Asked, Earlier, Promise},
    message::{ClaimMessage, Refusal},
    output::{ClaimOutput, Skips},
    proposer::{ASK_AGAIN, ClaimEvent, FINISH, Own, RENEW, Stage, Terms},
};
use crate::{
    cluster::NodeName,
    nflog::{LogKey, Nflog},
};

/// All claims and promises of one tenant at this node.
#[derive(Debug)]
pub struct Claims {
    quorum: Quorum,
    acceptor: Acceptor,
    own: BTreeMap<LogKey, Own>,
    round: u64,
    /// How many answers about each promise wait for the disk.
    saving: BTreeMap<LogKey, u32>,
    /// When some claim of this node is to be looked at, at the earliest.
    wake: Duration,
    skips: Skips,
    outputs: VecDeque<ClaimOutput>,
    events: VecDeque<ClaimEvent>,
}

impl Claims {
    /// Makes the claims of a node that knows of no other.
    #[must_use]
    pub fn new(quorum: Quorum) -> Self {
        Self {
            quorum,
            acceptor: Acceptor::default(),
            own: BTreeMap::new(),
            round: 0,
            saving: BTreeMap::new(),
            wake: Duration::MAX,
            skips: Skips::default(),
            outputs: VecDeque::new(),
            events: VecDeque::new(),
        }
    }

    /// Leaves something out.
    #[doc(hidden)]
    pub fn skip(&mut self, skips: Skips) {
        self.skips = skips;
    }

    /// Takes in a promise that was saved.
    pub fn restore(&mut self, key: LogKey, promise: Promise, now: Duration) {
        self.acceptor.restore(key, promise, now);
    }

    /// Who votes and who is in reach.
    #[must_use]
    pub fn quorum(&self) -> &Quorum {
        &self.quorum
    }

    /// How many claims this node holds or asks for, and how many promises it remembers.
    #[must_use]
    pub fn len(&self) -> (usize, usize) {
        (self.own.len(), self.acceptor.len())
    }

    /// Takes in who votes and who is in reach now.
    pub fn set_quorum(&mut self, mut quorum: Quorum, now: Duration) {
        let in_reach = quorum.in_reach();
        quorum.lost_since = match (in_reach, self.quorum.lost_since) {
            (true, _) => None,
            (false, since) => since.or(Some(now)),
        };
        self.quorum = quorum;
        for own in self.own.values_mut() {
            if own.lease_until == Duration::MAX && !self.quorum.is_alone() {
                // It was claimed while there was nobody to ask.
                own.lease_until = now + super::LEASE;
            }
            own.due = own.due.min(now);
            own.asked_at = own.asked_at.min(now.saturating_sub(ASK_AGAIN));
        }
        self.wake = if self.own.is_empty() {
            Duration::MAX
        } else {
            now
        };
    }

    /// Claims a notification; ends in [`ClaimEvent::Held`] or [`ClaimEvent::Lost`].
    pub fn claim(&mut self, key: &LogKey, seq: u64, terms: Terms, nflog: &Nflog, now: Duration) {
        let attempt = self
            .acceptor
            .get(key)
            .filter(|promise| promise.seq == seq)
            .map_or(1, |promise| promise.attempt + 1);
        self.own
            .insert(key.clone(), Own::new(seq, attempt, terms, now));
        if self.quorum.is_alone() || self.skips.asking {
            self.hold_alone(key);
            return;
        }
        self.ask(key, nflog, now, true);
    }

    /// With nobody else there is nothing to ask; what a run before this one may have sent is still known.
    fn hold_alone(&mut self, key: &LogKey) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        own.stage = Stage::Held;
        own.lease_until = Duration::MAX;
        let before = self.acceptor.get(key).filter(|p| p.seq == own.seq);
        let earlier =
            before.and_then(|promise| promise.started.clone().or_else(|| promise.before.clone()));
        self.events.push_back(ClaimEvent::Held {
            key: key.clone(),
            earlier,
            minority: false,
        });
    }

    /// Says that the first byte is about to be sent; ends in [`ClaimEvent::Started`] or [`ClaimEvent::Lost`].
    pub fn start(&mut self, key: &LogKey, idempotency_key: &Arc<str>, now: Duration) {
        let Some(own) = self.own.get_mut(key) else {
            self.events.push_back(ClaimEvent::Lost {
                key: key.clone(),
                again_in: Some(ASK_AGAIN),
            });
            return;
        };
        own.terms.idempotency_key = Arc::clone(idempotency_key);
        own.start_noted.clear();
        self.round += 1;
        own.start_round = self.round;
        if own.stage != Stage::Asking {
            own.stage = Stage::Starting;
        }
        self.tell_start(key, now);
    }

    /// Says that the receiver definitely did not take it.
    pub fn not_taken(&mut self, key: &LogKey) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        if matches!(own.stage, Stage::Started | Stage::Starting) {
            own.stage = Stage::Held;
        }
        if own.terms.idempotent || own.lease_until == Duration::MAX {
            return;
        }
        let (seq, attempt) = (own.seq, own.attempt);
        let message = ClaimMessage::NotTaken {
            key: key.clone(),
            seq,
            attempt,
        };
        self.broadcast(&message);
        let me = Arc::clone(&self.quorum.me);
        self.note_not_taken(&me, key, seq, attempt);
    }

    /// Says that it is told and logged; ends in [`ClaimEvent::Finished`].
    pub fn finish(&mut self, key: &LogKey, now: Duration) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        let seq = own.seq;
        if self.acceptor.done(key, seq) {
            self.outputs.push_back(ClaimOutput::Save {
                key: key.clone(),
                promise: None,
                then: None,
            });
        }
        if self.quorum.is_alone() {
            self.own.remove(key);
            self.events.push_back(ClaimEvent::Finished(key.clone()));
            return;
        }
        own.stage = Stage::Finishing(now + FINISH);
        own.due = now + FINISH;
        self.wake = self.wake.min(own.due);
        own.done_noted = [Arc::clone(&self.quorum.me)].into();
        self.broadcast(&ClaimMessage::Done {
            key: key.clone(),
            seq,
        });
        self.check_done(key);
    }

    /// Gives a claim up.
    pub fn release(&mut self, key: &LogKey, unreachable: bool) {
        let Some(own) = self.own.remove(key) else {
            return;
        };
        let me = Arc::clone(&self.quorum.me);
        self.acceptor.released(key, &me, own.seq, own.attempt);
        self.broadcast(&ClaimMessage::Released {
            key: key.clone(),
            seq: own.seq,
            attempt: own.attempt,
            unreachable,
        });
    }

    /// Whether this node may notify now.
    #[must_use]
    pub fn holds(&self, key: &LogKey, now: Duration) -> bool {
        self.own.get(key).is_some_and(|own| own.holds(now))
    }

    /// Whether somebody said that this was about to be sent, and nothing definite since.
    #[must_use]
    pub fn may_have_been_sent(&self, key: &LogKey, seq: u64) -> bool {
        let promise = self.acceptor.get(key).filter(|promise| promise.seq == seq);
        promise.is_some_and(|promise| promise.started.is_some() || promise.before.is_some())
    }

    /// Until when another node holds this, as far as this one knows.
    #[must_use]
    pub fn held_until(&self, key: &LogKey, now: Duration) -> Option<Duration> {
        self.acceptor.held_until(key, &self.quorum, now)
    }

    /// A node joined: everything that it could not acknowledge is told again.
    pub fn joined(&mut self, now: Duration) {
        for own in self.own.values_mut() {
            own.due = own.due.min(now);
            own.asked_at = own.asked_at.min(now.saturating_sub(RENEW));
        }
        self.wake = if self.own.is_empty() {
            Duration::MAX
        } else {
            now
        };
    }

    /// When something is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        (self.wake < Duration::MAX).then_some(self.wake)
    }

    /// Whether [`Self::poll_event`] has something.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Asks again, renews, and goes on without those who are gone.
    pub fn handle_timeout(&mut self, nflog: &Nflog, now: Duration) {
        let due = self.own.iter().filter(|(_, own)| own.due <= now);
        let due: Vec<LogKey> = due.map(|(key, _)| key.clone()).collect();
        for key in due {
            self.look_at(&key, nflog, now);
        }
        let dues = self.own.values().map(|own| own.due);
        self.wake = dues.min().unwrap_or(Duration::MAX);
    }

    /// A promise is durable, or never will be: what was to be said then is said.
    pub fn saved(&mut self, key: &LogKey) {
        if let Some(count) = self.saving.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.saving.remove(key);
            }
        }
    }

    /// Forgets promises that nobody will ask for.
    pub fn collect(&mut self, now: Duration) {
        for key in self.acceptor.collect(now) {
            self.outputs.push_back(ClaimOutput::Save {
                key,
                promise: None,
                then: None,
            });
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<ClaimOutput> {
        self.outputs.pop_front()
    }

    /// The next thing to know.
    pub fn poll_event(&mut self) -> Option<ClaimEvent> {
        self.events.pop_front()
    }

    fn look_at(&mut self, key: &LogKey, nflog: &Nflog, now: Duration) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        if let Stage::Finishing(until) = own.stage {
            if now >= until {
                self.own.remove(key);
                self.events.push_back(ClaimEvent::Finished(key.clone()));
            } else {
                own.due = until;
            }
            return;
        }
        if own.lease_until == Duration::MAX {
            own.due = Duration::MAX;
            return;
        }
        let holds = own.holds(now);
        let skips = self.skips.renewal && own.stage != Stage::Asking;
        let anew = now >= own.asked_at + RENEW;
        if (anew || !holds) && !skips {
            self.ask(key, nflog, now, anew);
        } else {
            own.due = (own.asked_at + RENEW).max(now + ASK_AGAIN);
        }
        if self
            .own
            .get(key)
            .is_some_and(|own| own.stage == Stage::Starting)
        {
            self.tell_start(key, now);
        }
    }

    /// Asks everybody for the promise, this node's own acceptor first. Within a round answers add up, however slow they
    /// are; the lease counts from its beginning.
    fn ask(&mut self, key: &LogKey, nflog: &Nflog, now: Duration, anew: bool) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        if anew {
            self.round += 1;
            own.round = self.round;
            own.asked_at = now;
            own.promised.clear();
            own.refused.clear();
            own.held_elsewhere = Duration::ZERO;
        }
        own.due = now + if own.holds(now) { RENEW } else { ASK_AGAIN };
        // Whoever may not wait longer for a majority is looked at then.
        if let Some(until) = own.waits_until(&self.quorum).filter(|until| *until > now) {
            own.due = own.due.min(until);
        }
        self.wake = self.wake.min(own.due);
        let message = ClaimMessage::Claim {
            key: key.clone(),
            seq: own.seq,
            attempt: own.attempt,
            run: self.quorum.run,
            round: own.round,
        };
        self.broadcast(&message);
        let me = Arc::clone(&self.quorum.me);
        self.handle(&me, message, nflog, now);
        // With nobody in reach that may promise anything there is no answer to wait for.
        self.check_held(key, now);
    }

    fn tell_start(&mut self, key: &LogKey, now: Duration) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        if own.stage != Stage::Starting {
            return;
        }
        let alone = own.lease_until == Duration::MAX;
        if own.holds(now) && (alone || own.terms.idempotent) {
            own.stage = Stage::Started;
            self.events.push_back(ClaimEvent::Started(key.clone()));
            return;
        }
        own.due = own.due.min(now + ASK_AGAIN);
        self.wake = self.wake.min(own.due);
        let (seq, attempt, round) = (own.seq, own.attempt, own.start_round);
        let idempotency_key = Arc::clone(&own.terms.idempotency_key);
        self.broadcast(&ClaimMessage::Starting {
            key: key.clone(),
            seq,
            attempt,
            round,
            idempotency_key: Arc::clone(&idempotency_key),
        });
        let me = Arc::clone(&self.quorum.me);
        let started = Earlier {
            owner: Arc::clone(&me),
            run: self.quorum.run,
            attempt,
            idempotency_key,
        };
        self.note_starting(&me, key, seq, round, started);
        self.check_started(key, now);
    }

    /// Takes in a message, from another node or from this one's own acceptor.
    pub fn handle(&mut self, from: &NodeName, message: ClaimMessage, nflog: &Nflog, now: Duration) {
        match message {
            ClaimMessage::Claim {
                key,
                seq,
                attempt,
                run,
                round,
            } => {
                let done = nflog.get(&key).map(|entry| entry.seq);
                let asked = Asked {
                    owner: from,
                    run,
                    seq,
                    attempt,
                    done,
                };
                self.answer(&key, &asked, round, nflog, now);
            }
            ClaimMessage::Promised {
                key,
                seq,
                attempt,
                round,
                earlier,
            } => {
                self.promised(from, &key, (seq, attempt, round), earlier, now);
            }
            ClaimMessage::Refused {
                key,
                seq,
                attempt,
                why,
            } => {
                self.refused(from, &key, (seq, attempt), why, nflog, now);
            }
            ClaimMessage::Starting {
                key,
                seq,
                attempt,
                round,
                idempotency_key,
            } => {
                let run = self.run_of(from);
                let started = Earlier {
                    owner: Arc::clone(from),
                    run,
                    attempt,
                    idempotency_key,
                };
                self.note_starting(from, &key, seq, round, started);
            }
            ClaimMessage::StartNoted {
                key,
                seq,
                attempt,
                round,
            } => {
                self.start_noted(from, &key, (seq, attempt, round), now);
            }
            ClaimMessage::NotTaken { key, seq, attempt } => {
                self.note_not_taken(from, &key, seq, attempt);
            }
            ClaimMessage::Done { key, seq } => self.note_done(from, key, seq, nflog),
            ClaimMessage::DoneNoted { key, seq } => {
                if let Some(own) = self.own.get_mut(&key)
                    && own.seq == seq
                {
                    own.done_noted.insert(Arc::clone(from));
                    self.check_done(&key);
                }
            }
            ClaimMessage::Released {
                key,
                seq,
                attempt,
                unreachable,
            } => {
                self.acceptor.released(&key, from, seq, attempt);
                let by = Arc::clone(from);
                self.events.push_back(ClaimEvent::Freed {
                    key,
                    by,
                    seq,
                    unreachable,
                });
            }
        }
    }

    fn run_of(&self, name: &NodeName) -> u64 {
        if *name == self.quorum.me {
            return self.quorum.run;
        }
        self.quorum.connected.get(name).copied().unwrap_or_default()
    }

    /// Answers a claim.
    fn answer(
        &mut self,
        key: &LogKey,
        asked: &Asked<'_>,
        round: u64,
        nflog: &Nflog,
        now: Duration,
    ) {
        let (seq, attempt) = (asked.seq, asked.attempt);
        let answer = self.acceptor.claim(key, asked, &self.quorum, now);
        let (message, changed) = match answer {
            Ok(granted) => {
                let earlier = granted.earlier;
                let key = key.clone();
                (
                    ClaimMessage::Promised {
                        key,
                        seq,
                        attempt,
                        round,
                        earlier,
                    },
                    granted.changed,
                )
            }
            Err(why) => (
                ClaimMessage::Refused {
                    key: key.clone(),
                    seq,
                    attempt,
                    why,
                },
                false,
            ),
        };
        let promises = matches!(message, ClaimMessage::Promised { .. });
        if changed || (promises && self.saving.contains_key(key)) {
            self.save(key, Some((Arc::clone(asked.owner), message)));
        } else if *asked.owner == self.quorum.me {
            let me = Arc::clone(&self.quorum.me);
            self.handle(&me, message, nflog, now);
        } else {
            self.send(asked.owner, message);
        }
    }

    fn promised(
        &mut self,
        from: &NodeName,
        key: &LogKey,
        (seq, attempt, round): (u64, u64, u64),
        earlier: Option<Earlier>,
        now: Duration,
    ) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        if (own.seq, own.attempt, own.round) != (seq, attempt, round) {
            return;
        }
        own.promised.insert(Arc::clone(from));
        own.refused.remove(from);
        if earlier.as_ref().map(|e| e.attempt) > own.earlier.as_ref().map(|e| e.attempt) {
            own.earlier = earlier;
        }
        self.check_held(key, now);
    }

    fn check_held(&mut self, key: &LogKey, now: Duration) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        if !own.is_enough(&own.promised, &self.quorum, now) {
            return;
        }
        own.minority = !self.quorum.is_majority(&own.promised);
        own.lease();
        own.due = own.due.max(now).min(own.asked_at + RENEW);
        self.wake = self.wake.min(own.due);
        match own.stage {
            Stage::Asking => {
                own.stage = Stage::Held;
                self.events.push_back(ClaimEvent::Held {
                    key: key.clone(),
                    earlier: own.earlier.clone(),
                    minority: own.minority,
                });
            }
            Stage::Starting => self.check_started(key, now),
            Stage::Held | Stage::Started | Stage::Finishing(_) => {}
        }
    }

    fn refused(
        &mut self,
        from: &NodeName,
        key: &LogKey,
        (seq, attempt): (u64, u64),
        why: Refusal,
        nflog: &Nflog,
        now: Duration,
    ) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        if (own.seq, own.attempt) != (seq, attempt) || matches!(own.stage, Stage::Finishing(_)) {
            return;
        }
        match why {
            Refusal::Done => self.lose(key, None),
            Refusal::Held {
                owner: _,
                remaining,
            } => self.held_by_another(from, key, remaining),
            Refusal::Outbid { attempt } if own.stage == Stage::Asking => {
                own.attempt = own.attempt.max(attempt) + 1;
                self.ask(key, nflog, now, true);
            }
            // Somebody had it since: what this node held is over.
            Refusal::Outbid { .. } => self.held_by_another(from, key, Duration::ZERO),
            Refusal::NotVoting => {}
        }
    }

    fn held_by_another(&mut self, from: &NodeName, key: &LogKey, remaining: Duration) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        own.promised.remove(from);
        own.refused.insert(Arc::clone(from));
        own.held_elsewhere = own.held_elsewhere.max(remaining);
        if own.is_hopeless(&self.quorum) {
            let again_in = own.held_elsewhere.min(super::LEASE);
            self.lose(key, Some(again_in));
        }
    }

    /// Ends a claim that another node has, or that is done.
    fn lose(&mut self, key: &LogKey, again_in: Option<Duration>) {
        let Some(own) = self.own.get(key) else { return };
        // A request in flight ends as it ends; its outcome still counts.
        if own.stage == Stage::Started {
            return;
        }
        self.release(key, false);
        self.events.push_back(ClaimEvent::Lost {
            key: key.clone(),
            again_in,
        });
    }

    fn note_starting(
        &mut self,
        from: &NodeName,
        key: &LogKey,
        seq: u64,
        round: u64,
        started: Earlier,
    ) {
        let attempt = started.attempt;
        let message = ClaimMessage::StartNoted {
            key: key.clone(),
            seq,
            attempt,
            round,
        };
        match self.acceptor.starting(key, started, seq) {
            None => {}
            Some(changed) if changed || self.saving.contains_key(key) => {
                self.save(key, Some((Arc::clone(from), message)));
            }
            Some(_) => self.send(from, message),
        }
    }

    fn start_noted(
        &mut self,
        from: &NodeName,
        key: &LogKey,
        (seq, attempt, round): (u64, u64, u64),
        now: Duration,
    ) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        if (own.seq, own.attempt, own.start_round) == (seq, attempt, round) {
            own.start_noted.insert(Arc::clone(from));
            self.check_started(key, now);
        }
    }

    fn check_started(&mut self, key: &LogKey, now: Duration) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        let noted = own.terms.idempotent
            || self.skips.started
            || own.is_enough(&own.start_noted, &self.quorum, now);
        if own.stage == Stage::Starting && own.holds(now) && noted {
            own.stage = Stage::Started;
            self.events.push_back(ClaimEvent::Started(key.clone()));
        }
    }

    fn note_not_taken(&mut self, from: &NodeName, key: &LogKey, seq: u64, attempt: u64) {
        if self.acceptor.not_taken(key, from, seq, attempt) {
            self.save(key, None);
        }
    }

    /// Acknowledges `done` once the entry, which came before, and the end of the promise are durable.
    fn note_done(&mut self, from: &NodeName, key: LogKey, seq: u64, nflog: &Nflog) {
        if nflog.get(&key).is_none_or(|entry| entry.seq < seq) {
            return;
        }
        self.acceptor.done(&key, seq);
        let then = (
            Arc::clone(from),
            ClaimMessage::DoneNoted {
                key: key.clone(),
                seq,
            },
        );
        self.outputs.push_back(ClaimOutput::Save {
            key,
            promise: None,
            then: Some(then),
        });
    }

    fn check_done(&mut self, key: &LogKey) {
        let Some(own) = self.own.get(key) else { return };
        let finishing = matches!(own.stage, Stage::Finishing(_));
        if finishing && self.quorum.is_majority(&own.done_noted) {
            self.own.remove(key);
            self.events.push_back(ClaimEvent::Finished(key.clone()));
        }
    }

    fn save(&mut self, key: &LogKey, then: Option<(NodeName, ClaimMessage)>) {
        let promise = self.acceptor.get(key).map(|promise| promise.encode(key));
        if then.is_some() {
            *self.saving.entry(key.clone()).or_default() += 1;
        }
        self.outputs.push_back(ClaimOutput::Save {
            key: key.clone(),
            promise,
            then,
        });
    }

    fn send(&mut self, to: &NodeName, message: ClaimMessage) {
        let to = Arc::clone(to);
        self.outputs.push_back(ClaimOutput::Send { to, message });
    }

    /// Tells every voter in reach but this node.
    fn broadcast(&mut self, message: &ClaimMessage) {
        for to in self.quorum.connected.keys() {
            self.outputs.push_back(ClaimOutput::Send {
                to: Arc::clone(to),
                message: message.clone(),
            });
        }
    }
}
