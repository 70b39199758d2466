//! What `/metrics` reads beside the node: the counters of the shell.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use crate::{
    io::{LoopStats, MeshSocketStats, StoreStats},
    time::Timestamp,
};

/// Counters of the shell.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Of the loop.
    pub loop_stats: Arc<LoopStats>,
    /// Of the store.
    pub store: Arc<StoreStats>,
    /// Of reloads.
    pub reloads: Arc<ReloadStats>,
    /// Of the sockets of the mesh; `None` if clustering is switched off.
    pub mesh: Option<Arc<MeshSocketStats>>,
    /// Which labels were asked for.
    pub labels: MetricLabels,
}

/// Labels that `--enable-feature` adds.
#[derive(Debug, Clone, Copy, Default)]
pub struct MetricLabels {
    /// `alert-names-in-metrics`
    pub alert_names: bool,
    /// `receiver-name-in-metrics`
    pub receiver_names: bool,
    /// `group-key-in-metrics`
    pub group_keys: bool,
}

/// What became of the last loads of the configuration.
#[derive(Debug, Default)]
pub struct ReloadStats {
    failed: AtomicBool,
    last_success: Mutex<Option<Timestamp>>,
}

impl ReloadStats {
    /// A configuration came into force.
    pub fn succeeded(&self, at: Timestamp) {
        *self
            .last_success
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(at);
        self.failed.store(false, Relaxed);
    }

    /// A configuration was refused; the old one stays.
    pub fn failed(&self) {
        self.failed.store(true, Relaxed);
    }

    /// Whether the last load failed, and when one last succeeded.
    pub(super) fn last(&self) -> (bool, Option<Timestamp>) {
        let at = *self
            .last_success
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (self.failed.load(Relaxed), at)
    }
}
