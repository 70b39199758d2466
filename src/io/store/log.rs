//! The `bulk` database: one file to which frames are appended, rewritten when most of it is out of date.
//!
//! Its records are large, change all the time and are read at the start only. sled keeps tens of megabytes of such
//! records in memory; here it is their keys. A frame holds the operations of one commit and a hash, so what a crash
//! tore is known and what lies after damage is still read.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use xxhash_rust::xxh64::xxh64;

use super::{Record, database::sync_directory};
use crate::node::StoreOp;

const MAGIC: [u8; 4] = *b"WFb1";

/// Magic, length of the payload, hash of the payload.
const HEADER: usize = 4 + 4 + 8;

/// No commit is larger, so a length beyond is damage.
const MAX_FRAME: usize = 256 * 1024 * 1024;

/// Frames that are written when the file is rewritten.
const REWRITE_FRAME: usize = 1024 * 1024;

/// A file is not rewritten for less than this.
const SLACK: u64 = 8 * 1024 * 1024;

/// How long what was written may be with the system only: a power cut takes no more of alerts than this, whatever the
/// system's own habits are.
const SYNC_EVERY: Duration = Duration::from_secs(5);

const PUT: u8 = 1;
const DELETE: u8 = 2;

/// The open file.
#[derive(Debug)]
pub(super) struct LogFile {
    directory: PathBuf,
    file: File,
    /// Where the next frame goes.
    end: u64,
    /// Where the value of each key lies.
    index: BTreeMap<Vec<u8>, Place>,
    /// Bytes of the keys and values that count.
    live: u64,
    /// The size at which the file is rewritten next.
    rewrite_at: u64,
    synced: Instant,
    /// Whether something was written since.
    unsynced: bool,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    offset: u64,
    len: u32,
}

/// What reading a file brought to light.
#[derive(Debug, Default, PartialEq, Eq)]
struct Scan {
    /// Where the last good frame ends.
    end: u64,
    /// Bytes before it that made no sense.
    skipped: u64,
}

