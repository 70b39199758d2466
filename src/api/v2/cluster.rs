//! `GET /api/v2/cluster`, an addition: how this node sees its mesh, and what is wrong with it in words.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use axum::{
    body::Body,
    http::{Response, StatusCode},
};

use super::problems::problems;
use crate::{
    api::{
        build,
        error::{ApiError, json_response},
        state::ApiState,
        write,
    },
    cluster::{MeshStatus, NodeName, PeerState, PeerStatus},
    io::StoreStats,
    tenant::{PeerLag, Phase, View},
};

pub(super) async fn get(state: &ApiState) -> Result<Response<Body>, ApiError> {
    let view = state.view().await?;
    let counted = {
        let view = Arc::clone(&view);
        // There may be very many groups.
        tokio::task::spawn_blocking(move || view.owners())
    };
    let owners = counted.await.unwrap_or_default();
    let mut out = String::with_capacity(2048);
    out.push_str("{\"enabled\":");
    out.push_str(flag(view.mesh.is_some()));
    write::member(&mut out, "phase", view.phase.as_str());
    if let Some(mesh) = &view.mesh {
        write::member(&mut out, "name", &mesh.name);
        write_electorate(&mut out, &view, mesh);
        write_members(&mut out, &view, mesh, &state.sources().store);
        out.push_str(",\"unreached\":");
        write::list(&mut out, &mesh.unreached, |out, (address, reason)| {
            out.push('{');
            write::member(out, "address", address);
            write::member(out, "reason", reason);
            out.push('}');
        });
        write_replication(&mut out, &view);
        write_owners(&mut out, &owners);
        write_claims(&mut out, &view);
        out.push_str(",\"problems\":");
        let problems = problems(&view, mesh, &state.sources().store);
        write::list(&mut out, problems, |out, text| {
            write::string(out, &text);
        });
    }
    out.push_str("}\n");
    Ok(json_response(StatusCode::OK, out))
}

fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// Appends `,"name":` and the truth value.
fn boolean(out: &mut String, name: &str, value: bool) {
    write::number(out, name, flag(value));
}

fn write_electorate(out: &mut String, view: &View, mesh: &MeshStatus) {
    out.push_str(",\"electorate\":{\"quorum\":");
    out.push_str(flag(view.has_majority));
    write::number(out, "epoch", mesh.epoch);
    out.push_str(",\"names\":");
    write::list(out, &mesh.electors, |out, name| write::string(out, name));
    out.push('}');
}

/// All nodes by name, this one among them.
fn write_members(out: &mut String, view: &View, mesh: &MeshStatus, store: &StoreStats) {
    let own = (&mesh.name, None);
    let peers = mesh.peers.iter().map(|(name, peer)| (name, Some(peer)));
    let mut members: Vec<(&NodeName, Option<&PeerStatus>)> = peers.chain([own]).collect();
    members.sort_by_key(|(name, _)| *name);
    out.push_str(",\"members\":");
    write::list(out, members, |out, (name, peer)| {
        out.push('{');
        write::member(out, "name", name);
        match peer {
            Some(peer) => write_peer(out, view, mesh, (name, peer)),
            None => write_self(out, view, mesh, store),
        }
        out.push('}');
    });
}

fn write_self(out: &mut String, view: &View, mesh: &MeshStatus, store: &StoreStats) {
    boolean(out, "self", true);
    write::member(out, "address", &mesh.advertise);
    write::member(out, "version", build::OWN_VERSION);
    write::member(out, "state", "alive");
    boolean(out, "connected", true);
    boolean(out, "ready", view.phase == Phase::Ready);
    boolean(
        out,
        "votes",
        view.may_vote && mesh.electors.contains(&mesh.name),
    );
    boolean(out, "answers", !view.unanswered.contains_key(&mesh.name));
    boolean(out, "udpBlocked", false);
    boolean(out, "configMismatch", false);
    boolean(out, "diskFails", !store.troubles().is_empty());
}

