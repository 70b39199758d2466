//! Both databases together.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering::Relaxed},
};

use super::{
    mark, open,
    writer::{Patience, Saver, Writer},
};
use crate::{
    io::{
        handle::{Message, Results, channel},
        portable::FileMark,
        stats::StoreStats,
    },
    node::{Input, PortableFile, SaveBatch, StoreOp, Ticket},
    storage::Database,
};

/// A key with its value.
pub type Record = (Vec<u8>, Vec<u8>);

/// The name of a database's directory and thread.
pub(super) fn name(database: Database) -> &'static str {
    match database {
        Database::Durable => "state",
        Database::Bulk => "bulk",
    }
}

/// The store cannot be opened. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process works on it.
    #[error(
        "the store {path:?} is in use by another process: stop that process, or give this one another --storage.path"
    )]
    Locked {
        /// The database's directory.
        path: PathBuf,
    },
    /// The directory cannot be made or written.
    #[error(
        "cannot use the store {path:?}: {source}; check that the directory exists, its owner and the free space"
    )]
    Io {
        /// The directory.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
}

/// The open store.
#[derive(Debug)]
pub struct Store {
    state: Writer,
    bulk: Writer,
    stats: Arc<StoreStats>,
    damaged: Vec<PathBuf>,
    marks: BTreeMap<PortableFile, FileMark>,
}

impl Store {
    /// Opens or makes both databases under `storage_path` and hands over every record, in chunks, in the order of the
    /// keys.
    ///
    /// # Errors
    /// When another process has it, or the directory cannot be used.
    pub fn open(
        storage_path: &Path,
        stats: Arc<StoreStats>,
        mut load: impl FnMut(Database, Vec<Record>),
    ) -> Result<Self, StoreError> {
        let root = storage_path.join("watchfire");
        let mut damaged = Vec::new();
        let mut marks = BTreeMap::new();
        let mut writer = |database: Database| {
            let path = root.join(name(database));
            let opened = open::open(database, &path, |mut chunk| {
                marks.extend(mark::take_marks(&mut chunk));
                load(database, chunk);
            })?;
            if opened.set_aside.is_some() && database == Database::Durable {
                // The files may hold what the database lost.
                marks.clear();
            }
            damaged.extend(opened.set_aside);
            Writer::start(
                database,
                path.clone(),
                opened.database,
                Arc::clone(&stats),
                Patience::default(),
            )
            .map_err(|source| StoreError::Io { path, source })
        };
        let state = writer(Database::Durable)?;
        let bulk = writer(Database::Bulk)?;
        stats
            .damaged
            .fetch_add(u64::try_from(damaged.len()).unwrap_or_default(), Relaxed);
        Ok(Self {
            state,
            bulk,
            stats,
            damaged,
            marks,
        })
    }

    /// What is known of the portable file that this node wrote last.
    #[must_use]
    pub fn mark(&self, file: PortableFile) -> Option<&FileMark> {
        self.marks.get(&file)
    }

    /// Where damaged databases were set aside at this start. Alertmanager's own files are then worth another import.
    #[must_use]
    pub fn damaged(&self) -> &[PathBuf] {
        &self.damaged
    }

    /// The store's counters.
    #[must_use]
    pub fn stats(&self) -> &Arc<StoreStats> {
        &self.stats
    }

    /// Queues a batch; its ticket, if it has one, comes back through `results`.
    pub fn save(&self, batch: SaveBatch, results: &Results) {
        let writer = if batch.durable {
            &self.state
        } else {
            &self.bulk
        };
        writer.saver().save(batch, results.clone());
    }

    /// Writes to the `state` database and waits until it is fsynced; for the start, before there is a loop.
    ///
    /// # Errors
    /// With the store's words.
    pub async fn save_now(&self, ops: Vec<StoreOp>) -> Result<(), String> {
        let (handle, mut inbox) = channel();
        let batch = SaveBatch {
            ticket: Some(Ticket(0)),
            durable: true,
            ops,
        };
        self.save(batch, &handle.results());
        while let Some(message) = inbox.queue.recv().await {
            // How the disk does is told on the same way.
            if let Message::Input(input) = message
                && let Input::Saved { result, .. } = *input
            {
                return result;
            }
        }
        Err("the store is closed".to_owned())
    }

