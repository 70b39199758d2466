//! Counters of the shell, read by the metrics page while the shell works.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

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
    /// Whether the last write failed; then records are in memory only.
    pub failing: AtomicU64,
    /// Databases that were found damaged and set aside.
    pub damaged: AtomicU64,
    /// Records that were dropped because the store did not take them in time.
    pub dropped: AtomicU64,
    /// Bytes that wait to be written.
    pub queued_bytes: AtomicU64,
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
