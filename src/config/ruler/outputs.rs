//! Where alerts and samples go besides this mesh.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::raw::RuleGlob;
use crate::{
    config::{
        HttpConfig, HttpHeader, HttpUrl, Secret,
        read::{Name, Named, Place, Position, PromDuration, Reader, Section, nearest},
        relabel::RelabelRule,
        section::section,
        settings::HttpField,
    },
    labels::{Relabel, go_quote},
};

section! {
    /// An Alertmanager that is told of alerts besides this mesh.
    pub AlertmanagerConfig in "ruler.Alertmanager", check check_alertmanager, unknown inline_key::<AlertmanagerConfig> {
        /// Where it is, without `/api/v2/alerts`; empty if it is named otherwise.
        url: HttpUrl,
        /// Several that are the same but for their addresses.
        static_configs: Vec<TargetGroup>,
        /// The same in files, which are read again and again.
        file_sd_configs: Vec<TargetFiles>,
        /// How targets are spoken to.
        scheme: TargetScheme as Name<TargetScheme>,
        /// What stands before `/api/v2/alerts` at targets.
        path_prefix: String,
        /// How to connect.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// How long a request may take.
        timeout: Duration as PromDuration = Duration::from_secs(10),
        /// The version of its API.
        api_version: AlertmanagerApi as Name<AlertmanagerApi>,
        /// Rules over the labels of the alerts that it is told, after those for all.
        alert_relabel_configs: Vec<Relabel> as Vec<RelabelRule>,
    }

    /// Addresses of Alertmanagers.
    #[derive(Eq)]
    pub TargetGroup in "targetgroup.Group" {
        /// Hosts with ports.
        targets: Vec<String>,
    }

    /// Files of addresses, in Prometheus's format: lists of `targets`.
    #[derive(Eq)]
    pub TargetFiles in "file.SDConfig", check check_files {
        /// Paths as resolved against the directory of the file; the last part may be a pattern.
        files: Vec<String> as Vec<RuleGlob>,
        /// How often they are read; never zero.
        refresh_interval: Duration as PromDuration = Duration::from_secs(30),
    }

    /// A server that takes samples by remote write.
    pub RemoteWriteConfig in "ruler.RemoteWrite", check check_remote_write, unknown inline_key::<RemoteWriteConfig> {
        /// How it is called in metrics and logs; its URL if empty.
        name: String,
        /// Where samples are posted.
        url: HttpUrl,
        /// How to connect; [`Self::headers`] are in it.
        http ["http_config"]: Arc<HttpConfig> as HttpField,
        /// Headers of each request.
        headers: BTreeMap<String, Secret>,
        /// How long a request may take.
        remote_timeout: Duration as PromDuration = Duration::from_secs(30),
        /// The version of the protocol.
        protobuf_message: RemoteWriteMessage as Name<RemoteWriteMessage>,
        /// Rules over the labels of what is written.
        write_relabel_configs: Vec<Relabel> as Vec<RelabelRule>,
        /// The queue before it.
        queue ["queue_config"]: RemoteWriteQueue,
    }

    /// What waits on disk until a server took it.
    #[derive(Eq)]
    pub RemoteWriteQueue in "ruler.Queue", check check_queue {
        /// Bytes on disk; when there are more, the oldest samples go.
        max_bytes: u64 = 1_u64 << 30,
        /// Older samples go.
        sample_age_limit: Duration as PromDuration = Duration::from_hours(1),
        /// Samples of one request.
        max_samples_per_send: u32 = 2000u32,
        /// How long a request waits for more samples.
        batch_send_deadline: Duration as PromDuration = Duration::from_secs(5),
        /// Requests at a time.
        max_shards: u32 = 4u32,
        /// The first wait after a failure.
        min_backoff: Duration as PromDuration = Duration::from_millis(30),
        /// The longest wait after a failure.
        max_backoff: Duration as PromDuration = Duration::from_secs(5),
    }
}

/// How a target is spoken to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TargetScheme {
    /// `http`
    #[default]
    Http,
    /// `https`
    Https,
}

impl TargetScheme {
    /// As it stands in a URL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl Named for TargetScheme {
    const NAMES: &'static [(&'static str, Self)] = &[("http", Self::Http), ("https", Self::Https)];

    fn unknown(word: &str) -> String {
        format!("scheme must be http or https, not {}", go_quote(word))
    }
}

/// A version of Alertmanager's API.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AlertmanagerApi {
    /// `/api/v2/alerts`
    #[default]
    V2,
}

impl Named for AlertmanagerApi {
    const NAMES: &'static [(&'static str, Self)] = &[("v2", Self::V2)];

    fn unknown(word: &str) -> String {
        let word = go_quote(word);
        format!("expected Alertmanager api version to be v2 but got {word}")
    }
}

