//! What other nodes, and this one, ask of its promises; answered once the promise is durable.

use std::{sync::Arc, time::Duration};

use super::{
    acceptor::{Asked, Earlier},
    machine::Claims,
    message::{ClaimMessage, Word},
    output::ClaimOutput,
    proposer::Stage,
    reach::MAX_SAVING,
};
use crate::{
    cluster::NodeName,
    nflog::{LogKey, Nflog},
};

impl Claims {
    /// A promise is durable, or never will be: what was to be said then is said.
    pub fn saved(&mut self, key: &LogKey) {
        if let Some(count) = self.saving.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.saving.remove(key);
            }
        }
    }

    /// Whether so many answers about a promise wait for the disk that whoever asks has to ask again.
    fn is_saving_enough(&self, key: &LogKey) -> bool {
        self.saving
            .get(key)
            .is_some_and(|count| *count >= MAX_SAVING)
    }

    /// Forgets promises that nobody will ask for.
    pub fn collect(&mut self, now: Duration) {
        for key in self.acceptor.collect(now) {
            self.void.remove(&key);
            self.outputs.push_back(ClaimOutput::Save {
                key,
                promise: None,
                then: None,
            });
        }
    }

    /// Answers a claim.
    pub(super) fn answer(
        &mut self,
        key: &LogKey,
        asked: &Asked<'_>,
        round: u64,
        nflog: &Nflog,
        now: Duration,
    ) {
        if self.is_saving_enough(key) {
            return;
        }
        let (seq, attempt) = (asked.seq, asked.attempt);
        let word = self.own_word(key, seq);
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
                        word,
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
                    word,
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

    /// What this node knows of its own requests, in this run, for a notification.
    fn own_word(&self, key: &LogKey, seq: u64) -> Word {
        let own = self.own.get(key).filter(|own| own.seq == seq);
        match own.map(|own| own.stage) {
            Some(Stage::Starting | Stage::Started) => Word::Open,
            Some(Stage::Asking | Stage::Held | Stage::Finishing(_)) | None => {
                if self.out.has(key, seq) {
                    Word::Perhaps
                } else {
                    Word::Nothing { round: self.round }
                }
            }
        }
    }

    /// Takes in what this node knows of its own requests, without asking itself.
    pub(super) fn hear_own_word(&mut self, key: &LogKey) {
        let (me, run) = (Arc::clone(&self.quorum.me), self.quorum.run);
        let Some(seq) = self.own.get(key).map(|own| own.seq) else {
            return;
        };
        let word = self.own_word(key, seq);
        if let Some(own) = self.own.get_mut(key) {
            own.hear(&me, run, word);
        }
    }

    pub(super) fn note_starting(
        &mut self,
        from: &NodeName,
        key: &LogKey,
        seq: u64,
        started: Earlier,
    ) {
        if self.is_saving_enough(key) {
            return;
        }
        let (attempt, round) = (started.attempt, started.round);
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

    pub(super) fn note_not_taken(&mut self, from: &NodeName, key: &LogKey, seq: u64, attempt: u64) {
        let own = *from == self.quorum.me && self.acceptor.taken_back(key, seq, attempt);
        if self.acceptor.not_taken(key, from, seq, attempt) || own {
            self.save(key, None);
        }
    }

    /// Acknowledges `done` once the entry, which came before, and the end of the promise are durable.
    pub(super) fn note_done(&mut self, from: &NodeName, key: LogKey, seq: u64, nflog: &Nflog) {
        if nflog.get(&key).is_none_or(|entry| entry.seq < seq) {
            return;
        }
        self.acceptor.done(&key, seq);
        self.out.done(&key, seq);
        self.void.remove(&key);
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

    pub(super) fn save(&mut self, key: &LogKey, then: Option<(NodeName, ClaimMessage)>) {
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
}
