//! Alertmanager's own files, `nflog` and `silences`, by which a user comes and goes.
//!
//! They are read at the start if they are not those that this node wrote last, and written back in one rename. What is
//! in them is the core's part.

use std::{
    fs,
    hash::{BuildHasher, Hasher, RandomState},
    io::{self, Read as _, Write as _},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use sha2::{Digest, Sha256};

use crate::node::PortableFile;

/// Larger files are no snapshots of an Alertmanager.
const MAX_BYTES: u64 = 1 << 30;

/// Tells a file that this node wrote from any other: size, time of change and SHA-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileMark {
    size: u64,
    /// Nanoseconds since the epoch.
    changed: u128,
    hash: [u8; 32],
}

impl FileMark {
    const BYTES: usize = 8 + 16 + 32;

    fn of(metadata: &fs::Metadata, hash: [u8; 32]) -> Self {
        let changed = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
        Self {
            size: metadata.len(),
            changed: changed
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default()
                .as_nanos(),
            hash,
        }
    }

    /// The file's size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// As it is stored.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::BYTES);
        bytes.extend(self.size.to_be_bytes());
        bytes.extend(self.changed.to_be_bytes());
        bytes.extend(self.hash);
        bytes
    }

    /// `None` if it is no mark.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk()?;
        let (changed, hash) = rest.split_first_chunk()?;
        Some(Self {
            size: u64::from_be_bytes(*size),
            changed: u128::from_be_bytes(*changed),
            hash: hash.try_into().ok()?,
        })
    }
}

/// The directory of the files (`--storage.path`).
#[derive(Debug, Clone)]
pub struct PortableFiles {
    directory: PathBuf,
}

impl PortableFiles {
    /// Names the directory.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
        }
    }

    /// The file's bytes, unless there is none or it is the one that `mark` describes.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read_if_changed(
        &self,
        file: PortableFile,
        mark: Option<&FileMark>,
    ) -> io::Result<Option<Vec<u8>>> {
        let path = self.directory.join(file.as_str());
        let opened = match fs::File::open(&path) {
            Ok(opened) => opened,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = opened.metadata()?;
        if metadata.len() > MAX_BYTES {
            return Err(io::Error::other("larger than 1 GiB, so no snapshot"));
        }
        let seen = mark.map(|mark| FileMark::of(&metadata, mark.hash));
        if seen.as_ref() == mark && mark.is_some() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        opened.take(MAX_BYTES).read_to_end(&mut bytes)?;
        let hash: [u8; 32] = Sha256::digest(&bytes).into();
        let ours = mark.is_some_and(|mark| mark.hash == hash);
        Ok((!ours).then_some(bytes))
    }

    /// Replaces the file; it is the old or the new one at any time, a power cut included.
    ///
    /// # Errors
    /// When the disk does not take it; the old file is then untouched.
    pub fn write(&self, file: PortableFile, bytes: &[u8]) -> io::Result<FileMark> {
        let path = self.directory.join(file.as_str());
        let random = RandomState::new().build_hasher().finish();
        let name = format!("{}.{random:016x}", file.as_str());
        let temporary = self.directory.join(name);
        let written = write_and_rename(&temporary, &path, bytes);
        if written.is_err() {
            // There may be nothing to remove.
            let _ = fs::remove_file(&temporary);
        }
        let metadata = written?;
        fs::File::open(&self.directory)?.sync_all()?;
        Ok(FileMark::of(&metadata, Sha256::digest(bytes).into()))
    }

    /// Removes what writes that were cut off left, ours and Alertmanager's.
    pub fn clean(&self) {
        let Ok(entries) = fs::read_dir(&self.directory) else {
            return;
        };
        for entry in entries.filter_map(Result::ok) {
            if entry.file_name().to_str().is_some_and(is_leftover) {
                // It only takes space.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn is_leftover(name: &str) -> bool {
    PortableFile::ALL.iter().any(|file| {
        name.strip_prefix(file.as_str())
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|hex| {
                let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
                (12..=16).contains(&hex.len()) && hex.bytes().all(digit)
            })
    })
}

fn write_and_rename(temporary: &Path, path: &Path, bytes: &[u8]) -> io::Result<fs::Metadata> {
    let mut file = fs::File::create(temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(temporary, path)?;
    file.metadata()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_only_what_it_did_not_write() {
        let directory = tempfile::tempdir().unwrap();
        let files = PortableFiles::new(directory.path());
        let nflog = PortableFile::Nflog;
        assert_eq!(files.read_if_changed(nflog, None).unwrap(), None);

        let mark = files.write(nflog, b"ours").unwrap();
        let stored = FileMark::from_bytes(&mark.to_bytes());
        assert_eq!(stored.as_ref(), Some(&mark));
        assert_eq!(files.read_if_changed(nflog, stored.as_ref()).unwrap(), None);
        // A store that lost the mark takes the file in again.
        let again = files.read_if_changed(nflog, None).unwrap();
        assert_eq!(again.as_deref(), Some(b"ours".as_slice()));
        // The same bytes with another time are still ours.
        fs::write(directory.path().join("nflog"), b"ours").unwrap();
        assert_eq!(files.read_if_changed(nflog, Some(&mark)).unwrap(), None);

        fs::write(directory.path().join("nflog"), b"theirs").unwrap();
        let changed = files.read_if_changed(nflog, Some(&mark)).unwrap();
        assert_eq!(changed.as_deref(), Some(b"theirs".as_slice()));
        assert_eq!(FileMark::from_bytes(b"short"), None);
    }

    #[test]
    fn leaves_the_old_file_where_the_new_one_cannot_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let missing = PortableFiles::new(&directory.path().join("missing"));
        assert!(missing.write(PortableFile::Silences, b"x").is_err());
        let files = PortableFiles::new(directory.path());
        fs::create_dir(directory.path().join("silences")).unwrap();
        assert!(files.write(PortableFile::Silences, b"x").is_err());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn cleans_up_after_writes_that_were_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "nflog",
            "nflog.1234567890abcdef",
            "silences.bak",
            "silences.20260101",
            "silences.3b1f6c2d9e8a7",
        ] {
            fs::write(directory.path().join(name), b"x").unwrap();
        }
        PortableFiles::new(directory.path()).clean();
        let mut left: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["nflog", "silences.20260101", "silences.bak"]);
    }
}
