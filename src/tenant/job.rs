//! Pure work that is too long for the loop.

use std::any::Any;

use super::{
    export::{ExportInput, Exported},
    handover::{Recheck, RecheckInput, RecheckOutcome},
    reload::{ReloadInput, ReloadOutcome},
    replicate::{Index, IndexInput, Portion, PortionInput},
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
    /// Make hashes of everything, to be compared with another node's.
    Digest(Box<IndexInput>),
    /// Write what another node lacks.
    Portion(Box<PortionInput>),
    /// Decide one notification anew.
    Recheck(Box<RecheckInput>),
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
    /// Make hashes of everything.
    Digest,
    /// Write what another node lacks, for this repair.
    Portion(u64),
    /// Decide one notification anew.
    Recheck(Recheck),
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
    /// Hashes of everything.
    Digested(Box<Index>),
    /// What another node lacks.
    Portioned(Box<Portion>),
    /// What one notification is now.
    Rechecked(Box<RecheckOutcome>),
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
            Self::Digest(_) => TenantJobName::Digest,
            Self::Portion(input) => TenantJobName::Portion(input.repair()),
            Self::Recheck(input) => TenantJobName::Recheck(input.what()),
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
            Self::Digest(input) => TenantJobDone::Digested(Box::new(input.run())),
            Self::Portion(input) => TenantJobDone::Portioned(Box::new(input.run())),
            Self::Recheck(input) => TenantJobDone::Rechecked(Box::new(input.run())),
            Self::Discard(rubbish) => {
                drop(rubbish);
                TenantJobDone::Discarded
            }
        }
    }
}
