//! Who a node is to the membership protocol, and how that protocol's packets look on the wire.
//!
//! The address of an identity is the node's name, so that a restart with another address replaces the old entry. A packet
//! travels on the session of a stream, which knows both ends: their names are left out, and of their generations only
//! what differs from their runs is sent.

use std::fmt;

use bytes::{Buf, BufMut};
use foca::{Codec, Header, Identity, Member, Message, State};

use super::{
    NodeName,
    hello::read_name,
    wire::{Reader, Writer},
};

/// A node in one of its lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) name: NodeName,
    /// The run, and one more each time that the node had to refute its own death.
    pub(super) generation: u64,
}

impl Identity for Id {
    type Addr = NodeName;

    fn renew(&self) -> Option<Self> {
        Some(Self {
            name: NodeName::clone(&self.name),
            generation: self.generation.checked_add(1)?,
        })
    }

    fn addr(&self) -> NodeName {
        NodeName::clone(&self.name)
    }

    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self.generation > adversary.generation
    }
}

/// The bytes are no packet, or do not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PacketError;

impl fmt::Display for PacketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a packet of the membership protocol")
    }
}

impl std::error::Error for PacketError {}

/// Writes and reads packets.
#[derive(Debug, Clone, Copy)]
pub(super) struct PacketCodec;

impl Codec<Id> for PacketCodec {
    type Error = PacketError;

    fn encode_header(&mut self, header: &Header<Id>, buf: impl BufMut) -> Result<(), Self::Error> {
        let mut out = Writer::default();
        write_id(&header.src, &mut out);
        write_id(&header.dst, &mut out);
        out.number(header.src_incarnation.into());
        write_message(&header.message, &mut out);
        put(&out.finish(), buf)
    }

    fn decode_header(&mut self, buf: impl Buf) -> Result<Header<Id>, Self::Error> {
        take(buf, |from| {
            Some(Header {
                src: read_id(from)?,
                dst: read_id(from)?,
                src_incarnation: u16::try_from(from.number()?).ok()?,
                message: read_message(from)?,
            })
        })
    }

    fn encode_member(&mut self, member: &Member<Id>, buf: impl BufMut) -> Result<(), Self::Error> {
        let mut out = Writer::default();
        write_id(member.id(), &mut out);
        out.number(member.incarnation().into());
        out.byte(match member.state() {
            State::Alive => 0,
            State::Suspect => 1,
            State::Down => 2,
        });
        put(&out.finish(), buf)
    }

    fn decode_member(&mut self, buf: impl Buf) -> Result<Member<Id>, Self::Error> {
        take(buf, |from| {
            let id = read_id(from)?;
            let incarnation = u16::try_from(from.number()?).ok()?;
            let state = match from.byte()? {
                0 => State::Alive,
                1 => State::Suspect,
                2 => State::Down,
                _ => return None,
            };
            Some(Member::new(id, incarnation, state))
        })
    }
}

fn put(bytes: &[u8], mut buf: impl BufMut) -> Result<(), PacketError> {
    if buf.remaining_mut() < bytes.len() {
        return Err(PacketError);
    }
    buf.put_slice(bytes);
    Ok(())
}

/// Reads from a buffer that is in one piece, as foca's are.
fn take<T>(
    mut buf: impl Buf,
    read: impl FnOnce(&mut Reader<'_>) -> Option<T>,
) -> Result<T, PacketError> {
    let chunk = buf.chunk();
    let mut from = Reader::new(chunk);
    let value = read(&mut from).ok_or(PacketError)?;
    let taken = chunk.len() - from.rest().len();
    buf.advance(taken);
    Ok(value)
}

fn write_id(id: &Id, out: &mut Writer) {
    out.text(&id.name).number(id.generation);
}

fn read_id(from: &mut Reader<'_>) -> Option<Id> {
    Some(Id {
        name: read_name(from)?,
        generation: from.number()?,
    })
}

fn write_message(message: &Message<Id>, out: &mut Writer) {
    let mut with = |kind: u8, id: &Id, number: u8| {
        out.byte(kind).byte(number);
        write_id(id, out);
    };
    match message {
        Message::PingReq {
            target,
            probe_number,
        } => with(3, target, *probe_number),
        Message::IndirectPing {
            origin,
            probe_number,
        } => with(4, origin, *probe_number),
        Message::IndirectAck {
            target,
            probe_number,
        } => with(5, target, *probe_number),
        Message::ForwardedAck {
            origin,
            probe_number,
        } => with(6, origin, *probe_number),
        Message::Ping(number) => {
            out.byte(1).byte(*number);
        }
        Message::Ack(number) => {
            out.byte(2).byte(*number);
        }
        Message::Announce => {
            out.byte(7);
        }
        Message::Feed => {
            out.byte(8);
        }
        Message::Gossip => {
            out.byte(9);
        }
        Message::Broadcast => {
            out.byte(10);
        }
        Message::TurnUndead => {
            out.byte(11);
        }
    }
}

fn read_message(from: &mut Reader<'_>) -> Option<Message<Id>> {
    let kind = from.byte()?;
    Some(match kind {
        1 => Message::Ping(from.byte()?),
        2 => Message::Ack(from.byte()?),
        3..=6 => {
            let probe_number = from.byte()?;
            let id = read_id(from)?;
            match kind {
                3 => Message::PingReq {
                    target: id,
                    probe_number,
                },
                4 => Message::IndirectPing {
                    origin: id,
                    probe_number,
                },
                5 => Message::IndirectAck {
                    target: id,
                    probe_number,
                },
                _ => Message::ForwardedAck {
                    origin: id,
                    probe_number,
                },
            }
        }
        7 => Message::Announce,
        8 => Message::Feed,
        9 => Message::Gossip,
        10 => Message::Broadcast,
        11 => Message::TurnUndead,
        _ => return None,
    })
}

/// A stream's end as both ends of the stream know it.
#[derive(Debug, Clone, Copy)]
pub(super) struct End<'a> {
    pub(super) name: &'a NodeName,
    pub(super) run: u64,
}

