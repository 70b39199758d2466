//! What nodes say to each other about claims.

use std::{sync::Arc, time::Duration};

use prost::Message as _;

use super::acceptor::Earlier;
use crate::{
    cluster::NodeName,
    nflog::{LogKey, ReceiverKey},
};

/// The longest message in bytes; group keys are the bulk of it.
const MAX_BYTES: usize = 100 * 1024;

/// More attempts than any notification sees.
const MAX_ATTEMPT: u64 = u32::MAX as u64;

/// One message; who sent it is known from the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimMessage {
    /// Asks for a promise, or renews it.
    Claim {
        /// What is to be told of, and to whom.
        key: LogKey,
        /// Number of the notification.
        seq: u64,
        /// Counts who tried this notification; a later claim has a higher one.
        attempt: u64,
        /// The run of the sender.
        run: u64,
        /// Counts the sender's questions; the answer repeats it.
        round: u64,
        /// Number of the last notification that the sender knows of, 0 if of none; `None` from a version that does not
        /// say.
        last: Option<u64>,
        /// What it knows of up to that one ([`crate::nflog::Trail::mark`]), 0 from a version that does not say: two sides of a
        /// cut may have given one number to different notifications.
        trail: u64,
    },
    /// Promises it.
    Promised {
        /// As asked.
        key: LogKey,
        /// As asked.
        seq: u64,
        /// As asked.
        attempt: u64,
        /// As asked.
        round: u64,
        /// Who before may have sent it, as far as whoever answers knows.
        earlier: Vec<Earlier>,
        /// What whoever answers knows of its own requests.
        word: Word,
    },
    /// Does not promise it.
    Refused {
        /// As asked.
        key: LogKey,
        /// As asked.
        seq: u64,
        /// As asked.
        attempt: u64,
        /// Why.
        why: Refusal,
        /// What whoever answers knows of its own requests.
        word: Word,
    },
    /// The first byte is about to be sent.
    Starting {
        /// Of which claim.
        key: LogKey,
        /// Its number.
        seq: u64,
        /// Its attempt.
        attempt: u64,
        /// Counts the sender's questions.
        round: u64,
        /// What it is called at the receiver.
        idempotency_key: Arc<str>,
    },
    /// Acknowledges that.
    StartNoted {
        /// As told.
        key: LogKey,
        /// As told.
        seq: u64,
        /// As told.
        attempt: u64,
        /// As told.
        round: u64,
    },
    /// The receiver definitely did not take it.
    NotTaken {
        /// Of which claim.
        key: LogKey,
        /// Its number.
        seq: u64,
        /// Its attempt.
        attempt: u64,
    },
    /// It is told and logged; the entry came before this.
    Done {
        /// Of which claim.
        key: LogKey,
        /// Its number.
        seq: u64,
    },
    /// Acknowledges that.
    DoneNoted {
        /// As told.
        key: LogKey,
        /// As told.
        seq: u64,
    },
    /// Gives the claim up.
    Released {
        /// Of which claim.
        key: LogKey,
        /// Its number.
        seq: u64,
        /// Its attempt.
        attempt: u64,
        /// Whether the sender could not reach the receiver at all, so that others should try first.
        unreachable: bool,
    },
    /// Asks whether whoever votes is able to answer: it is large, and answered once the disk has taken something.
    Probe {
        /// Of nothing.
        key: LogKey,
        /// Names it.
        number: u64,
    },
    /// Answers it.
    ProbeNoted {
        /// Of nothing.
        key: LogKey,
        /// As asked.
        number: u64,
    },
}

/// How much larger than its words a probe is, in bytes: no packet of a network that is well carries more.
const PROBE_BYTES: usize = 10_000;

/// What a node that answers a claim knows of the requests that it made itself, in this run, for the same notification.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Word {
    /// It is of a version that does not say.
    #[default]
    Unsaid,
    /// The receiver took none of those that it began up to this question.
    Nothing {
        /// Number of the question.
        round: u64,
    },
    /// The receiver may have taken one.
    Perhaps,
    /// One is about to begin or under way.
    Open,
}

/// The bytes are no message about claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Why nothing is promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The log has this notification, a later one, or one that the claim does not know of.
    Done,
    /// Another node holds it.
    Held {
        /// Who.
        owner: NodeName,
        /// For how long, unless it renews.
        remaining: Duration,
    },
    /// Somebody tried with this attempt before.
    Outbid {
        /// The attempt.
        attempt: u64,
    },
    /// This node may not promise anything yet.
    NotVoting,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
