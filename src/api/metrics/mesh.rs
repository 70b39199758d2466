//! `watchfire_cluster_*` and `watchfire_claims_*`: what the mesh does that Alertmanager's has no name for.

use super::{
    family::{Observed, Page, as_u64},
    sources::Sources,
};
use crate::{
    cluster::{MeshStatus, NodeName},
    io::MeshSocketStats,
    tenant::{CLAIM_BOUNDS_MS, ClaimStats, Phase, Takeover, View},
};

pub(super) fn add(page: &mut Page, view: &View, sources: &Sources) {
    if let Some(mesh) = &view.mesh {
        add_mesh(page, view, mesh);
        add_peers(page, view, mesh);
        add_replication(page, view, mesh);
        add_phase(page, view);
        add_claims(page, &view.stats.claims);
    }
    if let Some(sockets) = &sources.mesh {
        add_sockets(page, sockets);
    }
}

fn add_mesh(page: &mut Page, view: &View, mesh: &MeshStatus) {
    for (name, help, value) in [
        (
            "watchfire_cluster_quorum",
            "1 if a majority of those that vote can be asked; 0 delays notifications by the minority delay.",
            u64::from(view.has_majority),
        ),
        (
            "watchfire_cluster_electors",
            "Nodes that vote on who notifies.",
            as_u64(mesh.electors.len()),
        ),
        (
            "watchfire_cluster_unreached",
            "Addresses from the command line with which no stream exists.",
            as_u64(mesh.unreached.len()),
        ),
    ] {
        page.gauge(name, help).count(&[], value).end();
    }
    let stats = &mesh.stats;
    for (name, help, value) in [
        (
            "watchfire_cluster_rejoins_total",
            "Times that this node was held for dead and had to come back under a new identity.",
            stats.rejoins,
        ),
        (
            "watchfire_cluster_unsafe_electorates_total",
            "Electorates that survivors formed although a majority of the one before was gone.",
            stats.unsafe_electorates,
        ),
        (
            "watchfire_cluster_malformed_total",
            "Frames and datagrams of members that could not be read.",
            stats.malformed,
        ),
    ] {
        page.counter(name, help).count(&[], value).end();
    }
    let mut rejected = page.counter(
        "watchfire_cluster_rejected_total",
        "Streams that this node or the other side refused after both had proved who they are.",
    );
    for (reason, count) in &stats.rejected {
        rejected = rejected.count(&[("reason", reason)], *count);
    }
    rejected.end();
}

fn add_peers(page: &mut Page, view: &View, mesh: &MeshStatus) {
    add_unanswered(page, view, mesh);
    let mut blocked = page.gauge(
        "watchfire_cluster_udp_blocked",
        "1 if datagrams to this node go unanswered although the stream works.",
    );
    for (name, peer) in &mesh.peers {
        blocked = blocked.count(&[("peer", name)], u64::from(peer.udp_blocked));
    }
    blocked.end();
    let mut connected = page.gauge(
        "watchfire_cluster_connected",
        "1 if a stream to this node is open.",
    );
    for (name, peer) in &mesh.peers {
        connected = connected.count(&[("peer", name)], u64::from(peer.connected));
    }
    connected.end();
    let mut drift = page.gauge(
        "watchfire_cluster_clock_drift_seconds",
        "How far the clock of this node is ahead of ours.",
    );
    for (name, peer) in &mesh.peers {
        if let Some(ahead) = peer.clock_ahead {
            drift = drift.value(&[("peer", name)], seconds(ahead));
        }
    }
    drift.end();
    let mut round_trip = page.gauge(
        "watchfire_cluster_round_trip_seconds",
        "The time of a round trip on the stream to this node.",
    );
    for (name, peer) in &mesh.peers {
        if let Some(took) = peer.round_trip {
            round_trip = round_trip.value(&[("peer", name)], took.as_secs_f64());
        }
    }
    round_trip.end();
}

