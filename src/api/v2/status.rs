//! `GET /api/v2/status`.

use axum::{
    body::Body,
    http::{Response, StatusCode},
};

use crate::api::{
    ClusterOfOne, build,
    error::{ApiError, json_response},
    state::ApiState,
    write,
};

pub(super) async fn get(state: &ApiState) -> Result<Response<Body>, ApiError> {
    let view = state.view().await?;
    let mut out = String::with_capacity(view.config.original.len() + 1024);
    out.push_str("{\"cluster\":");
    write_cluster(&mut out, state.about().cluster.as_ref());
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
    let warnings = of_node.chain(of_file).chain(of_templates);
    write::list(&mut out, warnings, |out, text| write::string(out, &text));
    out.push_str("}}\n");
    Ok(json_response(StatusCode::OK, out))
}

/// A node alone has nobody to wait for, so it is ready at once.
fn write_cluster(out: &mut String, cluster: Option<&ClusterOfOne>) {
    let Some(ClusterOfOne { name, address }) = cluster else {
        out.push_str("{\"peers\":[],\"status\":\"disabled\"}");
        return;
    };
    out.push('{');
    write::member(out, "name", name);
    out.push_str(",\"peers\":[{");
    write::member(out, "address", address);
    write::member(out, "name", name);
    out.push_str("}],\"status\":\"ready\"}");
}
