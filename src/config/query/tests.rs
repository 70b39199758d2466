//! Files of endpoints: what they mean and what is wrong with them.

use std::time::Duration;

use super::{load::RawQuery, *};
use crate::config::{HttpConfig, LoadEnv, read::Section};

const EXAMPLE: &str = include_str!("../../../config/query.yml");

fn load(text: &str) -> Result<QueryConfig, String> {
    let env = LoadEnv::for_file("/etc/watchfire/query.yml");
    load_query(text.as_bytes(), &env).map_err(|errors| errors.to_string())
}

fn endpoint(text: &str) -> EndpointConfig {
    let text = format!("endpoints:\n- {{name: a, url: 'http://a:9090', {text}}}");
    load(&text).unwrap().endpoints.remove(0)
}

#[test]
fn an_empty_file_and_defaults() {
    for text in ["", "endpoints: []", "endpoints:"] {
        assert_eq!(load(text), Ok(QueryConfig::default()));
    }
    let cache = QueryConfig::default().cache;
    assert_eq!(cache.max_bytes, 64 << 20);
    assert_eq!(cache.min_age, Duration::from_mins(10));
    assert_eq!(cache.split_interval, Duration::from_hours(24));
    let plain = endpoint("");
    assert_eq!(plain.kind, EndpointKind::Auto);
    assert_eq!(plain.label_mode, LabelMode::Attach);
    assert_eq!(plain.lookback, Duration::from_mins(5));
    assert_eq!(plain.pushdown, PushdownLevel::Aggregate);
    assert_eq!(plain.remote_read, RemoteRead::Histograms);
    assert_eq!(plain.max_concurrency, 20);
    assert_eq!(plain.hang_timeout, Duration::from_secs(5));
    assert!(plain.timeout.is_zero() && plain.max_source_resolution.is_zero());
    assert!(plain.replica_labels.is_empty());
    assert!(plain.time_range.max_age.is_zero());
    assert!(!plain.optional && !plain.overlap && !plain.gzip);
    assert_eq!(*plain.http, HttpConfig::default());
}

#[test]
fn every_key_has_its_meaning() {
    let full = endpoint(
        "kind: victoriametrics, partition: {cluster: eu1, region: eu}, partition_label_mode: present, \
         replica: b, lookback: 1m30s, pushdown: full, tenant: team-a, max_concurrency: 3, gzip: true, \
         time_range: {max_age: 15d}, optional: true, sentinel: 'up{job=\"x\"}', overlap: true, \
         http_config: {basic_auth: {username: u, password_file: p}, tls_config: {ca_file: ca.pem}}",
    );
    assert_eq!(full.kind, EndpointKind::VictoriaMetrics);
    assert_eq!(full.label_mode, LabelMode::Present);
    assert_eq!(full.pushdown, PushdownLevel::Full);
    assert_eq!(full.partition.get("region").map(String::as_str), Some("eu"));
    assert_eq!(full.lookback, Duration::from_secs(90));
    assert_eq!(full.time_range.max_age, Duration::from_hours(15 * 24));
    assert_eq!(full.http.headers["X-Scope-OrgID"].values, ["team-a"]);
    assert_eq!(full.http.tls.ca_file, "/etc/watchfire/ca.pem");
    assert_eq!(
        full.http.basic_auth.as_ref().unwrap().password_file,
        "/etc/watchfire/p"
    );
    let thanos = endpoint(
        "tenant: t, tenant_header: THANOS-TENANT, timeout: 30s, hang_timeout: 0s, max_source_resolution: 5m, \
         replica_labels: [replica, rule_replica]",
    );
    assert_eq!(thanos.http.headers["THANOS-TENANT"].values, ["t"]);
    assert_eq!(thanos.timeout, Duration::from_secs(30));
    assert!(thanos.hang_timeout.is_zero());
    assert_eq!(thanos.max_source_resolution, Duration::from_mins(5));
    assert_eq!(thanos.replica_labels, ["replica", "rule_replica"]);
}

