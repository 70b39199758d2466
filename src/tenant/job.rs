//! Pure work that is too long for the loop.

use super::{
    export::{ExportInput, Exported},
    reload::{ReloadInput, ReloadOutcome},
};
use crate::notify::decide::{FlushInput, FlushOutcome};

/// A job on snapshots.
#[derive(Debug)]
pub enum TenantJob {
    /// Decide a flush.
    Decide(Box<FlushInput>),
    /// Build what follows from a new configuration.
    Reload(Box<ReloadInput>),
    /// Write silences and log in Alertmanager's format.
    Export(Box<ExportInput>),
}

/// A job's result.
#[derive(Debug)]
pub enum TenantJobDone {
    /// What the flush decided.
    Decided(Box<FlushOutcome>),
    /// What the new configuration makes of everything.
    Reloaded(Box<ReloadOutcome>),
    /// The files.
    Exported(Exported),
}

impl TenantJob {
    /// Does the work; pure, on any thread.
    #[must_use]
    pub fn run(self) -> TenantJobDone {
        match self {
            Self::Decide(input) => TenantJobDone::Decided(Box::new(input.decide())),
            Self::Reload(input) => TenantJobDone::Reloaded(Box::new(input.run())),
            Self::Export(input) => TenantJobDone::Exported(input.run()),
        }
    }
}
