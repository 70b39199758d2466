//! The embedded store: two databases under `<storage.path>/watchfire/`, each with one writer thread.
//!
//! `state` is small and must survive a power cut: group commit, then an fsync of its file before anything is
//! reported. `bulk` is large and written behind, so that it never delays `state`. Neither ever prevents a start: what
//! is damaged is set aside, and what could still be read of it is kept. `state` is sled's; only this module knows.
//!
//! Keys that begin with a zero byte are the shell's own and not handed over.

mod database;
mod databases;
mod engine;
mod log;
mod mark;
mod open;
mod writer;

pub use databases::{Record, Store, StoreError};
pub(super) use mark::mark_batch;
