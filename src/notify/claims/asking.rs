//! What this node asks of the voters, and what their answers mean for its claims.

use std::{sync::Arc, time::Duration};

use super::{
    LEASE,
    acceptor::Earlier,
    machine::Claims,
    message::{ClaimMessage, Refusal, Word},
    proposer::{ASK_AGAIN, ClaimEvent, RENEW, Stage},
};
use crate::{
    cluster::NodeName,
    nflog::{LogKey, Nflog},
};

impl Claims {
    /// With nobody else there is nothing to ask; what a run before this one may have sent is still known. Only where an
    /// unknown outcome counts as sent this node asks itself, so that its next run knows of this one.
    pub(super) fn hold_alone(&mut self, key: &LogKey) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        own.stage = Stage::Held;
        own.lease_until = Duration::MAX;
        let before = self.acceptor.get(key).filter(|p| p.seq == own.seq);
        let earlier = before.map_or_else(Vec::new, |promise| promise.starts().cloned().collect());
        own.promise_alone(&self.quorum.me, earlier);
        self.hear_own_word(key);
        let own = self.own.get(key);
        let earlier = own.map_or_else(Vec::new, |own| own.may_have_sent(own.asked_at));
        self.events.push_back(ClaimEvent::Held {
            key: key.clone(),
            earlier,
            minority: false,
        });
    }

    pub(super) fn look_at(&mut self, key: &LogKey, nflog: &Nflog, now: Duration) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        if let Stage::Finishing(until) = own.stage {
            if now >= until {
                self.end(key);
            } else {
                self.own.look_at(key, until);
            }
            return;
        }
        if own.lease_until == Duration::MAX {
            self.own.look_at(key, Duration::MAX);
            return;
        }
        if self.steps_back(key) {
            return;
        }
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        let holds = own.holds(now);
        let skips = self.skips.renewal && own.stage != Stage::Asking;
        let anew = now >= own.asked_at + RENEW;
        if (anew || !holds) && !skips {
            self.ask(key, nflog, now, anew);
        } else {
            let at = (own.asked_at + RENEW).max(now + ASK_AGAIN);
            self.own.look_at(key, at);
        }
        if self
            .own
            .get(key)
            .is_some_and(|own| own.stage == Stage::Starting)
        {
            self.tell_start(key, now);
        }
    }

    /// Asks everybody for the promise, this node's own acceptor first. Answers add up, however slow they are; the lease
    /// counts from when they were asked.
    pub(super) fn ask(&mut self, key: &LogKey, nflog: &Nflog, now: Duration, anew: bool) {
        let quiet = self.own.get(key).is_some_and(|own| self.is_quiet(own, now));
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        if quiet {
            let until = own.waits_until(&self.quorum);
            self.own.look_at(key, until.unwrap_or(Duration::MAX));
            return;
        }
        if anew {
            self.round += 1;
            own.begin_round(self.round, now);
        }
        let mut due = now + if own.holds(now) { RENEW } else { ASK_AGAIN };
        // Whoever may not wait longer for a majority is looked at then.
        if let Some(until) = own.waits_until(&self.quorum).filter(|until| *until > now) {
            due = due.min(until);
        }
        let seq = own.seq;
        let known = nflog.get(key).filter(|entry| entry.seq == own.last);
        let message = ClaimMessage::Claim {
            key: key.clone(),
            seq,
            attempt: own.attempt,
            run: self.quorum.run,
            round: own.round,
            last: Some(own.last),
            trail: known.map_or(0, |entry| entry.trail.mark()),
        };
        self.own.look_at(key, due);
        self.hearing.asked(&self.quorum, key, seq, now);
        self.broadcast(&message);
        let me = Arc::clone(&self.quorum.me);
        self.handle(&me, message, nflog, now);
        // With nobody in reach that may promise anything there is no answer to wait for.
        self.check_held(key, now);
    }

    pub(super) fn tell_start(&mut self, key: &LogKey, now: Duration) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        if own.stage != Stage::Starting {
            return;
        }
        let alone = own.lease_until == Duration::MAX;
        if own.holds(now) && (alone || own.terms.idempotent) {
            self.started(key);
            return;
        }
        let (seq, attempt, round) = (own.seq, own.attempt, own.start_round);
        let idempotency_key = Arc::clone(&own.terms.idempotency_key);
        own.taken_back |= self.acceptor.is_taken_back(key, seq, attempt);
        if own.taken_back && !self.notes_own_start(key) {
            // The next run of this node would say of this start, too, that it was taken back.
            self.lose(key, Some(ASK_AGAIN));
            return;
        }
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        own.marked = true;
        self.own.look_at_by(key, now + ASK_AGAIN);
        self.hearing.asked(&self.quorum, key, seq, now);
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
            round,
        };
        self.note_starting(&me, key, seq, started);
        self.check_started(key, now);
    }

    /// Whether what this node promised itself can be noted on its disk.
    fn notes_own_start(&self, key: &LogKey) -> bool {
        let (me, run) = (&self.quorum.me, self.quorum.run);
        let own = self.own.get(key).zip(self.acceptor.get(key));
        let own = own.is_some_and(|(own, it)| it.is_for(me, run, own.seq, own.attempt));
        own && !self.quorum.mute.contains(me)
    }

    /// The first byte may leave from now on.
    fn started(&mut self, key: &LogKey) {
        if let Some(own) = self.own.get_mut(key) {
            own.stage = Stage::Started;
            self.out.begins(key, own.seq);
            self.events.push_back(ClaimEvent::Started(key.clone()));
        }
    }

    pub(super) fn promised(
        &mut self,
        from: &NodeName,
        key: &LogKey,
        (seq, attempt, round): (u64, u64, u64),
        (earlier, word): (Vec<Earlier>, Word),
        now: Duration,
    ) {
        let run = self.run_of(from);
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        if (own.seq, own.attempt) != (seq, attempt) || !own.promise(from, round, earlier) {
            return;
        }
        own.hear(from, run, word);
        self.check_held(key, now);
    }

    pub(super) fn check_held(&mut self, key: &LogKey, now: Duration) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        let Some((since, acks)) = own.enough_since(&self.quorum, now) else {
            return;
        };
        if own.stage == Stage::Asking && own.waits_for_word(since, &self.quorum) {
            return;
        }
        own.minority = !self.quorum.is_majority(&acks);
        own.lease(since);
        let renew_at = own.asked_at + RENEW;
        match own.stage {
            Stage::Asking => {
                own.stage = Stage::Held;
                self.events.push_back(ClaimEvent::Held {
                    key: key.clone(),
                    earlier: own.may_have_sent(since),
                    minority: own.minority,
                });
            }
            Stage::Starting => self.check_started(key, now),
            Stage::Held | Stage::Started | Stage::Finishing(_) => {}
        }
        let due = self.own.due(key).max(now).min(renew_at);
        self.own.look_at(key, due);
    }

    pub(super) fn refused(
        &mut self,
        from: &NodeName,
        key: &LogKey,
        (seq, attempt): (u64, u64),
        (why, word): (Refusal, Word),
        nflog: &Nflog,
        now: Duration,
    ) {
        let run = self.run_of(from);
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        if (own.seq, own.attempt) != (seq, attempt) || matches!(own.stage, Stage::Finishing(_)) {
            return;
        }
        own.hear(from, run, word);
        match why {
            Refusal::Done => self.lose(key, None),
            Refusal::Held {
                owner: _,
                remaining,
            } => self.held_by_another(from, key, remaining, now),
            Refusal::Outbid { attempt } if own.stage == Stage::Asking => {
                own.begin_attempt(own.attempt.max(attempt) + 1);
                self.ask(key, nflog, now, true);
            }
            // Somebody had it since: what this node held is over.
            Refusal::Outbid { .. } => self.held_by_another(from, key, Duration::ZERO, now),
            Refusal::NotVoting => self.check_held(key, now),
        }
    }

    pub(super) fn held_by_another(
        &mut self,
        from: &NodeName,
        key: &LogKey,
        remaining: Duration,
        now: Duration,
    ) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        own.refuse(from);
        own.held_elsewhere = own.held_elsewhere.max(remaining);
        if own.is_hopeless(&self.quorum) {
            let again_in = own.held_elsewhere.min(LEASE);
            self.lose(key, Some(again_in));
        } else {
            self.check_held(key, now);
        }
    }

    /// Ends a claim that another node has, or that is done.
    pub(super) fn lose(&mut self, key: &LogKey, again_in: Option<Duration>) {
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

    pub(super) fn start_noted(
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

    pub(super) fn check_started(&mut self, key: &LogKey, now: Duration) {
        let Some(own) = self.own.get(key) else {
            return;
        };
        // What this node promised itself it knows on its disk as well: its next run can say whether anything was sent.
        let must_note = own.taken_back || self.notes_own_start(key);
        let noted = own.terms.idempotent
            || self.skips.started
            || (own.is_enough(&own.start_noted, &self.quorum, now)
                && (!must_note || own.start_noted.contains(&self.quorum.me)));
        if own.stage == Stage::Starting && own.holds(now) && noted {
            self.started(key);
        }
    }

    pub(super) fn check_done(&mut self, key: &LogKey) {
        let Some(own) = self.own.get(key) else { return };
        let finishing = matches!(own.stage, Stage::Finishing(_));
        if finishing && self.quorum.is_majority(&own.done_noted) {
            self.end(key);
        }
    }

    /// What was claimed is told, and nobody needs to hear of it any more.
    pub(super) fn end(&mut self, key: &LogKey) {
        match self.own.get_mut(key).filter(|_| self.skips.release) {
            Some(own) => {
                own.stage = Stage::Finishing(Duration::MAX);
                self.own.look_at(key, Duration::MAX);
            }
            None => {
                self.own.remove(key);
            }
        }
        self.events.push_back(ClaimEvent::Finished(key.clone()));
    }
}