impl LogFile {
    /// Opens or makes the file in its directory. What a crash tore off its end is cut; damage before the end is
    /// skipped, and the file with it is kept under the name that is returned.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Option<PathBuf>)> {
        let path = directory.join("log");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)?;
        let mut log = Self {
            directory: directory.to_owned(),
            file,
            end: 0,
            index: BTreeMap::new(),
            live: 0,
            rewrite_at: 0,
            synced: Instant::now(),
            unsynced: false,
        };
        let scan = log.scan()?;
        log.end = scan.end;
        log.rewrite_at = log.live * 2 + SLACK;
        if scan.skipped == 0 {
            let torn = log.file.metadata()?.len().saturating_sub(scan.end);
            if torn > 0 {
                tracing::info!(
                    bytes = torn,
                    "cut what a crash left half-written of alerts and history"
                );
                log.file.set_len(scan.end)?;
            }
            return Ok((log, None));
        }
        let aside = unused_name(&path);
        fs::hard_link(&path, &aside)?;
        log.rewrite()?;
        tracing::error!(
            database = %directory.display(),
            set_aside = %aside.display(),
            bytes = scan.skipped,
            "alerts and history were stored in a file that is damaged; the rest of it was read; check the disk, and \
             keep or delete the file that was set aside"
        );
        Ok((log, Some(aside)))
    }

    /// Appends all operations, or leaves the file as it was.
    pub(super) fn apply(&mut self, ops: &[StoreOp]) -> io::Result<()> {
        if ops.is_empty() {
            return Ok(());
        }
        self.unsynced = true;
        let frame = frame(ops);
        if let Err(error) = self.file.write_all_at(&frame, self.end) {
            // If not even this works, the next start cuts it off.
            let _ = self.file.set_len(self.end);
            return Err(error);
        }
        let payload = frame.get(HEADER..).unwrap_or_default();
        take_in(
            &mut self.index,
            &mut self.live,
            payload,
            self.end + HEADER as u64,
        );
        self.end += frame.len() as u64;
        if self.end > self.rewrite_at
            && let Err(error) = self.rewrite()
        {
            tracing::warn!(%error, "the file of alerts and history could not be made smaller; it grows on");
            self.rewrite_at = self.end + self.end / 4;
        }
        Ok(())
    }

    /// When what was written is to be handed to the disk, if it was not; whether something else is written until then or not.
    pub(super) fn sync_due(&self) -> Option<Instant> {
        self.unsynced.then(|| self.synced + SYNC_EVERY)
    }

    /// Waits for the disk, if it was not waited for lately.
    pub(super) fn sync_if_due(&mut self) -> io::Result<()> {
        if self.sync_due().is_none_or(|due| due > Instant::now()) {
            return Ok(());
        }
        self.sync()?;
        self.synced = Instant::now();
        self.unsynced = false;
        Ok(())
    }

    /// Waits for the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Reads every record in the order of the keys.
    pub(super) fn records(&self) -> impl Iterator<Item = io::Result<Record>> + '_ {
        self.index
            .iter()
            .map(|(key, place)| Ok((key.clone(), self.value(*place)?)))
    }

    fn value(&self, place: Place) -> io::Result<Vec<u8>> {
        let mut value = vec![0; place.len as usize];
        self.file.read_exact_at(&mut value, place.offset)?;
        Ok(value)
    }

    /// Writes what counts into a new file and puts that in the place of the old one.
    fn rewrite(&mut self) -> io::Result<()> {
        let temporary = self.directory.join("log.new");
        let written = self.write_live(&temporary);
        let (file, index, end) = written.inspect_err(|_| {
            // It is written anew next time.
            let _ = fs::remove_file(&temporary);
        })?;
        fs::rename(&temporary, self.directory.join("log"))?;
        // From here on the old file has no name: whatever fails below, nothing may be written to it any more.
        self.file = file;
        self.index = index;
        self.end = end;
        self.rewrite_at = self.live * 2 + SLACK;
        sync_directory(&self.directory)?;
        Ok(())
    }

    fn write_live(&self, path: &Path) -> io::Result<(File, BTreeMap<Vec<u8>, Place>, u64)> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        let (mut index, mut live, mut end) = (BTreeMap::new(), 0, 0);
        let mut records = self.records().peekable();
        while records.peek().is_some() {
            let (mut ops, mut bytes) = (Vec::new(), 0);
            while bytes < REWRITE_FRAME
                && let Some(record) = records.next()
            {
                let (key, value) = record?;
                bytes += key.len() + value.len();
                ops.push(StoreOp::Put { key, value });
            }
            let frame = frame(&ops);
            file.write_all(&frame)?;
            let payload = frame.get(HEADER..).unwrap_or_default();
            take_in(&mut index, &mut live, payload, end + HEADER as u64);
            end += frame.len() as u64;
        }
        file.sync_all()?;
        Ok((file, index, end))
    }

    /// Reads all frames into the index.
    fn scan(&mut self) -> io::Result<Scan> {
        let len = self.file.metadata()?.len();
        let mut reader = BufReader::with_capacity(256 * 1024, self.file.try_clone()?);
        reader.seek(SeekFrom::Start(0))?;
        let mut scan = Scan::default();
        let mut at = 0;
        let mut payload = Vec::new();
        while at < len {
            if read_frame(&mut reader, len - at, &mut payload)? {
                scan.skipped += at - scan.end;
                take_in(
                    &mut self.index,
                    &mut self.live,
                    &payload,
                    at + HEADER as u64,
                );
                at += (HEADER + payload.len()) as u64;
                scan.end = at;
            } else {
                let Some(next) = find_magic(&mut reader, at + 1)? else {
                    break;
                };
                at = next;
                reader.seek(SeekFrom::Start(at))?;
            }
        }
        Ok(scan)
    }
}

/// Reads a frame at the reader's place; `false` if there is none.
fn read_frame(reader: &mut BufReader<File>, left: u64, payload: &mut Vec<u8>) -> io::Result<bool> {
    let mut header = [0; HEADER];
    if left < HEADER as u64 {
        return Ok(false);
    }
    reader.read_exact(&mut header)?;
    let Some((magic, length, hash)) = split_header(&header) else {
        return Ok(false);
    };
    let fits = u64::from(length) <= left - HEADER as u64 && length as usize <= MAX_FRAME;
    if magic != MAGIC || !fits {
        return Ok(false);
    }
    payload.resize(length as usize, 0);
    reader.read_exact(payload)?;
    Ok(xxh64(payload, 0) == hash)
}

