//! A consistent snapshot of a tenant, for reads; it shares structure with the live state and costs nothing to make.

use std::sync::Arc;

use imbl::OrdMap;

use crate::{alert::Alert, config::Config, labels::Fingerprint, silence::Silences, time::Now};

/// The snapshot.
#[derive(Debug, Clone)]
pub struct View {
    /// When it was taken.
    pub at: Now,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// All alerts, resolved ones included.
    pub alerts: OrdMap<Fingerprint, Arc<Alert>>,
    /// All silences.
    pub silences: Silences,
}