fn write_peer(
    out: &mut String,
    view: &View,
    mesh: &MeshStatus,
    (name, peer): (&NodeName, &PeerStatus),
) {
    let is_elector = mesh.electors.contains(name);
    let facts = view.peers.get(name).filter(|_| peer.connected);
    boolean(out, "self", false);
    write::member(out, "address", &peer.address);
    write::number(out, "run", peer.run);
    write::member(out, "version", &peer.version);
    let state = match peer.state {
        PeerState::Alive => "alive",
        PeerState::Suspect => "suspect",
        PeerState::Down => "down",
    };
    write::member(out, "state", state);
    boolean(out, "connected", peer.connected);
    boolean(out, "ready", facts.is_some_and(|facts| facts.ready));
    boolean(
        out,
        "votes",
        is_elector && facts.is_some_and(|facts| facts.votes),
    );
    boolean(
        out,
        "answers",
        peer.connected && !view.unanswered.contains_key(name),
    );
    boolean(out, "udpBlocked", peer.udp_blocked);
    boolean(
        out,
        "configMismatch",
        facts.is_some_and(|facts| facts.differs),
    );
    boolean(out, "diskFails", facts.is_some_and(|facts| facts.disk_ails));
    if let Some(lag) = view.lags.get(name) {
        write_lag(out, lag);
    }
    if let Some(took) = peer.round_trip {
        write::number(out, "roundTripMicros", took.as_micros());
    }
    if let Some(ahead) = peer.clock_ahead {
        write::number(out, "clockAheadMs", ahead / 1_000_000);
    }
}

/// How far a node is behind this one, and this one behind it.
fn write_lag(out: &mut String, lag: &PeerLag) {
    out.push_str(",\"lag\":{");
    for (at, (map, changes)) in lag.lacks.iter().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(out, "{comma}\"{}\":{changes}", map.as_str());
    }
    out.push('}');
    write::number(out, "lagHere", lag.ahead);
}

fn write_replication(out: &mut String, view: &View) {
    let stats = &view.stats.replication;
    out.push_str(",\"replication\":{\"maps\":");
    write::list(out, &stats.maps, |out, (map, stats)| {
        out.push('{');
        write::member(out, "map", map.as_str());
        write::number(out, "sent", stats.told);
        write::number(out, "sentBytes", stats.told_bytes);
        write::number(out, "received", stats.heard);
        write::number(out, "receivedBytes", stats.heard_bytes);
        out.push('}');
    });
    for (name, value) in [
        ("behind", stats.behind),
        ("repairs", stats.repairs),
        ("repaired", stats.repaired),
        ("divergences", stats.divergences),
        ("quarantined", stats.quarantined),
    ] {
        write::number(out, name, value);
    }
    out.push('}');
}

/// Who goes first to tell of how many groups.
fn write_owners(out: &mut String, owners: &BTreeMap<NodeName, usize>) {
    out.push_str(",\"owners\":");
    write::list(out, owners, |out, (name, groups)| {
        out.push('{');
        write::member(out, "name", name);
        write::number(out, "groups", groups);
        out.push('}');
    });
}

