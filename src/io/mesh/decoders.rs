//! The decoders of what comes before anything is known to be authentic.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::{
    datagram::Envelope,
    frame::{FrameReader, FrameWriter},
    preamble::Preamble,
};
use crate::decoder::Decoder;

/// All of them.
#[must_use]
pub fn decoders() -> Vec<Decoder> {
    vec![
        Decoder::new(
            "preamble",
            |mut bytes| now(Preamble::read(&mut bytes))?.ok()?.map(|read| read.0),
            |preamble| preamble.encode(),
        ),
        Decoder::new(
            "datagram",
            |bytes| {
                Envelope::decode(bytes)
                    .ok()
                    .map(|envelope| envelope.bytes())
            },
            |bytes| bytes,
        ),
        Decoder::new(
            "stream",
            |mut bytes| now(FrameReader::new(None).read(&mut bytes))?.ok(),
            |frame| {
                let mut bytes = Vec::new();
                FrameWriter::new(None).append(&frame, &mut bytes);
                bytes
            },
        ),
    ]
}

/// What comes of reading from memory, which never waits.
fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
