//! The way back: silences and notification log in the files that an Alertmanager reads.

use std::{sync::Arc, time::Duration};

use super::{Tenant, TenantEffect, TenantJob};
use crate::{
    nflog::Nflog,
    notify::decide::NO_INTEGRATION,
    silence::Silences,
    storage::{write_nflog_file, write_silences_file},
};

/// What is written.
#[derive(Debug)]
pub struct ExportInput {
    silences: Silences,
    nflog: Nflog,
    retention: Duration,
}

/// The bytes of the files.
#[derive(Debug)]
pub struct Exported {
    /// Of `silences`.
    pub silences: Arc<[u8]>,
    /// Of `nflog`.
    pub nflog: Arc<[u8]>,
}

impl ExportInput {
    /// Writes the files. Entries of receivers without an integration are ours alone and stay out.
    #[must_use]
    pub fn run(&self) -> Exported {
        let entries = self
            .nflog
            .iter()
            .filter(|entry| *entry.key.receiver.integration != *NO_INTEGRATION);
        Exported {
            silences: write_silences_file(self.silences.iter().map(Arc::as_ref)).into(),
            nflog: write_nflog_file(entries.map(Arc::as_ref), self.retention).into(),
        }
    }
}

impl Tenant {
    /// Has a worker write the files, unless one does already.
    pub(super) fn export(&mut self) {
        if !std::mem::replace(&mut self.exporting, true) {
            let input = ExportInput {
                silences: self.silences.clone(),
                nflog: self.nflog.clone(),
                retention: self.settings.retention,
            };
            self.effects
                .push_back(TenantEffect::Run(TenantJob::Export(Box::new(input))));
        }
    }

    pub(super) fn exported(&mut self, files: Exported) {
        self.exporting = false;
        self.effects.push_back(TenantEffect::WriteFiles(files));
    }

    /// A worker failed to write the files: the next maintenance tries again.
    pub(super) fn export_lost(&mut self) {
        self.exporting = false;
        for stats in [
            &mut self.stats.nflog_snapshot,
            &mut self.stats.silences_snapshot,
        ] {
            stats.maintenance += 1;
            stats.maintenance_errors += 1;
        }
    }

    /// Takes in how writing a file ended.
    pub fn file_written(&mut self, silences: bool, took: Duration, result: Result<u64, String>) {
        let stats = if silences {
            &mut self.stats.silences_snapshot
        } else {
            &mut self.stats.nflog_snapshot
        };
        stats.maintenance += 1;
        match result {
            Ok(bytes) => {
                stats.snapshots += 1;
                stats.snapshot_sum += took;
                stats.snapshot_bytes = bytes;
            }
            Err(error) => {
                stats.maintenance_errors += 1;
                let file = if silences { "silences" } else { "nflog" };
                tracing::error!(file, err = %error, "Cannot write the file for Alertmanager; the store is not affected");
            }
        }
    }
}
