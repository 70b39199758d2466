//! Pure work that is too long for the loop.

use std::any::Any;

use super::{
    export::{ExportInput, Exported},
    reload::{ReloadInput, ReloadOutcome},
};
use crate::{
    dispatch::GroupId,
    notify::decide::{FlushInput, FlushOutcome},
    silence::{IndexJob, MadeIndex},
};

/// A job on snapshots.
#[derive(Debug)]
pub enum TenantJob {
    /// Decide a flush.
    Decide(Box<FlushInput>),
    /// Build what follows from a new configuration.
    Reload(Box<ReloadInput>),
    /// Write silences and log in Alertmanager's format.
    Export(Box<ExportInput>),
    /// Make an index of silences.
    Index(Box<IndexJob>),
    /// Free memory that consists of many parts.
    Discard(Box<dyn Any + Send>),
}

/// Says which job it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantJobName {
    /// Decide the flush of this group.
    Decide(GroupId),
    /// Build what follows from a new configuration.
    Reload,
    /// Write silences and log.
    Export,
    /// Make an index of silences.
    Index,
    /// Free memory.
    Discard,
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
    /// The index of silences.
    Indexed(Box<MadeIndex>),
    /// Nothing.
    Discarded,
    /// None: the job has a bug.
    Panicked(TenantJobName),
}

impl TenantJob {
    /// Says which job it is.
    #[must_use]
    pub fn name(&self) -> TenantJobName {
        match self {
            Self::Decide(input) => TenantJobName::Decide(input.group.id),
            Self::Reload(_) => TenantJobName::Reload,
            Self::Export(_) => TenantJobName::Export,
            Self::Index(_) => TenantJobName::Index,
            Self::Discard(_) => TenantJobName::Discard,
        }
    }

    /// Does the work; pure, on any thread.
    #[must_use]
    pub fn run(self) -> TenantJobDone {
        match self {
            Self::Decide(input) => TenantJobDone::Decided(Box::new(input.decide())),
            Self::Reload(input) => TenantJobDone::Reloaded(Box::new(input.run())),
            Self::Export(input) => TenantJobDone::Exported(input.run()),
            Self::Index(job) => TenantJobDone::Indexed(Box::new(job.run())),
            Self::Discard(rubbish) => {
                drop(rubbish);
                TenantJobDone::Discarded
            }
        }
    }
}
