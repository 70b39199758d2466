//! The notification history: who was told what, when, by which node, with which answer.
//!
//! One entry per notification, its attempts folded in; bounded in entries and in bytes. It informs people and decides
//! nothing.

mod entry;
mod query;
mod ring;

pub use entry::{HistoryEntry, MAX_ENTRY_BYTES, MAX_FINGERPRINTS, Outcome};
pub use query::{HistoryPage, HistoryQuery};
pub use ring::{History, HistoryLimits};
