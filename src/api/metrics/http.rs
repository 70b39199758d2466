//! What the HTTP server counts: requests by handler, and what came in by `POST /alerts`.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Upper bounds of request durations in seconds (`prometheus.DefBuckets`).
pub(super) const DURATION_BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper bounds of response sizes in bytes.
pub(super) const SIZE_BUCKETS: [f64; 7] = [1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

/// Counts observations by size; the last place counts what is beyond all bounds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Histogram {
    pub(super) counts: Vec<u64>,
    pub(super) sum: f64,
}

impl Histogram {
    fn observe(&mut self, bounds: &[f64], value: f64) {
        self.counts.resize(bounds.len() + 1, 0);
        let place = bounds.partition_point(|bound| *bound < value);
        self.counts[place] += 1;
        self.sum += value;
    }
}

/// Names a series of `alertmanager_http_request_duration_seconds`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct RequestSeries {
    pub(super) handler: &'static str,
    pub(super) method: String,
    pub(super) code: u16,
}

/// The counters; shared by everything that serves HTTP.
#[derive(Debug, Default)]
pub struct HttpStats {
    in_flight: AtomicU64,
    limit_exceeded: AtomicU64,
    alerts_firing: AtomicU64,
    alerts_resolved: AtomicU64,
    alerts_invalid: AtomicU64,
    scrapes: AtomicU64,
    series: Mutex<Series>,
}

/// The histograms; handlers and codes are few, so they stay few.
#[derive(Debug, Clone, Default)]
pub(super) struct Series {
    pub(super) durations: BTreeMap<RequestSeries, Histogram>,
    pub(super) sizes: BTreeMap<(&'static str, String), Histogram>,
}

impl HttpStats {
    /// A GET request begins that counts against `--web.get-concurrency`; pair it with [`HttpStats::get_ended`].
    pub fn get_began(&self) {
        self.in_flight.fetch_add(1, Relaxed);
    }

    /// A GET request has ended.
    pub fn get_ended(&self) {
        self.in_flight.fetch_sub(1, Relaxed);
    }

    /// A GET request was refused because too many were under way.
    pub fn limit_exceeded(&self) {
        self.limit_exceeded.fetch_add(1, Relaxed);
    }

    pub(in crate::api) fn count_alerts(&self, firing: u64, resolved: u64, invalid: u64) {
        self.alerts_firing.fetch_add(firing, Relaxed);
        self.alerts_resolved.fetch_add(resolved, Relaxed);
        self.alerts_invalid.fetch_add(invalid, Relaxed);
    }

    pub(in crate::api) fn count_scrape(&self) {
        self.scrapes.fetch_add(1, Relaxed);
    }

    /// Records a request; `size` only for handlers outside the API, as upstream does.
    #[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
    pub(in crate::api) fn record(
        &self,
        handler: &'static str,
        method: &str,
        code: u16,
        took: Duration,
        size: Option<u64>,
    ) {
        let method = known_method(method);
        let mut series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(size) = size {
            let key = (handler, method.clone());
            let histogram = series.sizes.entry(key).or_default();
            histogram.observe(&SIZE_BUCKETS, size as f64);
        }
        let key = RequestSeries {
            handler,
            method,
            code,
        };
        let histogram = series.durations.entry(key).or_default();
        histogram.observe(&DURATION_BUCKETS, took.as_secs_f64());
    }

    pub(super) fn series(&self) -> Series {
        let series = self.series.lock().unwrap_or_else(PoisonError::into_inner);
        series.clone()
    }

    pub(super) fn counters(&self) -> Counters {
        Counters {
            in_flight: self.in_flight.load(Relaxed),
            limit_exceeded: self.limit_exceeded.load(Relaxed),
            alerts_firing: self.alerts_firing.load(Relaxed),
            alerts_resolved: self.alerts_resolved.load(Relaxed),
            alerts_invalid: self.alerts_invalid.load(Relaxed),
            scrapes: self.scrapes.load(Relaxed),
        }
    }
}

/// The plain counters at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counters {
    pub(super) in_flight: u64,
    pub(super) limit_exceeded: u64,
    pub(super) alerts_firing: u64,
    pub(super) alerts_resolved: u64,
    pub(super) alerts_invalid: u64,
    pub(super) scrapes: u64,
}

/// A client can name any method; only known ones become label values.
fn known_method(method: &str) -> String {
    const KNOWN: [&str; 9] = [
        "get", "head", "post", "put", "delete", "connect", "options", "trace", "patch",
    ];
    let method = method.to_ascii_lowercase();
    if KNOWN.contains(&method.as_str()) {
        method
    } else {
        "unknown".to_owned()
    }
}
