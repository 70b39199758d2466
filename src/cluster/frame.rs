//! Frames between two meshes. The kind is the last byte, so that a payload is sent and handed on without being moved.
//!
//! A kind that is not known is passed over: later versions may add some.

use std::sync::Arc;

use super::{
    NodeName,
    clock::Beat,
    hello::{Hello, Member, read_members, write_members},
    wire::{Reader, Writer},
};

const HELLO: u8 = 1;
const ADOPT: u8 = 2;
const REFUSED: u8 = 3;
const GOODBYE: u8 = 4;
const URGENT: u8 = 5;
const BULK: u8 = 6;
const CREDIT: u8 = 7;
const BEAT: u8 = 8;
const MEMBERS: u8 = 9;
const SWIM: u8 = 10;
const VOTE: u8 = 11;
const PARTING: u8 = 12;
const OVER: u8 = 13;
const LIFELINE: u8 = 14;

/// Why a node does not want another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Another process of the same name is there and started later.
    NameTaken,
    /// The mesh is full.
    Full,
    /// No common version.
    Version,
    /// The Hello could not be read.
    Malformed,
    /// A reason that a later version knows.
    Other,
}

impl Refusal {
    /// The word under which it is counted.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::NameTaken => "name",
            Self::Full => "full",
            Self::Version => "version",
            Self::Malformed => "malformed",
            Self::Other => "other",
        }
    }

    /// What whoever is refused so can do.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::NameTaken => "give each node its own --cluster.peer-name",
            Self::Full => "stop another node for good before this one is started, or start fewer",
            Self::Version => "update the node that is older",
            Self::Malformed | Self::Other => "run the same version on all nodes",
        }
    }

    fn code(self) -> u8 {
        match self {
            Self::NameTaken => 1,
            Self::Full => 2,
            Self::Version => 3,
            Self::Malformed => 4,
            Self::Other => 0,
        }
    }

    fn of_code(code: u8) -> Self {
        [Self::NameTaken, Self::Full, Self::Version, Self::Malformed]
            .into_iter()
            .find(|refusal| refusal.code() == code)
            .unwrap_or(Self::Other)
    }
}

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    Hello(Hello),
    /// Whoever dialled uses this stream from now on.
    Adopt {
        /// The last stream dialled by the receiver that the receiver adopted, as far as the sender knows.
        seen: u64,
    },
    Refused {
        refusal: Refusal,
        text: Arc<str>,
    },
    Goodbye,
    Urgent(Vec<u8>),
    Bulk(Vec<u8>),
    /// So many bytes of bulk payloads were handed on.
    Credit(u64),
    /// Said every few seconds.
    Beat(Beat),
    /// A packet of the membership protocol.
    Swim(Vec<u8>),
    /// A message of the electorate.
    Vote(Vec<u8>),
    /// Nodes that the sender has streams to.
    Members(Vec<Member>),
    /// The sender ends this stream on purpose.
    Parting,
    /// The process of another node is gone.
    Over {
        /// Of which.
        name: NodeName,
        /// Which run of it.
        run: u64,
    },
    /// Whoever dialled makes this stream a lifeline: only [`Self::Parting`] is ever said on it. Since version 2.
    Lifeline,
}

impl Frame {
    pub(super) fn encode(self) -> Vec<u8> {
        let mut out = Writer::default();
        match self {
            Self::Hello(hello) => {
                hello.write(&mut out);
                out.byte(HELLO);
            }
            Self::Adopt { seen } => {
                out.number(seen).byte(ADOPT);
            }
            Self::Refused { refusal, text } => {
                out.byte(refusal.code()).text(&text).byte(REFUSED);
            }
            Self::Goodbye => {
                out.byte(GOODBYE);
            }
            Self::Urgent(bytes) => return tagged(bytes, URGENT),
            Self::Bulk(bytes) => return tagged(bytes, BULK),
            Self::Swim(bytes) => return tagged(bytes, SWIM),
            Self::Vote(bytes) => return tagged(bytes, VOTE),
            Self::Credit(bytes) => {
                out.number(bytes).byte(CREDIT);
            }
            Self::Beat(beat) => {
                beat.write(&mut out);
                out.byte(BEAT);
            }
            Self::Members(members) => {
                write_members(&members, &mut out);
                out.byte(MEMBERS);
            }
            Self::Parting => {
                out.byte(PARTING);
            }
            Self::Over { name, run } => {
                out.text(&name).number(run).byte(OVER);
            }
            Self::Lifeline => {
                out.byte(LIFELINE);
            }
        }
        out.finish()
    }