fn add_unanswered(page: &mut Page, view: &View, mesh: &MeshStatus) {
    let mut open = page.gauge(
        "watchfire_cluster_unanswered_seconds",
        "For how long this voter has acknowledged nothing that it was asked, 0 if it does; under this node's own name, its disk.",
    );
    for name in &mesh.electors {
        let time = view.unanswered.get(name).copied().unwrap_or_default();
        open = open.value(&[("peer", name)], time.as_secs_f64());
    }
    open.end();
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
fn seconds(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / 1e9
}

fn add_replication(page: &mut Page, view: &View, mesh: &MeshStatus) {
    let stats = &view.stats.replication;
    for (name, help, value) in [
        (
            "watchfire_cluster_divergence_total",
            "Repairs that found differences although both sides said that they knew the same; each is a bug.",
            stats.divergences,
        ),
        (
            "watchfire_cluster_repairs_total",
            "Comparisons of all state with another node that were completed.",
            stats.repairs,
        ),
        (
            "watchfire_cluster_repaired_records_total",
            "Records that such a comparison brought here.",
            stats.repaired,
        ),
        (
            "watchfire_cluster_quarantined_records_total",
            "Records of other nodes that could not be used and were set aside.",
            stats.quarantined,
        ),
        (
            "watchfire_cluster_malformed_claims_total",
            "Messages about claims that could not be read.",
            view.stats.malformed_claims,
        ),
    ] {
        page.counter(name, help).count(&[], value).end();
    }
    page.gauge(
        "watchfire_cluster_behind",
        "Changes of other nodes that were known to be missing here when they last said what they know.",
    )
    .count(&[], stats.behind)
    .end();
    let mut lag = page.gauge(
        "watchfire_cluster_lag_records",
        "Records of this node's changes that another one was not known to have when it last said what it knows.",
    );
    // Whoever left on purpose lacks what it likes.
    let stays = |name: &NodeName| mesh.peers.get(name).is_some_and(|peer| !peer.left);
    for (name, of) in view.lags.iter().filter(|(name, _)| stays(name)) {
        for (map, records) in &of.lacks {
            lag = lag.count(&[("map", map.as_str()), ("peer", name)], *records);
        }
    }
    lag.end();
    for (name, help, which) in [
        (
            "watchfire_cluster_records_sent_total",
            "Changes that this node told the others; each counts once.",
            0,
        ),
        (
            "watchfire_cluster_records_received_total",
            "Changes that other nodes told.",
            1,
        ),
    ] {
        let mut family = page.counter(name, help);
        for (map, stats) in &stats.maps {
            let count = if which == 0 { stats.told } else { stats.heard };
            family = family.count(&[("map", map.as_str())], count);
        }
        family.end();
    }
}

fn add_phase(page: &mut Page, view: &View) {
    let mut phases = page.gauge(
        "watchfire_cluster_phase",
        "1 for the phase that this node is in. It notifies when it is ready.",
    );
    for phase in [
        Phase::Starting,
        Phase::Syncing,
        Phase::Ready,
        Phase::Draining,
    ] {
        let is_now = u64::from(view.phase == phase);
        phases = phases.count(&[("phase", phase.as_str())], is_now);
    }
    phases.end();
    let mismatches = view.peers.values().filter(|peer| peer.differs).count();
    page.gauge(
        "watchfire_cluster_config_mismatch",
        "Nodes that define routes or receivers in another way than this one.",
    )
    .count(&[], as_u64(mismatches))
    .end();
    let ailing = view.peers.values().filter(|peer| peer.disk_ails).count();
    page.gauge(
        "watchfire_cluster_failing_disks",
        "Other nodes whose disk does not take what they save, or takes long.",
    )
    .count(&[], as_u64(ailing))
    .end();
}

fn add_claims(page: &mut Page, claims: &ClaimStats) {
    page.counter(
        "watchfire_claims_total",
        "Claims on notifications by what became of them: held by a majority, by a minority, or lost to another node.",
    )
    .count(&[("result", "held")], claims.held.saturating_sub(claims.minority))
    .count(&[("result", "lost")], claims.lost)
    .count(&[("result", "minority")], claims.minority)
    .end();
    page.counter(
        "watchfire_notifications_minority_total",
        "Notifications sent without a majority, which another part of a divided mesh may have sent too.",
    )
    .count(&[], claims.minority)
    .end();
    let mut takeovers = page.counter(
        "watchfire_takeovers_total",
        "Notifications that this node told although another one went first, by why that one did not: it left, its process ended, it is not heard, it did not tell in its time, it cannot reach the receiver.",
    );
    for reason in Takeover::ALL {
        let count = claims.takeovers.get(&reason).copied();
        takeovers = takeovers.count(&[("reason", reason.as_str())], count.unwrap_or_default());
    }
    takeovers.end();
    let bounds = CLAIM_BOUNDS_MS.map(|bound| std::time::Duration::from_millis(bound).as_secs_f64());
    let observed = Observed {
        bounds: &bounds,
        counts: &claims.took,
        sum: claims.took_sum.as_secs_f64(),
    };
    page.histogram(
        "watchfire_claim_seconds",
        "Time from asking the voters until a claim is held.",
    )
    .observed(&[], observed)
    .end();
}

/// Who was refused by the mesh's sockets, and what was dropped.
fn add_sockets(page: &mut Page, sockets: &MeshSocketStats) {
    let mut refused = page.counter(
        "watchfire_cluster_connections_refused_total",
        "Connections of the mesh that were refused, by what differs on the other side.",
    );
    for (reason, count) in sockets.refused() {
        refused = refused.count(&[("reason", reason)], count);
    }
    refused.end();
    let mut dropped = page.counter(
        "watchfire_cluster_datagrams_dropped_total",
        "Datagrams of the mesh that were dropped before they were looked into.",
    );
    for (reason, count) in sockets.dropped() {
        dropped = dropped.count(&[("reason", reason)], count);
    }
    dropped.end();
    for (name, help, count) in [
        (
            "watchfire_cluster_foreign_total",
            "Connections and datagrams of Alertmanagers, which cannot join.",
            sockets.foreign(),
        ),
        (
            "watchfire_cluster_streams_overflowed_total",
            "Streams that were closed because the other node did not take what was sent.",
            sockets.overflowed(),
        ),
    ] {
        page.counter(name, help).count(&[], count).end();
    }
}
