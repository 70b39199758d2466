//! `watchfire_query_*`, `watchfire_endpoint_*`, `watchfire_partition_*`: queries over endpoints.
//!
//! Series are as many as the file names endpoints and partitions: no label has what clients choose.

use super::family::{Page, as_u64};
use crate::{
    federation::CacheCounts,
    io::federation::{EndpointStatus, FederationStatus, PartitionStatus, QueryStats},
    labels::LabelSet,
};

pub(super) fn add(page: &mut Page, status: &FederationStatus) {
    add_queries(page, &status.queries);
    add_cache(page, &status.cache);
    add_load(page, status);
    add_partitions(page, &status.partitions);
    let endpoints = status.partitions.iter();
    let endpoints: Vec<_> = endpoints.flat_map(|one| &one.endpoints).collect();
    add_endpoints(page, &endpoints);
}

fn add_queries(page: &mut Page, queries: &QueryStats) {
    let mut durations = page.histogram(
        "watchfire_query_duration_seconds",
        "How long queries took, by what was asked for; those that failed among them.",
    );
    for (kind, histogram) in queries.durations() {
        durations = durations.durations(&[("kind", kind.as_str())], histogram);
    }
    durations.end();
    let mut errors = page.counter(
        "watchfire_query_errors_total",
        "Queries that had no answer, by what was in the way.",
    );
    for (reason, count) in queries.errors() {
        errors = errors.count(&[("reason", reason)], count);
    }
    errors.end();
    for (name, help, value) in [
        (
            "watchfire_query_partial_total",
            "Queries that were answered without a partition, and said so.",
            queries.partial(),
        ),
        (
            "watchfire_query_fetched_samples_total",
            "Samples that endpoints answered to queries.",
            queries.samples(),
        ),
    ] {
        page.counter(name, help).count(&[], value).end();
    }
}

fn add_cache(page: &mut Page, cache: &CacheCounts) {
    page.counter(
        "watchfire_query_cache_steps_total",
        "Steps of range queries that may be answered in parts: known from earlier ones, or asked.",
    )
    .count(&[("result", "asked")], cache.asked)
    .count(&[("result", "known")], cache.known)
    .end();
    page.counter(
        "watchfire_query_cache_evicted_blocks_total",
        "Blocks of values that went because there was no room.",
    )
    .count(&[], cache.evicted)
    .end();
    for (name, help, value) in [
        (
            "watchfire_query_cache_blocks",
            "Blocks of values that are known.",
            cache.blocks,
        ),
        (
            "watchfire_query_cache_bytes",
            "Memory that they take, about.",
            cache.bytes,
        ),
    ] {
        page.gauge(name, help).count(&[], value).end();
    }
}

fn add_load(page: &mut Page, status: &FederationStatus) {
    for (name, help, value) in [
        (
            "watchfire_queries_running",
            "Queries that are being answered.",
            status.load.running,
        ),
        (
            "watchfire_queries_waiting",
            "Queries that wait for their turn.",
            status.load.waiting,
        ),
        (
            "watchfire_query_held_bytes",
            "Bytes of answers of endpoints that queries hold.",
            status.load.bytes,
        ),
    ] {
        page.gauge(name, help).count(&[], value).end();
    }
    let mut endpoints = page.gauge(
        "watchfire_discovery_endpoints",
        "Endpoints that were found for an entry of the file and are in use.",
    );
    for one in &status.discoveries {
        let count = as_u64(one.endpoints.unwrap_or_default());
        endpoints = endpoints.count(&[("endpoint", &one.name)], count);
    }
    endpoints.end();
    let mut failures = page.counter(
        "watchfire_discovery_failures_total",
        "Looks for endpoints that did not count; those that were known stay.",
    );
    for one in &status.discoveries {
        failures = failures.count(&[("endpoint", &one.name)], one.failures);
    }
    failures.end();
}

fn add_partitions(page: &mut Page, partitions: &[PartitionStatus]) {
    let mut up = page.gauge(
        "watchfire_partition_up",
        "1 if an endpoint of the partition with these labels answered the last question; 0 if queries are without it.",
    );
    for partition in partitions {
        let Some(is_up) = partition.up else { continue };
        let labels = printable(&partition.labels);
        let labels: Vec<_> = labels.iter().map(|(n, v)| (&**n, &**v)).collect();
        up = up.count(&labels, u64::from(is_up));
    }
    up.end();
    let missing = partitions.iter().filter(|one| one.up == Some(false));
    page.gauge(
        "watchfire_partitions_missing",
        "Partitions of which no endpoint answered the last question.",
    )
    .count(&[], as_u64(missing.count()))
    .end();
}

