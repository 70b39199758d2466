//! Who may notify: claims that a majority of the voters acknowledged, so that each notification is sent by one node.
//!
//! A node that wants to notify asks the voters for a promise (a lease of [`LEASE`]), says `started` before the first byte
//! and `done` after the answer, each acknowledged by a majority. Whoever takes over from a node that is gone learns from
//! that majority whether anything may have left it. Leases are durations on the clock of whoever granted them; what
//! orders notifications is their sequence number, never a wall clock.

mod acceptor;
mod answering;
mod asking;
mod hearing;
mod machine;
mod message;
mod output;
mod owns;
mod proposer;
mod quorum;
mod rank;
mod reach;
mod requests;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use acceptor::{Earlier, Promise};
pub use machine::Claims;
pub use message::{ClaimMessage, Malformed, Refusal, Word};
pub use output::{ClaimOutput, Skips};
pub use proposer::{ClaimEvent, Terms};
pub use quorum::Quorum;
pub use rank::{first, rank, rank_key};

/// The decoders of what is said and saved of claims.
#[doc(hidden)]
#[must_use]
pub fn decoders() -> Vec<crate::decoder::Decoder> {
    use crate::decoder::Decoder;
    vec![
        Decoder::new(
            "claim",
            |bytes| ClaimMessage::decode(bytes).ok().flatten(),
            |message| message.encode(),
        ),
        Decoder::new("promise", Promise::decode, |(key, promise)| {
            promise.encode(&key)
        }),
    ]
}

/// How long a promise holds unless it is renewed.
pub const LEASE: Duration = Duration::from_secs(15);