#[test]
fn one_endpoint_is_denied_for_each_of_these() {
    for (text, expect) in [
        (
            "partition: {__name__: x}",
            "3:35: \"__name__\" can be no label of a partition",
        ),
        (
            "partition: {cluster: ''}",
            "label cluster of the partition has no value",
        ),
        ("kind: influx", "unknown kind of endpoint \"influx\""),
        ("pushdown: all", "unknown pushdown level \"all\""),
        (
            "partition_label_mode: no",
            "unknown partition_label_mode \"no\"",
        ),
        ("lookback: 0s", "lookback must be greater than zero"),
        ("lookback: 5 m", "not a valid duration string: \"5 m\""),
        (
            "max_concurrency: 0",
            "max_concurrency must be greater than zero",
        ),
        (
            "max_concurrency: -1",
            "cannot unmarshal !!int `-1` into uint32",
        ),
        ("remote_read: no", "unknown use of remote_read \"no\""),
        (
            "kind: thanos, remote_read: prefer",
            "endpoints of this kind have no remote_read",
        ),
        ("sentinel: 'up{'", "sentinel is no PromQL: "),
        (
            "kind: mimir, max_source_resolution: 0s",
            "max_source_resolution is for Thanos",
        ),
        (
            "kind: prometheus, replica_labels: [a]",
            "replica_labels is for Thanos",
        ),
        (
            "replica_labels: ['']",
            "a label of replica_labels has no name",
        ),
        (
            "sentinel: 'up[5m]'",
            "sentinel is no instant vector and no number, but a range vector",
        ),
        ("tenant_header: X", "but there is no tenant"),
        (
            "tenant: t, tenant_header: 'a b'",
            "tenant_header \"a b\" is no name of a header",
        ),
        (
            "tenant: t, http_config: {http_headers: {x-scope-orgid: {values: [a]}}}",
            "the header X-Scope-OrgID is that of the tenant and in http_headers",
        ),
        ("discovery: {}", "discovery names neither files nor names"),
        (
            "replica: a, discovery: {files: [a.json]}",
            "endpoints that are found have their own replica each",
        ),
        (
            "discovery: {files: [a.json], dns: {names: [b]}}",
            "endpoints are found in files or by names, not both in one entry",
        ),
        (
            "discovery: {dns: {names: [b], type: MX}}",
            "unknown type of record \"MX\"",
        ),
        (
            "discovery: {files: [a.json], refresh_interval: 0s}",
            "refresh_interval must be greater than zero",
        ),
        (
            "optinal: true",
            "field optinal not found in type query.Endpoint",
        ),
        (
            "http_config: {bearer_token: a, basic_auth: {username: b}}",
            "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
        ),
    ] {
        let text =
            format!("endpoints:\n# The second line.\n- {{name: a, url: 'http://a:9090', {text}}}");
        let error = load(&text).expect_err(&text);
        assert!(error.contains(expect), "{text}: {error}");
    }
    for (text, expect) in [
        ("- url: http://a", "missing name of endpoint"),
        ("- name: a", "missing url of endpoint"),
        ("- {name: a, url: a.b}", "unsupported scheme \"\" for URL"),
        (
            "- {name: a, url: 'http://a?b=c'}",
            "the url of an endpoint ends before ? and #",
        ),
        (
            "- {name: a, url: 'http://a/prometheus/api/v1/'}",
            "the url of an endpoint ends before /api/v1, which is added to it",
        ),
    ] {
        let error = load(&format!("endpoints:\n{text}")).expect_err(text);
        assert!(error.contains(expect), "{text}: {error}");
    }
}

#[test]
fn endpoints_are_denied_beside_each_other() {
    let two = |first: &str, second: &str| {
        load(&format!(
            "endpoints:\n- {{name: a, url: 'http://a', {first}}}\n- {{name: b, url: 'http://b', {second}}}"
        ))
    };
    let fine = [
        ("partition: {c: x}", "partition: {c: y}"),
        ("partition: {c: x, d: 1}", "partition: {c: y, e: 2}"),
        (
            "partition: {c: x}, replica: a",
            "partition: {c: x}, replica: b",
        ),
        ("replica: a", "replica: b"),
        (
            "replica: a, pushdown: selector",
            "replica: b, partition_label_mode: present",
        ),
        ("overlap: true", "overlap: true, partition: {c: x}"),
    ];
    for (first, second) in fine {
        assert!(two(first, second).is_ok(), "{first} {second}");
    }
    for (first, second, expect) in [
        (
            "",
            "",
            "endpoints \"a\" and \"b\" have the same partition and the same replica",
        ),
        (
            "",
            "partition: {c: x}",
            "no label of their partitions tells endpoints \"a\" and \"b\" apart",
        ),
        (
            "partition: {d: x}, overlap: true",
            "partition: {c: x}",
            "no label of their partitions",
        ),
        (
            "partition: {c: x}, replica: a",
            "partition: {c: x}, replica: b, optional: true",
            "are replicas and must have the same optional",
        ),
        (
            "",
            "replica: x, lookback: 1m",
            "are replicas and must have the same lookback",
        ),
    ] {
        let error = two(first, second).expect_err(expect);
        assert!(error.contains(expect), "{error}");
    }
    let error =
        load("endpoints: [{name: a, url: 'http://a', replica: x}, {name: a, url: 'http://b'}]");
    assert!(
        error
            .unwrap_err()
            .contains("endpoint name \"a\" is not unique")
    );
}

