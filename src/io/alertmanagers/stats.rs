//! Counters of what other Alertmanagers are told, read by the metrics page.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use super::queue::{CAPACITY, Queue};
use crate::io::Histogram;

/// Of which requests quantiles are told: those of so long, and so many at most (client_golang's `DefMaxAge`).
const LATELY: (Duration, usize) = (Duration::from_mins(10), 1000);

/// Those that Prometheus tells of its notifications.
const QUANTILES: [f64; 3] = [0.5, 0.9, 0.99];

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
    /// The last of them: when each ended, and how long it took.
    lately: Mutex<VecDeque<(Instant, Duration)>>,
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

    /// Counts a request.
    pub(super) fn took(&self, duration: Duration) {
        self.duration.observe(duration);
        let now = Instant::now();
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.push_back((now, duration));
        forget(&mut lately, now);
    }

    /// Quantiles of how long the requests of the last ten minutes took; without a value if there was none.
    #[must_use]
    pub fn quantiles(&self) -> Vec<(f64, Option<Duration>)> {
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut lately, Instant::now());
        let mut took: Vec<Duration> = lately.iter().map(|(_, took)| *took).collect();
        drop(lately);
        took.sort_unstable();
        let of = |quantile: f64| {
            let places = took.len().saturating_sub(1);
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a thousand places at most"
            )]
            let place = (quantile * places as f64).round() as usize;
            (quantile, took.get(place).copied())
        };
        QUANTILES.map(of).to_vec()
    }

    pub(super) fn drop_alerts(&self, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.dropped.fetch_add(count, Relaxed);
    }
}

/// Drops what is not of late.
fn forget(lately: &mut VecDeque<(Instant, Duration)>, now: Instant) {
    let (age, most) = LATELY;
    while let Some((at, _)) = lately.front()
        && (lately.len() > most || now.saturating_duration_since(*at) > age)
    {
        lately.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_those_of_the_last_requests() {
        let stats = AlertmanagerStats::default();
        let told = || -> Vec<Option<u128>> {
            let quantiles = stats.quantiles().into_iter();
            let told = quantiles.map(|(_, took)| took.map(|took| took.as_millis()));
            told.collect()
        };
        assert_eq!(told(), [None, None, None]);
        stats.took(Duration::from_millis(7));
        assert_eq!(told(), [Some(7), Some(7), Some(7)]);
        (0..5000).for_each(|_| stats.took(Duration::from_secs(9)));
        (0..=999).for_each(|n| stats.took(Duration::from_millis(n)));
        assert_eq!(told(), [Some(500), Some(899), Some(989)]);
        assert_eq!(stats.duration.count(), 6001);
        let mut lately = stats.lately.lock().unwrap();
        let last = lately.back().unwrap().0;
        forget(&mut lately, last + LATELY.0 * 2);
        assert!(lately.is_empty());
    }
}
