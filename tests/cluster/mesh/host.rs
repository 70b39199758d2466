//! One host: its clock, its disk, and the process on it.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use watchfire::{
    config::Config,
    history::HistoryLimits,
    node::{Input, Node},
    silence::SilenceLimits,
    tenant::TenantSettings,
    time::{Now, Timestamp},
};

use super::disk::Disk;

/// Wall-clock second at which the world begins.
pub(crate) const BEGINNING: i64 = 1_800_000_000;

const MILLION: i128 = 1_000_000;

/// A host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: Arc<str>,
    pub(crate) node: Option<Node>,
    /// Counts its processes; what was meant for an earlier one is dropped.
    pub(crate) life: u64,
    pub(crate) run: u64,
    pub(crate) started: Duration,
    /// Other hosts that its process has met.
    pub(crate) met: BTreeSet<usize>,
    /// Whether it was in reach of another for long enough since its disk is as it is.
    pub(crate) acquainted: bool,
    /// Since when its process knows who votes.
    pub(crate) elected: Option<Duration>,
    pub(crate) powered: bool,
    pub(crate) paused: bool,
    /// It was asked to stop.
    pub(crate) stopping: bool,
    /// It is to start once it has stopped.
    pub(crate) starts_again: bool,
    /// What came while it was paused.
    pub(crate) backlog: VecDeque<Input>,
    pub(crate) disk: Disk,
    /// How often it became ready.
    pub(crate) ready: usize,
    /// How far its wall clock is ahead, in seconds.
    pub(crate) skew: i64,
    /// How much faster its monotonic clock runs, in millionths.
    pub(crate) rate: i64,
    pub(crate) config: Arc<Config>,
    /// Whether its requests to receivers get through.
    pub(crate) egress: bool,
    /// When its process has something to do next.
    pub(crate) wake: Option<Duration>,
}

impl Host {
    pub(crate) fn new(index: usize, config: Arc<Config>) -> Self {
        Self {
            name: format!("n{}", index + 1).into(),
            node: None,
            life: 0,
            run: 0,
            started: Duration::ZERO,
            met: BTreeSet::new(),
            acquainted: false,
            elected: None,
            powered: true,
            paused: false,
            stopping: false,
            starts_again: false,
            backlog: VecDeque::new(),
            disk: Disk::default(),
            ready: 0,
            skew: 0,
            rate: 0,
            config,
            egress: true,
            wake: None,
        }
    }

    pub(crate) fn is_up(&self) -> bool {
        self.node.is_some()
    }

    /// Whether its process runs and nothing holds it up.
    pub(crate) fn is_well(&self) -> bool {
        self.is_up() && !self.paused && !self.disk.hangs
    }

    pub(crate) fn wall(&self, clock: Duration) -> Timestamp {
        Timestamp::from_unix(BEGINNING + self.skew, 0).plus(clock)
    }

    pub(crate) fn now(&self, clock: Duration) -> Now {
        let elapsed = (clock - self.started).as_nanos();
        let mono = i128::try_from(elapsed).unwrap() * (MILLION + i128::from(self.rate)) / MILLION;
        Now {
            mono: Duration::from_nanos(u64::try_from(mono).unwrap()),
            wall: self.wall(clock),
        }
    }

    /// When the process's monotonic clock shows `mono`.
    pub(crate) fn clock_at(&self, mono: Duration) -> Duration {
        let rate = MILLION + i128::from(self.rate);
        let nanos = i128::try_from(mono.as_nanos().min(1 << 62)).unwrap() * MILLION;
        let elapsed = (nanos + rate - 1) / rate;
        self.started + Duration::from_nanos(u64::try_from(elapsed).unwrap())
    }

    /// A process of this name never had as high a run.
    pub(crate) fn next_run(&mut self, clock: Duration) -> u64 {
        let wall = u64::try_from(self.wall(clock).unix_millis()).unwrap();
        self.run = wall.max(self.run + 1);
        self.run
    }
}

pub(crate) fn tenant_settings(node: &Arc<str>) -> TenantSettings {
    TenantSettings {
        tenant: "anonymous".into(),
        node: Arc::clone(node),
        retention: Duration::from_secs(24 * 3600),
        maintenance_interval: Duration::from_secs(900),
        gc_interval: Duration::from_secs(1800),
        per_alertname_limit: 0,
        silence_limits: SilenceLimits::default(),
        log_silences: false,
        start_delay: Duration::ZERO,
        external_url: "http://watchfire:9093".into(),
        cluster_label: "".into(),
        history_limits: HistoryLimits {
            max_entries: 1000,
            max_bytes: 1 << 20,
        },
    }
}
