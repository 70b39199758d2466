//! What electors say to each other, as bytes and back. Everything read is bounded and checked before it is believed.

use std::collections::BTreeMap;

use prost::Message as _;

use super::{
    ballot::{Accepted, Ballot, Votes},
    charter::{Charter, CharterId},
};
use crate::cluster::{NodeName, settings::MAX_NODES};

/// The largest message in bytes.
pub(super) const MAX_MESSAGE: usize = 16 * 1024;

/// The longest name of a node in bytes.
const MAX_NAME: usize = 255;

/// How a node is, told to all and again when it changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tell {
    pub charter: Option<Charter>,
    /// With what it wants to be added.
    pub ticket: u64,
    /// Its state covers what the nodes that it met know: it may found and be added.
    pub ready: bool,
    /// It votes on the next charter.
    pub voting: bool,
    /// No majority is in its reach.
    pub stranded: bool,
    /// It is about to leave.
    pub leaving: bool,
}

impl Tell {
    pub(super) fn id(&self) -> Option<CharterId> {
        self.charter.as_ref().map(Charter::id)
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Tell(Tell),
    /// The latest charter of a line, for those that hold an earlier one.
    Known {
        charter: Charter,
    },
    /// Phase one of a change after `charter`.
    Prepare {
        charter: Charter,
        ballot: Ballot,
    },
    Promise {
        base: CharterId,
        ballot: Ballot,
        accepted: Accepted,
    },
    /// No, because of what was promised since.
    Refuse {
        base: CharterId,
        ballot: Ballot,
        promised: Ballot,
    },
    /// Phase two.
    Accept {
        base: CharterId,
        ballot: Ballot,
        value: Charter,
    },
    Accepted {
        base: CharterId,
        ballot: Ballot,
    },
    /// Asks everyone named to found this; `base` is what it replaces without a majority.
    Found {
        base: Option<CharterId>,
        charter: Charter,
    },
    Founding {
        founding: u64,
    },
    /// What did you vote on the change after `base`?
    Recall {
        base: CharterId,
    },
    Recalled {
        base: CharterId,
        votes: Votes,
    },
}

/// A message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    #[error("{0} bytes are more than an elector ever sends")]
    TooLong(usize),
    #[error("not a message of an elector: {0}")]
    Undecodable(#[from] prost::DecodeError),
    #[error("{0}")]
    Invalid(&'static str),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PbName {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(fixed64, tag = "2")]
    ticket: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PbCharter {
    #[prost(fixed64, tag = "1")]
    founding: u64,
    #[prost(uint64, tag = "2")]
    epoch: u64,
    #[prost(fixed64, tag = "3")]
    line: u64,
    #[prost(bool, tag = "4")]
    forced: bool,
    #[prost(message, repeated, tag = "5")]
    names: Vec<PbName>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PbBallot {
    #[prost(uint64, tag = "1")]
    round: u64,
    #[prost(string, tag = "2")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct PbVotes {
    #[prost(message, optional, tag = "1")]
    promised: Option<PbBallot>,
    #[prost(message, optional, tag = "2")]
    accepted: Option<PbBallot>,
    #[prost(message, optional, tag = "3")]
    value: Option<PbCharter>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PbId {
    #[prost(fixed64, tag = "1")]
    founding: u64,
    #[prost(uint64, tag = "2")]
    epoch: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct PbMessage {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(message, optional, tag = "2")]
    charter: Option<PbCharter>,
    #[prost(message, optional, tag = "3")]
    base: Option<PbId>,
    #[prost(message, optional, tag = "4")]
    ballot: Option<PbBallot>,
    #[prost(message, optional, tag = "5")]
    votes: Option<PbVotes>,
    #[prost(fixed64, tag = "6")]
    number: u64,
    #[prost(uint32, tag = "7")]
    flags: u32,
}

const TELL: u32 = 1;
const PREPARE: u32 = 2;
const PROMISE: u32 = 3;
const REFUSE: u32 = 4;
const ACCEPT: u32 = 5;
const ACCEPTED: u32 = 6;
const FOUND: u32 = 7;
const FOUNDING: u32 = 8;
const RECALL: u32 = 9;
const RECALLED: u32 = 10;
const KNOWN: u32 = 11;

const READY: u32 = 1;
const VOTING: u32 = 2;
const STRANDED: u32 = 4;
const LEAVING: u32 = 8;

impl Message {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut pb = PbMessage::default();
        match self {
            Self::Tell(tell) => {
                pb.kind = TELL;
                pb.charter = tell.charter.as_ref().map(Into::into);
                pb.number = tell.ticket;
                pb.flags = (u32::from(tell.ready) * READY)
                    | (u32::from(tell.voting) * VOTING)
                    | (u32::from(tell.stranded) * STRANDED)
                    | (u32::from(tell.leaving) * LEAVING);
            }
            Self::Known { charter } => {
                pb.kind = KNOWN;
                pb.charter = Some(charter.into());
            }
            Self::Prepare { charter, ballot } => {
                pb.kind = PREPARE;
                pb.charter = Some(charter.into());
                pb.ballot = Some(ballot.into());
            }
            Self::Promise {
                base,
                ballot,
                accepted,
            } => {
                pb.fill(PROMISE, *base, Some(ballot));
                pb.votes = Some(PbVotes::new(None, accepted));
            }
            Self::Refuse {
                base,
                ballot,
                promised,
            } => {
                pb.fill(REFUSE, *base, Some(ballot));
                pb.votes = Some(PbVotes::new(Some(promised), &None));
            }
            Self::Accept {
                base,
                ballot,
                value,
            } => {
                pb.fill(ACCEPT, *base, Some(ballot));
                pb.charter = Some(value.into());
            }
            Self::Accepted { base, ballot } => pb.fill(ACCEPTED, *base, Some(ballot)),
            Self::Found { base, charter } => {
                pb.kind = FOUND;
                pb.base = base.map(Into::into);
                pb.charter = Some(charter.into());
            }
            Self::Founding { founding } => {
                pb.kind = FOUNDING;
                pb.number = *founding;
            }
            Self::Recall { base } => pb.fill(RECALL, *base, None),
            Self::Recalled { base, votes } => {
                pb.fill(RECALLED, *base, None);
                pb.votes = Some(votes.into());
            }
        }
        pb.encode_to_vec()
    }

    /// Reads a message; `None` for a kind that a later version added.
    pub(super) fn decode(bytes: &[u8]) -> Result<Option<Self>, WireError> {
        if bytes.len() > MAX_MESSAGE {
            return Err(WireError::TooLong(bytes.len()));
        }
        let pb = PbMessage::decode(bytes)?;
        Ok(Some(match pb.kind {
            TELL => Self::Tell(Tell {
                charter: pb.charter.map(TryInto::try_into).transpose()?,
                ticket: pb.number,
                ready: pb.flags & READY != 0,
                voting: pb.flags & VOTING != 0,
                stranded: pb.flags & STRANDED != 0,
                leaving: pb.flags & LEAVING != 0,
            }),
            KNOWN => Self::Known {
                charter: needed(pb.charter)?.try_into()?,
            },
            PREPARE => Self::Prepare {
                ballot: needed(pb.ballot)?.try_into()?,
                charter: needed(pb.charter)?.try_into()?,
            },
            PROMISE => Self::Promise {
                base: needed(pb.base)?.into(),
                ballot: needed(pb.ballot)?.try_into()?,
                accepted: Votes::try_from(needed(pb.votes)?)?.accepted,
            },
            REFUSE => Self::Refuse {
                base: needed(pb.base)?.into(),
                ballot: needed(pb.ballot)?.try_into()?,
                promised: needed(Votes::try_from(needed(pb.votes)?)?.promised)?,
            },
            ACCEPT => Self::Accept {
                base: needed(pb.base)?.into(),
                ballot: needed(pb.ballot)?.try_into()?,
                value: needed(pb.charter)?.try_into()?,
            },
            ACCEPTED => Self::Accepted {
                base: needed(pb.base)?.into(),
                ballot: needed(pb.ballot)?.try_into()?,
            },
            FOUND => Self::Found {
                base: pb.base.map(Into::into),
                charter: needed(pb.charter)?.try_into()?,
            },
            FOUNDING => Self::Founding {
                founding: pb.number,
            },
            RECALL => Self::Recall {
                base: needed(pb.base)?.into(),
            },
            RECALLED => Self::Recalled {
                base: needed(pb.base)?.into(),
                votes: needed(pb.votes)?.try_into()?,
            },
            _ => return Ok(None),
        }))
    }
}

fn needed<T>(part: Option<T>) -> Result<T, WireError> {
    part.ok_or(WireError::Invalid("a part of the message is missing"))
}

fn checked_name(name: String) -> Result<NodeName, WireError> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(WireError::Invalid("a name is empty or too long"));
    }
    Ok(name.into())
}

impl PbMessage {
    fn fill(&mut self, kind: u32, base: CharterId, ballot: Option<&Ballot>) {
        self.kind = kind;
        self.base = Some(base.into());
        self.ballot = ballot.map(Into::into);
    }
}

impl PbVotes {
    fn new(promised: Option<&Ballot>, accepted: &Accepted) -> Self {
        Self {
            promised: promised.map(Into::into),
            accepted: accepted.as_ref().map(|(ballot, _)| ballot.into()),
            value: accepted.as_ref().map(|(_, value)| value.into()),
        }
    }
}

impl From<&Votes> for PbVotes {
    fn from(votes: &Votes) -> Self {
        Self::new(votes.promised.as_ref(), &votes.accepted)
    }
}

impl TryFrom<PbVotes> for Votes {
    type Error = WireError;

    fn try_from(pb: PbVotes) -> Result<Self, WireError> {
        let accepted = match (pb.accepted, pb.value) {
            (Some(ballot), Some(value)) => Some((ballot.try_into()?, value.try_into()?)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(WireError::Invalid("half of what was accepted is missing"));
            }
        };
        Ok(Self {
            promised: pb.promised.map(TryInto::try_into).transpose()?,
            accepted,
        })
    }
}

impl From<CharterId> for PbId {
    fn from(id: CharterId) -> Self {
        Self {
            founding: id.founding,
            epoch: id.epoch,
        }
    }
}

impl From<PbId> for CharterId {
    fn from(pb: PbId) -> Self {
        Self {
            founding: pb.founding,
            epoch: pb.epoch,
        }
    }
}

impl From<&Ballot> for PbBallot {
    fn from(ballot: &Ballot) -> Self {
        Self {
            round: ballot.round,
            name: ballot.name.to_string(),
        }
    }
}

impl TryFrom<PbBallot> for Ballot {
    type Error = WireError;

    fn try_from(pb: PbBallot) -> Result<Self, WireError> {
        Ok(Self {
            round: pb.round,
            name: checked_name(pb.name)?,
        })
    }
}

impl From<&Charter> for PbCharter {
    fn from(charter: &Charter) -> Self {
        let names = charter.names.iter().map(|(name, ticket)| PbName {
            name: name.to_string(),
            ticket: *ticket,
        });
        Self {
            founding: charter.founding,
            epoch: charter.epoch,
            line: charter.line,
            forced: charter.forced,
            names: names.collect(),
        }
    }
}

impl TryFrom<PbCharter> for Charter {
    type Error = WireError;

    fn try_from(pb: PbCharter) -> Result<Self, WireError> {
        if pb.names.is_empty() || pb.names.len() > MAX_NODES {
            return Err(WireError::Invalid("nobody votes, or more than may"));
        }
        let mut names = BTreeMap::new();
        for name in pb.names {
            if names
                .insert(checked_name(name.name)?, name.ticket)
                .is_some()
            {
                return Err(WireError::Invalid("a name is there twice"));
            }
        }
        Ok(Self {
            founding: pb.founding,
            epoch: pb.epoch,
            line: pb.line,
            forced: pb.forced,
            names,
        })
    }
}
