//! The notification log: what each receiver was last told of each group. It decides what is still to be told.
//!
//! Entries of one key are ordered by their sequence number, not by a clock; merging is the maximum. Deciding whether to
//! notify is `notify`'s part, keeping entries on disk is the shell's.

mod entry;
mod stats;
mod store;
mod trail;
pub(crate) mod wire;

pub use entry::{LogKey, NflogEntry, ReceiverKey, ReceiverValue};
pub use stats::NflogStats;
pub use store::{Collected, Nflog};
pub use trail::{Teller, Trail};
pub use wire::NflogWireError;
