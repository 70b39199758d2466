//! `GET /api/v2/endpoints`, an addition: the partitions of queries, their endpoints, and what is wrong with them in words.

use axum::{
    body::Body,
    http::{Response, StatusCode},
};

use crate::{
    api::{
        error::json_response,
        state::ApiState,
        write::{self, member, number},
    },
    io::federation::{DiscoveryStatus, EndpointStatus, FederationStatus, PartitionStatus},
};

pub(super) fn get(state: &ApiState) -> Response<Body> {
    let mut out = String::with_capacity(2048);
    match state.querier() {
        None => out.push_str("{\"enabled\":false}"),
        Some(querier) => write_status(&mut out, &querier.status()),
    }
    out.push('\n');
    json_response(StatusCode::OK, out)
}

fn write_status(out: &mut String, status: &FederationStatus) {
    out.push_str("{\"enabled\":true,\"partitions\":");
    write::list(out, &status.partitions, write_partition);
    out.push_str(",\"discoveries\":");
    write::list(out, &status.discoveries, write_discovery);
    out.push_str(",\"queries\":{\"running\":");
    out.push_str(&status.load.running.to_string());
    number(out, "waiting", status.load.waiting);
    number(out, "heldBytes", status.load.bytes);
    number(out, "partial", status.queries.partial());
    out.push_str("},\"cache\":{\"bytes\":");
    out.push_str(&status.cache.bytes.to_string());
    number(out, "knownSteps", status.cache.known);
    number(out, "askedSteps", status.cache.asked);
    out.push_str("},\"problems\":");
    write::list(out, problems(status), |out, text| write::string(out, &text));
    out.push('}');
}

/// Appends `,"name":` and whether something is up, if that is known.
fn up(out: &mut String, value: Option<bool>) {
    if let Some(value) = value {
        number(out, "up", value);
    }
}

fn write_partition(out: &mut String, partition: &PartitionStatus) {
    out.push_str("{\"labels\":");
    write::labels(out, &partition.labels);
    up(out, partition.up);
    number(out, "optional", partition.optional);
    out.push_str(",\"endpoints\":");
    write::list(out, &partition.endpoints, write_endpoint);
    out.push('}');
}

fn write_endpoint(out: &mut String, endpoint: &EndpointStatus) {
    out.push('{');
    member(out, "name", &endpoint.name);
    member(out, "replica", &endpoint.replica);
    member(out, "url", &endpoint.url);
    member(out, "kind", endpoint.kind);
    member(out, "version", &endpoint.version);
    number(out, "preferred", endpoint.preferred);
    up(out, endpoint.up);
    if let Some(at) = endpoint.last_answer {
        out.push_str(",\"lastAnswerAt\":");
        write::time(out, at);
    }
    if let Some((at, error)) = &endpoint.last_error {
        out.push_str(",\"lastErrorAt\":");
        write::time(out, *at);
        member(out, "lastError", error);
    }
    number(out, "requests", endpoint.requests.durations.count());
    number(out, "failures", endpoint.requests.failures());
    number(out, "bytes", endpoint.requests.bytes());
    out.push('}');
}

fn write_discovery(out: &mut String, discovery: &DiscoveryStatus) {
    out.push('{');
    member(out, "name", &discovery.name);
    number(out, "endpoints", discovery.endpoints.unwrap_or_default());
    number(out, "failures", discovery.failures);
    if let Some(error) = &discovery.error {
        member(out, "error", error);
    }
    out.push('}');
}

/// What an operator should look at, the worst first.
fn problems(status: &FederationStatus) -> Vec<String> {
    let mut problems = Vec::new();
    for partition in &status.partitions {
        let reasons = partition
            .endpoints
            .iter()
            .filter(|one| one.up == Some(false));
        let reasons: Vec<String> = reasons
            .map(|one| {
                let error = one.last_error.as_ref();
                let error = error.map_or("no answer", |(_, error)| error);
                format!("{}: {error}", one.name)
            })
            .collect();
        if reasons.is_empty() {
            continue;
        }
        let reasons = reasons.join("; ");
        let labels = &partition.labels;
        problems.push(match (partition.up, partition.optional) {
            (Some(true), _) => {
                format!("a replica of partition {labels} does not answer: {reasons}")
            }
            (_, true) => format!("optional partition {labels} is missing in answers: {reasons}"),
            (_, false) => format!("partition {labels} is missing in answers: {reasons}"),
        });
    }
    problems.sort_by_key(|text| !text.starts_with("partition"));
    for discovery in &status.discoveries {
        if let Some(error) = &discovery.error {
            let kept = discovery.endpoints.unwrap_or_default();
            problems.push(format!(
                "the endpoints of {} cannot be found, {kept} that were known stay: {error}",
                discovery.name
            ));
        }
    }
    problems.extend(status.remarks.iter().cloned());
    problems
}

#[cfg(test)]
mod tests {
    use crate::api::testing::{api, endpoint_status, get, querying};

    #[tokio::test]
    async fn partitions_show_their_endpoints_and_what_is_wrong() {
        let none = get(&api(), "/api/v2/endpoints").await;
        assert_eq!(
            (none.status.as_u16(), &*none.body),
            (200, "{\"enabled\":false}\n")
        );
        let answer = get(&querying(endpoint_status()), "/api/v2/endpoints").await;
        let answer: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer["partitions"][0]["labels"]["cluster"], "eu");
        assert_eq!(answer["partitions"][1]["up"], false);
        assert!(answer["partitions"][3].get("up").is_none());
        let broken = &answer["partitions"][0]["endpoints"][1];
        assert_eq!(broken["lastError"], "it answers 500");
        assert_eq!(broken["lastErrorAt"], "2026-11-21T19:00:00.000Z");
        expect_test::expect![[r#"
            Array [
                String("partition {cluster=\"us\"} is missing in answers: us: it answers 500"),
                String("a replica of partition {cluster=\"eu\"} does not answer: eu-b: it answers 500"),
                String("optional partition {cluster=\"old\"} is missing in answers: old: it answers 500"),
                String("the endpoints of thanos cannot be found, 2 that were known stay: a.yml: it is gone"),
                String("it counts twice"),
            ]
        "#]]
        .assert_debug_eq(&answer["problems"]);
    }
}
