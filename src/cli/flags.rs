//! The flags of `watchfire serve`: Alertmanager v0.34's with its defaults, and our additions.

use super::args::{Flag, Kind, Parsed};
use crate::app::{ClusterOptions, Options};

const NONE: Option<char> = None;

const fn flag(name: &'static str, kind: Kind, default: &'static str, help: &'static str) -> Flag {
    Flag {
        name,
        short: NONE,
        kind,
        default,
        help,
    }
}

/// Every flag, in upstream's order, then ours.
pub(super) const SERVE: &[Flag] = &[
    Flag {
        name: "help",
        short: Some('h'),
        kind: Kind::Switch,
        default: "",
        help: "Show this help.",
    },
    flag("help-long", Kind::Switch, "", ""),
    flag("help-man", Kind::Switch, "", ""),
    flag(
        "version",
        Kind::Switch,
        "",
        "Show the version and how it was built.",
    ),
    flag(
        "config.file",
        Kind::Text,
        "alertmanager.yml",
        "The configuration file. If it is not given and does not exist, config/alertmanager.yml is used.",
    ),
    flag(
        "storage.path",
        Kind::Text,
        "data/",
        "Directory for everything that is kept. Files of an Alertmanager in it are imported.",
    ),
    flag(
        "data.retention",
        Kind::Duration,
        "120h",
        "How long silences that ended, notification records and history are kept.",
    ),
    flag(
        "data.maintenance-interval",
        Kind::Duration,
        "15m",
        "How often the state is swept and the files nflog and silences are written for Alertmanager.",
    ),
    flag(
        "silences.max-silences",
        Kind::Int,
        "0",
        "At most this many silences, expired ones included; zero or less is no limit.",
    ),
    flag(
        "silences.max-silence-size-bytes",
        Kind::Int,
        "0",
        "At most this many bytes for one silence; zero or less is no limit.",
    ),
    flag("silences.max-per-silence-bytes", Kind::Int, "0", ""),
    flag(
        "log.silences",
        Kind::Switch,
        "",
        "Log silences that are created, changed or expired.",
    ),
    flag(
        "alerts.gc-interval",
        Kind::Duration,
        "30m",
        "How often resolved alerts are swept.",
    ),
    flag(
        "alerts.per-alertname-limit",
        Kind::Int,
        "0",
        "At most this many alerts of one alertname; zero or less is no limit.",
    ),
    flag(
        "dispatch.maintenance-interval",
        Kind::Duration,
        "30s",
        "How often empty aggregation groups are swept.",
    ),
    flag(
        "dispatch.start-delay",
        Kind::Duration,
        "0s",
        "Wait this long after the start before anything is notified; set it to --rules.alert.resend-delay of Prometheus.",
    ),
    flag(
        "web.systemd-socket",
        Kind::Switch,
        "",
        "Listen on the sockets that systemd passes instead of on addresses.",
    ),
    flag(
        "web.listen-address",
        Kind::Texts,
        ":9093",
        "Address to listen on, such as :9093 or [::1]:9093. Repeatable.",
    ),
    flag(
        "web.config.file",
        Kind::Text,
        "",
        "File with TLS, users, headers and rate limit of the web server.",
    ),
    flag(
        "web.external-url",
        Kind::Text,
        "",
        "The URL under which this node is reached from outside, for links in notifications; its path is put before all routes.",
    ),
    flag(
        "web.route-prefix",
        Kind::Text,
        "",
        "Prefix of all routes; the path of --web.external-url if it is not given.",
    ),
    flag(
        "web.get-concurrency",
        Kind::Int,
        "0",
        "At most this many GET requests at once; zero or less is the number of processors, at least 8.",
    ),
    flag(
        "web.timeout",
        Kind::Seconds,
        "0",
        "At most this long for a request; zero or less is no limit.",
    ),
    flag(
        "auto-gomemlimit.ratio",
        Kind::Float,
        "0.9",
        "Accepted for Alertmanager's sake and without effect.",
    ),
    flag(
        "cluster.listen-address",
        Kind::Text,
        "0.0.0.0:9094",
        "Address of the mesh; empty switches clustering off.",
    ),
    flag(
        "cluster.advertise-address",
        Kind::Text,
        "",
        "Address under which other nodes reach this one; the host may be a name.",
    ),
    flag(
        "cluster.peer-name",
        Kind::Text,
        "",
        "Name of this node in the mesh; drawn at the first start and kept if it is not given.",
    ),
    flag(
        "cluster.peer",
        Kind::Texts,
        "",
        "Another node of the mesh: host:port, an SRV name, or file:PATH with one of these per line. Repeatable.",
    ),
    flag(
        "cluster.peer-timeout",
        Kind::Duration,
        "15s",
        "Accepted for Alertmanager's sake and without effect: nodes agree on who notifies.",
    ),
    flag(
        "cluster.peers-resolve-timeout",
        Kind::Duration,
        "15s",
        "At most this long to resolve the names of peers.",
    ),
    flag(
        "cluster.gossip-interval",
        Kind::Duration,
        "200ms",
        "Interval between gossip messages.",
    ),
    flag(
        "cluster.pushpull-interval",
        Kind::Duration,
        "1m0s",
        "How often nodes compare all of their state.",
    ),
    flag(
        "cluster.tcp-timeout",
        Kind::Duration,
        "10s",
        "At most this long to connect to a peer, and for a write to be taken.",
    ),
    flag(
        "cluster.probe-timeout",
        Kind::Duration,
        "150ms",
        "How long a probed peer has to answer.",
    ),
    flag(
        "cluster.probe-interval",
        Kind::Duration,
        "500ms",
        "Interval between probes.",
    ),
    flag(
        "cluster.settle-timeout",
        Kind::Duration,
        "1m0s",
        "At most this long for the mesh to settle before anything is notified.",
    ),
    flag(
        "cluster.reconnect-interval",
        Kind::Duration,
        "10s",
        "Longest wait between two attempts to reach a lost peer.",
    ),
    flag(
        "cluster.reconnect-timeout",
        Kind::Duration,
        "6h0m0s",
        "How long a lost peer is tried.",
    ),
    flag(
        "cluster.tls-config",
        Kind::Text,
        "",
        "File with the TLS configuration of the mesh.",
    ),
    flag(
        "cluster.allow-insecure-public-advertise-address-discovery",
        Kind::Switch,
        "",
        "Let a public address be found and advertised.",
    ),
    flag(
        "cluster.label",
        Kind::Text,
        "",
        "Name of the mesh; nodes with another one are refused.",
    ),
    flag(
        "enable-feature",
        Kind::Text,
        "",
        "Experimental features, separated by commas: alert-names-in-metrics, receiver-name-in-metrics, group-key-in-metrics, classic-mode, utf8-strict-mode, auto-gomemlimit, event-recorder; of PromQL: promql-experimental-functions, promql-duration-expr, promql-extended-range-selectors, promql-binop-fill-modifiers, promql-delayed-name-removal.",
    ),
    flag(
        "log.level",
        Kind::OneOf {
            words: &["debug", "info", "warn", "error"],
            what: "log level",
        },
        "info",
        "Log this and what is graver: debug, info, warn, error.",
    ),
    flag(
        "log.format",
        Kind::OneOf {
            words: &["logfmt", "json"],
            what: "log format",
        },
        "logfmt",
        "Format of the log: logfmt, json.",
    ),
    // What goes beyond Alertmanager.
    flag(
        "config.auto-reload-interval",
        Kind::Duration,
        "0s",
        "Look at the configuration file this often and reload it when it changed; zero is never.",
    ),
    flag(
        "history.max-entries",
        Kind::Int,
        "10000",
        "At most this many entries of the notification history.",
    ),
    flag(
        "history.max-bytes",
        Kind::Bytes,
        "64MiB",
        "At most this many bytes of notification history.",
    ),
    flag(
        "web.ready-always",
        Kind::Switch,
        "",
        "Answer 200 on /-/ready from the first moment, as Alertmanager does.",
    ),
    flag(
        "query.config-file",
        Kind::Text,
        "",
        "File with the endpoints of PromQL queries.",
    ),
    flag(
        "ruler.config-file",
        Kind::Text,
        "",
        "File with the rules to evaluate.",
    ),
    flag(
        "cluster.secret-file",
        Kind::Text,
        "",
        "File with the keys that nodes of the mesh share; the first seals, all open.",
    ),
    flag(
        "cluster.expected-size",
        Kind::Int,
        "0",
        "How many nodes the mesh is meant to have.",
    ),
    flag(
        "cluster.minority-delay",
        Kind::DurationOrInf,
        "30s",
        "How long a node that sees no majority waits before it notifies anyway; inf waits for ever.",
    ),
    flag(
        "cluster.evict-after",
        Kind::Duration,
        "5m",
        "How long an unreachable node counts as a member.",
    ),
    flag("test.clock-offset", Kind::SignedDuration, "0s", ""),
];

