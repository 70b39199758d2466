//! `--query.config-file`: the endpoints that hold the data of queries and rules, and how they are asked.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crate::{
    config::{
        HttpConfig, HttpHeader, HttpUrl, LoadEnv, LoadErrors,
        read::{Beside, ByteSize, FilePath, Name, Named, Place, Placed, PromDuration, Reader},
        section::section,
        settings::HttpField,
    },
    labels::{MatcherMode, go_quote, is_valid_label_name},
    promql::{
        ast::ValueType,
        parse::{Features, parse},
    },
    yaml::Document,
};

/// The header in which Mimir, Cortex and others look for the tenant.
const TENANT_HEADER: &str = "X-Scope-OrgID";

/// What the file says of queries.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryConfig {
    /// The endpoints in the order of the file.
    pub endpoints: Vec<EndpointConfig>,
    /// What is kept of queries of many times.
    pub cache: CacheConfig,
    /// What queries may take.
    pub limits: LimitsConfig,
    /// Endpoints that were not asked for so long are asked whether they are there; zero for never.
    pub probe_interval: Duration,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            endpoints: Vec::new(),
            cache: CacheConfig::default(),
            limits: LimitsConfig::default(),
            probe_interval: PROBE_INTERVAL,
        }
    }
}

/// How long endpoints are left alone by default.
const PROBE_INTERVAL: Duration = Duration::from_mins(1);

/// How long nothing may come from an endpoint by default. What costs nothing takes one that works under load a second at
/// most, and rules are not to be late for one that does not.
const HANG_TIMEOUT: Duration = Duration::from_secs(5);

/// What answers may take by default; bytes.
const RESPONSE_BYTES: usize = 1 << 30;

/// What is kept in memory by default; bytes.
const CACHE_BYTES: usize = 64 << 20;

section! {
    pub(super) RawQuery in "query.Config" {
        endpoints: Vec<Placed<EndpointConfig>>,
        cache: CacheConfig,
        limits: LimitsConfig,
        probe_interval: Duration as PromDuration = PROBE_INTERVAL,
    }

    /// What queries may take.
    #[derive(Eq)]
    pub LimitsConfig in "query.Limits", check check_limits {
        /// Queries that are answered at a time; others wait for their turn.
        max_concurrent_queries: u32 = 20u32,
        /// Samples that a query may hold.
        max_samples: u64 = 50_000_000u64,
        /// Bytes of answers of endpoints that all queries together may hold.
        max_response_bytes: usize as ByteSize = RESPONSE_BYTES,
    }

    /// What is kept of queries of many times.
    #[derive(Eq)]
    pub CacheConfig in "query.Cache" {
        /// How much memory it may take; bytes, 0 to keep nothing.
        max_bytes: usize as ByteSize = CACHE_BYTES,
        /// Values that are younger than this are not kept: their samples may still come.
        min_age: Duration as PromDuration = Duration::from_mins(10),
        /// Queries over more time are asked in parts, cut at the multiples of it; zero to ask them as they are.
        split_interval: Duration as PromDuration = Duration::from_hours(24),
    }

    /// A server that answers PromQL.
    pub EndpointConfig in "query.Endpoint", check check_endpoint {
        /// How it is called in warnings, metrics and explanations.
        name: String,
        /// Where its API is, without `/api/v1`.
        url: HttpUrl,
        /// What it is.
        kind: EndpointKind as Name<EndpointKind>,
        /// The labels that all its series have and that set them apart from those of other endpoints.
        partition: BTreeMap<String, String>,
        /// Whether its answers show these labels.
        label_mode ["partition_label_mode"]: LabelMode as Name<LabelMode>,
        /// Which of several endpoints with the same data it is.
        replica: String,
        /// How far its instant selectors look back.
        lookback: Duration as PromDuration = Duration::from_mins(5),
        /// How much it is asked to compute.
        pushdown: PushdownLevel as Name<PushdownLevel>,
        /// When it is asked for samples as they are stored.
        remote_read: RemoteRead as Name<RemoteRead>,
        /// The tenant whose data are asked for.
        tenant: String,
        /// The header that names the tenant.
        tenant_header: String = TENANT_HEADER,
        /// How to connect; the tenant's header is in it.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// Requests that it gets at a time; others wait.
        max_concurrency: u32 = 20u32,
        /// How long a request may take; zero for as long as the query has.
        timeout: Duration as PromDuration,
        /// One from which nothing comes for so long, not even what costs it nothing, is not waited for; zero to wait.
        hang_timeout: Duration as PromDuration = HANG_TIMEOUT,
        /// Whether its answers may come compressed.
        gzip: bool,
        /// What times it holds.
        time_range: TimeRange,
        /// Whether an answer without its partition is complete.
        optional: bool,
        /// A query that has a result whenever the endpoint has its data; empty for none.
        sentinel: String,
        /// Whether other partitions may hold the same series.
        overlap: bool,
        /// How coarse the samples may be of which a Thanos answers; zero for those that were scraped.
        max_source_resolution: Duration as PromDuration,
        /// The labels that tell replicas apart for a Thanos, if not those that it is told of itself.
        replica_labels: Vec<String>,
        /// Where servers are to be found for which this entry stands; nowhere if it is a server itself.
        discovery: Arc<DiscoveryConfig>,
    }

    /// Where servers are to be found.
    #[derive(Eq)]
    pub DiscoveryConfig in "query.Discovery", check check_discovery {
        /// Patterns of files of targets.
        files: Vec<String> as Beside<Vec<FilePath>>,
        /// Names that are looked up.
        dns: DnsConfig,
        /// How often it is looked again.
        refresh_interval: Duration as PromDuration = Duration::from_secs(30),
    }

    /// Names that are looked up.
    #[derive(Eq)]
    pub DnsConfig in "query.Dns" {
        /// The names.
        names: Vec<String>,
        /// What is asked of them.
        record ["type"]: RecordType as Name<RecordType>,
    }

    /// What times an endpoint holds.
    #[derive(Eq)]
    pub TimeRange in "query.TimeRange" {
        /// Its samples are younger than this; zero for no bound.
        max_age: Duration as PromDuration,
    }
}