fn split_header(header: &[u8]) -> Option<([u8; 4], u32, u64)> {
    let (magic, rest) = header.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (hash, _) = rest.split_first_chunk()?;
    Some((
        *magic,
        u32::from_be_bytes(*length),
        u64::from_be_bytes(*hash),
    ))
}

/// The next place from `from` on where a frame may begin.
fn find_magic(reader: &mut BufReader<File>, from: u64) -> io::Result<Option<u64>> {
    const WINDOW: usize = 64 * 1024;
    let mut at = from;
    let mut window = Vec::new();
    loop {
        reader.seek(SeekFrom::Start(at))?;
        window.clear();
        reader
            .by_ref()
            .take(WINDOW as u64)
            .read_to_end(&mut window)?;
        if window.len() < MAGIC.len() {
            return Ok(None);
        }
        if let Some(found) = window.windows(MAGIC.len()).position(|bytes| bytes == MAGIC) {
            return Ok(Some(at + found as u64));
        }
        at += (window.len() - MAGIC.len() + 1) as u64;
    }
}

fn frame(ops: &[StoreOp]) -> Vec<u8> {
    let mut frame = vec![0; HEADER];
    let size = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes();
    for op in ops {
        match op {
            StoreOp::Put { key, value } => {
                frame.push(PUT);
                frame.extend(size(key));
                frame.extend(size(value));
                frame.extend(key);
                frame.extend(value);
            }
            StoreOp::Delete { key } => {
                frame.push(DELETE);
                frame.extend(size(key));
                frame.extend(0_u32.to_be_bytes());
                frame.extend(key);
            }
        }
    }
    let payload = frame.get(HEADER..).unwrap_or_default();
    let (length, hash) = (size(payload), xxh64(payload, 0).to_be_bytes());
    let header = MAGIC.into_iter().chain(length).chain(hash);
    for (to, from) in frame.iter_mut().zip(header) {
        *to = from;
    }
    frame
}

/// Applies the operations of a payload that lies at `offset`.
fn take_in(index: &mut BTreeMap<Vec<u8>, Place>, live: &mut u64, payload: &[u8], offset: u64) {
    let mut rest = payload;
    while let Some((op, after)) = split_op(rest) {
        let size = |place: &Place| (op.key.len() as u64) + u64::from(place.len);
        let old = if op.is_put {
            let place = Place {
                offset: offset + (payload.len() - after.len() - op.value_len as usize) as u64,
                len: op.value_len,
            };
            *live += size(&place);
            index.insert(op.key.to_vec(), place)
        } else {
            index.remove(op.key)
        };
        *live -= old.as_ref().map_or(0, size);
        rest = after;
    }
}

struct Op<'a> {
    is_put: bool,
    key: &'a [u8],
    value_len: u32,
}

fn split_op(bytes: &[u8]) -> Option<(Op<'_>, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (key_len, rest) = rest.split_first_chunk()?;
    let (value_len, rest) = rest.split_first_chunk()?;
    let (key, rest) = rest.split_at_checked(u32::from_be_bytes(*key_len) as usize)?;
    let value_len = u32::from_be_bytes(*value_len);
    let (_, rest) = rest.split_at_checked(value_len as usize)?;
    let op = Op {
        is_put: *tag == PUT,
        key,
        value_len,
    };
    Some((op, rest))
}

