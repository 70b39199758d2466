//! What is behind a database, as its writer sees it.

use std::path::Path;

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
        }
    }

    /// Waits for the disk.
    pub(super) fn sync(&self) -> Result<(), DatabaseError> {
        match self {
            Self::Sled(database) => database.sync(),
            Self::Log(log) => Ok(log.sync()?),
        }
    }

    /// Reads every record in the order of the keys.
    pub(super) fn records(&self) -> Box<dyn Iterator<Item = Result<Record, DatabaseError>> + '_> {
        match self {
            Self::Sled(database) => Box::new(database.records()),
            Self::Log(log) => Box::new(log.records().map(|record| Ok(record?))),
        }
    }

    /// Closes it.
    pub(super) fn close(self) {
        match self {
            Self::Sled(database) => database.close(),
            Self::Log(log) => drop(log),
        }
    }
}
