//! The messages of replication: changes at once, and what a repair says.
//!
//! A message is the byte that says so, a version byte and protobuf. Nobody sends a version that the other does not know; fields and kinds of a
//! later one are skipped. What is larger than a frame travels in parts.

use prost::Message;

use super::vector::{PbVector, Vector};
use crate::{labels::Fingerprint, storage::ReplicaMap};

/// The first byte of payloads of the mesh that are messages of replication.
pub const REPLICATION_PAYLOAD: u8 = 1;

/// The version of the messages.
const PROTOCOL: u8 = 1;

/// What a message takes at most, unless a single record is larger; the mesh's frames take more.
pub(super) const FRAME_BYTES: usize = 60 * 1024;

/// A record as it travels.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct RawRecord {
    /// The number of its map.
    #[prost(uint32, tag = "1")]
    pub(super) map: u32,
    /// The encoded record.
    #[prost(bytes = "vec", tag = "2")]
    pub(super) body: Vec<u8>,
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// Changes of the node that sends them.
    Delta {
        /// Counts the deltas of this run.
        number: u64,
        records: Vec<RawRecord>,
    },
    /// A part of a larger message.
    Part(Part),
    /// The sender wants these alerts whole.
    Ask(Vec<Fingerprint>),
    /// What was asked for.
    Answer(Vec<RawRecord>),
    /// The sender wants a repair, which the smaller name begins.
    Want,
    /// A step of a repair.
    Repair {
        /// Which repair, by the number that its beginner gave.
        session: u64,
        step: Step,
    },
    /// Something that a later version says.
    Unknown,
}

/// A part of a larger message.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Part {
    /// Which message.
    #[prost(fixed64, tag = "1")]
    pub(super) message: u64,
    /// Which part, from 0.
    #[prost(uint32, tag = "2")]
    pub(super) index: u32,
    /// How many parts.
    #[prost(uint32, tag = "3")]
    pub(super) count: u32,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) bytes: Vec<u8>,
}

/// A step of a repair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// What the beginner knows, and a hash of each map.
    Open { vector: Vector, roots: Vec<Root> },
    /// What the other knows, and the digests of the maps that differ.
    Digests { vector: Vector, maps: Vec<Digests> },
    /// Keys and versions of what the beginner has; `last` if no more follow.
    Lists { segments: Vec<Segment>, last: bool },
    /// Records that the sender wants, by the hashes of their keys.
    Need { map: u32, keys: Vec<u64> },
    /// Records.
    Records(Vec<RawRecord>),
    /// The sender has sent and asked for everything.
    End,
}

/// A hash of a whole map.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
pub(super) struct Root {
    #[prost(uint32, tag = "1")]
    pub(super) map: u32,
    #[prost(fixed64, tag = "2")]
    pub(super) hash: u64,
}

/// The digests of a map, one for each bucket.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Digests {
    #[prost(uint32, tag = "1")]
    pub(super) map: u32,
    #[prost(fixed64, repeated, tag = "2")]
    pub(super) buckets: Vec<u64>,
}

/// All that the sender has of a map between two hashes of keys, both included.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Segment {
    #[prost(uint32, tag = "1")]
    pub(super) map: u32,
    #[prost(fixed64, tag = "2")]
    pub(super) from: u64,
    #[prost(fixed64, tag = "3")]
    pub(super) to: u64,
    /// Hashes of keys, ascending.
    #[prost(fixed64, repeated, tag = "4")]
    pub(super) keys: Vec<u64>,
    /// A hash of each one's version.
    #[prost(fixed64, repeated, tag = "5")]
    pub(super) versions: Vec<u64>,
}

