//! Nodes of other versions: what a later one says beyond what this one knows, and one of the first version of the frames.

use std::sync::Arc;

use watchfire::{
    cluster::{ConnId, MeshEffect, MeshInput},
    node::Input,
};

use super::{stream::LIFELINE, world::World};

/// Kinds of frames, their last byte.
const HELLO: u8 = 1;
const URGENT: u8 = 5;
const BULK: u8 = 6;
const BEAT: u8 = 8;
const SWIM: u8 = 10;
const VOTE: u8 = 11;
const UNHEARD_OF: u8 = 200;

/// Protobuf fields that nobody knows: number 99, a varint, and number 100, bytes.
const FIELDS: &[u8] = &[0x98, 0x06, 7, 0xa2, 0x06, 3, b'n', b'e', b'w'];

/// Frames that only a later version sends.
const FRAMES: [&[u8]; 6] = [
    &[1, 2, 3, UNHEARD_OF],
    // A payload of a kind of its own.
    &[77, 1, 2, 3, URGENT],
    // A message of replication with a field of its own, and one with a record of a map of its own.
    &[1, 1, 0xa2, 0x06, 3, b'n', b'e', b'w', URGENT],
    &[1, 1, 0x22, 7, 0x0a, 5, 0x08, 99, 0x12, 1, b'x', URGENT],
    // A message about claims of a kind of its own, and one of electors.
    &[2, 0x08, 99, URGENT],
    &[0x08, 99, VOTE],
];

/// Which node is of a later version.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Later {
    pub(crate) host: usize,
    /// The oldest and the newest version of the frames that it says it understands.
    pub(crate) versions: (u8, u8),
}

impl Later {
    /// What it says instead.
    fn say(self, mut bytes: Vec<u8>) -> Vec<u8> {
        let Some(kind) = bytes.pop() else {
            return bytes;
        };
        match kind {
            HELLO => {
                assert_eq!(bytes[..2], [1, 2], "a Hello begins with the versions");
                bytes[..2].copy_from_slice(&[self.versions.0, self.versions.1]);
                bytes.extend(b"later");
            }
            URGENT | BULK | BEAT | VOTE => bytes.extend(FIELDS),
            SWIM => {}
            _ => bytes.extend(b"later"),
        }
        bytes.push(kind);
        bytes
    }

    /// What it says besides, behind a frame.
    fn add(kind: u8) -> &'static [&'static [u8]] {
        match kind {
            HELLO => &FRAMES[..1],
            BEAT => &FRAMES,
            _ => &[],
        }
    }
}

impl World {
    /// What a host hears: one of the first version does not know that there are others, and none says to it what only these
    /// know.
    pub(super) fn heard(&self, host: usize, input: Input) -> Input {
        if self.setup.first == Some(host)
            && let Input::Mesh(MeshInput::Frame { conn, bytes }) = input
        {
            let kind = bytes.last().copied();
            let is_known = kind.is_none_or(|kind| kind < LIFELINE);
            assert!(is_known, "n{} hears {kind:?}", host + 1);
            let bytes = as_first(bytes);
            return Input::Mesh(MeshInput::Frame { conn, bytes });
        }
        input
    }

    /// What a host says on a stream, as its version says it.
    pub(super) fn spoken(&self, host: usize, effect: MeshEffect) -> Vec<MeshEffect> {
        if self.setup.first == Some(host)
            && let MeshEffect::Frame {
                conn,
                urgent,
                bytes,
            } = effect
        {
            return vec![frame(conn, urgent, as_first(bytes.to_vec()))];
        }
        let later = self.setup.later.filter(|later| later.host == host);
        match (later, effect) {
            (
                Some(later),
                MeshEffect::Frame {
                    conn,
                    urgent,
                    bytes,
                },
            ) => {
                let added = Later::add(bytes.last().copied().unwrap_or(0));
                let said = frame(conn, urgent, later.say(bytes.to_vec()));
                let added = added
                    .iter()
                    .map(|bytes| frame(conn, urgent, bytes.to_vec()));
                std::iter::once(said).chain(added).collect()
            }
            (_, effect) => vec![effect],
        }
    }
}

fn frame(conn: ConnId, urgent: bool, bytes: Vec<u8>) -> MeshEffect {
    let bytes = Arc::from(bytes);
    MeshEffect::Frame {
        conn,
        urgent,
        bytes,
    }
}

/// A frame as one of the first version says or understands it.
fn as_first(mut bytes: Vec<u8>) -> Vec<u8> {
    if bytes.last() == Some(&HELLO) {
        bytes[1] = 1;
    }
    bytes
}
