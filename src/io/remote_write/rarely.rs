//! Events of which the log tells at most one a minute.

use std::time::{Duration, Instant};

const MINUTE: Duration = Duration::from_secs(60);

/// What was not told yet.
#[derive(Debug, Default)]
pub(super) struct Rarely {
    told: Option<Instant>,
    untold: u64,
}

impl Rarely {
    /// Counts; gives what is to be told if it is time.
    pub(super) fn add(&mut self, count: u64, now: Instant) -> Option<u64> {
        self.untold += count;
        let is_time = self.told.is_none_or(|told| now - told >= MINUTE);
        if count == 0 || !is_time {
            return None;
        }
        self.told = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}