/// Leaves out of a packet what the other end of the stream knows.
pub(super) fn shrink(packet: &[u8], from: u64, to: u64) -> Option<Vec<u8>> {
    let mut reader = Reader::new(packet);
    let (src, dst) = (read_id(&mut reader)?, read_id(&mut reader)?);
    let mut out = Writer::default();
    for (id, run) in [(src, from), (dst, to)] {
        out.signed(id.generation.wrapping_sub(run).cast_signed());
    }
    Some(out.rest(reader.rest()).finish())
}

/// Puts it in again.
pub(super) fn expand(bytes: &[u8], from: End<'_>, to: End<'_>) -> Option<Vec<u8>> {
    let mut reader = Reader::new(bytes);
    let mut out = Writer::default();
    for end in [from, to] {
        let more = reader.signed()?.cast_unsigned();
        out.text(end.name).number(end.run.wrapping_add(more));
    }
    Some(out.rest(reader.rest()).finish())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn id(name: &str, generation: u64) -> Id {
        Id {
            name: name.into(),
            generation,
        }
    }

    fn messages() -> Vec<Message<Id>> {
        let (one, probe_number) = (id("c", 5), 200);
        vec![
            Message::Ping(1),
            Message::Ack(255),
            Message::PingReq {
                target: one.clone(),
                probe_number,
            },
            Message::IndirectPing {
                origin: one.clone(),
                probe_number,
            },
            Message::IndirectAck {
                target: one.clone(),
                probe_number,
            },
            Message::ForwardedAck {
                origin: one,
                probe_number,
            },
            Message::Announce,
            Message::Feed,
            Message::Gossip,
            Message::Broadcast,
            Message::TurnUndead,
        ]
    }

    #[test]
    fn headers_come_back_and_a_ping_is_short() {
        for message in messages() {
            let header = Header {
                src: id("node-1", 1_700_000_000_001),
                src_incarnation: 7,
                dst: id("node-2", 1_700_000_000_000),
                message,
            };
            let mut bytes = Vec::new();
            PacketCodec.encode_header(&header, &mut bytes).unwrap();
            let (a, b): (NodeName, NodeName) = ("node-1".into(), "node-2".into());
            let (from, to) = (1_700_000_000_000, 1_700_000_000_000);
            let small = shrink(&bytes, from, to).unwrap();
            if matches!(header.message, Message::Ping(_)) {
                assert_eq!(small.len(), 5);
            }
            let back = expand(
                &small,
                End {
                    name: &a,
                    run: from,
                },
                End { name: &b, run: to },
            );
            assert_eq!(back.as_deref(), Some(bytes.as_slice()));
            assert_eq!(PacketCodec.decode_header(&bytes[..]), Ok(header));
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let member = Member::suspect_for_tests();
        let mut room = [0_u8; 4];
        assert_eq!(
            PacketCodec.encode_member(&member, &mut room[..]),
            Err(PacketError)
        );
        let mut bytes = Vec::new();
        PacketCodec.encode_member(&member, &mut bytes).unwrap();
        assert_eq!(PacketCodec.decode_member(&bytes[..]), Ok(member));
    }

    trait ForTests {
        fn suspect_for_tests() -> Self;
    }

    impl ForTests for Member<Id> {
        fn suspect_for_tests() -> Self {
            Self::new(id("some", 3), 9, State::Suspect)
        }
    }

    proptest! {
        #[test]
        fn garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = PacketCodec.decode_header(&bytes[..]);
            let _ = PacketCodec.decode_member(&bytes[..]);
            let name: NodeName = "x".into();
            let _ = shrink(&bytes, 1, 2);
            let _ = expand(&bytes, End { name: &name, run: 1 }, End { name: &name, run: u64::MAX });
        }
    }
}