/// A version of remote write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RemoteWriteMessage {
    /// Remote write 1.0.
    #[default]
    V1,
    /// Remote write 2.0.
    V2,
}

impl Named for RemoteWriteMessage {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("prometheus.WriteRequest", Self::V1),
        ("io.prometheus.write.v2.Request", Self::V2),
        ("v1", Self::V1),
        ("v2", Self::V2),
    ];

    fn unknown(word: &str) -> String {
        let word = go_quote(word);
        format!(
            "unknown type for remote write protobuf message {word}, supported: prometheus.WriteRequest, io.prometheus.write.v2.Request"
        )
    }
}

/// Prometheus has the keys of `http_config` beside the URL.
fn inline_key<S: Section>(key: &str, at: Position, reader: &mut Reader<'_>) {
    let hint = if HttpConfig::keys().contains(&key) {
        Some(format!("write {key} under http_config"))
    } else {
        nearest(key, &S::keys()).map(|near| format!("did you mean {near}?"))
    };
    reader.unknown_key(key, S::GO, at, hint);
}

fn check_alertmanager(one: &mut AlertmanagerConfig, place: &Place, reader: &mut Reader<'_>) {
    let url = one.url.as_str();
    let named = !one.static_configs.is_empty() || !one.file_sd_configs.is_empty();
    if url.is_empty() && !named {
        reader.deny(place.at, "missing url of an Alertmanager");
    } else if url.contains(['?', '#']) {
        let message = "the url of an Alertmanager ends before ? and #";
        reader.deny(place.of("url"), message);
    }
    let groups = one.static_configs.iter();
    for target in groups.flat_map(|group| &group.targets) {
        if target.is_empty() || target.contains('/') {
            let target = go_quote(target);
            let message = format!("{target} is not a valid hostname");
            let hint = "a target is a host with a port; scheme and path_prefix stand beside";
            reader.deny_with_hint(place.of("static_configs"), message, hint);
        }
    }
    if one.timeout.is_zero() {
        reader.deny(place.of("timeout"), "timeout must be greater than zero");
    }
}

fn check_files(files: &mut TargetFiles, place: &Place, reader: &mut Reader<'_>) {
    if files.files.is_empty() {
        let message = "file service discovery config must contain at least one path name";
        reader.deny(place.at, message);
    }
    if files.refresh_interval.is_zero() {
        let message = "refresh_interval must be greater than zero";
        reader.deny(place.of("refresh_interval"), message);
    }
}

/// Headers that the protocol sets.
const RESERVED: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "user-agent",
    "www-authenticate",
    "x-prometheus-remote-read-version",
    "x-prometheus-remote-write-version",
];

fn check_remote_write(one: &mut RemoteWriteConfig, place: &Place, reader: &mut Reader<'_>) {
    if one.url.is_empty() {
        reader.deny(place.at, "url for remote_write is empty");
    }
    if one.remote_timeout.is_zero() {
        let message = "remote_timeout must be greater than zero";
        reader.deny(place.of("remote_timeout"), message);
    }
    let mut http = HttpConfig::clone(&one.http);
    for (name, value) in &one.headers {
        match header_problem(name, &http) {
            Some(problem) => reader.deny(place.of("headers"), problem),
            None => {
                let header = HttpHeader {
                    secrets: vec![value.clone()],
                    ..HttpHeader::default()
                };
                http.headers.insert(name.clone(), header);
            }
        }
    }
    one.http = Arc::new(http);
}

fn header_problem(name: &str, http: &HttpConfig) -> Option<String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || !name.chars().all(is_token) {
        return Some(format!("{} is no name of a header", go_quote(name)));
    }
    if name.eq_ignore_ascii_case("authorization") {
        return Some("authorization header must be changed via http_config".to_owned());
    }
    let lower = name.to_ascii_lowercase();
    if RESERVED.contains(&&*lower) {
        let name = go_quote(name);
        return Some(format!(
            "{name} is a reserved header. It must not be changed"
        ));
    }
    let mut others = http.headers.keys();
    others
        .any(|other| other.eq_ignore_ascii_case(name))
        .then(|| format!("the header {name} is in headers and in http_headers"))
}

fn check_queue(queue: &mut RemoteWriteQueue, place: &Place, reader: &mut Reader<'_>) {
    let zero = [
        ("max_bytes", queue.max_bytes == 0),
        ("max_samples_per_send", queue.max_samples_per_send == 0),
        ("max_shards", queue.max_shards == 0),
        ("min_backoff", queue.min_backoff.is_zero()),
    ];
    for (key, _) in zero.into_iter().filter(|(_, zero)| *zero) {
        reader.deny(place.of(key), format!("{key} must be greater than zero"));
    }
    if queue.max_backoff < queue.min_backoff {
        let message = "max_backoff must not be less than min_backoff";
        reader.deny(place.of("max_backoff"), message);
    }
}
