//! What the HTTP server counts: requests by handler, and what came in by `POST /alerts`.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::family::{Observed, Page};

/// Upper bounds of request durations in seconds (`prometheus.DefBuckets`).
pub(super) const DURATION_BUCKETS: [f64; 11] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// Upper bounds of response sizes in bytes.
const SIZE_BUCKETS: [f64; 7] = [1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

/// Counts observations by size; the last place counts what is beyond all bounds.
#[derive(Debug, Clone, Default, PartialEq)]
struct Histogram {
    counts: Vec<u64>,
    sum: f64,
}

impl Histogram {
    fn observe(&mut self, bounds: &[f64], value: f64) {
        self.counts.resize(bounds.len() + 1, 0);
        let place = bounds.partition_point(|bound| *bound < value);
        self.counts[place] += 1;
        self.sum += value;
    }

    fn observed<'o>(&'o self, bounds: &'o [f64]) -> Observed<'o> {
        Observed {
            bounds,
            counts: &self.counts,
            sum: self.sum,
        }
    }
}

/// Names a series of `alertmanager_http_request_duration_seconds`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct RequestSeries {
    handler: &'static str,
    method: String,
    code: u16,
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
    failed_scrapes: AtomicU64,
    series: Mutex<Series>,
}

/// The histograms; handlers and codes are few, so they stay few.
#[derive(Debug, Clone, Default)]
struct Series {
    durations: BTreeMap<RequestSeries, Histogram>,
    sizes: BTreeMap<(&'static str, String), Histogram>,
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

    pub(in crate::api) fn count_scrape(&self, ok: bool) {
        let counter = if ok {
            &self.scrapes
        } else {
            &self.failed_scrapes
        };
        counter.fetch_add(1, Relaxed);
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

    fn series(&self) -> Series {
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
            failed_scrapes: self.failed_scrapes.load(Relaxed),
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
    pub(super) failed_scrapes: u64,
}

/// `alertmanager_http_*` and `promhttp_*`.
pub(super) fn add(page: &mut Page, stats: &HttpStats) {
    let counters = stats.counters();
    page.gauge(
        "alertmanager_http_requests_in_flight",
        "Current number of HTTP requests being processed.",
    )
    .count(&[("method", "get")], counters.in_flight)
    .end();
    page.counter(
        "alertmanager_http_concurrency_limit_exceeded_total",
        "Total number of times an HTTP request failed because the concurrency limit was reached.",
    )
    .count(&[("method", "get")], counters.limit_exceeded)
    .end();
    page.gauge(
        "promhttp_metric_handler_requests_in_flight",
        "Current number of scrapes being served.",
    )
    .count(&[], 1)
    .end();
    page.counter(
        "promhttp_metric_handler_requests_total",
        "Total number of scrapes by HTTP status code.",
    )
    .count(&[("code", "200")], counters.scrapes)
    .count(&[("code", "500")], counters.failed_scrapes)
    .count(&[("code", "503")], 0)
    .end();
    add_series(page, &stats.series());
}

fn add_series(page: &mut Page, series: &Series) {
    let mut durations = page.histogram(
        "alertmanager_http_request_duration_seconds",
        "Histogram of latencies for HTTP requests.",
    );
    for (key, histogram) in &series.durations {
        let code = key.code.to_string();
        let labels = [
            ("code", code.as_str()),
            ("handler", key.handler),
            ("method", key.method.as_str()),
        ];
        durations = durations.observed(&labels, histogram.observed(&DURATION_BUCKETS));
    }
    durations.end();
    let mut sizes = page.histogram(
        "alertmanager_http_response_size_bytes",
        "Histogram of response size for HTTP requests.",
    );
    for ((handler, method), histogram) in &series.sizes {
        let labels = [("handler", *handler), ("method", method.as_str())];
        sizes = sizes.observed(&labels, histogram.observed(&SIZE_BUCKETS));
    }
    sizes.end();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn observations_fall_into_the_first_bucket_that_holds_them() {
        let mut histogram = Histogram::default();
        for value in [0.005, 0.006, 11.0] {
            histogram.observe(&DURATION_BUCKETS, value);
        }
        assert_eq!(histogram.counts, [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    }

    #[test]
    fn unknown_methods_share_a_label() {
        assert_eq!(known_method("GET"), "get");
        assert_eq!(known_method("BREW"), "unknown");
    }
}
