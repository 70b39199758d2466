//! `prometheus_notifications_*`: what other Alertmanagers are told, under Prometheus's names.

use std::sync::atomic::Ordering::Relaxed;

use super::family::Page;
use crate::io::alertmanagers::{AlertmanagerStats, AlertmanagersStats};

/// What is told of an Alertmanager, and how it is called after `prometheus_notifications_`.
type Row = (&'static str, &'static str, fn(&AlertmanagerStats) -> u64);

const COUNTERS: [Row; 3] = [
    (
        "sent_total",
        "Alerts of rules that were sent to an Alertmanager, each attempt counted.",
        |one| one.sent.load(Relaxed),
    ),
    (
        "errors_total",
        "Alerts of rules in requests that failed.",
        |one| one.errors.load(Relaxed),
    ),
    (
        "dropped_total",
        "Alerts of rules that an Alertmanager was not told of: refused, too many, or over for long.",
        |one| one.dropped.load(Relaxed),
    ),
];

/// Adds what there is to tell; without other Alertmanagers nothing.
pub(super) fn add(page: &mut Page, stats: &AlertmanagersStats) {
    let all = stats.all();
    if all.is_empty() {
        return;
    }
    let name = |rest: &str| format!("prometheus_notifications_{rest}");
    page.gauge(
        &name("alertmanagers_discovered"),
        "Alertmanagers that are told of alerts of rules besides this one.",
    )
    .count(&[], u64::try_from(all.len()).unwrap_or(u64::MAX))
    .end();
    page.gauge(
        &name("queue_capacity"),
        "Alerts that may wait for one Alertmanager.",
    )
    .count(&[], AlertmanagerStats::queue_capacity())
    .end();
    for (rest, help, value) in COUNTERS {
        let mut family = page.counter(&name(rest), help);
        for one in &all {
            family = family.count(&[("alertmanager", &one.url)], value(one));
        }
        family.end();
    }
    let help = "Alerts of which the latest state waits for an Alertmanager.";
    let mut family = page.gauge(&name("queue_length"), help);
    for one in &all {
        family = family.count(&[("alertmanager", &one.url)], one.queue_length());
    }
    family.end();
    let help = "How long requests to an Alertmanager took.";
    let mut family = page.histogram(&name("latency_histogram_seconds"), help);
    for one in &all {
        family = family.durations(&[("alertmanager", &one.url)], &one.duration);
    }
    family.end();
    let help = "How long requests to an Alertmanager took; the quantiles are of the last ten minutes, and of 1,000 requests at most.";
    let mut family = page.summary(&name("latency_seconds"), help);
    for one in &all {
        let labels = [("alertmanager", &*one.url)];
        family = family.durations_of_late(&labels, &one.duration, one.quantiles());
    }
    family.end();
}
