//! The decoders of what tenants tell each other.

use super::{Facts, replicate};
use crate::decoder::Decoder;

/// All of them.
#[must_use]
pub fn decoders() -> Vec<Decoder> {
    let facts = Decoder::new("facts", Facts::decode, |facts| facts.encode().split_off(1));
    let mut all = replicate::decoders();
    all.push(facts);
    all
}
