//! What a node is started with, checked before anything is touched.

use std::{path::PathBuf, time::Duration};

/// Everything the command line says about a node; fields are named after their flags.
#[derive(Debug, Clone)]
pub struct Options {
    /// `--config.file`
    pub config_file: PathBuf,
    /// Whether the file was named by the user; if not, the shipped example may stand in for it.
    pub config_file_given: bool,
    /// `--storage.path`
    pub storage_path: PathBuf,
    /// `--data.retention`
    pub retention: Duration,
    /// `--data.maintenance-interval`
    pub maintenance_interval: Duration,
    /// `--silences.max-silences`; `None` is no limit.
    pub max_silences: Option<usize>,
    /// `--silences.max-silence-size-bytes`; `None` is no limit.
    pub max_silence_bytes: Option<usize>,
    /// `--log.silences`
    pub log_silences: bool,
    /// `--alerts.gc-interval`
    pub alert_gc_interval: Duration,
    /// `--alerts.per-alertname-limit`; `None` is no limit.
    pub per_alertname_limit: Option<usize>,
    /// `--dispatch.maintenance-interval`
    pub dispatch_maintenance_interval: Duration,
    /// `--dispatch.start-delay`
    pub dispatch_start_delay: Duration,
    /// `--web.systemd-socket`
    pub systemd_socket: bool,
    /// `--web.listen-address`
    pub listen_addresses: Vec<String>,
    /// `--web.config.file`; empty for none.
    pub web_config_file: PathBuf,
    /// `--web.external-url`; empty if it follows from host name and port.
    pub external_url: String,
    /// `--web.route-prefix`; empty if it follows from the external URL.
    pub route_prefix: String,
    /// `--web.get-concurrency`; `None` is chosen by the number of processors.
    pub get_concurrency: Option<usize>,
    /// `--web.timeout`; zero is no limit.
    pub web_timeout: Duration,
    /// `--auto-gomemlimit.ratio`; checked, but without effect.
    pub memory_limit_ratio: f64,
    /// `--cluster.*`
    pub cluster: ClusterOptions,
    /// `--enable-feature`, as typed.
    pub features: String,
    /// `--config.auto-reload-interval`; zero is never.
    pub auto_reload_interval: Duration,
    /// `--history.max-entries`
    pub history_max_entries: usize,
    /// `--history.max-bytes`
    pub history_max_bytes: usize,
    /// `--web.ready-always`
    pub ready_always: bool,
    /// `--query.config-file`; empty for none.
    pub query_config_file: PathBuf,
    /// `--ruler.config-file`; empty for none.
    pub ruler_config_file: PathBuf,
    /// `--test.clock-offset`, and whether it is below zero.
    pub clock_offset: (Duration, bool),
}

/// `--cluster.*`
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Empty switches clustering off.
    pub listen_address: String,
    /// Empty if it is to be found.
    pub advertise_address: String,
    /// Empty if it is to be drawn.
    pub peer_name: String,
    /// Other nodes, as typed.
    pub peers: Vec<String>,
    /// `--cluster.peer-timeout`
    pub peer_timeout: Duration,
    /// `--cluster.peers-resolve-timeout`
    pub peers_resolve_timeout: Duration,
    /// `--cluster.gossip-interval`
    pub gossip_interval: Duration,
    /// `--cluster.pushpull-interval`
    pub pushpull_interval: Duration,
    /// `--cluster.tcp-timeout`
    pub tcp_timeout: Duration,
    /// `--cluster.probe-timeout`
    pub probe_timeout: Duration,
    /// `--cluster.probe-interval`
    pub probe_interval: Duration,
    /// `--cluster.settle-timeout`; zero does not wait.
    pub settle_timeout: Duration,
    /// `--cluster.reconnect-interval`
    pub reconnect_interval: Duration,
    /// `--cluster.reconnect-timeout`
    pub reconnect_timeout: Duration,
    /// `--cluster.tls-config`; empty for none.
    pub tls_config_file: PathBuf,
    /// `--cluster.allow-insecure-public-advertise-address-discovery`
    pub allow_public_address: bool,
    /// `--cluster.label`
    pub label: String,
    /// `--cluster.secret-file`; empty for none.
    pub secret_file: PathBuf,
    /// `--cluster.expected-size`; `None` if it is not known.
    pub expected_size: Option<usize>,
    /// `--cluster.minority-delay`; `Duration::MAX` is `inf`.
    pub minority_delay: Duration,
    /// `--cluster.evict-after`
    pub evict_after: Duration,
}

/// What is wrong with the options; nothing was touched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// A text that must not be empty.
    #[error("--{0} must not be empty")]
    Empty(&'static str),
    /// A duration that must not be zero.
    #[error("--{0} must be positive")]
    NotPositive(&'static str),
    /// The same, but only with clustering.
    #[error("--{0} must be positive when clustering is enabled")]
    NotPositiveInCluster(&'static str),
}

impl Options {
    /// Checks what app/options.go of v0.34 checks.
    ///
    /// # Errors
    /// The first flag with a value that cannot work.
    pub fn validate(&self) -> Result<(), OptionsError> {
        for (name, path) in [
            ("config.file", &self.config_file),
            ("storage.path", &self.storage_path),
        ] {
            if path.as_os_str().is_empty() {
                return Err(OptionsError::Empty(name));
            }
        }
        for (name, duration) in [
            ("data.retention", self.retention),
            ("data.maintenance-interval", self.maintenance_interval),
            ("alerts.gc-interval", self.alert_gc_interval),
            (
                "dispatch.maintenance-interval",
                self.dispatch_maintenance_interval,
            ),
        ] {
            if duration.is_zero() {
                return Err(OptionsError::NotPositive(name));
            }
        }
        self.cluster.validate()
    }
}

impl ClusterOptions {
    fn validate(&self) -> Result<(), OptionsError> {
        if self.listen_address.is_empty() {
            return Ok(());
        }
        for (name, duration) in [
            ("cluster.peer-timeout", self.peer_timeout),
            ("cluster.peers-resolve-timeout", self.peers_resolve_timeout),
            ("cluster.gossip-interval", self.gossip_interval),
            ("cluster.pushpull-interval", self.pushpull_interval),
            ("cluster.tcp-timeout", self.tcp_timeout),
            ("cluster.probe-timeout", self.probe_timeout),
            ("cluster.probe-interval", self.probe_interval),
            ("cluster.reconnect-interval", self.reconnect_interval),
            ("cluster.reconnect-timeout", self.reconnect_timeout),
        ] {
            if duration.is_zero() {
                return Err(OptionsError::NotPositiveInCluster(name));
            }
        }
        Ok(())
    }
}
