//! A disk that may forget what was not synced.

use std::{collections::BTreeMap, io};

use super::super::{disk::Disk, mark::SLOT};

/// A segment: its bytes, and how many of them are sure to survive.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    pub(super) bytes: Vec<u8>,
    pub(super) synced: usize,
    /// Whether its name is on the disk.
    named: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Forgetful {
    pub(super) segments: BTreeMap<u64, Kept>,
    pub(super) mark: [[u8; SLOT]; 2],
    synced_mark: [[u8; SLOT]; 2],
    writing: u64,
    /// Writes that succeed before all fail.
    pub(super) writes_left: Option<u32>,
    /// Whether reading fails, as where too many files are open.
    pub(super) unreadable: bool,
}

impl Forgetful {
    /// The end of the power: of what was not synced, each segment keeps as many bytes as `kept` says, garbage among them if
    /// `garbage` says so.
    pub(super) fn crash(&mut self, mut kept: impl FnMut(usize) -> usize, garbage: Option<u8>) {
        self.segments.retain(|_, segment| {
            let unsure = segment.bytes.len() - segment.synced;
            let stays = kept(unsure).min(unsure);
            segment.bytes.truncate(segment.synced + stays);
            if let Some(byte) = garbage
                && stays > 0
            {
                let middle = segment.synced + stays / 2;
                segment.bytes[middle..].fill(byte);
            }
            segment.synced = segment.bytes.len();
            let there = segment.named || stays > 0;
            segment.named = there;
            there
        });
        self.mark = self.synced_mark;
    }

    fn write(&mut self) -> io::Result<()> {
        match &mut self.writes_left {
            Some(0) => Err(io::Error::other("no space left on device")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Disk for Forgetful {
    fn segments(&mut self) -> io::Result<Vec<(u64, u64)>> {
        let length = |kept: &Kept| u64::try_from(kept.bytes.len()).unwrap();
        Ok(self
            .segments
            .iter()
            .map(|(n, kept)| (*n, length(kept)))
            .collect())
    }

    fn create(&mut self, number: u64) -> io::Result<()> {
        self.sync()?;
        self.write()?;
        assert!(self.segments.insert(number, Kept::default()).is_none());
        self.writing = number;
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let fails = self.write();
        let segment = self.segments.get_mut(&self.writing).unwrap();
        if fails.is_err() {
            segment.bytes.extend_from_slice(&bytes[..bytes.len() / 2]);
            return fails;
        }
        segment.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn read(&mut self, number: u64, offset: u64, into: &mut [u8]) -> io::Result<()> {
        if self.unreadable {
            return Err(io::Error::other("too many open files"));
        }
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = &self.segments[&number].bytes;
        let found = bytes.get(from..from + into.len());
        into.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn cut(&mut self, number: u64, length: u64) -> io::Result<()> {
        self.write()?;
        let segment = self.segments.get_mut(&number).unwrap();
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        segment.bytes.truncate(length);
        segment.synced = segment.bytes.len();
        Ok(())
    }

    fn remove(&mut self, number: u64) -> io::Result<()> {
        assert!(self.segments.remove(&number).is_some());
        Ok(())
    }

    fn load_mark(&mut self) -> io::Result<Vec<u8>> {
        Ok(self.mark.concat())
    }

    fn store_mark(&mut self, slot: u64, bytes: &[u8; SLOT]) -> io::Result<()> {
        self.mark[usize::from(slot == 1)] = *bytes;
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.write()?;
        for segment in self.segments.values_mut() {
            segment.synced = segment.bytes.len();
            segment.named = true;
        }
        self.synced_mark = self.mark;
        Ok(())
    }
}