struct Pb {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(string, tag = "2")]
    group_key: String,
    #[prost(string, tag = "3")]
    receiver: String,
    #[prost(string, tag = "4")]
    integration: String,
    #[prost(uint32, tag = "5")]
    index: u32,
    #[prost(uint64, tag = "6")]
    seq: u64,
    #[prost(uint64, tag = "7")]
    attempt: u64,
    #[prost(uint64, tag = "8")]
    run: u64,
    #[prost(uint64, tag = "9")]
    round: u64,
    #[prost(string, tag = "10")]
    idempotency_key: String,
    #[prost(message, repeated, tag = "11")]
    earlier: Vec<PbEarlier>,
    #[prost(uint32, tag = "12")]
    why: u32,
    #[prost(string, tag = "13")]
    owner: String,
    #[prost(uint64, tag = "14")]
    remaining_ms: u64,
    #[prost(bool, tag = "15")]
    unreachable: bool,
    #[prost(uint64, optional, tag = "16")]
    last: Option<u64>,
    #[prost(uint32, tag = "17")]
    word: u32,
    #[prost(uint64, tag = "18")]
    word_round: u64,
    #[prost(bytes = "vec", tag = "19")]
    filling: Vec<u8>,
    #[prost(uint64, tag = "20")]
    trail: u64,
}

impl Pb {
    fn say(&mut self, word: Word) {
        match word {
            Word::Unsaid => self.word = 0,
            Word::Nothing { round } => (self.word, self.word_round) = (1, round),
            Word::Perhaps => self.word = 2,
            Word::Open => self.word = 3,
        }
    }

    fn said(&self) -> Word {
        match self.word {
            1 => Word::Nothing {
                round: self.word_round,
            },
            2 => Word::Perhaps,
            3 => Word::Open,
            _ => Word::Unsaid,
        }
    }
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct PbEarlier {
    #[prost(string, tag = "1")]
    owner: String,
    #[prost(uint64, tag = "2")]
    run: u64,
    #[prost(uint64, tag = "3")]
    attempt: u64,
    #[prost(string, tag = "4")]
    idempotency_key: String,
    #[prost(uint64, tag = "5")]
    round: u64,
}

impl From<&Earlier> for PbEarlier {
    fn from(earlier: &Earlier) -> Self {
        Self {
            owner: (*earlier.owner).to_owned(),
            run: earlier.run,
            attempt: earlier.attempt,
            idempotency_key: (*earlier.idempotency_key).to_owned(),
            round: earlier.round,
        }
    }
}

impl From<PbEarlier> for Earlier {
    fn from(pb: PbEarlier) -> Self {
        Self {
            owner: pb.owner.into(),
            run: pb.run,
            attempt: pb.attempt,
            idempotency_key: pb.idempotency_key.into(),
            round: pb.round,
        }
    }
}

impl ClaimMessage {
    /// The key that it is about.
    #[must_use]
    pub fn key(&self) -> &LogKey {
        match self {
            Self::Claim { key, .. }
            | Self::Promised { key, .. }
            | Self::Refused { key, .. }
            | Self::Starting { key, .. }
            | Self::StartNoted { key, .. }
            | Self::NotTaken { key, .. }
            | Self::Done { key, .. }
            | Self::DoneNoted { key, .. }
            | Self::Released { key, .. }
            | Self::Probe { key, .. }
            | Self::ProbeNoted { key, .. } => key,
        }
    }

    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let key = self.key();
        let mut pb = Pb {
            group_key: (*key.group_key).to_owned(),
            receiver: (*key.receiver.group_name).to_owned(),
            integration: (*key.receiver.integration).to_owned(),
            index: key.receiver.index,
            ..Pb::default()
        };
        self.fill(&mut pb);
        pb.encode_to_vec()
    }

