//! What came in, what was grouped, what was told: `alertmanager_alerts_*`, `…_dispatcher_*`, `…_notification*`.

use std::collections::BTreeMap;

use super::{
    family::{Observed, Page},
    http::HttpStats,
    sources::MetricLabels,
};
use crate::{
    api::build,
    config::IntegrationKind,
    notify::FailureReason,
    tenant::{LATENCY_BOUNDS, NotificationStats, View},
};

pub(super) fn add(page: &mut Page, view: &View, http: &HttpStats, labels: MetricLabels) {
    add_build_info(page);
    add_alerts(page, view, http, labels);
    add_dispatcher(page, view);
    add_notifications(page, view, labels.receiver_names);
    let suppressed = &view.stats.suppressed;
    page.counter(
        "alertmanager_notifications_suppressed_total",
        "The total number of notifications suppressed for being silenced, inhibited, outside of active time intervals or within muted time intervals.",
    )
    .count(&[("reason", "active_time_interval")], suppressed.active_time_interval)
    .count(&[("reason", "inhibition")], suppressed.inhibition)
    .count(&[("reason", "mute_time_interval")], suppressed.mute_time_interval)
    .count(&[("reason", "silence")], suppressed.silence)
    .end();
}

fn add_build_info(page: &mut Page) {
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    page.gauge(
        "alertmanager_build_info",
        "Always 1; its labels tell the Alertmanager version that this program stands in for.",
    )
    .count(
        &[
            ("branch", build::BRANCH),
            ("goarch", arch),
            ("goos", std::env::consts::OS),
            ("goversion", build::GO_VERSION),
            ("revision", build::REVISION),
            ("tags", "unknown"),
            ("version", build::COMPATIBLE_VERSION),
        ],
        1,
    )
    .end();
}

fn add_alerts(page: &mut Page, view: &View, http: &HttpStats, labels: MetricLabels) {
    let counters = http.counters();
    page.counter(
        "alertmanager_alerts_received_total",
        "The total number of received alerts.",
    )
    .count(
        &[("status", "firing"), ("version", "v2")],
        counters.alerts_firing,
    )
    .count(
        &[("status", "resolved"), ("version", "v2")],
        counters.alerts_resolved,
    )
    .end();
    page.counter(
        "alertmanager_alerts_invalid_total",
        "The total number of received alerts that were invalid.",
    )
    .count(&[("version", "v2")], counters.alerts_invalid)
    .end();
    page.gauge(
        "alertmanager_alerts_per_alert_limit",
        "Current limit on number of alerts per alert name",
    )
    .count(&[], u64::try_from(view.alert_limit).unwrap_or(u64::MAX))
    .end();
    let limited = page.counter(
        "alertmanager_alerts_limited_total",
        "Total number of alerts that were dropped due to the limit on one alert name.",
    );
    let per_name = &view.stats.limited;
    if labels.alert_names {
        per_name
            .iter()
            .fold(limited, |family, (name, count)| {
                family.count(&[("alertname", name)], *count)
            })
            .end();
    } else {
        limited.count(&[], per_name.values().sum()).end();
    }
    page.counter(
        "alertmanager_alerts_subscriber_channel_writes_total",
        "Number of times alerts were handed to routing and to inhibition",
    )
    .count(&[("subscriber", "dispatcher")], view.stats.ingested)
    .count(&[("subscriber", "inhibitor")], view.stats.ingested)
    .end();
}

fn add_dispatcher(page: &mut Page, view: &View) {
    let groups = u64::try_from(view.groups.len()).unwrap_or(u64::MAX);
    page.gauge(
        "alertmanager_dispatcher_aggregation_groups",
        "Number of active aggregation groups",
    )
    .count(&[], groups)
    .end();
    // The core reads no clock: the time is in `watchfire_loop_step_duration_seconds`.
    page.summary(
        "alertmanager_dispatcher_alert_processing_duration_seconds",
        "How many alerts were processed; their time is that of the loop's steps.",
    )
    .summed(view.stats.ingested, 0.0)
    .end();
    for (name, help) in [
        (
            "group_limit_reached",
            "Number of times when dispatcher failed to create new aggregation group due to limit.",
        ),
        (
            "group_creation_retries",
            "Number of retries while creating aggregation groups under contention; there is none here.",
        ),
        (
            "group_creation_given_up",
            "Number of alerts dropped because aggregation group creation exceeded the retry limit.",
        ),
    ] {
        page.counter(
            &format!("alertmanager_dispatcher_aggregation_{name}_total"),
            help,
        )
        .count(&[], 0)
        .end();
    }
}

