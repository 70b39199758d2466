//! Counters of what other Alertmanagers are told, read by the metrics page.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::queue::{CAPACITY, Queue};
use crate::io::Histogram;

/// Counters of all Alertmanagers.
#[derive(Debug, Default)]
pub struct AlertmanagersStats(Mutex<Vec<Arc<AlertmanagerStats>>>);

/// Counters of one Alertmanager.
#[derive(Debug, Default)]
pub struct AlertmanagerStats {
    /// Where it is told, without a password.
    pub url: String,
    /// Alerts in requests, each attempt counted.
    pub sent: AtomicU64,
    /// Alerts in requests that failed.
    pub errors: AtomicU64,
    /// Alerts that it will not be told of.
    pub dropped: AtomicU64,
    /// How long requests took.
    pub duration: Histogram,
    pub(super) queue: Queue,
}

impl AlertmanagersStats {
    /// The counters of each Alertmanager, in the order of the configuration.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<AlertmanagerStats>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.clone()
    }

    pub(super) fn show(&self, all: Vec<Arc<AlertmanagerStats>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = all;
    }
}

impl AlertmanagerStats {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            ..Self::default()
        }
    }

    /// How many alerts wait.
    #[must_use]
    pub fn queue_length(&self) -> u64 {
        u64::try_from(self.queue.len()).unwrap_or(u64::MAX)
    }

    /// How many may wait.
    #[must_use]
    pub fn queue_capacity() -> u64 {
        u64::try_from(CAPACITY).unwrap_or(u64::MAX)
    }

    pub(super) fn drop_alerts(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.dropped.fetch_add(count, Relaxed);
    }
}