#[test]
fn every_mistake_of_a_file_of_endpoints_is_reported_at_its_place() {
    let text = "endpoints:\n- name: a\n  url: http://a\n  kind: b\n  optinal: true\n- name: c\n  lookback: 0s\n";
    let errors = load(text).unwrap_err();
    let lines: Vec<&str> = errors.lines().collect();
    for (start, part) in [
        ("/etc/watchfire/query.yml:4:9: ", "unknown kind"),
        ("/etc/watchfire/query.yml:5:3: ", "did you mean optional?"),
        ("/etc/watchfire/query.yml:6:3: ", "missing url"),
        ("/etc/watchfire/query.yml:7:3: ", "lookback must be"),
    ] {
        let found = lines
            .iter()
            .any(|line| line.starts_with(start) && line.contains(part));
        assert!(found, "{start}…{part} is not in:\n{errors}");
    }
}

#[test]
fn the_example_of_endpoints_loads_as_it_is_and_with_all_that_it_shows() {
    assert_eq!(load(EXAMPLE).map(|config| config.endpoints.len()), Ok(1));
    let cache = load(EXAMPLE).map(|config| config.cache);
    assert_eq!(cache, Ok(CacheConfig::default()), "it shows the defaults");
    let limits = load(EXAMPLE).map(|config| config.limits);
    assert_eq!(limits, Ok(LimitsConfig::default()), "it shows the defaults");
    let probes = load(EXAMPLE).map(|config| config.probe_interval);
    assert_eq!(probes, load("{}").map(|config| config.probe_interval));
    let error = load("limits: {max_concurrent_queries: 0}").unwrap_err();
    assert!(
        error.contains("max_concurrent_queries must be greater than zero"),
        "{error}"
    );
    let error = load("cache: {max_bytes: 1 MiB}").unwrap_err();
    assert!(
        error.contains("1:20: not a valid size in bytes: \"1 MiB\""),
        "{error}"
    );
    let shown: Vec<&str> = EXAMPLE
        .lines()
        .map(|line| {
            line.strip_prefix("#  ")
                .map_or(line, |rest| &line[line.len() - rest.len() - 2..])
        })
        .collect();
    let config = load(&shown.join("\n")).unwrap();
    let names: Vec<&str> = config.endpoints.iter().map(|one| &*one.name).collect();
    assert_eq!(
        names,
        [
            "here",
            "eu1-a",
            "eu1-b",
            "eu1-store",
            "us1",
            "archive",
            "sites"
        ]
    );
    let found = &config.endpoints[6].discovery;
    assert_eq!(found.files, ["/etc/watchfire/targets/*.json"]);
}

#[test]
fn every_key_of_endpoints_is_in_the_documentation_and_the_example() {
    let keys = [
        RawQuery::keys(),
        CacheConfig::keys(),
        LimitsConfig::keys(),
        DiscoveryConfig::keys(),
        DnsConfig::keys(),
        EndpointConfig::keys(),
        TimeRange::keys(),
    ]
    .concat();
    let pages = [
        (
            "docs/federation.md",
            include_str!("../../../docs/federation.md"),
        ),
        (
            "docs/configuration.md",
            include_str!("../../../docs/configuration.md"),
        ),
        ("config/query.yml", EXAMPLE),
    ];
    for (page, text) in pages {
        let words: Vec<&str> = text
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .collect();
        for key in &keys {
            assert!(words.contains(key), "{key} is not in {page}");
        }
    }
}