    /// Reads a frame: `Ok(None)` if its kind is not known, an error if it cannot be read.
    pub(super) fn decode(mut bytes: Vec<u8>) -> Result<Option<Self>, Malformed> {
        let kind = bytes.pop().ok_or(Malformed)?;
        let mut from = Reader::new(&bytes);
        let frame = match kind {
            HELLO => Hello::read(&mut from).map(Self::Hello),
            ADOPT => from.number().map(|seen| Self::Adopt { seen }),
            REFUSED => read_refused(&mut from),
            GOODBYE => Some(Self::Goodbye),
            URGENT => Some(Self::Urgent(bytes)),
            BULK => Some(Self::Bulk(bytes)),
            SWIM => Some(Self::Swim(bytes)),
            VOTE => Some(Self::Vote(bytes)),
            CREDIT => from.number().map(Self::Credit),
            BEAT => Beat::read(&mut from).map(Self::Beat),
            MEMBERS => read_members(&mut from).map(Self::Members),
            PARTING => Some(Self::Parting),
            OVER => read_over(&mut from),
            LIFELINE => Some(Self::Lifeline),
            _ => return Ok(None),
        };
        frame.map(Some).ok_or(Malformed)
    }
}

/// The bytes are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

fn tagged(mut bytes: Vec<u8>, kind: u8) -> Vec<u8> {
    bytes.push(kind);
    bytes
}

fn read_refused(from: &mut Reader<'_>) -> Option<Frame> {
    let refusal = Refusal::of_code(from.byte()?);
    let text = from.text()?;
    (!text.chars().any(char::is_control)).then_some(Frame::Refused { refusal, text })
}

fn read_over(from: &mut Reader<'_>) -> Option<Frame> {
    let name = from.text()?;
    let run = from.number()?;
    Some(Frame::Over { name, run })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::cluster::clock::Echo;

    fn frames() -> Vec<Frame> {
        let member = Member {
            name: "b".into(),
            generation: 9,
            address: "[::1]:9094".into(),
        };
        let hello = Hello {
            protocol: (1, 3),
            name: "a".into(),
            run: 1_700_000_000_000,
            generation: 4,
            advertise: "host:1".into(),
            version: "1.2".into(),
            dial: 3,
            members: vec![member.clone()],
            electors: Some(Arc::new(crate::cluster::Electors {
                founding: 7,
                epoch: 300,
                names: ["a".into(), "b".into()].into(),
                at_least: 3,
            })),
        };
        vec![
            Frame::Hello(hello),
            Frame::Adopt { seen: 300 },
            Frame::Refused {
                refusal: Refusal::Full,
                text: "no".into(),
            },
            Frame::Goodbye,
            Frame::Urgent(vec![1, 2]),
            Frame::Bulk(Vec::new()),
            Frame::Credit(1 << 20),
            Frame::Members(vec![member]),
            Frame::Beat(Beat {
                number: 7,
                sent: -5,
                echo: Some(Echo {
                    number: 3,
                    received: 1_700_000_000_000_000_000,
                }),
                payload: vec![1, 2, 3],
            }),
            Frame::Beat(Beat::default()),
            Frame::Swim(vec![1]),
            Frame::Vote(vec![2, 3]),
            Frame::Parting,
            Frame::Over {
                name: "b".into(),
                run: 1_700_000_000_000,
            },
            Frame::Lifeline,
        ]
    }

    #[test]
    fn frames_come_back() {
        for frame in frames() {
            assert_eq!(
                Frame::decode(frame.clone().encode()),
                Ok(Some(frame.clone()))
            );
        }
        assert_eq!(Frame::decode(vec![1, 2, 200]), Ok(None));
        assert_eq!(Frame::decode(Vec::new()), Err(Malformed));
    }

    proptest! {
        #[test]
        fn garbage_and_mutations_never_panic(
            which in 0_usize..15, at: prop::sample::Index, byte: u8, cut: prop::sample::Index,
            garbage in proptest::collection::vec(any::<u8>(), 0..60), kind in 0_u8..20,
        ) {
            let mut bytes = frames().swap_remove(which).encode();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Frame::decode(bytes.clone());
            bytes.truncate(cut.index(bytes.len()));
            bytes.push(kind);
            let _ = Frame::decode(bytes);
            let _ = Frame::decode(tagged(garbage, kind));
        }
    }
}