/// Labels in the alphabet of the text format; what other characters make equal is there once.
fn printable(labels: &LabelSet) -> Vec<(String, String)> {
    let letter = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in labels.iter() {
        let mut name: String = name.chars().map(letter).collect();
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert(0, '_');
        }
        if pairs.iter().all(|(known, _)| *known != name) {
            pairs.push((name, value.to_owned()));
        }
    }
    pairs
}

fn add_endpoints(page: &mut Page, endpoints: &[&EndpointStatus]) {
    let mut durations = page.histogram(
        "watchfire_endpoint_request_duration_seconds",
        "How long requests to the endpoint took, without waiting for their turn.",
    );
    for endpoint in endpoints {
        durations = durations.durations(
            &[("endpoint", &endpoint.name)],
            &endpoint.requests.durations,
        );
    }
    durations.end();
    let mut bytes = page.counter(
        "watchfire_endpoint_response_bytes_total",
        "Bytes of the endpoint's answers, after decompression.",
    );
    for endpoint in endpoints {
        bytes = bytes.count(&[("endpoint", &endpoint.name)], endpoint.requests.bytes());
    }
    bytes.end();
    let mut failures = page.counter(
        "watchfire_endpoint_failures_total",
        "Questions to the endpoint without an answer that counts.",
    );
    for endpoint in endpoints {
        let count = endpoint.requests.failures();
        failures = failures.count(&[("endpoint", &endpoint.name)], count);
    }
    failures.end();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::io::federation::DiscoveryStatus;

    fn endpoint(name: &str) -> EndpointStatus {
        EndpointStatus {
            name: name.to_owned(),
            replica: String::new(),
            url: String::new(),
            kind: "prometheus",
            version: String::new(),
            preferred: true,
            up: Some(true),
            last_answer: None,
            last_error: None,
            requests: Arc::default(),
        }
    }

    #[test]
    fn partitions_and_endpoints_have_a_series_each() {
        let partition = |labels: &[(&str, &str)], up, endpoints| PartitionStatus {
            labels: LabelSet::from_pairs(labels.iter().copied()),
            optional: false,
            up,
            endpoints,
        };
        let status = FederationStatus {
            partitions: vec![
                partition(
                    &[("cluster", "eu")],
                    Some(true),
                    vec![endpoint("eu-a"), endpoint("eu-b")],
                ),
                partition(
                    &[("cluster", "us"), ("k8s.zone", "\"1\""), ("k8s_zone", "2")],
                    Some(false),
                    vec![endpoint("us")],
                ),
                partition(&[("cluster", "ap")], None, Vec::new()),
            ],
            discoveries: vec![DiscoveryStatus {
                name: "thanos".to_owned(),
                endpoints: Some(2),
                error: None,
                failures: 3,
            }],
            ..FederationStatus::default()
        };
        let mut page = Page::default();
        add(&mut page, &status);
        let page = page.print().unwrap();
        for line in [
            r#"watchfire_partition_up{cluster="eu"} 1"#,
            r#"watchfire_partition_up{cluster="us",k8s_zone="\"1\""} 0"#,
            "watchfire_partitions_missing 1",
            r#"watchfire_query_errors_total{reason="timeout"} 0"#,
            r#"watchfire_query_duration_seconds_bucket{kind="range",le="120"} 0"#,
            r#"watchfire_endpoint_failures_total{endpoint="eu-b"} 0"#,
            r#"watchfire_endpoint_response_bytes_total{endpoint="us"} 0"#,
            "watchfire_query_fetched_samples_total 0",
            "watchfire_queries_running 0",
            "watchfire_discovery_endpoints{endpoint=\"thanos\"} 2",
            "watchfire_discovery_failures_total{endpoint=\"thanos\"} 3",
        ] {
            assert!(page.lines().any(|other| other == line), "{line} in\n{page}");
        }
        assert!(!page.contains("\"ap\""), "nobody asked it yet");
    }
}