fn write_claims(out: &mut String, view: &View) {
    let claims = &view.stats.claims;
    out.push_str(",\"claims\":{\"asked\":");
    out.push_str(&claims.asked.to_string());
    for (name, value) in [
        ("held", claims.held),
        ("minority", claims.minority),
        ("lost", claims.lost),
        ("takeovers", claims.takeovers.values().sum()),
        ("ambiguous", view.stats.ambiguous),
    ] {
        write::number(out, name, value);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        api::testing::{alone, api_with_views, config, get, post, tenant},
        storage::ReplicaMap,
        tenant::PeerFacts,
    };

    /// Three nodes: n1 asks, n2 is well, n3 is down and votes still.
    fn three(view: &mut View) {
        alone(view);
        let mesh = Arc::make_mut(view.mesh.as_mut().unwrap());
        let peer = |address: &str, state, connected| PeerStatus {
            address: address.into(),
            run: 1_795_287_600_000,
            version: "0.1.0".into(),
            state,
            left: false,
            connected,
            round_trip: connected.then_some(Duration::from_micros(270)),
            clock_ahead: connected.then_some(-4_200_000_000),
            udp_blocked: connected,
        };
        mesh.peers = [
            ("n2".into(), peer("10.0.0.2:9094", PeerState::Alive, true)),
            ("n0".into(), peer("10.0.0.3:9094", PeerState::Down, false)),
        ]
        .into();
        mesh.electors = vec!["n0".into(), "n1".into(), "n2".into(), "n8".into()];
        mesh.unreached = [
            ("10.0.0.3:9094".into(), "connection refused".to_owned()),
            ("am-9:9094".into(), "resolves to no address".to_owned()),
        ]
        .into();
        let facts = PeerFacts {
            ready: false,
            votes: true,
            stuck: true,
            differs: true,
            disk_ails: true,
        };
        let time = Duration::from_secs(12);
        view.unanswered = [("n1".into(), time), ("n2".into(), time)].into();
        view.peers = [("n2".into(), facts)].into();
    }

    /// As [`three`]; n2 lacks alerts, and one that left lacks more.
    fn behind(view: &mut View) {
        three(view);
        let lag = |alerts, ahead| PeerLag {
            lacks: [(ReplicaMap::Silences, 0), (ReplicaMap::Alerts, alerts)].into(),
            ahead,
        };
        view.unanswered = Default::default();
        view.lags = [("n2".into(), lag(3, 2)), ("n0".into(), lag(700, 0))].into();
        let mesh = Arc::make_mut(view.mesh.as_mut().unwrap());
        mesh.peers.get_mut("n0").unwrap().left = true;
        mesh.electors
            .retain(|name| **name != *"n0" && **name != *"n8");
    }

    fn syncing(view: &mut View) {
        three(view);
        view.phase = Phase::Syncing;
        view.has_majority = false;
    }

    fn draining(view: &mut View) {
        alone(view);
        view.phase = Phase::Draining;
    }

    async fn ask(adorn: fn(&mut View), path: &str) -> (u16, String) {
        let (_, api) = api_with_views(tenant(config()), adorn, false);
        let answer = get(&api, path).await;
        (answer.status.as_u16(), answer.body)
    }

    #[tokio::test]
    async fn a_mesh_shows_its_members_and_what_is_wrong() {
        let (status, body) = ask(three, "/api/v2/cluster").await;
        assert_eq!(status, 200);
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        let problems = answer["problems"].as_array().unwrap();
        let problems: Vec<_> = problems.iter().map(|text| text.as_str().unwrap()).collect();
        expect_test::expect![[r#"
            [
                "the disk of this node has taken nothing for 12 s: it leaves it to the other nodes to notify; check the disk under --storage.path",
                "n0 at 10.0.0.3:9094 is down (it still has a vote): connection refused",
                "n2 at 10.0.0.2:9094 has acknowledged nothing for 12 s although its stream is open, and does not count as in reach: check its disk and its log, and whether large packets pass in both directions (ping -M do -s 1472)",
                "datagrams to n2 go unanswered: is UDP to 10.0.0.2:9094 let through? The mesh works without, over TCP alone",
                "the clock of n2 is 4 s behind this node's",
                "n2 defines routes or receivers in another way: what differs is told by the nodes that define it the same way, separately",
                "the disk of n2 does not take what it saves, or takes long: a restart of it would forget that",
                "n2 gets nothing acknowledged, by its own disk or by a majority, and leaves it to the others to notify",
                "n2 is not ready and does not notify",
                "n8 votes and was not met since this node started",
                "no stream to am-9:9094: resolves to no address",
            ]
        "#]]
        .assert_debug_eq(&problems);
        let names = answer["members"].as_array().unwrap().iter();
        let names: Vec<_> = names.map(|of| of["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["n0", "n1", "n2"]);
        assert_eq!(answer["members"][1]["self"], true);
        assert_eq!(answer["members"][2]["roundTripMicros"], 270);
        assert_eq!(answer["members"][2]["clockAheadMs"], -4200);
    }

    #[tokio::test]
    async fn how_far_nodes_are_behind_is_shown_and_that_one_left() {
        let (_, body) = ask(behind, "/api/v2/cluster").await;
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        let member = |at: usize| &answer["members"][at];
        assert_eq!(
            member(2)["lag"],
            serde_json::json!({"silences": 0, "alerts": 3})
        );
        assert_eq!(member(2)["lagHere"], 2);
        assert_eq!(member(0)["lag"]["alerts"], 700);
        assert_eq!(member(1)["lag"], serde_json::Value::Null);
        assert_eq!(
            answer["problems"][0],
            "n0 at 10.0.0.3:9094 left the mesh and is not back: connection refused"
        );
        let (_, page) = ask(behind, "/metrics").await;
        for line in [
            "watchfire_cluster_lag_records{map=\"alerts\",peer=\"n2\"} 3",
            "watchfire_cluster_lag_records{map=\"silences\",peer=\"n2\"} 0",
        ] {
            assert!(page.lines().any(|other| other == line), "{line}: {page}");
        }
        assert!(!page.contains("lag_records{map=\"alerts\",peer=\"n0\"}"));
    }

    #[tokio::test]
    async fn who_goes_first_for_how_many_groups_is_shown() {
        let text = "route: {receiver: team, group_by: [alertname]}\nreceivers:\n- name: team\n  webhook_configs: \
                    [{url: 'http://a'}, {url: 'http://b'}]\n";
        let config = crate::config::load(text.as_bytes(), &Default::default()).unwrap();
        let shared = |view: &mut View| {
            three(view);
            view.tellers = Some([vec!["n2".into()]].into());
        };
        let (_, api) = api_with_views(tenant(config), shared, false);
        let alerts: Vec<_> = (0..40)
            .map(|number| serde_json::json!({"labels": {"alertname": format!("A{number}")}}))
            .collect();
        let posted = post(
            &api,
            "/api/v2/alerts",
            &serde_json::json!(alerts).to_string(),
        )
        .await;
        assert_eq!(posted.status, 200);
        let body = get(&api, "/api/v2/cluster").await.body;
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        let owners = answer["owners"].as_array().unwrap();
        let groups: Vec<u64> = owners
            .iter()
            .map(|of| of["groups"].as_u64().unwrap())
            .collect();
        let names: Vec<_> = owners
            .iter()
            .map(|of| of["name"].as_str().unwrap())
            .collect();
        assert_eq!((names, groups.iter().sum::<u64>()), (vec!["n1", "n2"], 80));
        assert!(groups.iter().all(|groups| *groups > 20), "{groups:?}");
        // The same of one alert, by integration.
        let listed = get(&api, "/api/v2/alerts").await.body;
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        let fingerprint = listed[0]["fingerprint"].as_str().unwrap();
        let explained = get(&api, &format!("/api/v2/alerts/{fingerprint}/explain")).await;
        let explained: serde_json::Value = serde_json::from_str(&explained.body).unwrap();
        let owners = explained["groups"][0]["owners"].as_array().unwrap();
        let integrations: Vec<_> = owners.iter().map(|of| &of["integration"]).collect();
        assert_eq!(integrations, ["webhook[0]", "webhook[1]"]);
        assert!(
            owners
                .iter()
                .all(|of| of["node"] == "n1" || of["node"] == "n2")
        );
    }

    #[tokio::test]
    async fn a_disk_that_fails_is_a_problem_of_the_mesh_and_of_a_node_alone() {
        let sick = |view: &mut View| {
            three(view);
            let mesh = Arc::make_mut(view.mesh.as_mut().unwrap());
            mesh.electors.retain(|name| **name != *"n8");
        };
        let (state, api) = api_with_views(tenant(config()), sick, false);
        let store = &state.sources().store;
        store.state.fails_for_tests("No space left on device");
        let body = get(&api, "/api/v2/cluster").await.body;
        let answer: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["members"][1]["diskFails"], true);
        assert_eq!(answer["members"][2]["diskFails"], true);
        let problems = answer["problems"].as_array().unwrap();
        let problems: Vec<_> = problems.iter().map(|text| text.as_str().unwrap()).collect();
        expect_test::expect![[r#"
            [
                "the disk of this node has not taken what is saved for 0 s (silences, the notification log, promises to other nodes): No space left on device. The node goes on from memory, and a restart would forget it: check the disk's space and health",
                "the disks of most nodes that vote do not take what is saved (n1, n2): notifications go on from memory, the first of them late by up to 20 s if disks hang, and nodes that restart together may tell again what was told",
            ]
        "#]]
        .assert_debug_eq(&problems[..2].to_vec());
        let status = get(&api, "/api/v2/status").await.body;
        assert!(
            !status.contains("No space"),
            "the page shows it once: {status}"
        );
        let page = get(&api, "/metrics").await.body;
        for line in [
            "watchfire_store_failing 1",
            "watchfire_cluster_failing_disks 1",
        ] {
            assert!(page.lines().any(|other| other == line), "{line}: {page}");
        }
        let (state, api) = api_with_views(tenant(config()), |_| {}, false);
        state.sources().store.bulk.fails_for_tests("it hangs");
        let status = get(&api, "/api/v2/status").await.body;
        assert!(
            status.contains("(alerts, history)") && status.contains("it hangs"),
            "{status}"
        );
    }

    #[tokio::test]
    async fn status_names_all_that_take_part_in_upstreams_order_and_words() {
        for (adorn, expect) in [
            (
                three as fn(&mut View),
                r#"{"cluster":{"name":"n1","peers":[{"address":"127.0.0.1:9094","name":"n1"},{"address":"10.0.0.2:9094","name":"n2"}],"status":"ready"},"#,
            ),
            (
                draining,
                r#"{"cluster":{"name":"n1","peers":[{"address":"127.0.0.1:9094","name":"n1"}],"status":"ready"},"#,
            ),
            (|_| {}, r#"{"cluster":{"peers":[],"status":"disabled"},"#),
        ] {
            let (_, body) = ask(adorn, "/api/v2/status").await;
            assert!(body.starts_with(expect), "{body}");
        }
        let (_, body) = ask(syncing, "/api/v2/status").await;
        assert!(body.contains("\"status\":\"settling\"}"), "{body}");
        let (_, body) = ask(|_| {}, "/api/v2/cluster").await;
        assert_eq!(body, "{\"enabled\":false,\"phase\":\"ready\"}\n");
    }

    #[tokio::test]
    async fn a_node_is_ready_when_it_notifies() {
        for (adorn, expect) in [
            (three as fn(&mut View), (200, "OK")),
            (|_| {}, (200, "OK")),
            (
                syncing,
                (503, "syncing: the node takes over what its peers know\n"),
            ),
            (draining, (503, "draining: the node stops\n")),
        ] {
            let (status, body) = ask(adorn, "/-/ready").await;
            assert_eq!((status, &*body), expect);
        }
        let (_, api) = api_with_views(tenant(config()), syncing, true);
        assert_eq!(get(&api, "/-/ready").await.status, 200);
    }

    #[tokio::test]
    async fn metrics_tell_of_the_mesh() {
        let (_, page) = ask(syncing, "/metrics").await;
        for line in [
            "alertmanager_cluster_enabled 1",
            "alertmanager_cluster_members 2",
            "alertmanager_cluster_failed_peers 1",
            "alertmanager_cluster_health_score 1",
            "alertmanager_peer_position 0",
            "alertmanager_cluster_peer_info{peer=\"n2\"} 1",
            "watchfire_cluster_quorum 0",
            "watchfire_cluster_electors 4",
            "watchfire_cluster_unreached 2",
            "watchfire_cluster_udp_blocked{peer=\"n2\"} 1",
            "watchfire_cluster_connected{peer=\"n0\"} 0",
            "watchfire_cluster_clock_drift_seconds{peer=\"n2\"} -4.2",
            "watchfire_cluster_round_trip_seconds{peer=\"n2\"} 0.00027",
            "watchfire_cluster_config_mismatch 1",
            "watchfire_cluster_phase{phase=\"syncing\"} 1",
            "watchfire_cluster_phase{phase=\"ready\"} 0",
            "watchfire_claims_total{result=\"minority\"} 0",
            "watchfire_takeovers_total{reason=\"process\"} 0",
            "watchfire_store_oldest_unsaved_seconds{database=\"state\"} 0",
            "watchfire_claim_seconds_count 0",
        ] {
            assert!(page.lines().any(|other| other == line), "{line}: {page}");
        }
        let (_, page) = ask(|_| {}, "/metrics").await;
        assert!(page.contains("alertmanager_cluster_enabled 0\n"));
        assert!(
            !page.contains("watchfire_cluster") && !page.contains("alertmanager_peer_position")
        );
    }
}
