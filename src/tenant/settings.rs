//! What flags fix for as long as the process lives.

use std::{sync::Arc, time::Duration};

use crate::{history::HistoryLimits, silence::SilenceLimits};

/// Settings of a tenant.
#[derive(Debug, Clone)]
pub struct TenantSettings {
    /// Names the tenant in keys and metrics.
    pub tenant: Arc<str>,
    /// Names the node in history.
    pub node: Arc<str>,
    /// `--data.retention`.
    pub retention: Duration,
    /// `--data.maintenance-interval`.
    pub maintenance_interval: Duration,
    /// `--alerts.gc-interval`.
    pub gc_interval: Duration,
    /// `--alerts.per-alertname-limit`; zero is none.
    pub per_alertname_limit: usize,
    /// `--silences.max-silences`, `--silences.max-silence-size-bytes`.
    pub silence_limits: SilenceLimits,
    /// `--log.silences`.
    pub log_silences: bool,
    /// `--dispatch.start-delay`: nothing is flushed before this time of the process.
    pub start_delay: Duration,
    /// `--web.external-url` without a trailing slash.
    pub external_url: Arc<str>,
    /// `--cluster.label`.
    pub cluster_label: Arc<str>,
    /// `--history.max-entries`, `--history.max-bytes`.
    pub history_limits: HistoryLimits,
}
