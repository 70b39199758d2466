//! `alertmanager_nflog_*`, `alertmanager_silences_*` and `alertmanager_config_*`.

use super::{
    family::{Observed, Page, as_u64},
    http::DURATION_BUCKETS,
    sources::Sources,
};
use crate::{
    storage::ReplicaMap,
    tenant::{SnapshotStats, View},
    time::Timestamp,
};

pub(super) fn add(page: &mut Page, view: &View, sources: &Sources) {
    add_config(page, view, sources);
    add_nflog(page, view);
    add_silences(page, view);
    add_snapshots(
        page,
        "nflog",
        "the notification log",
        &view.stats.nflog_snapshot,
    );
    add_snapshots(page, "silences", "silences", &view.stats.silences_snapshot);
}

#[expect(
    clippy::cast_precision_loss,
    reason = "the hash has 48 bits so that a double holds it"
)]
fn add_config(page: &mut Page, view: &View, sources: &Sources) {
    let (failed, last_success) = sources.reloads.last();
    page.gauge(
        "alertmanager_config_hash",
        "Hash of the currently loaded alertmanager configuration. Not cryptographically strong.",
    )
    .value(&[], view.config.hash as f64)
    .end();
    page.gauge(
        "alertmanager_config_last_reload_successful",
        "Whether the last configuration reload attempt was successful.",
    )
    .count(&[], u64::from(!failed))
    .end();
    page.gauge(
        "alertmanager_config_last_reload_success_timestamp_seconds",
        "Timestamp of the last successful configuration reload.",
    )
    .value(&[], last_success.map_or(0.0, Timestamp::unix_f64))
    .end();
    page.gauge(
        "alertmanager_inhibition_rules",
        "Number of configured inhibition rules.",
    )
    .count(&[], as_u64(view.config.inhibit_rules.len()))
    .end();
    // Upstream counts only receivers that a route names.
    let routed = |name: &str| view.tree.nodes().iter().any(|node| *node.receiver == *name);
    let active = view.config.receivers.iter().filter(|r| routed(&r.name));
    let (mut receivers, mut integrations) = (0, 0);
    for receiver in active {
        receivers += 1;
        integrations += receiver.integrations.len();
    }
    page.gauge("alertmanager_receivers", "Number of configured receivers.")
        .count(&[], receivers)
        .end();
    page.gauge(
        "alertmanager_integrations",
        "Number of configured integrations.",
    )
    .count(&[], as_u64(integrations))
    .end();
}

fn add_nflog(page: &mut Page, view: &View) {
    let stats = view.nflog.stats();
    page.gauge(
        "watchfire_nflog_entries",
        "Entries of the notification log; nodes of a mesh end with the same.",
    )
    .count(&[], as_u64(view.nflog.len()))
    .end();
    for (name, help, value) in [
        (
            "alertmanager_nflog_queries_total",
            "Number of notification log queries were received.",
            stats.queries,
        ),
        (
            "alertmanager_nflog_query_errors_total",
            "Number notification log received queries that failed.",
            stats.query_errors,
        ),
        (
            "alertmanager_nflog_gossip_messages_propagated_total",
            "Number of changes of the notification log that this node told the others.",
            told(view, ReplicaMap::Log),
        ),
    ] {
        page.counter(name, help).count(&[], value).end();
    }
    lookups(
        page,
        "alertmanager_nflog_query_duration_seconds",
        "Duration of notification log query evaluation.",
        stats.queries,
    );
    page.summary(
        "alertmanager_nflog_gc_duration_seconds",
        "Duration of the last notification log garbage collection cycle.",
    )
    .summed(0, 0.0)
    .end();
}

fn add_silences(page: &mut Page, view: &View) {
    let (stats, silences) = (view.silences.stats(), &view.silences);
    let counts = silences.counts(view.at.wall);
    page.gauge("alertmanager_silences", "How many silences by state.")
        .count(&[("state", "active")], as_u64(counts.active))
        .count(&[("state", "expired")], as_u64(counts.expired))
        .count(&[("state", "pending")], as_u64(counts.pending))
        .end();
    for (name, help, value) in [
        (
            "alertmanager_silences_queries_total",
            "How many silence queries were received.",
            stats.queries,
        ),
        (
            "alertmanager_silences_query_errors_total",
            "How many silence received queries did not succeed.",
            0,
        ),
        (
            "alertmanager_silences_query_silences_scanned_total",
            "How many silences were scanned during query evaluation.",
            stats.scanned,
        ),
        (
            "alertmanager_silences_query_silences_skipped_total",
            "How many silences were skipped during query evaluation using the index.",
            stats.skipped,
        ),
        (
            "alertmanager_silences_gc_errors_total",
            "How many silence GC errors were encountered.",
            0,
        ),
        (
            "alertmanager_silences_gossip_messages_propagated_total",
            "Number of changes of silences that this node told the others.",
            told(view, ReplicaMap::Silences),
        ),
    ] {
        page.counter(name, help).count(&[], value).end();
    }
    page.counter(
        "alertmanager_silences_matcher_compile_errors_total",
        "How many silence matcher compilations failed.",
    )
    .count(&[("stage", "index")], 0)
    .count(&[("stage", "load_snapshot")], stats.load_compile_errors)
    .end();
    for name in ["state", "matcher_index", "version_index"] {
        page.gauge(
            &format!("alertmanager_silences_{name}_size"),
            "The number of silences that are kept; one store serves as state and index.",
        )
        .count(&[], as_u64(silences.len()))
        .end();
    }
    lookups(
        page,
        "alertmanager_silences_query_duration_seconds",
        "Duration of silence query evaluation.",
        stats.queries,
    );
    page.summary(
        "alertmanager_silences_gc_duration_seconds",
        "Duration of the last silence garbage collection cycle.",
    )
    .summed(0, 0.0)
    .end();
}

/// Lookups take microseconds, and the core reads no clock; each counts in the lowest bucket with no time.
fn lookups(page: &mut Page, name: &str, help: &str, queries: u64) {
    let mut counts = [0; DURATION_BUCKETS.len() + 1];
    counts[0] = queries;
    let observed = Observed {
        bounds: &DURATION_BUCKETS,
        counts: &counts,
        sum: 0.0,
    };
    page.histogram(name, help).observed(&[], observed).end();
}

fn add_snapshots(page: &mut Page, store: &str, what: &str, stats: &SnapshotStats) {
    page.counter(
        &format!("alertmanager_{store}_maintenance_total"),
        &format!("How many maintenances were executed for {what}."),
    )
    .count(&[], stats.maintenance)
    .end();
    page.counter(
        &format!("alertmanager_{store}_maintenance_errors_total"),
        &format!("How many maintenances were executed for {what} that failed."),
    )
    .count(&[], stats.maintenance_errors)
    .end();
    page.summary(
        &format!("alertmanager_{store}_snapshot_duration_seconds"),
        "Duration of writing the file that Alertmanager can read.",
    )
    .summed(stats.snapshots, stats.snapshot_sum.as_secs_f64())
    .end();
    page.gauge(
        &format!("alertmanager_{store}_snapshot_size_bytes"),
        "Size of the last file that Alertmanager can read, in bytes.",
    )
    .count(&[], stats.snapshot_bytes)
    .end();
}

/// How many changes this node told the others.
fn told(view: &View, map: ReplicaMap) -> u64 {
    let stats = view.stats.replication.maps.get(&map);
    stats.map_or(0, |stats| stats.told)
}