/// What an endpoint is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum EndpointKind {
    /// What it says of itself.
    #[default]
    Auto,
    /// Prometheus; its version is asked.
    Prometheus,
    /// Thanos Query.
    Thanos,
    /// Cortex.
    Cortex,
    /// Mimir.
    Mimir,
    /// `VictoriaMetrics`.
    VictoriaMetrics,
}

/// What is asked of a name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RecordType {
    /// Addresses of IPv4.
    A,
    /// Addresses of IPv6.
    Aaaa,
    /// Hosts and ports of a service.
    #[default]
    Srv,
}

impl RecordType {
    /// The word for it in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let word = Self::NAMES.iter().find(|(_, record)| *record == self);
        word.map_or("", |(word, _)| word)
    }
}

impl Named for RecordType {
    const NAMES: &'static [(&'static str, Self)] =
        &[("A", Self::A), ("AAAA", Self::Aaaa), ("SRV", Self::Srv)];

    fn unknown(word: &str) -> String {
        format!("unknown type of record {}", go_quote(word))
    }
}

impl DiscoveryConfig {
    /// Whether it says where to look.
    #[must_use]
    pub fn is_set(&self) -> bool {
        !self.files.is_empty() || !self.dns.names.is_empty()
    }
}

impl EndpointKind {
    /// The word for it in the file.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let word = Self::NAMES.iter().find(|(_, kind)| *kind == self);
        word.map_or("", |(word, _)| word)
    }
}

impl Named for EndpointKind {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("prometheus", Self::Prometheus),
        ("thanos", Self::Thanos),
        ("cortex", Self::Cortex),
        ("mimir", Self::Mimir),
        ("victoriametrics", Self::VictoriaMetrics),
    ];

    fn unknown(word: &str) -> String {
        format!("unknown kind of endpoint {}", go_quote(word))
    }
}

/// Where the labels of a partition are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LabelMode {
    /// Nowhere, as the external labels of a Prometheus: they are attached to what it answers.
    #[default]
    Attach,
    /// On its series.
    Present,
}

impl Named for LabelMode {
    const NAMES: &'static [(&'static str, Self)] =
        &[("attach", Self::Attach), ("present", Self::Present)];

    fn unknown(word: &str) -> String {
        format!("unknown partition_label_mode {}", go_quote(word))
    }
}

/// How much an endpoint is asked to compute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum PushdownLevel {
    /// Selectors only.
    Selector,
    /// What in its dialect means the same as here.
    #[default]
    Aggregate,
    /// Everything for which its own data suffice, whatever its dialect makes of it.
    Full,
}

/// When an endpoint is asked for samples as they are stored, by `/api/v1/read`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RemoteRead {
    /// Never: what would need it cannot be answered.
    Never,
    /// Where answers to queries do not hold enough: of native histograms, and of ended series.
    #[default]
    Histograms,
    /// Instead of all queries for plain series as well.
    Prefer,
}

impl Named for RemoteRead {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("never", Self::Never),
        ("histograms", Self::Histograms),
        ("prefer", Self::Prefer),
    ];

    fn unknown(word: &str) -> String {
        format!("unknown use of remote_read {}", go_quote(word))
    }
}

impl Named for PushdownLevel {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("aggregate", Self::Aggregate),
        ("full", Self::Full),
        ("selector", Self::Selector),
    ];

    fn unknown(word: &str) -> String {
        format!("unknown pushdown level {}", go_quote(word))
    }
}