    /// The queue of the `state` database, for other threads; the store closes only after the last of them.
    #[must_use]
    pub(in crate::io) fn saver(&self) -> Saver {
        self.state.saver().clone()
    }

    /// Writes everything that is queued and closes the databases.
    pub fn close(self) {
        self.state.close();
        self.bulk.close();
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        ops::Range,
        time::{Duration, Instant},
    };

    use super::{
        super::engine::{Engine, Stuck},
        *,
    };
    use crate::{io::handle::Inbox, rng::Rng};

    /// A store with its ends for tests.
    struct Fixture {
        store: Store,
        loaded: BTreeMap<Vec<u8>, Vec<u8>>,
        results: Results,
        inbox: Inbox,
        // Keeps the queue open.
        _handle: crate::io::Handle,
    }

    fn open(path: &Path) -> Result<Fixture, StoreError> {
        let (handle, inbox) = channel();
        let mut loaded = BTreeMap::new();
        let store = Store::open(path, Arc::default(), |_, chunk| loaded.extend(chunk))?;
        Ok(Fixture {
            store,
            loaded,
            results: handle.results(),
            inbox,
            _handle: handle,
        })
    }

    impl Fixture {
        fn save(&mut self, durable: bool, ops: Vec<StoreOp>) -> Result<(), String> {
            let batch = SaveBatch {
                ticket: Some(Ticket(7)),
                durable,
                ops,
            };
            self.store.save(batch, &self.results);
            let (ticket, result) = answer(&mut self.inbox);
            assert_eq!(ticket, Ticket(7));
            result
        }
    }

    /// What the node is told next, within twenty seconds.
    fn told(inbox: &mut Inbox) -> Box<Input> {
        let begun = Instant::now();
        loop {
            if let Ok(Message::Input(input)) = inbox.queue.try_recv() {
                return input;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "nothing is told");
            std::thread::yield_now();
        }
    }

    /// How the next write ended, whatever is told of the disk before.
    fn answer(inbox: &mut Inbox) -> (Ticket, Result<(), String>) {
        loop {
            let input = told(inbox);
            if let Input::Saved { ticket, result } = *input {
                return (ticket, result);
            }
            assert!(matches!(*input, Input::DiskAils { .. }));
        }
    }

