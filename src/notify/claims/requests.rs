//! What this run of the node may have told: requests whose end is not known, or was not clear.

use std::collections::BTreeMap;

use crate::nflog::LogKey;

/// Requests for one notification.
#[derive(Debug)]
struct Request {
    seq: u64,
    /// One is under way.
    open: bool,
    /// One ended, and nobody knows how.
    unclear: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Requests(BTreeMap<LogKey, Request>);

impl Requests {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one for this notification may have been taken.
    pub(super) fn has(&self, key: &LogKey, seq: u64) -> bool {
        self.0.get(key).is_some_and(|request| request.seq == seq)
    }

    /// Takes note that the first byte may leave.
    pub(super) fn begins(&mut self, key: &LogKey, seq: u64) {
        let unclear = self
            .0
            .get(key)
            .is_some_and(|it| it.seq == seq && it.unclear);
        let open = true;
        let request = Request { seq, open, unclear };
        self.0.insert(key.clone(), request);
    }

    /// Takes note that the one under way was not taken; of those before that says nothing.
    pub(super) fn not_taken(&mut self, key: &LogKey) {
        if let Some(request) = self.0.get_mut(key) {
            request.open = false;
            if !request.unclear {
                self.0.remove(key);
            }
        }
    }

    /// Takes note that nothing more will be heard of the one under way, if there is one; tells whether there was.
    pub(super) fn given_up(&mut self, key: &LogKey) -> bool {
        let Some(request) = self.0.get_mut(key) else {
            return false;
        };
        request.unclear |= request.open;
        std::mem::take(&mut request.open)
    }

    /// Forgets what is told and logged.
    pub(super) fn done(&mut self, key: &LogKey, seq: u64) {
        if self.0.get(key).is_some_and(|request| request.seq <= seq) {
            self.0.remove(key);
        }
    }
}
