//! The alert journal: alerts are saved behind in batches instead of one by one.

use std::sync::Arc;

use super::error::RecordError;
use crate::{alert::Alert, labels::Fingerprint};

/// The most bytes that a batch takes; values of the store stay below 64 KiB.
pub const MAX_BATCH_BYTES: usize = 60 * 1024;

/// What to do with the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JournalOp {
    /// Write a batch.
    Put(u64, Vec<u8>),
    /// Delete a batch.
    Delete(u64),
}

/// What [`AlertJournal::load`] read.
#[derive(Debug)]
pub struct JournalLoad {
    /// The alerts as last saved, by fingerprint.
    pub alerts: Vec<Alert>,
    /// The journal to go on with.
    pub journal: AlertJournal,
    /// Batches that could not be read, or only in part.
    pub errors: Vec<(u64, RecordError)>,
}

/// Which alerts are to be saved, and where the saved ones are.
#[derive(Debug, Default)]
pub struct AlertJournal {}

impl AlertJournal {
    /// Makes the journal of an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that an alert is new or differs in more than its end.
    pub fn mark_changed(&mut self, fingerprint: Fingerprint) {
        let _ = fingerprint;
    }

    /// Notes that an alert was posted again and only its end moved.
    pub fn mark_refreshed(&mut self, fingerprint: Fingerprint) {
        let _ = fingerprint;
    }

    /// Notes that an alert is gone.
    pub fn mark_removed(&mut self, fingerprint: Fingerprint) {
        let _ = fingerprint;
    }

    /// Saves changed and removed alerts, and with `refreshes` those refreshed, at most `max_records` of them.
    pub fn flush(
        &mut self,
        lookup: impl Fn(Fingerprint) -> Option<Arc<Alert>>,
        refreshes: bool,
        max_records: usize,
    ) -> Vec<JournalOp> {
        let _ = (lookup, refreshes, max_records);
        Vec::new()
    }

    /// Whether changed or removed alerts wait to be saved.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        false
    }

    /// Whether refreshed alerts wait to be saved.
    #[must_use]
    pub fn has_refreshes(&self) -> bool {
        false
    }

    /// Reads the batches of a store, in any order.
    #[must_use]
    pub fn load<'a>(batches: impl IntoIterator<Item = (u64, &'a [u8])>) -> JournalLoad {
        let _ = batches.into_iter().count();
        JournalLoad {
            alerts: Vec::new(),
            journal: Self::default(),
            errors: Vec::new(),
        }
    }
}