/// What the flags say.
pub(super) fn options(parsed: &Parsed) -> Options {
    Options {
        config_file: parsed.text("config.file").into(),
        config_file_given: parsed.was_given("config.file"),
        storage_path: parsed.text("storage.path").into(),
        retention: parsed.duration("data.retention"),
        maintenance_interval: parsed.duration("data.maintenance-interval"),
        max_silences: parsed.limit("silences.max-silences"),
        max_silence_bytes: parsed
            .limit("silences.max-silence-size-bytes")
            .or_else(|| parsed.limit("silences.max-per-silence-bytes")),
        log_silences: parsed.switch("log.silences"),
        alert_gc_interval: parsed.duration("alerts.gc-interval"),
        per_alertname_limit: parsed.limit("alerts.per-alertname-limit"),
        dispatch_maintenance_interval: parsed.duration("dispatch.maintenance-interval"),
        dispatch_start_delay: parsed.duration("dispatch.start-delay"),
        systemd_socket: parsed.switch("web.systemd-socket"),
        listen_addresses: parsed.texts("web.listen-address"),
        web_config_file: parsed.text("web.config.file").into(),
        external_url: parsed.text("web.external-url"),
        route_prefix: parsed.text("web.route-prefix"),
        get_concurrency: parsed.limit("web.get-concurrency"),
        web_timeout: parsed.duration("web.timeout"),
        memory_limit_ratio: parsed.float("auto-gomemlimit.ratio"),
        cluster: cluster(parsed),
        features: parsed.text("enable-feature"),
        auto_reload_interval: parsed.duration("config.auto-reload-interval"),
        history_max_entries: parsed.limit("history.max-entries").unwrap_or(0),
        history_max_bytes: parsed.limit("history.max-bytes").unwrap_or(0),
        ready_always: parsed.switch("web.ready-always"),
        query_config_file: parsed.text("query.config-file").into(),
        ruler_config_file: parsed.text("ruler.config-file").into(),
        clock_offset: parsed.signed_duration("test.clock-offset"),
    }
}

