//! Claims of this node and promises to others, as one state machine.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use super::{
    Quorum,
    acceptor::{Acceptor, Asked, Earlier, Promise},
    hearing::Hearing,
    message::ClaimMessage,
    output::{ClaimOutput, Skips},
    owns::Owns,
    proposer::{ASK_AGAIN, ClaimEvent, FINISH, Own, RENEW, Stage, Terms},
    requests::Requests,
};
use crate::{
    cluster::NodeName,
    nflog::{LogKey, Nflog, Teller},
};

/// Of so many notifications is told what runs before this one took back.
const MAX_VOID: usize = 256;

/// Claims looked at in one step, for each of the reasons to look.
const PER_STEP: usize = 64;

/// Why all claims of this node are looked at anew.
#[derive(Debug, Clone, Copy, Default)]
struct Anew {
    /// Since when.
    since: Duration,
    /// By how much earlier they count as asked for.
    earlier: Duration,
}

/// All claims and promises of one tenant at this node.
#[derive(Debug)]
pub struct Claims {
    pub(super) quorum: Quorum,
    pub(super) acceptor: Acceptor,
    pub(super) own: Owns,
    pub(super) round: u64,
    /// Requests of this run that the receiver may have taken.
    pub(super) out: Requests,
    /// Attempts that runs of this node before this one took back, with the number of the notification. Whoever could not be
    /// told so then is told when it is in reach.
    pub(super) void: BTreeMap<LogKey, (u64, Vec<u64>)>,
    /// Who acknowledges what it is asked.
    pub(super) hearing: Hearing,
    /// How many answers about each promise wait for the disk.
    pub(super) saving: BTreeMap<LogKey, u32>,
    /// What all claims of this node are looked at anew for.
    anew: Anew,
    pub(super) skips: Skips,
    pub(super) outputs: VecDeque<ClaimOutput>,
    pub(super) events: VecDeque<ClaimEvent>,
}

