//! Opening a database whatever state it is in: a damaged one is set aside and what can be read of it is kept.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use super::{
    Record, StoreError,
    database::{Database, DatabaseError, sync_directory},
    engine::Engine,
    log::LogFile,
};
use crate::{node::StoreOp, storage::Database as Kind};

/// Records that are handed over, or written again, at a time.
const CHUNK: usize = 1024;
const CHUNK_BYTES: usize = 1024 * 1024;

/// A database that ended the process while it was opened this many times in a row is set aside unopened.
const MAX_CRASHES: usize = 5;

/// What came of it.
pub(super) struct Opened {
    /// `None` if the disk does not let it; the writer goes on trying.
    pub(super) database: Option<Engine>,
    /// Where the damaged one is.
    pub(super) set_aside: Option<PathBuf>,
}

/// Opens the database and hands over its records in chunks.
pub(super) fn open(
    kind: Kind,
    path: &Path,
    mut load: impl FnMut(Vec<Record>),
) -> Result<Opened, StoreError> {
    let refused = |source| StoreError::Io {
        path: path.to_owned(),
        source,
    };
    fs::create_dir_all(path).map_err(refused)?;
    let attempts = Attempts::begin(path);
    let mut salvaged = Vec::new();
    let reason = if attempts.crashes < MAX_CRASHES {
        match open_whole(kind, path, &mut salvaged, &mut load) {
            Ok(opened) => {
                attempts.end();
                return Ok(opened);
            }
            Err(DatabaseError::Locked) => {
                attempts.end();
                return Err(StoreError::Locked {
                    path: path.to_owned(),
                });
            }
            Err(DatabaseError::Io(source)) if is_refusal(&source) => {
                attempts.end();
                return Err(refused(source));
            }
            Err(DatabaseError::Io(source)) if is_full(&source) => {
                attempts.end();
                let aside = std::env::temp_dir().join(format!("watchfire-{}", std::process::id()));
                let records = read_copy(path, &aside, true);
                tracing::error!(
                    database = %path.display(),
                    error = %source,
                    records_read = records.len(),
                    "the disk is full: the node starts with what could be read of the store and works from memory; \
                     make room, it then writes again by itself"
                );
                load_in_chunks(records.into_iter(), &mut load);
                return Ok(Opened {
                    database: None,
                    set_aside: None,
                });
            }
            Err(error) => error.to_string(),
        }
    } else {
        "the process ended each time while the store was being opened".to_owned()
    };

    let set_aside = set_aside(path, &reason);
    if salvaged.is_empty()
        && kind == Kind::Durable
        && attempts.crashes < MAX_CRASHES
        && let Some(aside) = &set_aside
    {
        // sled's notes beside its log may be all that is damaged; it makes them anew.
        salvaged = read_copy(aside, &path.with_extension("salvage"), false);
    }
    tracing::warn!(
        database = %path.display(),
        records = salvaged.len(),
        "read what could be read of the damaged store"
    );
    let database = set_aside
        .as_ref()
        .and_then(|_| renew(kind, path, &salvaged));
    attempts.end();
    load_in_chunks(salvaged.into_iter(), &mut load);
    Ok(Opened {
        database,
        set_aside,
    })
}

/// Opens a database of which every record can be read, and hands them over; otherwise `salvaged` gets those that can.
fn open_whole(
    kind: Kind,
    path: &Path,
    salvaged: &mut Vec<Record>,
    load: &mut impl FnMut(Vec<Record>),
) -> Result<Opened, DatabaseError> {
    match kind {
        Kind::Bulk => {
            let (log, set_aside) = LogFile::open(path)?;
            let database = Engine::Log(log);
            load_in_chunks(database.records().filter_map(Result::ok), load);
            Ok(Opened {
                database: Some(database),
                set_aside,
            })
        }
        Kind::Durable => {
            let database = Database::open(path)?;
            let error = database.records().find_map(Result::err);
            if let Some(error) = error {
                salvaged.extend(database.records().filter_map(Result::ok));
                database.close();
                return Err(error);
            }
            let mut count = 0;
            let records = database.records().filter_map(Result::ok);
            load_in_chunks(records.inspect(|_| count += 1), load);
            let database = if count < CHUNK {
                Engine::Sled(database)
            } else {
                // What was read stays in sled's memory for good, and is never read again.
                database.close();
                Engine::open(kind, path)?
            };
            Ok(Opened {
                database: Some(database),
                set_aside: None,
            })
        }
    }
}

