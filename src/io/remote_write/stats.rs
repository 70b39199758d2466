//! Counters of remote write, read by the metrics page.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

use super::entry::Counts;
use crate::io::Histogram;

/// Counters of all targets.
#[derive(Debug, Default)]
pub struct RemoteWriteStats {
    /// Samples that were given to remote write, each once, whatever the number of targets.
    pub samples_in: AtomicU64,
    /// The latest time of a sample, in Unix milliseconds.
    pub highest: Highest,
    targets: Mutex<Vec<Arc<TargetStats>>>,
}

impl RemoteWriteStats {
    /// The counters of each target.
    #[must_use]
    pub fn targets(&self) -> Vec<Arc<TargetStats>> {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        targets.clone()
    }

    /// The counters of a target, which goes on where one of the same name and URL was.
    pub(super) fn target(&self, name: &str, url: &str) -> Arc<TargetStats> {
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner);
        let known = targets
            .iter()
            .find(|one| one.name == name && one.url == url);
        known.map_or_else(
            || {
                Arc::new(TargetStats {
                    name: name.to_owned(),
                    url: url.to_owned(),
                    ..TargetStats::default()
                })
            },
            Arc::clone,
        )
    }

    pub(super) fn show(&self, targets: Vec<Arc<TargetStats>>) {
        *self.targets.lock().unwrap_or_else(PoisonError::into_inner) = targets;
    }
}

/// The latest of some times.
#[derive(Debug, Default)]
pub struct Highest(AtomicI64);

impl Highest {
    pub(super) fn raise(&self, time: i64) {
        self.0.fetch_max(time, Relaxed);
    }

    /// In whole seconds since 1970, as Prometheus has it; 0 if there was none.
    #[must_use]
    pub fn seconds(&self) -> i64 {
        self.0.load(Relaxed).div_euclid(1000)
    }
}

/// Counts of both kinds of samples.
#[derive(Debug, Default)]
pub struct KindCounts {
    /// Numbers.
    pub numbers: AtomicU64,
    /// Native histograms.
    pub histograms: AtomicU64,
}

impl KindCounts {
    pub(super) fn add(&self, counts: Counts) {
        self.numbers.fetch_add(counts.numbers, Relaxed);
        self.histograms.fetch_add(counts.histograms, Relaxed);
    }
}

/// Why samples were dropped before they were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// Older than `sample_age_limit`.
    TooOld,
    /// `write_relabel_configs` drop the series, or it has no labels.
    Series,
    /// There was no room within `max_bytes`.
    NoRoom,
    /// They waited for the disk in memory, and there were too many.
    Memory,
    /// What was read from the disk was not what was written.
    Damaged,
    /// Remote write 1.0 has no place for histograms with custom buckets.
    CustomBuckets,
}

impl DropReason {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::TooOld,
        Self::Series,
        Self::NoRoom,
        Self::Memory,
        Self::Damaged,
        Self::CustomBuckets,
    ];

    /// How it is called in the label `reason`; Prometheus's words where it has some.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooOld => "too_old",
            Self::Series => "dropped_series",
            Self::NoRoom => "queue_full",
            Self::Memory => "disk_failing",
            Self::Damaged => "damaged",
            Self::CustomBuckets => "nhcb_in_rw1_not_supported",
        }
    }
}

/// Counters of one target.
#[derive(Debug, Default)]
pub struct TargetStats {
    /// How it is called.
    pub name: String,
    /// Its URL without a password.
    pub url: String,
    /// Samples in requests, each attempt counted.
    pub sent: KindCounts,
    /// Samples that the server refused for good.
    pub failed: KindCounts,
    /// Samples in requests that are made again.
    pub retried: KindCounts,
    /// Bytes of bodies that were sent, compressed.
    pub bytes: AtomicU64,
    /// Samples in the queue that the server did not take yet.
    pub pending: AtomicU64,
    /// The latest time of a sample that came, in Unix milliseconds.
    pub highest: Highest,
    /// The latest time of a sample that the server took.
    pub highest_sent: Highest,
    /// Requests that are made at a time.
    pub shards: AtomicU64,
    /// The most there may be.
    pub max_shards: AtomicU64,
    /// Samples of one request.
    pub max_samples_per_send: AtomicU64,
    /// Bytes of the queue on disk.
    pub disk_bytes: AtomicU64,
    /// Writes to the disk that failed.
    pub disk_errors: AtomicU64,
    /// How long requests took.
    pub duration: Histogram,
    dropped: [AtomicU64; DropReason::ALL.len()],
}

impl TargetStats {
    /// Samples that were dropped for a reason.
    #[must_use]
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.counter(reason)
            .map_or(0, |counter| counter.load(Relaxed))
    }

    pub(super) fn count_dropped(&self, reason: DropReason, samples: u64) {
        if let Some(counter) = self.counter(reason) {
            counter.fetch_add(samples, Relaxed);
        }
    }

    fn counter(&self, reason: DropReason) -> Option<&AtomicU64> {
        let place = DropReason::ALL.iter().position(|one| *one == reason)?;
        self.dropped.get(place)
    }
}
