//! Who votes: one persisted electorate that changes by one name at a time with a majority of the old one.
//!
//! A *charter* is an electorate as it is kept and told: founding, epoch, names. Each change of it is decided by one round
//! of single-decree Paxos for (founding, epoch + 1) among the members of the old charter (`ballot`, `propose`), so two
//! proposers never make two charters of one epoch. What comes before a majority exists, or after it is gone for good, is
//! founding (`found`): two phases, acknowledged by everyone named. `recall` lets a member vote again that lost its votes.

mod ballot;
mod charter;
mod electors;
mod found;
mod machine;
mod outputs;
mod peers;
mod propose;
mod recall;
mod saved;
mod wire;

#[cfg(test)]
mod tests;

pub use electors::{Electors, Visible};
pub use machine::{Electorate, Settling};
pub use outputs::ElectorateOutput;

use crate::decoder::Decoder;

/// The decoder of what electors say.
pub(super) fn vote_decoder() -> Decoder {
    let read = |bytes: &[u8]| wire::Message::decode(bytes).ok().flatten();
    Decoder::new("vote", read, |message| message.encode())
}

/// The decoder of what is kept across restarts.
pub(super) fn saved_decoder() -> Decoder {
    let read = |bytes: &[u8]| saved::Saved::decode(bytes).ok();
    Decoder::new("electorate", read, |saved| saved.encode())
}
