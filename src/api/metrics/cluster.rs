//! `alertmanager_cluster_*`: the mesh under the names that dashboards and alerts know.

use super::{
    family::{Observed, Page, as_u64},
    http::DURATION_BUCKETS,
    sources::Sources,
};
use crate::{
    cluster::{MeshStatus, PeerState, PeerStatus},
    tenant::View,
};

pub(super) fn add(page: &mut Page, view: &View, sources: &Sources) {
    page.gauge(
        "alertmanager_cluster_enabled",
        "Indicates whether the clustering is enabled or not.",
    )
    .count(&[], u64::from(view.mesh.is_some()))
    .end();
    let Some(mesh) = &view.mesh else {
        return;
    };
    add_members(page, mesh);
    add_counters(page, mesh);
    add_messages(page, mesh);
    let queued = sources.mesh.as_ref().map_or(0, |mesh| mesh.queued());
    page.gauge(
        "alertmanager_cluster_messages_queued",
        "Number of cluster messages which are queued.",
    )
    .count(&[], queued)
    .end();
    add_never(page);
}

/// Whether a node takes part: as with memberlist, one under suspicion does.
fn is_member(peer: &PeerStatus) -> bool {
    match peer.state {
        PeerState::Alive | PeerState::Suspect => true,
        PeerState::Down => false,
    }
}

/// How many members something is wrong with.
fn unwell(mesh: &MeshStatus) -> usize {
    let is_unwell = |peer: &&PeerStatus| {
        is_member(peer) && (peer.state == PeerState::Suspect || !peer.connected || peer.udp_blocked)
    };
    mesh.peers.values().filter(is_unwell).count()
}

fn add_members(page: &mut Page, mesh: &MeshStatus) {
    let members = || mesh.peers.iter().filter(|(_, peer)| is_member(peer));
    let before = members().filter(|(name, _)| **name < mesh.name).count();
    for (name, help, value) in [
        (
            "alertmanager_cluster_members",
            "Number indicating current number of members in cluster.",
            1 + members().count(),
        ),
        (
            "alertmanager_cluster_failed_peers",
            "Number indicating the current number of failed peers in the cluster.",
            mesh.peers.len() - members().count(),
        ),
        (
            "alertmanager_cluster_health_score",
            "Members under suspicion, without a stream, or that datagrams do not reach. Zero means 'totally healthy'.",
            unwell(mesh),
        ),
        (
            "alertmanager_peer_position",
            "Position of this node among the members of its cluster by name. Who notifies is agreed on for each notification.",
            before,
        ),
    ] {
        page.gauge(name, help).count(&[], as_u64(value)).end();
    }
    let mut info = page
        .gauge(
            "alertmanager_cluster_peer_info",
            "A metric with a constant '1' value labeled by peer name.",
        )
        .count(&[("peer", &mesh.name)], 1);
    for (name, _) in members() {
        info = info.count(&[("peer", name)], 1);
    }
    info.end();
}

fn add_counters(page: &mut Page, mesh: &MeshStatus) {
    let stats = &mesh.stats;
    for (name, help, value) in [
        (
            "alertmanager_cluster_messages_pruned_total",
            "Total number of cluster messages pruned. Always 0: nothing that waits is dropped.",
            0,
        ),
        (
            "alertmanager_cluster_peer_name_conflicts_total",
            "Total number of times two members were seen under one name.",
            stats.name_conflicts,
        ),
        (
            "alertmanager_cluster_peers_joined_total",
            "A counter of the number of peers that have joined.",
            // As with memberlist, a node joins itself.
            1 + stats.joined,
        ),
        (
            "alertmanager_cluster_peers_left_total",
            "A counter of the number of peers that have left.",
            stats.left,
        ),
        (
            "alertmanager_cluster_peers_update_total",
            "A counter of the number of peers that have come with another run or address.",
            stats.updated,
        ),
        (
            "alertmanager_cluster_reconnections_total",
            "A counter of the number of cluster peer reconnections.",
            stats.reconnections,
        ),
        (
            "alertmanager_cluster_reconnections_failed_total",
            "A counter of the number of failed cluster peer connection attempts.",
            stats.reconnections_failed,
        ),
        (
            "alertmanager_cluster_refresh_join_total",
            "Always 0: nodes found by names that are looked up again count as joined.",
            0,
        ),
        (
            "alertmanager_cluster_refresh_join_failed_total",
            "Always 0: attempts that failed are in alertmanager_cluster_reconnections_failed_total.",
            0,
        ),
    ] {
        page.counter(name, help).count(&[], value).end();
    }
}

/// Repairs are the full state, everything else is an update.
fn add_messages(page: &mut Page, mesh: &MeshStatus) {
    let stats = &mesh.stats;
    for (direction, all, bulk) in [
        ("received", stats.received, stats.received_bulk),
        ("sent", stats.sent, stats.sent_bulk),
    ] {
        for (what, suffix, all, bulk) in [
            ("number", "", all.0, bulk.0),
            ("size", "_size", all.1, bulk.1),
        ] {
            page.counter(
                &format!("alertmanager_cluster_messages_{direction}{suffix}_total"),
                &format!("Total {what} of cluster messages {direction}."),
            )
            .count(&[("msg_type", "full_state")], bulk)
            .count(&[("msg_type", "update")], all.saturating_sub(bulk))
            .end();
        }
    }
}

/// Messages of any size go the same way, so these never count.
fn add_never(page: &mut Page) {
    for (name, help) in OVERSIZED {
        page.counter(name, help)
            .count(&[("key", "nfl")], 0)
            .count(&[("key", "sil")], 0)
            .end();
    }
    let none = Observed {
        bounds: &DURATION_BUCKETS,
        counts: &[],
        sum: 0.0,
    };
    page.histogram(
        "alertmanager_oversize_gossip_message_duration_seconds",
        "Duration of oversized gossip message requests.",
    )
    .observed(&[("key", "nfl")], none)
    .observed(&[("key", "sil")], none)
    .end();
}

const OVERSIZED: [(&str, &str); 3] = [
    (
        "alertmanager_oversized_gossip_message_dropped_total",
        "Number of oversized gossip messages that were dropped due to a full message queue.",
    ),
    (
        "alertmanager_oversized_gossip_message_failure_total",
        "Number of oversized gossip message sends that failed.",
    ),
    (
        "alertmanager_oversized_gossip_message_sent_total",
        "Number of oversized gossip message sent.",
    ),
];
