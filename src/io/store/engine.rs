//! What is behind a database, as its writer sees it.

use std::{path::Path, time::Instant};

use super::{
    Record,
    database::{Database, DatabaseError},
    log::LogFile,
};
use crate::{node::StoreOp, storage::Database as Kind};

/// One of the two kinds of files.
#[derive(Debug)]
pub(super) enum Engine {
    /// For `state`.
    Sled(Database),
    /// For `bulk`.
    Log(LogFile),
    /// For tests.
    #[cfg(test)]
    Stuck(Stuck),
}

/// A disk on which writes hang for as long as it is held.
#[cfg(test)]
#[derive(Debug, Clone, Default)]
pub(super) struct Stuck {
    held: std::sync::Arc<std::sync::Mutex<()>>,
    written: std::sync::Arc<std::sync::Mutex<Vec<StoreOp>>>,
}

#[cfg(test)]
impl Stuck {
    pub(super) fn hold(&self) -> std::sync::MutexGuard<'_, ()> {
        self.held.lock().unwrap()
    }

    pub(super) fn written(&self) -> Vec<StoreOp> {
        self.written.lock().unwrap().clone()
    }

    fn write(&self, ops: &[StoreOp]) {
        let _held = self.hold();
        self.written.lock().unwrap().extend_from_slice(ops);
    }
}

impl Engine {
    /// Opens or makes it; a damaged one is an error, or is put right on the way.
    pub(super) fn open(kind: Kind, path: &Path) -> Result<Self, DatabaseError> {
        match kind {
            Kind::Durable => Database::open(path).map(Self::Sled),
            Kind::Bulk => {
                std::fs::create_dir_all(path)?;
                let (log, _) = LogFile::open(path)?;
                Ok(Self::Log(log))
            }
        }
    }

    /// Writes all or nothing, as durably as its kind promises.
    pub(super) fn write(&mut self, ops: &[StoreOp]) -> Result<(), DatabaseError> {
        match self {
            Self::Sled(database) => {
                database.apply(ops.iter().cloned())?;
                database.sync()
            }
            Self::Log(log) => {
                log.apply(ops)?;
                Ok(log.sync_if_due()?)
            }
            #[cfg(test)]
            Self::Stuck(disk) => {
                disk.write(ops);
                Ok(())
            }
        }
    }

    /// When [`Self::write`] is to be called at the latest, with nothing if there is nothing: what was written waits for the
    /// disk until then.
    pub(super) fn sync_due(&self) -> Option<Instant> {
        match self {
            Self::Log(log) => log.sync_due(),
            Self::Sled(_) => None,
            #[cfg(test)]
            Self::Stuck(_) => None,
        }
    }

    /// Waits for the disk.
    pub(super) fn sync(&self) -> Result<(), DatabaseError> {
        match self {
            Self::Sled(database) => database.sync(),
            Self::Log(log) => Ok(log.sync()?),
            #[cfg(test)]
            Self::Stuck(_) => Ok(()),
        }
    }

    /// Reads every record in the order of the keys.
    pub(super) fn records(&self) -> Box<dyn Iterator<Item = Result<Record, DatabaseError>> + '_> {
        match self {
            Self::Sled(database) => Box::new(database.records()),
            Self::Log(log) => Box::new(log.records().map(|record| Ok(record?))),
            #[cfg(test)]
            Self::Stuck(_) => Box::new(std::iter::empty()),
        }
    }

    /// Closes it.
    pub(super) fn close(self) {
        match self {
            Self::Sled(database) => database.close(),
            Self::Log(log) => drop(log),
            #[cfg(test)]
            Self::Stuck(_) => {}
        }
    }
}
