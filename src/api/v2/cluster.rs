//! `GET /api/v2/cluster`, an addition: how this node sees its mesh, and what is wrong with it in words.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    body::Body,
    http::{Response, StatusCode},
};

use crate::{
    api::{
        build,
        error::{ApiError, json_response},
        state::ApiState,
        write,
    },
    cluster::{MeshStatus, NodeName, PeerState, PeerStatus},
    tenant::{Phase, View},
};

/// A clock that is further off is worth a word, in nanoseconds.
const CLOCK_OFF: u64 = 2_000_000_000;

pub(super) async fn get(state: &ApiState) -> Result<Response<Body>, ApiError> {
    let view = state.view().await?;
    let mut out = String::with_capacity(2048);
    out.push_str("{\"enabled\":");
    out.push_str(flag(view.mesh.is_some()));
    write::member(&mut out, "phase", view.phase.as_str());
    if let Some(mesh) = &view.mesh {
        write::member(&mut out, "name", &mesh.name);
        write_electorate(&mut out, &view, mesh);
        write_members(&mut out, &view, mesh);
        out.push_str(",\"unreached\":");
        write::list(&mut out, &mesh.unreached, |out, (address, reason)| {
            out.push('{');
            write::member(out, "address", address);
            write::member(out, "reason", reason);
            out.push('}');
        });
        write_replication(&mut out, &view);
        write_claims(&mut out, &view);
        out.push_str(",\"problems\":");
        write::list(&mut out, problems(&view, mesh), |out, text| {
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
fn write_members(out: &mut String, view: &View, mesh: &MeshStatus) {
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
            None => write_self(out, view, mesh),
        }
        out.push('}');
    });
}

fn write_self(out: &mut String, view: &View, mesh: &MeshStatus) {
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
    boolean(out, "udpBlocked", false);
    boolean(out, "configMismatch", false);
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
    boolean(out, "udpBlocked", peer.udp_blocked);
    boolean(
        out,
        "configMismatch",
        facts.is_some_and(|facts| facts.differs),
    );
    if let Some(took) = peer.round_trip {
        write::number(out, "roundTripMicros", took.as_micros());
    }
    if let Some(ahead) = peer.clock_ahead {
        write::number(out, "clockAheadMs", ahead / 1_000_000);
    }
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

fn write_claims(out: &mut String, view: &View) {
    let claims = &view.stats.claims;
    out.push_str(",\"claims\":{\"asked\":");
    out.push_str(&claims.asked.to_string());
    for (name, value) in [
        ("held", claims.held),
        ("minority", claims.minority),
        ("lost", claims.lost),
        ("takeovers", claims.takeovers),
        ("ambiguous", view.stats.ambiguous),
    ] {
        write::number(out, name, value);
    }
    out.push('}');
}

/// What an operator should look at, the worst first.
fn problems(view: &View, mesh: &MeshStatus) -> Vec<String> {
    let mut problems = Vec::new();
    match view.phase {
        Phase::Ready => {}
        Phase::Starting => {
            problems.push("this node looks for its peers and does not notify yet".to_owned())
        }
        Phase::Syncing => problems
            .push("this node takes over what its peers know and does not notify yet".to_owned()),
        Phase::Draining => problems.push("this node stops".to_owned()),
    }
    if !view.has_majority {
        problems.push(without_quorum(view, mesh));
    }
    for (name, peer) in &mesh.peers {
        problems.extend(of_peer(view, mesh, name, peer));
    }
    for name in &mesh.electors {
        if *name != mesh.name && !mesh.peers.contains_key(name) {
            problems.push(format!(
                "{name} votes and was not met since this node started"
            ));
        }
    }
    let of_members: BTreeSet<_> = mesh.peers.values().map(|peer| &peer.address).collect();
    for (address, reason) in &mesh.unreached {
        if of_members.contains(address) {
            continue;
        }
        problems.push(format!("no stream to {address}: {reason}"));
    }
    let diverged = view.stats.replication.divergences;
    if diverged > 0 {
        problems.push(format!(
            "{diverged} comparisons with other nodes found differences that should not be; they are repaired, please report it"
        ));
    }
    let set_aside = view.stats.replication.quarantined;
    if set_aside > 0 {
        problems.push(format!(
            "{set_aside} records of other nodes could not be used, see the log; do all nodes run the same version?"
        ));
    }
    problems
}

fn without_quorum(view: &View, mesh: &MeshStatus) -> String {
    if mesh.electors.is_empty() {
        return match view.phase {
            Phase::Starting | Phase::Syncing => "the nodes have not agreed yet on who votes",
            Phase::Ready | Phase::Draining => {
                "the nodes have not agreed on who votes; notifications wait for the minority delay"
            }
        }
        .to_owned();
    }
    let missing: BTreeSet<&str> = mesh
        .electors
        .iter()
        .filter(|name| **name != mesh.name)
        .filter(|name| {
            let connected = mesh.peers.get(*name).is_some_and(|peer| peer.connected);
            !connected || view.peers.get(*name).is_some_and(|facts| !facts.votes)
        })
        .map(|name| &**name)
        .collect();
    let missing: Vec<&str> = missing.into_iter().collect();
    let missing = match missing.is_empty() {
        true => String::new(),
        false => format!(" (not {})", missing.join(", ")),
    };
    format!(
        "no majority of those that vote can be asked{}: notifications wait once for the minority delay and may \
         then be sent by each part of the mesh",
        missing
    )
}

fn of_peer(view: &View, mesh: &MeshStatus, name: &Arc<str>, peer: &PeerStatus) -> Vec<String> {
    let mut problems = Vec::new();
    let votes = if mesh.electors.contains(name) {
        " (it still has a vote)"
    } else {
        ""
    };
    let reason = mesh.unreached.get(&peer.address);
    let why = reason.map_or_else(String::new, |reason| format!(": {reason}"));
    match (peer.state, peer.connected) {
        (PeerState::Down, _) => {
            problems.push(format!("{name} at {} is down{votes}{why}", peer.address))
        }
        (PeerState::Alive | PeerState::Suspect, false) => problems.push(format!(
            "there is no stream to {name} at {}{votes}{why}",
            peer.address
        )),
        (PeerState::Suspect, true) => {
            problems.push(format!("{name} at {} does not answer probes", peer.address));
        }
        (PeerState::Alive, true) => {}
    }
    if peer.udp_blocked && peer.connected {
        problems.push(format!(
            "datagrams to {name} go unanswered: is UDP to {} let through? The mesh works without, over TCP alone",
            peer.address
        ));
    }
    if let Some(ahead) = peer
        .clock_ahead
        .filter(|ahead| ahead.unsigned_abs() > CLOCK_OFF)
    {
        let seconds = ahead.unsigned_abs() / 1_000_000_000;
        let side = if ahead > 0 { "ahead of" } else { "behind" };
        problems.push(format!(
            "the clock of {name} is {seconds} s {side} this node's"
        ));
    }
    if let Some(facts) = view.peers.get(name).filter(|_| peer.connected) {
        if facts.differs {
            problems.push(format!(
                "{name} defines routes or receivers in another way: what differs is told by the nodes that define it the \
                 same way, separately"
            ));
        }
        if !facts.votes && mesh.electors.contains(name) {
            problems.push(format!(
                "{name} does not vote yet: it has lost what it promised, or has not caught up"
            ));
        }
        if !facts.ready {
            problems.push(format!("{name} is not ready and does not notify"));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        api::testing::{alone, api_with_views, config, get, tenant},
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
            differs: true,
        };
        view.peers = [("n2".into(), facts)].into();
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
                "n0 at 10.0.0.3:9094 is down (it still has a vote): connection refused",
                "datagrams to n2 go unanswered: is UDP to 10.0.0.2:9094 let through? The mesh works without, over TCP alone",
                "the clock of n2 is 4 s behind this node's",
                "n2 defines routes or receivers in another way: what differs is told by the nodes that define it the same way, separately",
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
