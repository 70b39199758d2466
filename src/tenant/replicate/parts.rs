//! Messages larger than a frame: cut here, put together there.

use std::collections::BTreeMap;

use super::frame::{FRAME_BYTES, Frame, Part};

/// The most bytes of unfinished messages kept of one node.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// The most unfinished messages kept of one node: one on each lane, and some for a stream that ended.
const MAX_MESSAGES: usize = 4;

/// Bytes of a part's own.
const OVERHEAD: usize = 64;

/// The frames that carry a message; `number` names it.
pub(super) fn cut(message: Frame, number: u64) -> Vec<Vec<u8>> {
    let bytes = message.encode();
    if bytes.len() <= FRAME_BYTES + OVERHEAD {
        return vec![bytes];
    }
    let chunks = bytes.chunks(FRAME_BYTES);
    let count = u32::try_from(chunks.len()).unwrap_or(u32::MAX);
    let parts = (0..count).zip(chunks).map(|(index, chunk)| {
        let part = Part {
            message: number,
            index,
            count,
            bytes: chunk.to_vec(),
        };
        Frame::Part(part).encode()
    });
    parts.collect()
}

/// Messages of one node of which parts are missing.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    messages: BTreeMap<u64, Message>,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Message {
    next: u32,
    bytes: Vec<u8>,
}

impl Assembler {
    /// Bytes of unfinished messages.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes in a part; returns the message with its last one. Parts come in order, or the message is lost.
    pub(super) fn push(&mut self, part: Part) -> Option<Vec<u8>> {
        let mut message = self.messages.remove(&part.message).unwrap_or_default();
        self.bytes -= message.bytes.len();
        let fits = self.bytes + message.bytes.len() + part.bytes.len() <= MAX_BYTES;
        if part.index != message.next || part.index >= part.count || !fits {
            return None;
        }
        message.next += 1;
        message.bytes.extend_from_slice(&part.bytes);
        if message.next == part.count {
            return Some(message.bytes);
        }
        if self.messages.len() >= MAX_MESSAGES
            && let Some((_, oldest)) = self.messages.pop_first()
        {
            self.bytes -= oldest.bytes.len();
        }
        self.bytes += message.bytes.len();
        self.messages.insert(part.message, message);
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tenant::replicate::frame::RawRecord;

    fn message(length: usize) -> Frame {
        let body = (0..=u8::MAX).cycle().take(length).collect();
        Frame::Answer(vec![RawRecord { map: 2, body }])
    }

    #[test]
    fn messages_of_any_size_arrive() {
        let mut assembler = Assembler::default();
        for length in [0, 1, FRAME_BYTES, FRAME_BYTES + 100, 1_000_000] {
            let mut arrived = Vec::new();
            for frame in cut(message(length), 7) {
                assert!(frame.len() < 64 * 1024);
                let frame = Frame::decode(&frame).unwrap();
                if let Frame::Part(part) = frame {
                    let whole = assembler.push(part);
                    arrived.extend(whole.map(|bytes| Frame::decode(&bytes).unwrap()));
                } else {
                    arrived.push(frame);
                }
            }
            assert_eq!(arrived, [message(length)]);
            assert_eq!((assembler.bytes, assembler.messages.len()), (0, 0));
        }
    }

    proptest! {
        #[test]
        fn parts_in_any_order_never_panic_nor_grow(
            parts in prop::collection::vec((0..9_u64, 0..3_u32, 0..4_u32, 0..50_usize), 0..60),
        ) {
            let mut assembler = Assembler::default();
            for (message, index, count, length) in parts {
                let bytes = vec![0; length];
                let _ = assembler.push(Part { message, index, count, bytes });
                let bytes: usize = assembler.messages.values().map(|m| m.bytes.len()).sum();
                prop_assert_eq!(bytes, assembler.bytes);
                prop_assert!(assembler.messages.len() <= MAX_MESSAGES);
            }
        }

        #[test]
        fn hostile_messages_never_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..200),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let _ = Frame::decode(&bytes);
            let behind: Vec<u8> = [1, 1].into_iter().chain(bytes).collect();
            let _ = Frame::decode(&behind);
            let mut bytes = message(40).encode();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = Frame::decode(&bytes);
        }
    }
}
