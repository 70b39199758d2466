//! `GET /api/v2/status`.

use std::{collections::BTreeMap, sync::Arc};

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
    cluster::{MeshStatus, NodeName, PeerState},
    tenant::{Phase, View},
};

pub(super) async fn get(state: &ApiState) -> Result<Response<Body>, ApiError> {
    let view = state.view().await?;
    let mut out = String::with_capacity(view.config.original.len() + 1024);
    out.push_str("{\"cluster\":");
    write_cluster(&mut out, &view);
    out.push_str(",\"config\":{");
    write::member(&mut out, "original", &view.config.original);
    out.push_str("},\"uptime\":");
    write::time(&mut out, state.about().started_at);
    out.push_str(",\"versionInfo\":{");
    for (name, value) in [
        ("branch", build::BRANCH),
        ("buildDate", build::BUILD_DATE),
        ("buildUser", build::BUILD_USER),
        ("goVersion", build::GO_VERSION),
        ("revision", build::REVISION),
        ("version", build::COMPATIBLE_VERSION),
    ] {
        write::member(&mut out, name, value);
    }
    out.push_str("},\"watchfire\":{");
    write::member(&mut out, "version", build::OWN_VERSION);
    out.push_str(",\"warnings\":");
    let of_file = view.config.warnings.iter().map(|warning| {
        if warning.line == 0 {
            warning.message.clone()
        } else {
            format!(
                "line {}:{}: {}",
                warning.line, warning.column, warning.message
            )
        }
    });
    let of_templates = view
        .stats
        .notifications
        .iter()
        .filter(|(_, stats)| !stats.template_problems.is_empty())
        .map(|((kind, receiver), stats)| {
            let (kind, problems) = (kind.as_str(), &stats.template_problems);
            format!("receiver {receiver:?}: the last {kind} notification went out in plain words: {problems}")
        });
    let of_node = state.about().warnings.iter().cloned();
    // With a mesh it is among its problems.
    let of_disk = state.sources().store.problem();
    let of_disk = of_disk.filter(|_| view.mesh.is_none());
    let of_node = of_disk.into_iter().chain(of_node);
    let warnings = of_node.chain(of_file).chain(of_templates);
    write::list(&mut out, warnings, |out, text| write::string(out, &text));
    out.push_str("}}\n");
    Ok(json_response(StatusCode::OK, out))
}

/// This node and its mesh in upstream's words.
fn write_cluster(out: &mut String, view: &View) {
    let Some(mesh) = &view.mesh else {
        out.push_str("{\"peers\":[],\"status\":\"disabled\"}");
        return;
    };
    out.push('{');
    write::member(out, "name", &mesh.name);
    out.push_str(",\"peers\":");
    write::list(out, members(mesh), |out, (name, address)| {
        out.push('{');
        write::member(out, "address", address);
        write::member(out, "name", name);
        out.push('}');
    });
    let status = match view.phase {
        Phase::Starting | Phase::Syncing => "settling",
        Phase::Ready | Phase::Draining => "ready",
    };
    write::member(out, "status", status);
    out.push('}');
}

/// Names and addresses of all that take part, this node included, by name. Those under suspicion do, as with memberlist.
fn members(mesh: &MeshStatus) -> BTreeMap<&NodeName, &Arc<str>> {
    let takes_part = |state: PeerState| match state {
        PeerState::Alive | PeerState::Suspect => true,
        PeerState::Down => false,
    };
    let peers = mesh.peers.iter();
    let peers = peers.filter(|(_, peer)| takes_part(peer.state));
    let own = (&mesh.name, &mesh.advertise);
    peers
        .map(|(name, peer)| (name, &peer.address))
        .chain([own])
        .collect()
}
