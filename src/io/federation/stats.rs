//! What queries and endpoints are counted by.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use super::QueryError;
use crate::{federation::Refusal, io::Histogram, promql::engine::EvalError};

/// Upper bounds of durations in seconds: a light question takes a millisecond, and none takes longer than two minutes.
const BOUNDS: [f64; 14] = [
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0,
];

/// What clients ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryKind {
    /// A value at a time.
    Instant,
    /// Values at many times.
    Range,
    /// Which series, labels or metrics there are.
    Lookup,
}

impl QueryKind {
    const ALL: [Self; 3] = [Self::Instant, Self::Range, Self::Lookup];

    /// The value of the metric's label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instant => "instant",
            Self::Range => "range",
            Self::Lookup => "lookup",
        }
    }
}

/// Why queries fail, as the metric names it.
const REASONS: [&str; 9] = [
    "bug",
    "bytes",
    "evaluation",
    "histograms",
    "limit",
    "overlap",
    "queue",
    "refused",
    "timeout",
];

fn reason(error: &QueryError) -> &'static str {
    match error {
        QueryError::Refused(Refusal::Evaluation(
            EvalError::TooManySamples
            | EvalError::TooManySteps { .. }
            | EvalError::TooMuchText
            | EvalError::TooLongLabel,
        ))
        | QueryError::TooManySamples { .. }
        | QueryError::TooManyPlaces { .. } => "limit",
        QueryError::Refused(Refusal::Evaluation(EvalError::Stopped)) | QueryError::TimedOut => {
            "timeout"
        }
        QueryError::Refused(Refusal::Overlap(_)) => "overlap",
        QueryError::Refused(Refusal::Evaluation(_) | Refusal::Again(_)) => "evaluation",
        QueryError::Refused(Refusal::Selector { .. }) => "refused",
        QueryError::Histograms { .. } => "histograms",
        QueryError::Queued { .. } => "queue",
        QueryError::TooManyBytes { .. } => "bytes",
        QueryError::Failed => "bug",
    }
}

/// The queries of a node.
#[derive(Debug)]
pub struct QueryStats {
    durations: [Histogram; QueryKind::ALL.len()],
    errors: [AtomicU64; REASONS.len()],
    partial: AtomicU64,
    samples: AtomicU64,
}

impl Default for QueryStats {
    fn default() -> Self {
        Self {
            durations: QueryKind::ALL.map(|_| Histogram::new(&BOUNDS)),
            errors: REASONS.map(|_| AtomicU64::new(0)),
            partial: AtomicU64::new(0),
            samples: AtomicU64::new(0),
        }
    }
}

impl QueryStats {
    pub(super) fn took(&self, kind: QueryKind, duration: Duration) {
        let place = QueryKind::ALL.iter().position(|known| *known == kind);
        if let Some(durations) = place.and_then(|place| self.durations.get(place)) {
            durations.observe(duration);
        }
    }

    pub(super) fn failed(&self, error: &QueryError) {
        let reason = reason(error);
        let place = REASONS.iter().position(|known| *known == reason);
        if let Some(errors) = place.and_then(|place| self.errors.get(place)) {
            errors.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn answered(&self, is_partial: bool, samples: usize) {
        self.partial.fetch_add(u64::from(is_partial), Relaxed);
        let samples = u64::try_from(samples).unwrap_or(u64::MAX);
        self.samples.fetch_add(samples, Relaxed);
    }

    /// How long queries took, by kind.
    pub fn durations(&self) -> impl Iterator<Item = (QueryKind, &Histogram)> {
        QueryKind::ALL.into_iter().zip(&self.durations)
    }

    /// Queries without an answer, by reason.
    pub fn errors(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let errors = self.errors.iter().map(|count| count.load(Relaxed));
        REASONS.into_iter().zip(errors)
    }

    /// Queries that were answered without a partition.
    #[must_use]
    pub fn partial(&self) -> u64 {
        self.partial.load(Relaxed)
    }

    /// Samples that endpoints answered.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples.load(Relaxed)
    }
}

/// The requests to one endpoint.
#[derive(Debug)]
pub struct RequestStats {
    /// How long they took, without waiting for their turn.
    pub durations: Histogram,
    bytes: AtomicU64,
    failures: AtomicU64,
}

impl Default for RequestStats {
    fn default() -> Self {
        Self {
            durations: Histogram::new(&BOUNDS),
            bytes: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }
}

impl RequestStats {
    /// Counts a request from now on until it is dropped: one that nobody waits for any more counts as well.
    pub(super) fn begin(&self) -> Timed<'_> {
        Timed {
            stats: self,
            began: Instant::now(),
        }
    }

    pub(super) fn received(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.bytes.fetch_add(bytes, Relaxed);
    }

    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Relaxed);
    }

    /// Bytes of answers, after decompression.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }

    /// Questions without an answer that counts.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures.load(Relaxed)
    }
}

/// A request under way.
pub(super) struct Timed<'s> {
    stats: &'s RequestStats,
    began: Instant,
}

impl Drop for Timed<'_> {
    fn drop(&mut self) {
        self.stats.durations.observe(self.began.elapsed());
    }
}
