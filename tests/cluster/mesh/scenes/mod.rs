//! Scenes: what happens in each fault, to the moment; the rows of the table of faults that need no real process.

mod crashes;
mod evictions;
mod healthy;
mod mistakes;
mod partitions;
mod receivers;
mod refused;
mod restarts;
mod score;
mod silences;
mod sizes;
mod slow;
mod takeovers;
mod two;
mod unanswered;
mod unknown;
mod versions;

pub(super) use score::{config, names, secs};
