//! The decoders of frames, packets and votes.

use std::sync::Arc;

use foca::{Codec as _, Header, Member};

use super::{
    NodeName, electorate,
    frame::Frame,
    identity::{End, Id, PacketCodec, expand, shrink},
};
use crate::decoder::Decoder;

/// The runs of the two ends of a stream on which packets travel.
const RUNS: (u64, u64) = (1_800_000_000_000, 1_800_000_000_001);

/// A packet of the membership protocol: a header, how many members follow, and those.
type Packet = (Header<Id>, u16, Vec<Member<Id>>);

/// All of them.
#[must_use]
pub fn decoders() -> Vec<Decoder> {
    vec![
        Decoder::new(
            "frame",
            |bytes| Frame::decode(bytes.to_vec()).ok().flatten(),
            Frame::encode,
        ),
        Decoder::new("packet", read_packet, |packet| {
            write_packet(&packet).unwrap_or_default()
        }),
        electorate::vote_decoder(),
        electorate::saved_decoder(),
    ]
}

fn names() -> [NodeName; 2] {
    [Arc::from("n1"), Arc::from("n2")]
}

fn read_packet(bytes: &[u8]) -> Option<Packet> {
    let [from, to] = names();
    let end = |name, run| End { name, run };
    let packet = expand(bytes, end(&from, RUNS.0), end(&to, RUNS.1))?;
    let mut rest = &*packet;
    let header = PacketCodec.decode_header(&mut rest).ok()?;
    let Some((count, mut rest)) = rest.split_first_chunk() else {
        return Some((header, 0, Vec::new()));
    };
    let count = u16::from_be_bytes(*count);
    let mut members = Vec::new();
    while members.len() < usize::from(count) {
        members.push(PacketCodec.decode_member(&mut rest).ok()?);
    }
    Some((header, count, members))
}

fn write_packet((header, count, members): &Packet) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    PacketCodec.encode_header(header, &mut bytes).ok()?;
    bytes.extend(count.to_be_bytes());
    for member in members {
        PacketCodec.encode_member(member, &mut bytes).ok()?;
    }
    shrink(&bytes, RUNS.0, RUNS.1)
}