impl Claims {
    /// Makes the claims of a node that knows of no other.
    #[must_use]
    pub fn new(quorum: Quorum) -> Self {
        Self {
            quorum,
            acceptor: Acceptor::default(),
            own: Owns::new(),
            round: 0,
            out: Requests::default(),
            void: BTreeMap::new(),
            hearing: Hearing::default(),
            saving: BTreeMap::new(),
            anew: Anew::default(),
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

    /// Takes in a promise that was saved. What this node promised itself is not sent before its disk knows that it starts,
    /// so if that was taken back, nothing was sent.
    pub fn restore(&mut self, key: LogKey, promise: Promise, now: Duration) {
        let me = &self.quorum.me;
        let open = |attempt: u64| {
            let mut starts = promise.starts();
            starts.any(|start| start.owner == *me && start.attempt == attempt)
        };
        let void = promise.taken_back.iter().copied();
        let void: Vec<u64> = void.filter(|attempt| !open(*attempt)).collect();
        if !void.is_empty() && self.void.len() < MAX_VOID {
            self.void.insert(key.clone(), (promise.seq, void));
        }
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

    /// See [`crate::node::Node::sizes`].
    #[doc(hidden)]
    #[must_use]
    pub fn sizes(&self) -> [(&'static str, usize); 9] {
        [
            ("voters listened to", self.hearing.len()),
            ("requests out", self.out.len()),
            ("attempts of runs before", self.void.len()),
            ("claims", self.own.len()),
            ("claim timers", self.own.timers()),
            ("promises", self.acceptor.len()),
            ("promises being saved", self.saving.len()),
            ("claim outputs", self.outputs.len()),
            ("claim events", self.events.len()),
        ]
    }

    /// Takes in who votes and who is in reach now.
    pub fn set_quorum(&mut self, quorum: Quorum, now: Duration) {
        let was_alone = self.quorum.is_alone();
        self.hearing.follow(&quorum, now);
        self.take_over(quorum, now);
        if was_alone && !self.quorum.is_alone() {
            // What was claimed while there was nobody to ask holds no longer than anything else.
            for own in self.own.values_mut() {
                own.lease_until = own.lease_until.min(now + super::LEASE);
            }
        }
        self.look_at_all(ASK_AGAIN, now);
    }

    /// Has all claims looked at anew, in bounded steps, as if they had been asked for this much earlier.
    pub(super) fn look_at_all(&mut self, earlier: Duration, now: Duration) {
        let goes_on = self.own.is_looking();
        let before = self.anew.earlier;
        self.anew = Anew {
            since: now,
            earlier: if goes_on {
                before.max(earlier)
            } else {
                earlier
            },
        };
        self.own.look_at_all();
    }

    /// Claims a notification; ends in [`ClaimEvent::Held`] or [`ClaimEvent::Lost`].
    pub fn claim(&mut self, key: &LogKey, seq: u64, terms: Terms, nflog: &Nflog, now: Duration) {
        let attempt = self.acceptor.last_attempt(key, seq) + 1;
        // What was logged since the decision is not known to it.
        let last = nflog.get(key).map(|entry| entry.seq);
        let last = last
            .filter(|last| seq.checked_sub(1) == Some(*last))
            .unwrap_or_default();
        let asks = !self.quorum.is_alone() || terms.drops;
        self.own
            .insert(key.clone(), Own::new(seq, attempt, last, terms, now));
        if !asks || self.skips.asking {
            self.hold_alone(key);
            return;
        }
        self.ask(key, nflog, now, true);
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
        self.out.not_taken(key);
        self.unmark(key);
    }

    /// Takes back what others were told of a start.
    fn unmark(&mut self, key: &LogKey) {
        let Some(own) = self.own.get_mut(key) else {
            return;
        };
        if !std::mem::take(&mut own.marked) {
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
        self.out.done(key, seq);
        self.void.remove(key);
        if self.acceptor.done(key, seq) {
            self.outputs.push_back(ClaimOutput::Save {
                key: key.clone(),
                promise: None,
                then: None,
            });
        }
        if self.quorum.is_alone() {
            self.end(key);
            return;
        }
        own.stage = Stage::Finishing(now + FINISH);
        own.done_noted = [Arc::clone(&self.quorum.me)].into();
        self.own.look_at(key, now + FINISH);
        self.broadcast(&ClaimMessage::Done {
            key: key.clone(),
            seq,
        });
        self.check_done(key);
    }

    /// Gives a claim up.
    pub fn release(&mut self, key: &LogKey, unreachable: bool) {
        if !self.out.given_up(key) {
            self.unmark(key);
        }
        let Some(own) = self.own.remove(key) else {
            return;
        };
        let me = Arc::clone(&self.quorum.me);
        // For whoever recognises repeats nobody is told that it starts: all think that it may have been sent.
        if own.terms.idempotent && !self.out.has(key, own.seq) {
            self.broadcast(&ClaimMessage::NotTaken {
                key: key.clone(),
                seq: own.seq,
                attempt: own.attempt,
            });
            self.note_not_taken(&me, key, own.seq, own.attempt);
        }
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

    /// Who tells what this node holds: the voters, if a majority of them promised it, or this node alone.
    #[must_use]
    pub fn teller(&self, key: &LogKey) -> Teller {
        let own = self.own.get(key).filter(|own| !own.minority);
        match self.quorum.electors.as_ref().filter(|_| own.is_some()) {
            Some(electors) => Teller::voters(electors.founding),
            None => Teller::alone(&self.quorum.me),
        }
    }

    /// Whether somebody said that this was about to be sent, and nothing definite since. For an idempotent receiver that is
    /// not said: there everybody who had a promise may have sent it, unless it gave it up and said that it did not.
    #[must_use]
    pub fn may_have_been_sent(&self, key: &LogKey, seq: u64, idempotent: bool) -> bool {
        let promise = self.acceptor.get(key).filter(|promise| promise.seq == seq);
        promise.is_some_and(|promise| {
            let (me, run) = (&self.quorum.me, self.quorum.run);
            let own = promise.owner == *me && promise.run == run && !self.out.has(key, seq);
            let clear = promise.clear && !promise.unclear_before;
            promise.starts().next().is_some() || (idempotent && !own && !clear)
        })
    }

    /// Until when another node holds this, as far as this one knows.
    #[must_use]
    pub fn held_until(&self, key: &LogKey, now: Duration) -> Option<Duration> {
        self.acceptor.held_until(key, &self.quorum, now)
    }

    /// A node joined: everything that it could not acknowledge is told again, and what it may not have heard of the runs
    /// of this node before.
    pub fn joined(&mut self, name: &NodeName, now: Duration) {
        for (key, (seq, attempts)) in &self.void {
            for attempt in attempts {
                self.outputs.push_back(ClaimOutput::Send {
                    to: Arc::clone(name),
                    message: ClaimMessage::NotTaken {
                        key: key.clone(),
                        seq: *seq,
                        attempt: *attempt,
                    },
                });
            }
        }
        self.look_at_all(RENEW, now);
    }

    /// When something is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let anew = self.own.is_looking().then_some(self.anew.since);
        let hearing = self.hearing.next_due(&self.quorum);
        [anew, self.own.next_due(), hearing]
            .into_iter()
            .flatten()
            .min()
    }

    /// Whether [`Self::poll_event`] has something.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Asks again, renews, and goes on without those who are gone; what is left then is due at once.
    pub fn handle_timeout(&mut self, nflog: &Nflog, now: Duration) {
        self.listen(nflog, now);
        for key in self.own.next_of_all(PER_STEP) {
            let Anew { since, earlier } = self.anew;
            if let Some(own) = self.own.get_mut(&key).filter(|own| own.asked_at <= since) {
                own.asked_at = own.asked_at.min(since.saturating_sub(earlier));
                self.look_at(&key, nflog, now);
            }
        }
        for key in self.own.all_due(now, PER_STEP) {
            self.look_at(&key, nflog, now);
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

    /// Takes in a message, from another node or from this one's own acceptor.
    pub fn handle(&mut self, from: &NodeName, message: ClaimMessage, nflog: &Nflog, now: Duration) {
        self.hear(from, &message, now);
        match message {
            ClaimMessage::Probe { number, .. } => self.answer_probe(from, number),
            ClaimMessage::ProbeNoted { .. } => {}
            ClaimMessage::Claim {
                key,
                seq,
                attempt,
                run,
                round,
                last,
                trail,
            } => {
                let known = nflog.get(&key);
                let done = known.map(|entry| entry.seq);
                let marks = [trail, known.map_or(0, |entry| entry.trail.mark())];
                let asked = Asked {
                    owner: from,
                    run,
                    seq,
                    attempt,
                    last,
                    done,
                    apart: done == last && !marks.contains(&0) && marks[0] != marks[1],
                };
                self.answer(&key, &asked, round, nflog, now);
            }
            ClaimMessage::Promised {
                key,
                seq,
                attempt,
                round,
                earlier,
                word,
            } => {
                let said = (earlier, word);
                self.promised(from, &key, (seq, attempt, round), said, now);
            }
            ClaimMessage::Refused {
                key,
                seq,
                attempt,
                why,
                word,
            } => {
                self.refused(from, &key, (seq, attempt), (why, word), nflog, now);
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
                    round,
                };
                self.note_starting(from, &key, seq, started);
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

    pub(super) fn run_of(&self, name: &NodeName) -> u64 {
        if *name == self.quorum.me {
            return self.quorum.run;
        }
        self.quorum.connected.get(name).copied().unwrap_or_default()
    }

    pub(super) fn send(&mut self, to: &NodeName, message: ClaimMessage) {
        let to = Arc::clone(to);
        self.outputs.push_back(ClaimOutput::Send { to, message });
    }

    /// Tells every voter in reach but this node.
    pub(super) fn broadcast(&mut self, message: &ClaimMessage) {
        for to in self.quorum.connected.keys() {
            self.outputs.push_back(ClaimOutput::Send {
                to: Arc::clone(to),
                message: message.clone(),
            });
        }
    }
}