    fn fill(&self, pb: &mut Pb) {
        match self {
            Self::Claim {
                seq,
                attempt,
                run,
                round,
                last,
                trail,
                ..
            } => {
                (pb.kind, pb.seq, pb.attempt, pb.run, pb.round) = (1, *seq, *attempt, *run, *round);
                (pb.last, pb.trail) = (*last, *trail);
            }
            Self::Promised {
                seq,
                attempt,
                round,
                earlier,
                word,
                ..
            } => {
                (pb.kind, pb.seq, pb.attempt, pb.round) = (2, *seq, *attempt, *round);
                pb.earlier = earlier.iter().map(PbEarlier::from).collect();
                pb.say(*word);
            }
            Self::Refused {
                seq,
                attempt,
                why,
                word,
                ..
            } => {
                (pb.kind, pb.seq, pb.attempt) = (3, *seq, *attempt);
                pb.say(*word);
                match why {
                    Refusal::Done => pb.why = 1,
                    Refusal::Held { owner, remaining } => {
                        pb.why = 2;
                        pb.owner = (**owner).to_owned();
                        pb.remaining_ms = u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX);
                    }
                    Refusal::Outbid { attempt } => (pb.why, pb.round) = (3, *attempt),
                    Refusal::NotVoting => pb.why = 4,
                }
            }
            Self::Starting {
                seq,
                attempt,
                round,
                idempotency_key,
                ..
            } => {
                (pb.kind, pb.seq, pb.attempt, pb.round) = (4, *seq, *attempt, *round);
                pb.idempotency_key = (**idempotency_key).to_owned();
            }
            Self::StartNoted {
                seq,
                attempt,
                round,
                ..
            } => {
                (pb.kind, pb.seq, pb.attempt, pb.round) = (5, *seq, *attempt, *round);
            }
            Self::NotTaken { seq, attempt, .. } => {
                (pb.kind, pb.seq, pb.attempt) = (6, *seq, *attempt);
            }
            Self::Done { seq, .. } => (pb.kind, pb.seq) = (7, *seq),
            Self::DoneNoted { seq, .. } => (pb.kind, pb.seq) = (8, *seq),
            Self::Released {
                seq,
                attempt,
                unreachable,
                ..
            } => {
                (pb.kind, pb.seq, pb.attempt, pb.unreachable) = (9, *seq, *attempt, *unreachable);
            }
            Self::Probe { number, .. } => {
                (pb.kind, pb.seq) = (10, *number);
                pb.filling = vec![0; PROBE_BYTES];
            }
            Self::ProbeNoted { number, .. } => (pb.kind, pb.seq) = (11, *number),
        }
    }

    /// Reads one; `None` for a kind that only a later version knows.
    ///
    /// # Errors
    /// When no version says that.
    pub fn decode(bytes: &[u8]) -> Result<Option<Self>, Malformed> {
        if bytes.len() > MAX_BYTES {
            return Err(Malformed);
        }
        let pb = Pb::decode(bytes).map_err(|_undecodable| Malformed)?;
        if pb.attempt > MAX_ATTEMPT || (pb.kind == 3 && pb.why == 3 && pb.round > MAX_ATTEMPT) {
            return Err(Malformed);
        }
        let word = pb.said();
        let key = LogKey {
            group_key: pb.group_key.into(),
            receiver: ReceiverKey {
                group_name: pb.receiver.into(),
                integration: pb.integration.into(),
                index: pb.index,
            },
        };
        let (seq, attempt, round) = (pb.seq, pb.attempt, pb.round);
        Ok(Some(match pb.kind {
            0 => return Err(Malformed),
            1 => Self::Claim {
                key,
                seq,
                attempt,
                run: pb.run,
                round,
                last: pb.last,
                trail: pb.trail,
            },
            2 => Self::Promised {
                key,
                seq,
                attempt,
                round,
                earlier: pb.earlier.into_iter().map(Earlier::from).collect(),
                word,
            },
            3 => {
                let why = match pb.why {
                    1 => Refusal::Done,
                    2 => Refusal::Held {
                        owner: pb.owner.into(),
                        remaining: Duration::from_millis(pb.remaining_ms),
                    },
                    3 => Refusal::Outbid { attempt: pb.round },
                    0 => return Err(Malformed),
                    // Whatever a later version's reason is: it does not promise it.
                    _ => Refusal::NotVoting,
                };
                Self::Refused {
                    key,
                    seq,
                    attempt,
                    why,
                    word,
                }
            }
            4 => Self::Starting {
                key,
                seq,
                attempt,
                round,
                idempotency_key: pb.idempotency_key.into(),
            },
            5 => Self::StartNoted {
                key,
                seq,
                attempt,
                round,
            },
            6 => Self::NotTaken { key, seq, attempt },
            7 => Self::Done { key, seq },
            8 => Self::DoneNoted { key, seq },
            9 => Self::Released {
                key,
                seq,
                attempt,
                unreachable: pb.unreachable,
            },
            10 => Self::Probe { key, number: seq },
            11 => Self::ProbeNoted { key, number: seq },
            _ => return Ok(None),
        }))
    }
}
