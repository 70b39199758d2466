//! `alertmanager_cluster_*`: a cluster of one member, which sends nothing and loses nobody.

use super::{
    family::{Observed, Page},
    http::DURATION_BUCKETS,
    sources::ClusterOfOne,
};

pub(super) fn add(page: &mut Page, cluster: Option<&ClusterOfOne>) {
    page.gauge(
        "alertmanager_cluster_enabled",
        "Indicates whether the clustering is enabled or not.",
    )
    .count(&[], u64::from(cluster.is_some()))
    .end();
    let Some(cluster) = cluster else {
        return;
    };
    for (name, help, value) in GAUGES {
        page.gauge(name, help).value(&[], value).end();
    }
    for (name, help, value) in COUNTERS {
        page.counter(name, help).value(&[], value).end();
    }
    for (name, help) in MESSAGES {
        page.counter(name, help)
            .count(&[("msg_type", "full_state")], 0)
            .count(&[("msg_type", "update")], 0)
            .end();
    }
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
    let peer = [("peer", cluster.name.as_str())];
    page.gauge(
        "alertmanager_cluster_peer_info",
        "A metric with a constant '1' value labeled by peer name.",
    )
    .count(&peer, 1)
    .end();
    page.counter(
        "alertmanager_cluster_alive_messages_total",
        "Total number of received alive messages.",
    )
    .count(&peer, 1)
    .end();
}

const GAUGES: [(&str, &str, f64); 5] = [
    (
        "alertmanager_cluster_members",
        "Number indicating current number of members in cluster.",
        1.0,
    ),
    (
        "alertmanager_cluster_failed_peers",
        "Number indicating the current number of failed peers in the cluster.",
        0.0,
    ),
    (
        "alertmanager_cluster_health_score",
        "Health score of the cluster. Lower values are better and zero means 'totally healthy'.",
        0.0,
    ),
    (
        "alertmanager_cluster_messages_queued",
        "Number of cluster messages which are queued.",
        0.0,
    ),
    (
        "alertmanager_peer_position",
        "Position of this node among the members of its cluster; it notifies first at 0.",
        0.0,
    ),
];

const COUNTERS: [(&str, &str, f64); 9] = [
    (
        "alertmanager_cluster_messages_pruned_total",
        "Total number of cluster messages pruned.",
        0.0,
    ),
    (
        "alertmanager_cluster_peer_name_conflicts_total",
        "Total number of times two members were seen under one name.",
        0.0,
    ),
    (
        "alertmanager_cluster_peers_joined_total",
        "A counter of the number of peers that have joined.",
        1.0,
    ),
    (
        "alertmanager_cluster_peers_left_total",
        "A counter of the number of peers that have left.",
        0.0,
    ),
    (
        "alertmanager_cluster_peers_update_total",
        "A counter of the number of peers that have updated metadata.",
        0.0,
    ),
    (
        "alertmanager_cluster_reconnections_total",
        "A counter of the number of cluster peer reconnections.",
        0.0,
    ),
    (
        "alertmanager_cluster_reconnections_failed_total",
        "A counter of the number of failed cluster peer reconnection attempts.",
        0.0,
    ),
    (
        "alertmanager_cluster_refresh_join_total",
        "A counter of the number of cluster peer joined via refresh.",
        0.0,
    ),
    (
        "alertmanager_cluster_refresh_join_failed_total",
        "A counter of the number of failed cluster peer joined attempts via refresh.",
        0.0,
    ),
];

const MESSAGES: [(&str, &str); 4] = [
    (
        "alertmanager_cluster_messages_received_total",
        "Total number of cluster messages received.",
    ),
    (
        "alertmanager_cluster_messages_received_size_total",
        "Total size of cluster messages received.",
    ),
    (
        "alertmanager_cluster_messages_sent_total",
        "Total number of cluster messages sent.",
    ),
    (
        "alertmanager_cluster_messages_sent_size_total",
        "Total size of cluster messages sent.",
    ),
];

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