fn cluster(parsed: &Parsed) -> ClusterOptions {
    ClusterOptions {
        listen_address: parsed.text("cluster.listen-address"),
        advertise_address: parsed.text("cluster.advertise-address"),
        peer_name: parsed.text("cluster.peer-name"),
        peers: parsed.texts("cluster.peer"),
        peer_timeout: parsed.duration("cluster.peer-timeout"),
        peers_resolve_timeout: parsed.duration("cluster.peers-resolve-timeout"),
        gossip_interval: parsed.duration("cluster.gossip-interval"),
        pushpull_interval: parsed.duration("cluster.pushpull-interval"),
        tcp_timeout: parsed.duration("cluster.tcp-timeout"),
        probe_timeout: parsed.duration("cluster.probe-timeout"),
        probe_interval: parsed.duration("cluster.probe-interval"),
        settle_timeout: parsed.duration("cluster.settle-timeout"),
        reconnect_interval: parsed.duration("cluster.reconnect-interval"),
        reconnect_timeout: parsed.duration("cluster.reconnect-timeout"),
        tls_config_file: parsed.text("cluster.tls-config").into(),
        allow_public_address: parsed
            .switch("cluster.allow-insecure-public-advertise-address-discovery"),
        label: parsed.text("cluster.label"),
        secret_file: parsed.text("cluster.secret-file").into(),
        expected_size: parsed.limit("cluster.expected-size"),
        minority_delay: parsed.duration("cluster.minority-delay"),
        evict_after: parsed.duration("cluster.evict-after"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::args::parse;

    fn read(line: &str) -> Options {
        let args: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        options(&parse(SERVE, &args).unwrap())
    }

    #[test]
    fn the_defaults_are_those_of_upstream() {
        let options = read("");
        assert_eq!(options.validate(), Ok(()));
        assert_eq!(options.listen_addresses, [":9093"]);
        assert_eq!(options.cluster.listen_address, "0.0.0.0:9094");
        assert_eq!(options.retention, Duration::from_hours(120));
        assert_eq!(options.history_max_bytes, 64 << 20);
        assert_eq!(options.max_silences, None);
        assert!(!options.config_file_given);
    }

    #[test]
    fn what_the_operator_passes_is_read() {
        let options = read(
            "--config.file=/etc/alertmanager/config_out/alertmanager.env.yaml --storage.path=/alertmanager \
             --data.retention=120h --cluster.listen-address=[10.0.0.7]:9094 --web.listen-address=:9093 \
             --web.external-url=http://x/am --web.route-prefix=/ --web.get-concurrency=20 --web.timeout=30 \
             --silences.max-silences=100 --silences.max-per-silence-bytes=4096 --cluster.label=ns/name \
             --cluster.peer=am-0.alertmanager-operated:9094 --cluster.peer=am-1.alertmanager-operated:9094 \
             --cluster.peer-name=am-0 --cluster.reconnect-timeout=5m --dispatch.start-delay=60s",
        );
        assert_eq!(options.web_timeout, Duration::from_secs(30));
        assert_eq!(options.max_silence_bytes, Some(4096));
        assert_eq!(options.cluster.peers.len(), 2);
        assert!(options.config_file_given);
        assert_eq!(read("--cluster.listen-address=").cluster.listen_address, "");
    }

    #[test]
    fn every_flag_of_upstream_is_there() {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../shared/data/alertmanager-help.txt"
        );
        let Ok(help) = std::fs::read_to_string(path) else {
            println!("skipped: ../shared/data is not here");
            return;
        };
        for word in help.split_whitespace() {
            let Some(name) = word.strip_prefix("--") else {
                continue;
            };
            let name = name.trim_start_matches("[no-]");
            let name: String = name
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))
                .collect();
            // Debian's own, and flags of Prometheus that help texts mention.
            let name = name.trim_end_matches('.');
            if name == "web.ui-path" || name == "rules.alert.resend-delay" {
                continue;
            }
            assert!(SERVE.iter().any(|flag| flag.name == name), "--{name}");
        }
    }
}
