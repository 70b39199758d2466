//! `prometheus_remote_storage_*`: remote write under Prometheus's names, so that its dashboards and alerts fit.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use super::family::Page;
use crate::io::remote_write::{DropReason, RemoteWriteStats, TargetStats};

/// What is told of a target, and how it is called after `prometheus_remote_storage_`.
type Row = (&'static str, &'static str, fn(&TargetStats) -> u64);

const COUNTERS: [Row; 8] = [
    (
        "samples_total",
        "Samples that were sent, each attempt counted.",
        |target| read(&target.sent.numbers),
    ),
    (
        "histograms_total",
        "Native histograms that were sent, each attempt counted.",
        |target| read(&target.sent.histograms),
    ),
    (
        "samples_failed_total",
        "Samples that the server refused for good.",
        |target| read(&target.failed.numbers),
    ),
    (
        "histograms_failed_total",
        "Native histograms that the server refused for good.",
        |target| read(&target.failed.histograms),
    ),
    (
        "samples_retried_total",
        "Samples that were sent again, since the server could not take them.",
        |target| read(&target.retried.numbers),
    ),
    (
        "histograms_retried_total",
        "Native histograms that were sent again, since the server could not take them.",
        |target| read(&target.retried.histograms),
    ),
    (
        "bytes_total",
        "Bytes of requests that were sent, compressed.",
        |target| read(&target.bytes),
    ),
    (
        "queue_disk_errors_total",
        "Writes to the queue on disk that failed.",
        |target| read(&target.disk_errors),
    ),
];

const GAUGES: [Row; 7] = [
    (
        "samples_pending",
        "Samples in the queue on disk that the server did not take yet.",
        |target| read(&target.pending),
    ),
    (
        "queue_disk_bytes",
        "Bytes of the queue on disk.",
        |target| read(&target.disk_bytes),
    ),
    ("shards", "Requests that are made at a time.", |target| {
        read(&target.shards)
    }),
    (
        "shards_max",
        "Requests that may be made at a time.",
        |target| read(&target.max_shards),
    ),
    (
        "max_samples_per_send",
        "Samples that a request may have.",
        |target| read(&target.max_samples_per_send),
    ),
    (
        "queue_highest_timestamp_seconds",
        "The latest time of a sample that came into the queue, in seconds since 1970.",
        |target| target.highest.seconds().try_into().unwrap_or_default(),
    ),
    (
        "queue_highest_sent_timestamp_seconds",
        "The latest time of a sample that the server took, in seconds since 1970.",
        |target| target.highest_sent.seconds().try_into().unwrap_or_default(),
    ),
];

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Relaxed)
}

/// Adds what there is to tell; without targets nothing.
pub(super) fn add(page: &mut Page, stats: &RemoteWriteStats) {
    let targets = stats.targets();
    if targets.is_empty() {
        return;
    }
    let name = |rest: &str| format!("prometheus_remote_storage_{rest}");
    page.counter(
        &name("samples_in_total"),
        "Samples that came to be written, each once, whatever the number of servers.",
    )
    .count(&[], read(&stats.samples_in))
    .end();
    page.gauge(
        &name("highest_timestamp_in_seconds"),
        "The latest time of a sample that came to be written, in seconds since 1970.",
    )
    .count(&[], stats.highest.seconds().try_into().unwrap_or_default())
    .end();
    for (rest, help, value) in COUNTERS {
        let mut family = page.counter(&name(rest), help);
        for target in &targets {
            family = family.count(&labels(target), value(target));
        }
        family.end();
    }
    for (rest, help, value) in GAUGES {
        let mut family = page.gauge(&name(rest), help);
        for target in &targets {
            family = family.count(&labels(target), value(target));
        }
        family.end();
    }
    add_dropped(page, &name("samples_dropped_total"), &targets);
    add_durations(page, &name("sent_batch_duration_seconds"), &targets);
}

fn labels(target: &TargetStats) -> [(&str, &str); 2] {
    [("remote_name", &target.name), ("url", &target.url)]
}

fn add_dropped(page: &mut Page, name: &str, targets: &[Arc<TargetStats>]) {
    let help = "Samples and native histograms that were dropped before they were sent.";
    let mut family = page.counter(name, help);
    for target in targets {
        for reason in DropReason::ALL {
            let labels = [
                ("reason", reason.as_str()),
                ("remote_name", &target.name),
                ("url", &target.url),
            ];
            family = family.count(&labels, target.dropped(reason));
        }
    }
    family.end();
}

fn add_durations(page: &mut Page, name: &str, targets: &[Arc<TargetStats>]) {
    let mut family = page.histogram(name, "How long requests took.");
    for target in targets {
        family = family.durations(&labels(target), &target.duration);
    }
    family.end();
}
