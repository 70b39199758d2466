//! The electorate in a small world of its own.

mod codec;
mod network;
mod random;
mod scripted;

/// Mistakes that the tests must find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mutation {
    VotesNotPersisted,
    MajorityOfNew,
    AdoptsLower,
}