/// Reads a file of endpoints.
///
/// # Errors
/// With everything that is wrong with it.
pub fn load_query(text: &[u8], env: &LoadEnv) -> Result<QueryConfig, LoadErrors> {
    let document = Document::parse(text).map_err(|error| LoadErrors::syntax(&env.file, &error))?;
    let mut reader = Reader::new(env);
    let mut raw = RawQuery::default();
    reader.document(&document, &mut raw);
    check_together(&raw.endpoints, &mut reader);
    match reader.errors() {
        Some(errors) => Err(errors),
        None => Ok(QueryConfig {
            endpoints: raw.endpoints.into_iter().map(|one| one.value).collect(),
            cache: raw.cache,
            limits: raw.limits,
            probe_interval: raw.probe_interval,
        }),
    }
}

fn check_endpoint(endpoint: &mut EndpointConfig, place: &Place, reader: &mut Reader<'_>) {
    if endpoint.name.is_empty() {
        reader.deny(place.of("name"), "missing name of endpoint");
    }
    let url = endpoint.url.as_str();
    if url.is_empty() {
        reader.deny(place.of("url"), "missing url of endpoint");
    } else if url.contains(['?', '#']) {
        let message = "the url of an endpoint ends before ? and #";
        reader.deny(place.of("url"), message);
    } else if url.trim_end_matches('/').ends_with("/api/v1") {
        let message = "the url of an endpoint ends before /api/v1, which is added to it";
        reader.deny(place.of("url"), message);
    }
    if endpoint.lookback.is_zero() {
        reader.deny(place.of("lookback"), "lookback must be greater than zero");
    }
    let reads = !matches!(
        endpoint.kind,
        EndpointKind::Thanos | EndpointKind::VictoriaMetrics
    );
    if endpoint.remote_read == RemoteRead::Prefer && !reads {
        let message = "endpoints of this kind have no remote_read";
        reader.deny(place.of("remote_read"), message);
    }
    let may_be_thanos = matches!(endpoint.kind, EndpointKind::Thanos | EndpointKind::Auto);
    for key in ["max_source_resolution", "replica_labels"] {
        if place.has(key) && !may_be_thanos {
            let message = format!("{key} is for Thanos");
            reader.deny(place.of(key), message);
        }
    }
    if endpoint.replica_labels.iter().any(String::is_empty) {
        let message = "a label of replica_labels has no name";
        reader.deny(place.of("replica_labels"), message);
    }
    if endpoint.max_concurrency == 0 {
        let message = "max_concurrency must be greater than zero";
        reader.deny(place.of("max_concurrency"), message);
    }
    check_sentinel(endpoint, place, reader);
    if place.has("discovery") && !endpoint.discovery.is_set() {
        let message = "discovery names neither files nor names";
        reader.deny(place.of("discovery"), message);
    }
    if endpoint.is_template() && !endpoint.replica.is_empty() {
        let message = "endpoints that are found have their own replica each";
        reader.deny(place.of("replica"), message);
    }
    check_partition(endpoint, place, reader);
    name_tenant(endpoint, place, reader);
}

fn check_sentinel(endpoint: &EndpointConfig, place: &Place, reader: &mut Reader<'_>) {
    if endpoint.sentinel.is_empty() {
        return;
    }
    let message = match parse(&endpoint.sentinel, Features::none()) {
        Err(errors) => format!("sentinel is no PromQL: {errors}"),
        Ok(expr) => match expr.value_type() {
            ValueType::Scalar | ValueType::Vector => return,
            other @ (ValueType::Matrix | ValueType::String) => format!(
                "sentinel is no instant vector and no number, but a {}",
                other.documented()
            ),
        },
    };
    reader.deny(place.of("sentinel"), message);
}

fn check_limits(limits: &mut LimitsConfig, place: &Place, reader: &mut Reader<'_>) {
    let least = [
        ("max_concurrent_queries", limits.max_concurrent_queries == 0),
        ("max_samples", limits.max_samples == 0),
        ("max_response_bytes", limits.max_response_bytes == 0),
    ];
    for (key, _) in least.into_iter().filter(|(_, is_zero)| *is_zero) {
        reader.deny(place.of(key), format!("{key} must be greater than zero"));
    }
}

fn check_discovery(discovery: &mut DiscoveryConfig, place: &Place, reader: &mut Reader<'_>) {
    if !discovery.files.is_empty() && !discovery.dns.names.is_empty() {
        let message = "endpoints are found in files or by names, not both in one entry";
        reader.deny(place.of("dns"), message);
    }
    let texts = discovery.files.iter().chain(&discovery.dns.names);
    for text in texts.filter(|text| text.is_empty()) {
        let message = format!("{} is nowhere to look", go_quote(text));
        reader.deny(place.of("files"), message);
    }
    if discovery.refresh_interval.is_zero() {
        let message = "refresh_interval must be greater than zero";
        reader.deny(place.of("refresh_interval"), message);
    }
}

