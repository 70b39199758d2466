//! The decoders of answers of samples, for tests that feed each of them what no server sends.

use super::{Malformed, Reading, read_chunks, read_samples};
use crate::{decoder::Decoder, labels::LabelSet, promql::Series};

/// Samples that may come of an answer: what they take bounds what reading may allocate.
const MOST: usize = 1_000;

/// All of them. Messages are read without what protects them, so that changed ones come as far as they can.
#[must_use]
pub fn decoders() -> Vec<Decoder> {
    vec![
        Decoder::of_reader("read-stream", |bytes| of_all(|all| read_chunks(bytes, all))),
        Decoder::of_reader("read-chunks", |bytes| {
            let stream = framed(bytes);
            of_all(|all| read_chunks(&stream, all))
        }),
        Decoder::of_reader("read-samples", |bytes| {
            let body = snap::raw::Encoder::new().compress_vec(bytes).ok()?;
            of_all(|all| read_samples(&body, all))
        }),
        Decoder::of_reader("read-snappy", |bytes| {
            of_all(|all| read_samples(bytes, all))
        }),
    ]
}

/// What is read of everything that an answer has.
fn of_all(read: impl FnOnce(Reading<'_>) -> Result<Vec<Series>, Malformed>) -> Option<Vec<Series>> {
    read(Reading {
        from: i64::MIN,
        to: i64::MAX,
        matchers: &[],
        external: &LabelSet::empty(),
        max_samples: MOST,
    })
    .ok()
}

/// A stream of one message, with its length and checksum.
fn framed(message: &[u8]) -> Vec<u8> {
    let mut stream = Vec::with_capacity(message.len() + 14);
    let length = u64::try_from(message.len()).unwrap_or(u64::MAX);
    prost::encoding::encode_varint(length, &mut stream);
    stream.extend(crc32c::crc32c(message).to_be_bytes());
    stream.extend(message);
    stream
}
