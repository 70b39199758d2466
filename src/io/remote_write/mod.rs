//! Remote write: samples to servers that take them, each server with a durable queue.
//!
//! `queue` and what it is made of (`block`, `interner`, `reader`, `mark`, `split`, `verdict`, `encode`) decide, without
//! clock, network or files; `disk` has the files, `keeper` the thread that owns a queue, `sender` the requests, `writer`
//! all targets of a configuration.

mod block;
mod disk;
mod edit;
mod encode;
mod entry;
mod interner;
mod keeper;
mod mark;
mod message;
mod name;
mod queue;
mod rarely;
mod reader;
mod sender;
mod split;
mod stats;
#[cfg(test)]
mod tests;
mod verdict;
mod writer;

pub use stats::{DropReason, Highest, KindCounts, RemoteWriteStats, TargetStats};
pub use writer::{RemoteWriteError, RemoteWriter};