/// Exactly one field is set.
#[derive(Clone, PartialEq, Eq, Message)]
struct PbFrame {
    #[prost(message, optional, tag = "1")]
    delta: Option<PbDelta>,
    #[prost(message, optional, tag = "2")]
    part: Option<Part>,
    #[prost(message, optional, tag = "3")]
    ask: Option<PbAsk>,
    #[prost(message, optional, tag = "4")]
    answer: Option<PbRecords>,
    #[prost(bool, tag = "5")]
    want: bool,
    #[prost(message, optional, tag = "6")]
    repair: Option<PbRepair>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct PbDelta {
    #[prost(uint64, tag = "1")]
    number: u64,
    #[prost(message, repeated, tag = "2")]
    records: Vec<RawRecord>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct PbAsk {
    #[prost(fixed64, repeated, tag = "1")]
    alerts: Vec<u64>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct PbRecords {
    #[prost(message, repeated, tag = "1")]
    records: Vec<RawRecord>,
}

/// Exactly one of the fields behind the first is set.
#[derive(Clone, PartialEq, Eq, Message)]
struct PbRepair {
    #[prost(uint64, tag = "1")]
    session: u64,
    #[prost(message, optional, tag = "2")]
    open: Option<PbOpen>,
    #[prost(message, optional, tag = "3")]
    digests: Option<PbDigests>,
    #[prost(message, optional, tag = "4")]
    lists: Option<PbLists>,
    #[prost(message, optional, tag = "5")]
    need: Option<PbNeed>,
    #[prost(message, optional, tag = "6")]
    records: Option<PbRecords>,
    #[prost(bool, tag = "7")]
    end: bool,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct PbOpen {
    #[prost(message, optional, tag = "1")]
    vector: Option<PbVector>,
    #[prost(message, repeated, tag = "2")]
    roots: Vec<Root>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct PbDigests {
    #[prost(message, optional, tag = "1")]
    vector: Option<PbVector>,
    #[prost(message, repeated, tag = "2")]
    maps: Vec<Digests>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct PbLists {
    #[prost(message, repeated, tag = "1")]
    segments: Vec<Segment>,
    #[prost(bool, tag = "2")]
    last: bool,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct PbNeed {
    #[prost(uint32, tag = "1")]
    map: u32,
    #[prost(fixed64, repeated, tag = "2")]
    keys: Vec<u64>,
}

/// A message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// A later version speaks.
    #[error("replication message of version {0}, this program knows {PROTOCOL}")]
    Version(u8),
    /// It is none.
    #[error("not a replication message")]
    Foreign,
    /// The bytes are not what they say.
    #[error("replication message is damaged: {0}")]
    Damaged(#[from] prost::DecodeError),
}

impl RawRecord {
    /// Makes a record of its map and its bytes.
    pub(super) fn new(map: ReplicaMap, body: Vec<u8>) -> Self {
        Self {
            map: map.number(),
            body,
        }
    }
}

impl Frame {
    /// The bytes.
    pub(super) fn encode(self) -> Vec<u8> {
        let pb = PbFrame::from(self);
        let mut bytes = Vec::with_capacity(pb.encoded_len() + 2);
        bytes.extend([REPLICATION_PAYLOAD, PROTOCOL]);
        pb.encode_raw(&mut bytes);
        bytes
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// When they are damaged or of a later version.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, FrameError> {
        match bytes {
            [REPLICATION_PAYLOAD, PROTOCOL, body @ ..] => Ok(PbFrame::decode(body)?.into()),
            [REPLICATION_PAYLOAD, version, ..] => Err(FrameError::Version(*version)),
            [..] => Err(FrameError::Foreign),
        }
    }
}

impl From<Frame> for PbFrame {
    fn from(frame: Frame) -> Self {
        let mut pb = Self::default();
        match frame {
            Frame::Delta { number, records } => pb.delta = Some(PbDelta { number, records }),
            Frame::Part(part) => pb.part = Some(part),
            Frame::Ask(alerts) => {
                let alerts = alerts.into_iter().map(|alert| alert.0).collect();
                pb.ask = Some(PbAsk { alerts });
            }
            Frame::Answer(records) => pb.answer = Some(PbRecords { records }),
            Frame::Want => pb.want = true,
            Frame::Repair { session, step } => pb.repair = Some(step.into_pb(session)),
            Frame::Unknown => {}
        }
        pb
    }
}

impl From<PbFrame> for Frame {
    fn from(pb: PbFrame) -> Self {
        if let Some(PbDelta { number, records }) = pb.delta {
            Self::Delta { number, records }
        } else if let Some(part) = pb.part {
            Self::Part(part)
        } else if let Some(PbAsk { alerts }) = pb.ask {
            Self::Ask(alerts.into_iter().map(Fingerprint).collect())
        } else if let Some(PbRecords { records }) = pb.answer {
            Self::Answer(records)
        } else if pb.want {
            Self::Want
        } else if let Some(repair) = pb.repair {
            let session = repair.session;
            match repair.into_step() {
                Some(step) => Self::Repair { session, step },
                None => Self::Unknown,
            }
        } else {
            Self::Unknown
        }
    }
}

impl Step {
    fn into_pb(self, session: u64) -> PbRepair {
        let mut pb = PbRepair {
            session,
            ..PbRepair::default()
        };
        match self {
            Self::Open { vector, roots } => {
                let vector = Some(vector.to_pb());
                pb.open = Some(PbOpen { vector, roots });
            }
            Self::Digests { vector, maps } => {
                let vector = Some(vector.to_pb());
                pb.digests = Some(PbDigests { vector, maps });
            }
            Self::Lists { segments, last } => pb.lists = Some(PbLists { segments, last }),
            Self::Need { map, keys } => pb.need = Some(PbNeed { map, keys }),
            Self::Records(records) => pb.records = Some(PbRecords { records }),
            Self::End => pb.end = true,
        }
        pb
    }
}

impl PbRepair {
    fn into_step(self) -> Option<Step> {
        let vector = |pb: Option<PbVector>| pb.map(Vector::from_pb).unwrap_or_default();
        if let Some(open) = self.open {
            Some(Step::Open {
                vector: vector(open.vector),
                roots: open.roots,
            })
        } else if let Some(digests) = self.digests {
            Some(Step::Digests {
                vector: vector(digests.vector),
                maps: digests.maps,
            })
        } else if let Some(PbLists { segments, last }) = self.lists {
            Some(Step::Lists { segments, last })
        } else if let Some(PbNeed { map, keys }) = self.need {
            Some(Step::Need { map, keys })
        } else if let Some(PbRecords { records }) = self.records {
            Some(Step::Records(records))
        } else {
            self.end.then_some(Step::End)
        }
    }
}