    fn put(key: impl ToString, value: impl AsRef<[u8]>) -> StoreOp {
        StoreOp::Put {
            key: key.to_string().into_bytes(),
            value: value.as_ref().to_vec(),
        }
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let entry = entry.unwrap();
            let to = to.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                copy(&entry.path(), &to);
            } else {
                fs::copy(entry.path(), to).unwrap();
            }
        }
    }

    #[test]
    fn what_is_reported_saved_survives_the_end_of_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let mut first = open(&directory.path().join("a")).unwrap();
        for i in 0..50 {
            first
                .save(true, vec![put(format!("s{i:02}"), "old")])
                .unwrap();
        }
        let delete = StoreOp::Delete {
            key: b"s00".to_vec(),
        };
        first.save(true, vec![put("s01", "new"), delete]).unwrap();
        first.save(false, vec![put("alert", "x")]).unwrap();
        // The files as a killed process leaves them: the store is not closed.
        copy(&directory.path().join("a"), &directory.path().join("b"));
        let second = open(&directory.path().join("b")).unwrap();
        assert_eq!(second.loaded.len(), 50);
        assert_eq!(second.loaded[b"s01".as_slice()], b"new");
        assert_eq!(second.loaded[b"s49".as_slice()], b"old");
        assert_eq!(second.loaded[b"alert".as_slice()], b"x");
        assert!(second.store.damaged().is_empty());
        assert_eq!(first.store.stats().durable_writes.count(), 51);

        first.store.close();
        second.store.close();
        let third = open(&directory.path().join("a")).unwrap();
        assert_eq!(third.loaded, second.loaded);
    }

    #[test]
    fn marks_of_portable_files_stay_within_the_shell() {
        let directory = tempfile::tempdir().unwrap();
        let files = crate::io::PortableFiles::new(directory.path());
        let mark = files.write(PortableFile::Silences, b"x").unwrap();
        let first = open(directory.path()).unwrap();
        assert_eq!(first.store.mark(PortableFile::Silences), None);
        let batch = mark::mark_batch(PortableFile::Silences, &mark);
        first.store.saver().save(batch, first.results.clone());
        first.store.close();
        let second = open(directory.path()).unwrap();
        assert_eq!(second.store.mark(PortableFile::Silences), Some(&mark));
        assert_eq!(second.store.mark(PortableFile::Nflog), None);
        assert!(second.loaded.is_empty());
    }

    #[test]
    fn refuses_what_is_too_large_and_who_comes_second() {
        let directory = tempfile::tempdir().unwrap();
        let mut fixture = open(directory.path()).unwrap();
        let error = fixture.save(true, vec![put("a", vec![0; 64 * 1024])]);
        assert_eq!(
            error.unwrap_err(),
            "a value of 65536 bytes is too large for the store"
        );
        fixture
            .save(true, vec![put("a", vec![1; 64 * 1024 - 1])])
            .unwrap();
        let Err(error @ StoreError::Locked { .. }) = open(directory.path()) else {
            panic!();
        };
        assert!(error.to_string().contains("another process"), "{error}");
    }

    #[test]
    fn a_store_that_fails_keeps_what_it_was_told_until_it_works() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("watchfire");
        let stats = Arc::<StoreStats>::default();
        let (handle, mut inbox) = channel();
        // A file stands where the directory should be.
        fs::write(&root, b"").unwrap();
        let path = root.join("state");
        let patience = Patience::default();
        let writer =
            Writer::start(Database::Durable, path, None, Arc::clone(&stats), patience).unwrap();
        let batch = |ticket, key: &str| SaveBatch {
            ticket: Some(Ticket(ticket)),
            durable: true,
            ops: vec![put(key, ticket.to_string())],
        };
        let mut save = |ticket, key| {
            writer.saver().save(batch(ticket, key), handle.results());
            answer(&mut inbox).1
        };
        assert!(save(1, "a").is_err());
        assert!(save(2, "a").is_err());
        assert!(save(3, "b").is_err());
        let troubles = stats.troubles();
        assert_eq!(
            (troubles.len(), troubles[0].database),
            (1, Database::Durable)
        );
        assert!(troubles[0].error.is_some() && !troubles[0].unsaved_for.is_zero());
        // The failed writes wait in memory.
        assert_eq!(stats.queued_bytes.load(Relaxed), 4);
        fs::remove_file(&root).unwrap();
        let mut ticket = 3;
        assert!(until(|| {
            ticket += 1;
            save(ticket, "c").is_ok()
        }));
        assert_eq!(stats.troubles(), []);
        assert_eq!(stats.state.unsaved_for(), Duration::ZERO);
        assert_eq!(stats.queued_bytes.load(Relaxed), 0);
        writer.close();
        let loaded = open(directory.path()).unwrap().loaded;
        assert_eq!(loaded[b"a".as_slice()], b"2");
        assert_eq!(loaded[b"b".as_slice()], b"3");
        assert_eq!(loaded[b"c".as_slice()], ticket.to_string().as_bytes());
    }

    /// The node hears the next thing of the disk.
    fn ails(inbox: &mut Inbox) -> bool {
        loop {
            if let Input::DiskAils { durable, ails } = *told(inbox) {
                assert!(durable);
                return ails;
            }
        }
    }

    /// Whether something holds within twenty seconds.
    fn until(mut holds: impl FnMut() -> bool) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            if holds() {
                return true;
            }
            std::thread::yield_now();
        }
        false
    }

    #[test]
    fn a_disk_that_hangs_is_told_and_its_writes_are_taken_up_when_it_goes_on() {
        let stats = Arc::<StoreStats>::default();
        let (handle, mut inbox) = channel();
        let disk = Stuck::default();
        let held = disk.hold();
        let patience = Patience {
            late: Duration::from_millis(20),
            hangs: Duration::from_millis(60),
        };
        let writer = Writer::start(
            Database::Durable,
            "/does/not/exist".into(),
            Some(Engine::Stuck(disk.clone())),
            Arc::clone(&stats),
            patience,
        )
        .unwrap();
        let save = |ticket, key: &str| {
            let batch = SaveBatch {
                ticket: Some(Ticket(ticket)),
                durable: true,
                ops: vec![put(key, ticket.to_string())],
            };
            writer.saver().save(batch, handle.results());
        };
        save(1, "a");
        // First it is late, then it counts as failed.
        assert!(ails(&mut inbox));
        assert_eq!(stats.troubles().len(), 1);
        let (ticket, result) = answer(&mut inbox);
        assert_eq!(ticket, Ticket(1));
        assert!(result.unwrap_err().contains("does not end"));
        assert!(stats.problem().unwrap().contains("does not end"));
        // Nobody waits for it a second time, and nothing is written beside it.
        save(2, "a");
        assert!(answer(&mut inbox).1.is_err());
        assert_eq!(disk.written(), []);
        drop(held);
        assert!(until(|| !ails(&mut inbox)));
        assert_eq!(stats.troubles(), []);
        // The writer counts after it has told.
        assert!(until(|| stats.queued_bytes.load(Relaxed) == 0));
        // What hung, and then what waited.
        assert_eq!(disk.written(), [put("a", "1"), put("a", "2")]);
        writer.close();
    }

    /// Damages a copy of a store in one way per seed and opens it.
    fn damage_and_open(seeds: Range<u64>) {
        let directory = tempfile::tempdir().unwrap();
        let whole = directory.path().join("whole");
        let mut fixture = open(&whole).unwrap();
        for i in 0..40_u32 {
            let value = i.to_string().repeat(1 + 97 * usize::try_from(i).unwrap());
            fixture
                .save(true, vec![put(format!("k{i}"), value)])
                .unwrap();
        }
        fixture.store.close();
        let expect = open(&whole).unwrap().loaded;

        let (mut kept, mut set_aside) = (0, 0);
        for seed in seeds {
            let broken = directory.path().join(format!("broken-{seed}"));
            copy(&whole, &broken);
            damage(&broken.join("watchfire/state"), &mut Rng::from_seed(seed));
            let mut fixture = open(&broken).unwrap_or_else(|error| panic!("SEED={seed}: {error}"));
            set_aside += fixture.store.damaged().len();
            kept += fixture.loaded.len();
            for (key, value) in &fixture.loaded {
                assert_eq!(expect.get(key), Some(value), "SEED={seed}");
            }
            fixture
                .save(true, vec![put("new", "x")])
                .unwrap_or_else(|error| panic!("SEED={seed}: {error}"));
            fixture.store.close();
            let again = open(&broken).unwrap().loaded;
            assert_eq!(again.len(), fixture.loaded.len() + 1, "SEED={seed}");
            fs::remove_dir_all(broken).unwrap();
        }
        println!("records kept: {kept}, set aside: {set_aside}");
    }

    fn damage(path: &Path, rng: &mut Rng) {
        let mut files: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file())
            .collect();
        files.sort();
        let mut below = |n: usize| usize::try_from(rng.next_u64() % n.max(1) as u64).unwrap();
        let file = &files[below(files.len())];
        let mut bytes = fs::read(file).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(0) + 1;
        match below(4) {
            0 => bytes.truncate(below(used)),
            1 => {
                for _ in 0..=below(8) {
                    let at = below(used);
                    bytes[at] ^= 1 << below(8);
                }
            }
            2 => {
                let start = below(used);
                let end = (start + below(4096)).min(bytes.len());
                bytes[start..end].fill(0);
            }
            _ => {
                let start = below(used);
                let end = (start + below(4096)).min(bytes.len());
                bytes[start..end].fill_with(|| u8::try_from(below(256)).unwrap());
            }
        }
        fs::write(file, bytes).unwrap();
    }

    #[test]
    fn damage_never_prevents_a_start() {
        // `SEED=7` repeats one case, `SEEDS=500` tries that many.
        let number = |name| std::env::var(name).ok()?.parse::<u64>().ok();
        match number("SEED") {
            Some(seed) => damage_and_open(seed..seed + 1),
            None => damage_and_open(0..number("SEEDS").unwrap_or(40)),
        }
    }
}
