//! One sled database: open, batch, iterate, and an fsync that sled lacks.
//!
//! Its library may panic on damaged files; every call is guarded, and a panic is an error like any other.

use std::{
    cell::RefCell,
    collections::BTreeSet,
    ffi::OsString,
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use super::Record;
use crate::node::StoreOp;

/// Values from here on become files of their own that are never fsynced (sled's blobs).
const MAX_VALUE: usize = 64 * 1024;

/// Free bytes that must be left: a few of sled's segments.
const SPACE: u64 = 4 * 1024 * 1024;

/// Cached pages. Everything is in the node's memory anyway, so the store reads at start only.
const CACHE_BYTES: u64 = 8 * 1024 * 1024;

/// sled lets go of its lock a moment after it is closed, in this process or in one that ends; this long is waited for it.
const LOCK_TRIES: u32 = 100;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The database does not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum DatabaseError {
    /// Another process has the file.
    #[error("in use by another process")]
    Locked,
    /// The system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// What is on the disk makes no sense.
    #[error("{0}")]
    Damaged(String),
    /// A write does not come to an end.
    #[error("a write does not end; if this goes on when the disk is well, restart the process")]
    Hangs,
    /// The value is too large for the store.
    #[error("a value of {0} bytes is too large for the store")]
    TooLarge(usize),
}

#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    sled: sled::Db,
    /// Names of blobs, which never change once they are written.
    synced_blobs: RefCell<BTreeSet<OsString>>,
}

impl Database {
    pub(super) fn open(path: &Path) -> Result<Self, DatabaseError> {
        let config = sled::Config::new()
            .path(path)
            .cache_capacity(CACHE_BYTES)
            .mode(sled::Mode::LowSpace)
            // The writer says when: a background flush would only race with it.
            .flush_every_ms(None);
        let mut tries = LOCK_TRIES;
        let sled = loop {
            match guarded(|| config.open()) {
                Err(DatabaseError::Locked) if tries > 0 => {
                    tries -= 1;
                    thread::sleep(LOCK_PAUSE);
                }
                opened => break opened?,
            }
        };
        sync_directory(path)?;
        Ok(Self {
            path: path.to_owned(),
            sled,
            synced_blobs: RefCell::default(),
        })
    }

    pub(super) fn check_value(value: &[u8]) -> Result<(), DatabaseError> {
        if value.len() < MAX_VALUE {
            Ok(())
        } else {
            Err(DatabaseError::TooLarge(value.len()))
        }
    }

    /// Applies all or nothing.
    pub(super) fn apply(
        &self,
        ops: impl IntoIterator<Item = StoreOp>,
    ) -> Result<(), DatabaseError> {
        let mut batch = sled::Batch::default();
        let mut bytes = 0;
        for op in ops {
            match op {
                StoreOp::Put { key, value } => {
                    Self::check_value(&value)?;
                    bytes += key.len() + value.len();
                    batch.insert(key, value);
                }
                StoreOp::Delete { key } => batch.remove(key),
            }
        }
        self.check_space(bytes)?;
        guarded(|| self.sled.apply_batch(batch))
    }

    /// sled hangs when the disk is full, so it is never brought there.
    fn check_space(&self, bytes: usize) -> io::Result<()> {
        let wanted = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(4);
        let free = fs2::available_space(&self.path)?;
        if free < wanted.saturating_add(SPACE) {
            let least = SPACE >> 20;
            let text = format!("the disk is full: less than {least} MiB are free");
            return Err(io::Error::new(io::ErrorKind::StorageFull, text));
        }
        Ok(())
    }

    /// Hands everything to the disk: it survives a power cut, which sled's own flush does not promise.
    pub(super) fn sync(&self) -> Result<(), DatabaseError> {
        guarded(|| self.sled.flush())?;
        self.sync_blobs()?;
        fs::File::open(self.path.join("db"))?.sync_data()?;
        Ok(())
    }

    /// A page of several large values becomes a file beside the log, which sled never fsyncs. There are none as long as
    /// values are small.
    fn sync_blobs(&self) -> io::Result<()> {
        let blobs = self.path.join("blobs");
        let mut any = false;
        for entry in fs::read_dir(&blobs)? {
            let entry = entry?;
            any = true;
            if !self.synced_blobs.borrow().contains(&entry.file_name()) {
                fs::File::open(entry.path())?.sync_data()?;
                self.synced_blobs.borrow_mut().insert(entry.file_name());
            }
        }
        if any {
            fs::File::open(blobs)?.sync_all()?;
        }
        Ok(())
    }

    /// Reads every record; ends with the error after the last that can be read.
    pub(super) fn records(&self) -> impl Iterator<Item = Result<Record, DatabaseError>> + '_ {
        let mut records = self.sled.iter();
        let mut failed = false;
        std::iter::from_fn(move || {
            if failed {
                return None;
            }
            let record = guarded(|| records.next().transpose()).transpose()?;
            failed = record.is_err();
            Some(record.map(|(key, value)| (key.to_vec(), value.to_vec())))
        })
    }

    /// Closes it; a panic of the library on the way is of no consequence.
    pub(super) fn close(self) {
        let Self { sled, .. } = self;
        let _ = catch_unwind(AssertUnwindSafe(move || drop(sled)));
    }
}

/// Makes new names in a directory, and its own, survive a power cut.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()?;
    if let Some(parent) = path.parent() {
        fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}

fn guarded<T>(call: impl FnOnce() -> sled::Result<T>) -> Result<T, DatabaseError> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(sled::Error::Io(error))) => {
            if error.to_string().contains("could not acquire lock") {
                return Err(DatabaseError::Locked);
            }
            // sled calls files that it cannot make sense of I/O errors too.
            let is_the_systems = matches!(
                error.kind(),
                io::ErrorKind::PermissionDenied
                    | io::ErrorKind::ReadOnlyFilesystem
                    | io::ErrorKind::StorageFull
                    | io::ErrorKind::QuotaExceeded
            );
            if is_the_systems {
                Err(DatabaseError::Io(error))
            } else {
                Err(DatabaseError::Damaged(error.to_string()))
            }
        }
        Ok(Err(error)) => Err(DatabaseError::Damaged(error.to_string())),
        Err(panic) => {
            let words = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied());
            Err(DatabaseError::Damaged(
                words.unwrap_or("it panicked").to_owned(),
            ))
        }
    }
}