/// Without the label for receivers every upstream type has its series from the start, ours once they are configured.
fn add_notifications(page: &mut Page, view: &View, by_receiver: bool) {
    let mut rows: BTreeMap<(&'static str, &str), NotificationStats> = BTreeMap::new();
    if !by_receiver {
        for kind in IntegrationKind::ALL {
            if kind.is_upstream() {
                rows.entry((kind.as_str(), "")).or_default();
            }
        }
    }
    for receiver in &view.config.receivers {
        let name = if by_receiver { &*receiver.name } else { "" };
        for integration in &receiver.integrations {
            rows.entry((integration.kind.as_str(), name)).or_default();
        }
    }
    for ((kind, receiver), stats) in &view.stats.notifications {
        let name = if by_receiver { &**receiver } else { "" };
        add_up(rows.entry((kind.as_str(), name)).or_default(), stats);
    }
    let labelled = |(kind, receiver): (&'static str, &str)| {
        let mut labels = vec![("integration", kind.to_owned())];
        if by_receiver {
            labels.push(("receiver_name", receiver.to_owned()));
        }
        labels
    };
    let rows: Vec<_> = rows
        .into_iter()
        .map(|(key, stats)| (labelled(key), stats))
        .collect();
    add_notification_counters(page, &rows);
    add_failures_and_latency(page, &rows);
}

type Row = (Vec<(&'static str, String)>, NotificationStats);

fn borrowed<'l>(labels: &'l [(&'static str, String)]) -> Vec<(&'static str, &'l str)> {
    labels
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

fn add_notification_counters(page: &mut Page, rows: &[Row]) {
    type Count = fn(&NotificationStats) -> u64;
    let families: [(&str, &str, Count); 5] = [
        (
            "alertmanager_notifications_total",
            "The total number of attempted notifications.",
            |stats| stats.notifications,
        ),
        (
            "alertmanager_notification_requests_total",
            "The total number of attempted notification requests.",
            |stats| stats.requests,
        ),
        (
            "alertmanager_notification_requests_failed_total",
            "The total number of failed notification requests.",
            |stats| stats.requests_failed,
        ),
        (
            "watchfire_notification_template_failures_total",
            "Notifications that went out in plain words because a template failed.",
            |stats| stats.template_failures,
        ),
        (
            "watchfire_notifications_digested_total",
            "Notifications that went out as part of a digest because of a rate limit.",
            |stats| stats.digested,
        ),
    ];
    for (name, help, count) in families {
        let mut family = page.counter(name, help);
        for (labels, stats) in rows {
            family = family.count(&borrowed(labels), count(stats));
        }
        family.end();
    }
}

#[expect(clippy::cast_precision_loss, reason = "the bounds are small")]
fn add_failures_and_latency(page: &mut Page, rows: &[Row]) {
    let mut family = page.counter(
        "alertmanager_notifications_failed_total",
        "The total number of failed notifications.",
    );
    for (labels, stats) in rows {
        for reason in FailureReason::ALL {
            let mut labels = borrowed(labels);
            let place = labels.partition_point(|(name, _)| *name < "reason");
            labels.insert(place, ("reason", reason.as_str()));
            let failed = stats.failed.get(&reason).copied().unwrap_or_default();
            family = family.count(&labels, failed);
        }
    }
    family.end();
    let bounds = LATENCY_BOUNDS.map(|seconds| seconds as f64);
    let mut family = page.histogram(
        "alertmanager_notification_latency_seconds",
        "The latency of notifications in seconds.",
    );
    for (labels, stats) in rows {
        let observed = Observed {
            bounds: &bounds,
            counts: &stats.latency_buckets,
            sum: stats.latency_sum.as_secs_f64(),
        };
        family = family.observed(&borrowed(labels), observed);
    }
    family.end();
}

fn add_up(total: &mut NotificationStats, more: &NotificationStats) {
    total.notifications += more.notifications;
    total.requests += more.requests;
    total.requests_failed += more.requests_failed;
    total.latency_sum += more.latency_sum;
    total.template_failures += more.template_failures;
    total.digested += more.digested;
    for (reason, count) in &more.failed {
        *total.failed.entry(*reason).or_default() += count;
    }
    for (bucket, count) in total.latency_buckets.iter_mut().zip(more.latency_buckets) {
        *bucket += count;
    }
}
