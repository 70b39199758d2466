//! Counters of the shell, read by the metrics page while the shell works.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::storage::Database;

/// Upper bounds of the buckets in seconds if nothing else is said; the last bucket has none.
const BOUNDS: [f64; 16] = [
    0.000_01, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 0.5, 1.0, 5.0,
];

/// A histogram of durations.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [f64],
    /// One more than bounds.
    buckets: Box<[AtomicU64]>,
    sum_nanos: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new(&BOUNDS)
    }
}

impl Histogram {
    /// Makes a histogram with these upper bounds in seconds, ascending.
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Self {
            bounds,
            buckets: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum_nanos: AtomicU64::new(0),
        }
    }

    /// Counts one.
    pub(super) fn observe(&self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = self.bounds.partition_point(|bound| *bound < seconds);
        self.buckets[bucket].fetch_add(1, Relaxed);
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Relaxed);
    }

    /// The buckets' upper bounds in seconds with the number of observations up to each, infinity last.
    #[must_use]
    pub fn cumulative(&self) -> Vec<(f64, u64)> {
        let bounds = self.bounds.iter().copied().chain([f64::INFINITY]);
        let mut total = 0;
        bounds
            .zip(self.buckets.iter())
            .map(|(bound, bucket)| {
                total += bucket.load(Relaxed);
                (bound, total)
            })
            .collect()
    }

    /// All observations together.
    #[must_use]
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.sum_nanos.load(Relaxed))
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|bucket| bucket.load(Relaxed)).sum()
    }
}

/// What the loop tells of itself.
#[derive(Debug, Default)]
pub struct LoopStats {
    /// How long single steps took.
    pub steps: Histogram,
    /// Steps that took longer than 100 ms.
    pub stalls: AtomicU64,
}

/// What the store tells of itself.
#[derive(Debug, Default)]
pub struct StoreStats {
    /// How long durable writes took, group commits as one.
    pub durable_writes: Histogram,
    /// Writes that failed.
    pub write_errors: AtomicU64,
    /// How the `state` database does.
    pub state: DatabaseHealth,
    /// How the `bulk` database does.
    pub bulk: DatabaseHealth,
    /// Databases that were found damaged and set aside.
    pub damaged: AtomicU64,
    /// Records that were dropped because the store did not take them in time.
    pub dropped: AtomicU64,
    /// Bytes that wait to be written, those of writes that failed included.
    pub queued_bytes: AtomicU64,
}

impl StoreStats {
    /// How a database does.
    #[must_use]
    pub fn of(&self, database: Database) -> &DatabaseHealth {
        match database {
            Database::Durable => &self.state,
            Database::Bulk => &self.bulk,
        }
    }

    /// What is wrong with the databases now, in the words of an operator's page; `None` if nothing is.
    #[must_use]
    pub fn problem(&self) -> Option<String> {
        let troubles = self.troubles();
        let waits = troubles.iter().map(|trouble| trouble.unsaved_for).max()?;
        let what: Vec<_> = troubles.iter().map(|trouble| trouble.holds()).collect();
        let (what, seconds) = (what.join(", "), waits.as_secs());
        let error = troubles.iter().find_map(|trouble| trouble.error.as_ref());
        Some(match error {
            Some(error) => format!(
                "the disk of this node has not taken what is saved for {seconds} s ({what}): {error}. The node goes on from \
                 memory, and a restart would forget it: check the disk's space and health"
            ),
            None => format!(
                "the disk of this node has been writing for {seconds} s and is not done ({what}); whoever waits for it \
                 waits: check the disk's health"
            ),
        })
    }

    /// What is wrong with the databases now; empty if nothing is.
    #[must_use]
    pub fn troubles(&self) -> Vec<StoreTrouble> {
        let both = [Database::Durable, Database::Bulk];
        let troubles = both.into_iter();
        troubles
            .filter_map(|database| self.of(database).trouble(database))
            .collect()
    }
}

/// How one database does; its writer keeps it.
#[derive(Debug, Default)]
pub struct DatabaseHealth(Mutex<Health>);

#[derive(Debug, Default)]
struct Health {
    /// When the oldest write was handed over that is not on the disk; `None` if all are.
    oldest: Option<Instant>,
    /// Whether the write under way takes long.
    late: bool,
    /// Why the last write failed; `None` once one succeeds.
    error: Option<Arc<str>>,
}

impl DatabaseHealth {
    /// A write is under way; the oldest that is not on the disk was handed over then.
    pub(super) fn writes(&self, oldest: Option<Instant>) {
        self.with(|health| health.oldest = oldest);
    }

    /// The write under way takes long.
    pub(super) fn is_late(&self) {
        self.with(|health| health.late = true);
    }

    /// Everything that was handed over is on the disk.
    pub(super) fn saved(&self) {
        self.with(|health| *health = Health::default());
    }

    /// The last write failed.
    pub(super) fn failed(&self, error: &str) {
        self.with(|health| {
            health.late = false;
            health.error = Some(error.into());
        });
    }

    /// Has a test see a write that fails.
    #[cfg(test)]
    pub(crate) fn fails_for_tests(&self, error: &str) {
        self.failed(error);
    }

    /// For how long the oldest write has waited that is not on the disk; zero if all are.
    #[must_use]
    pub fn unsaved_for(&self) -> Duration {
        self.with(|health| health.oldest.map_or(Duration::ZERO, |at| at.elapsed()))
    }

    fn trouble(&self, database: Database) -> Option<StoreTrouble> {
        let error = self.with(|health| {
            let is_ill = health.late || health.error.is_some();
            is_ill.then(|| health.error.clone())
        })?;
        Some(StoreTrouble {
            database,
            unsaved_for: self.unsaved_for(),
            error,
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Health) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A database that does not take what it is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreTrouble {
    /// Which.
    pub database: Database,
    /// For how long the oldest write has waited.
    pub unsaved_for: Duration,
    /// Why the last write failed; `None` while one takes long that has not failed yet.
    pub error: Option<Arc<str>>,
}

impl StoreTrouble {
    /// What the database holds, in words.
    #[must_use]
    pub fn holds(&self) -> &'static str {
        match self.database {
            Database::Durable => "silences, the notification log, promises to other nodes",
            Database::Bulk => "alerts, history",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_into_the_first_bucket_that_holds() {
        let histogram = Histogram::default();
        for micros in [5, 10, 11, 900, 10_000_000] {
            histogram.observe(Duration::from_micros(micros));
        }
        let buckets = histogram.cumulative();
        assert_eq!(buckets[0], (0.000_01, 2));
        assert_eq!(buckets[1], (0.000_05, 3));
        assert_eq!(buckets[5], (0.001, 4));
        assert_eq!(buckets.last().copied(), Some((f64::INFINITY, 5)));
        assert_eq!(histogram.count(), 5);
        assert_eq!(histogram.sum(), Duration::from_micros(10_000_926));
    }
}