/// Hands over at most [`CHUNK`] records and about [`CHUNK_BYTES`] at a time.
fn load_in_chunks(records: impl Iterator<Item = Record>, load: &mut impl FnMut(Vec<Record>)) {
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    for (key, value) in records {
        bytes += key.len() + value.len();
        chunk.push((key, value));
        if chunk.len() >= CHUNK || bytes >= CHUNK_BYTES {
            load(std::mem::take(&mut chunk));
            bytes = 0;
        }
    }
    if !chunk.is_empty() {
        load(chunk);
    }
}

/// Errors that an operator must mend before the node can work as told.
fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Reads what a copy of the files yields: the files themselves stay as they are. Without `notes` only the log is
/// copied, not what sled keeps beside it.
fn read_copy(from: &Path, to: &Path, notes: bool) -> Vec<Record> {
    let copied = fs::create_dir_all(to.join("blobs")).and_then(|()| {
        copy_files(&from.join("blobs"), &to.join("blobs"), |_| true)?;
        copy_files(from, to, |name| notes || name == "db")
    });
    let records = match copied {
        Ok(()) => Database::open(to).map_or_else(
            |_| Vec::new(),
            |database| {
                let records = database.records().filter_map(Result::ok).collect();
                database.close();
                records
            },
        ),
        Err(_) => Vec::new(),
    };
    // A copy that stays only takes space.
    let _ = fs::remove_dir_all(to);
    records
}

fn copy_files(from: &Path, to: &Path, wanted: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if entry.file_type()?.is_file() && wanted(&name.to_string_lossy()) {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

/// Makes a new database of the records; `None` if the disk does not let it.
fn renew(kind: Kind, path: &Path, records: &[Record]) -> Option<Engine> {
    let renewed = fs::create_dir_all(path)
        .map_err(DatabaseError::from)
        .and_then(|()| Engine::open(kind, path))
        .and_then(|mut database| {
            for chunk in records.chunks(CHUNK) {
                let put = |(key, value): &Record| StoreOp::Put {
                    key: key.clone(),
                    value: value.clone(),
                };
                database.write(&chunk.iter().map(put).collect::<Vec<_>>())?;
            }
            database.sync()?;
            Ok(database)
        });
    renewed
        .inspect_err(|error| {
            tracing::error!(database = %path.display(), %error, "no new store could be made; the node works from memory");
        })
        .ok()
}

/// Moves the directory out of the way; `None` if even that fails.
fn set_aside(path: &Path, reason: &str) -> Option<PathBuf> {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let aside = (0..)
        .map(|number| match number {
            0 => format!("{name}.damaged-{seconds}"),
            _ => format!("{name}.damaged-{seconds}-{number}"),
        })
        .map(|name| path.with_file_name(name))
        .find(|aside| !aside.exists())?;
    let moved =
        fs::rename(path, &aside).and_then(|()| path.parent().map_or(Ok(()), sync_directory));
    match moved {
        Ok(()) => {
            tracing::error!(
                database = %path.display(),
                set_aside = %aside.display(),
                reason,
                "the store was damaged; the node starts with what could be read of it and with Alertmanager's own \
                 files; check the disk, and keep or delete the directory that was set aside"
            );
            Some(aside)
        }
        Err(error) => {
            tracing::error!(
                database = %path.display(),
                reason,
                %error,
                "the store was damaged and cannot be moved out of the way; the node works from memory; check the disk"
            );
            None
        }
    }
}

/// Counts, in a file beside the database, openings that did not end: damage may abort the process.
struct Attempts {
    file: PathBuf,
    crashes: usize,
}

impl Attempts {
    fn begin(path: &Path) -> Self {
        let mut file = path.as_os_str().to_owned();
        file.push(".opening");
        let file = PathBuf::from(file);
        // One byte per attempt. Where it cannot be written, it counts nothing, and the opening decides.
        let crashes = fs::read(&file).map_or(0, |bytes| bytes.len());
        let _ = fs::write(&file, vec![b'x'; crashes.min(MAX_CRASHES) + 1]);
        Self { file, crashes }
    }

    fn end(self) {
        // What remains would only count as one crash.
        let _ = fs::remove_file(self.file);
    }
}