fn unused_name(path: &Path) -> PathBuf {
    (0_u32..)
        .map(|number| path.with_extension(format!("damaged-{number}")))
        .find(|name| !name.exists())
        .expect("numbers do not end before names do")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Rng;

    fn put(key: &str, value: impl AsRef<[u8]>) -> StoreOp {
        StoreOp::Put {
            key: key.as_bytes().to_vec(),
            value: value.as_ref().to_vec(),
        }
    }

    fn delete(key: &str) -> StoreOp {
        StoreOp::Delete {
            key: key.as_bytes().to_vec(),
        }
    }

    fn all(log: &LogFile) -> BTreeMap<Vec<u8>, Vec<u8>> {
        log.records().map(Result::unwrap).collect()
    }

    #[test]
    fn behaves_as_a_map_over_restarts_and_rewrites() {
        let directory = tempfile::tempdir().unwrap();
        let mut rng = Rng::from_seed(7);
        let mut below = |n: usize| usize::try_from(rng.next_u64() % n as u64).unwrap();
        let mut expect = BTreeMap::new();
        let (mut log, _) = LogFile::open(directory.path()).unwrap();
        for round in 0..400_u16 {
            let key = format!("k{}", below(20));
            if below(4) == 0 {
                log.apply(&[delete(&key)]).unwrap();
                expect.remove(key.as_bytes());
            } else {
                let value = round.to_be_bytes().repeat(below(50_000));
                log.apply(&[put(&key, "old"), put(&key, &value)]).unwrap();
                expect.insert(key.into_bytes(), value);
            }
            if round % 50 == 0 {
                drop(log);
                log = LogFile::open(directory.path()).unwrap().0;
            }
        }
        assert_eq!(all(&log), expect);
        let live: usize = expect.iter().map(|(k, v)| k.len() + v.len()).sum();
        assert_eq!(log.live, live as u64);
        // About 15 MB went through; what does not count was thrown away on the way.
        assert!(log.end < log.live * 2 + SLACK + 200_000, "{}", log.end);
        drop(log);
        assert_eq!(all(&LogFile::open(directory.path()).unwrap().0), expect);
    }

    #[test]
    fn what_was_written_waits_for_the_disk_within_five_seconds_and_nothing_does_for_ever() {
        let directory = tempfile::tempdir().unwrap();
        let (mut log, _) = LogFile::open(directory.path()).unwrap();
        assert_eq!(log.sync_due(), None);
        log.apply(&[put("a", "1")]).unwrap();
        log.sync_if_due().unwrap();
        assert!(log.sync_due().unwrap() <= Instant::now() + SYNC_EVERY);
        log.synced = Instant::now().checked_sub(SYNC_EVERY).unwrap();
        // That is done without anything else to write.
        log.apply(&[]).unwrap();
        log.sync_if_due().unwrap();
        assert_eq!(log.sync_due(), None);
    }

    #[test]
    fn cuts_what_a_crash_tore_off() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (mut log, _) = LogFile::open(directory.path()).unwrap();
        log.apply(&[put("a", "1"), put("b", "2")]).unwrap();
        let whole = log.end;
        log.apply(&[put("a", "3"), delete("b")]).unwrap();
        let full = fs::read(&path).unwrap();
        for cut in usize::try_from(whole).unwrap()..full.len() {
            fs::write(&path, &full[..cut]).unwrap();
            let (log, damaged) = LogFile::open(directory.path()).unwrap();
            assert_eq!((damaged, log.end), (None, whole));
            assert_eq!(all(&log)[b"a".as_slice()], b"1");
            assert_eq!(all(&log).len(), 2);
        }
    }

    #[test]
    fn reads_on_after_damage_and_keeps_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let (mut log, _) = LogFile::open(directory.path()).unwrap();
        for i in 0..20 {
            log.apply(&[put(&format!("k{i:02}"), vec![b'v'; 100])])
                .unwrap();
        }
        drop(log);
        let full = fs::read(&path).unwrap();
        for seed in 0..200 {
            let mut rng = Rng::from_seed(seed);
            let mut below = |n: usize| usize::try_from(rng.next_u64() % n as u64).unwrap();
            let mut bytes = full.clone();
            // The last frame stays: without it the damage would look like a torn end.
            let at = below(full.len() * 8 / 10);
            let len = below(150) + 1;
            bytes[at..at + len].fill(u8::try_from(below(256)).unwrap());
            if bytes == full {
                continue;
            }
            fs::write(&path, &bytes).unwrap();
            let (mut log, damaged) = LogFile::open(directory.path()).unwrap();
            let read = all(&log);
            assert!(
                (17..20).contains(&read.len()),
                "SEED={seed}: {}",
                read.len()
            );
            assert!(read.values().all(|value| *value == vec![b'v'; 100]));
            assert_eq!(fs::read(damaged.unwrap()).unwrap(), bytes);
            log.apply(&[put("new", "x")]).unwrap();
            drop(log);
            let (log, damaged) = LogFile::open(directory.path()).unwrap();
            assert_eq!((damaged, all(&log).len()), (None, read.len() + 1));
        }
    }
}