fn check_partition(endpoint: &EndpointConfig, place: &Place, reader: &mut Reader<'_>) {
    let at = place.of("partition");
    for (name, value) in &endpoint.partition {
        if name.starts_with("__") || !is_valid_label_name(name, MatcherMode::Utf8Strict) {
            let message = format!("{} can be no label of a partition", go_quote(name));
            reader.deny(at, message);
        } else if value.is_empty() {
            let message = format!("label {name} of the partition has no value");
            reader.deny(at, message);
        }
    }
}

/// The tenant's header becomes one of the client's headers.
fn name_tenant(endpoint: &mut EndpointConfig, place: &Place, reader: &mut Reader<'_>) {
    if endpoint.tenant.is_empty() {
        if place.has("tenant_header") {
            let message = "tenant_header names the header of a tenant, but there is no tenant";
            reader.deny(place.of("tenant_header"), message);
        }
        return;
    }
    let header = &endpoint.tenant_header;
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if header.is_empty() || !header.chars().all(is_token) {
        let message = format!("tenant_header {} is no name of a header", go_quote(header));
        reader.deny(place.of("tenant_header"), message);
        return;
    }
    let mut http = HttpConfig::clone(&endpoint.http);
    if http
        .headers
        .keys()
        .any(|name| name.eq_ignore_ascii_case(header))
    {
        let message = format!("the header {header} is that of the tenant and in http_headers");
        reader.deny(place.of("tenant"), message);
        return;
    }
    let value = HttpHeader {
        values: vec![endpoint.tenant.clone()],
        ..HttpHeader::default()
    };
    http.headers.insert(header.clone(), value);
    endpoint.http = Arc::new(http);
}

/// What endpoints must fulfil beside each other.
fn check_together(endpoints: &[Placed<EndpointConfig>], reader: &mut Reader<'_>) {
    for (index, endpoint) in endpoints.iter().enumerate() {
        let earlier = endpoints.get(..index).unwrap_or_default();
        let name = &endpoint.value.name;
        if !name.is_empty() && earlier.iter().any(|other| other.value.name == *name) {
            let message = format!("endpoint name {} is not unique", go_quote(name));
            reader.deny(endpoint.place.of("name"), message);
        }
        for other in earlier {
            // What is found is checked when it is.
            let found = endpoint.value.is_template() || other.value.is_template();
            if !found && endpoint.place.sound && other.place.sound {
                check_pair(other, endpoint, reader);
            }
        }
    }
}

fn check_pair(
    first: &Placed<EndpointConfig>,
    second: &Placed<EndpointConfig>,
    reader: &mut Reader<'_>,
) {
    for (key, message, hint) in problems_of(&first.value, &second.value) {
        let at = second.place.of(key);
        match hint {
            Some(hint) => reader.deny_with_hint(at, message, hint),
            None => reader.deny(at, message),
        }
    }
}

/// A key of the second of two endpoints, what is wrong with it beside the first, and what to do.
pub(super) type Problem = (&'static str, String, Option<&'static str>);

/// What is wrong with two endpoints beside each other.
pub(super) fn problems_of(a: &EndpointConfig, b: &EndpointConfig) -> Vec<Problem> {
    let names = format!("{} and {}", go_quote(&a.name), go_quote(&b.name));
    if a.partition == b.partition {
        return problems_of_replicas(a, b, &names);
    }
    let apart = |(name, value)| b.partition.get(name).is_some_and(|other| other != value);
    let told_apart = a.partition.iter().any(apart);
    if told_apart || (a.overlap && b.overlap) {
        return Vec::new();
    }
    vec![(
        "partition",
        format!("no label of their partitions tells endpoints {names} apart"),
        Some(
            "give both a label of the same name with different values, or say overlap: true for both",
        ),
    )]
}

fn problems_of_replicas(a: &EndpointConfig, b: &EndpointConfig, names: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    if a.replica == b.replica {
        problems.push((
            "replica",
            format!("endpoints {names} have the same partition and the same replica"),
            Some(
                "name a replica for each if they hold the same series, or give them different partitions",
            ),
        ));
    }
    let same = [
        ("lookback", a.lookback == b.lookback),
        ("optional", a.optional == b.optional),
        ("overlap", a.overlap == b.overlap),
    ];
    for (key, _) in same.into_iter().filter(|(_, same)| !same) {
        let message = format!("endpoints {names} are replicas and must have the same {key}");
        problems.push((key, message, None));
    }
    problems
}
