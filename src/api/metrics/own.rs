//! `watchfire_*`: what Alertmanager has no name for.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{family::Page, sources::Sources};
use crate::{api::build, tenant::View};

pub(super) fn add(page: &mut Page, view: &View, sources: &Sources) {
    page.gauge(
        "watchfire_build_info",
        "Always 1; its labels tell this program's own version.",
    )
    .count(
        &[
            ("revision", build::REVISION),
            ("version", build::OWN_VERSION),
        ],
        1,
    )
    .end();
    for (name, help, value) in [
        (
            "watchfire_alerts_stored",
            "Alerts in the store, resolved ones included.",
            view.alerts.len(),
        ),
        (
            "watchfire_notifications_in_flight",
            "Notifications that are being sent or wait for a retry.",
            view.deliveries,
        ),
        (
            "watchfire_history_entries",
            "Notifications in the history.",
            view.history.len(),
        ),
        (
            "watchfire_history_bytes",
            "Memory that the history takes.",
            view.history.bytes(),
        ),
        (
            "watchfire_config_warnings",
            "Warnings about the configuration in force; the status page shows them.",
            view.config.warnings.len(),
        ),
    ] {
        let value = u64::try_from(value).unwrap_or(u64::MAX);
        page.gauge(name, help).count(&[], value).end();
    }
    for (name, help, value) in [
        (
            "watchfire_flushes_total",
            "Flushes of groups that ended.",
            view.stats.flushes,
        ),
        (
            "watchfire_notifications_ambiguous_total",
            "Requests whose receiver may have taken them although no answer came.",
            view.stats.ambiguous,
        ),
    ] {
        page.counter(name, help).count(&[], value).end();
    }
    add_shell(page, sources);
}

fn add_shell(page: &mut Page, sources: &Sources) {
    let (looping, store) = (&sources.loop_stats, &sources.store);
    for (name, help, durations) in [
        (
            "watchfire_loop_step_duration_seconds",
            "How long single steps of the loop took.",
            &looping.steps,
        ),
        (
            "watchfire_store_durable_write_duration_seconds",
            "How long durable writes took, a group commit as one.",
            &store.durable_writes,
        ),
    ] {
        page.histogram(name, help).durations(&[], durations).end();
    }
    let count = |counter: &AtomicU64| counter.load(Relaxed);
    for (name, help, value) in [
        (
            "watchfire_loop_stalls_total",
            "Steps of the loop that took longer than 100 ms.",
            count(&looping.stalls),
        ),
        (
            "watchfire_store_write_errors_total",
            "Writes to the store that failed.",
            count(&store.write_errors),
        ),
        (
            "watchfire_store_dropped_records_total",
            "Records dropped because the store did not take them in time.",
            count(&store.dropped),
        ),
        (
            "watchfire_store_damaged_total",
            "Databases that were found damaged and set aside.",
            count(&store.damaged),
        ),
    ] {
        page.counter(name, help).count(&[], value).end();
    }
    for (name, help, value) in [
        (
            "watchfire_store_failing",
            "1 while writes fail or take more than 3 s; what is not written is in memory only.",
            u64::from(!store.troubles().is_empty()),
        ),
        (
            "watchfire_store_queued_bytes",
            "Bytes that wait to be written, those of writes that failed included.",
            count(&store.queued_bytes),
        ),
    ] {
        page.gauge(name, help).count(&[], value).end();
    }
    page.gauge(
        "watchfire_store_oldest_unsaved_seconds",
        "For how long the oldest write has waited that is not on the disk; 0 if all are.",
    )
    .value(
        &[("database", "bulk")],
        store.bulk.unsaved_for().as_secs_f64(),
    )
    .value(
        &[("database", "state")],
        store.state.unsaved_for().as_secs_f64(),
    )
    .end();
}
