//! Answers as servers give them, and as none does.

mod hostile;
mod recorded;
mod whole;
mod written;

use super::*;
use crate::{
    labels::{LabelSet, Matcher},
    promql::{Series, parse::parse_selector},
};

fn external() -> LabelSet {
    LabelSet::from_pairs([("cluster", "eu"), ("prometheus", "a")])
}

/// Everything of an answer.
fn reading(external: &LabelSet) -> Reading<'_> {
    Reading {
        from: i64::MIN,
        to: i64::MAX,
        matchers: &[],
        external,
        max_samples: 100_000,
    }
}

fn matchers(selector: &str) -> Vec<Matcher> {
    parse_selector(selector).unwrap()
}

fn labels(all: &[Series]) -> Vec<String> {
    all.iter().map(|one| one.labels.to_string()).collect()
}

/// The messages of a stream.
fn messages(stream: &[u8]) -> Vec<Vec<u8>> {
    let messages = frame::Frames::new(stream).map(|message| message.unwrap().to_vec());
    messages.collect()
}

fn framed(message: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    prost::encoding::encode_varint(message.len() as u64, &mut stream);
    stream.extend(crc32c::crc32c(message).to_be_bytes());
    stream.extend(message);
    stream
}

fn field(tag: u32, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    prost::encoding::encode_key(tag, prost::encoding::WireType::LengthDelimited, &mut bytes);
    prost::encoding::encode_varint(message.len() as u64, &mut bytes);
    bytes.extend(message);
    bytes
}
