//! The one thread that writes a database.
//!
//! It takes everything that is queued as one commit. After a failed write the records wait in memory, the newest of
//! each key, and are written again when the disk lets it: the store follows the node's memory, whatever it told whom.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use super::{
    database::{Database, DatabaseError},
    databases::name,
    engine::Engine,
};
use crate::{
    io::{handle::Results, stats::StoreStats, task},
    node::{Input, SaveBatch, StoreOp, Ticket},
    storage::Database as Kind,
};

/// Bytes that may wait for the disk; beyond, durable batches are refused and others dropped.
const MAX_QUEUED: u64 = 64 * 1024 * 1024;

/// Batches that make one commit.
const MAX_COMMIT: usize = 4096;

/// How long a database that failed is left alone before it is opened again.
const RETRY: Duration = Duration::from_secs(1);

/// How long a write may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// One that takes longer is told.
    pub(super) late: Duration,
    /// One that takes longer counts as failed; its end is still waited for, without anybody else waiting.
    pub(super) hangs: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            late: Duration::from_secs(3),
            hangs: Duration::from_secs(20),
        }
    }
}

/// How often one and the same trouble is logged.
const LOG_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Writer {
    saver: Saver,
    thread: thread::JoinHandle<()>,
}

/// Queues batches for a writer.
#[derive(Debug, Clone)]
pub(in crate::io) struct Saver {
    queue: mpsc::Sender<Queued>,
    stats: Arc<StoreStats>,
    /// Bytes that wait for this writer.
    waiting: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Queued {
    batch: SaveBatch,
    bytes: u64,
    /// When it was handed over.
    at: Instant,
    results: Results,
}

impl Writer {
    /// Starts the thread; without a database it begins with trying to open it.
    pub(super) fn start(
        kind: Kind,
        path: PathBuf,
        database: Option<Engine>,
        stats: Arc<StoreStats>,
        patience: Patience,
    ) -> io::Result<Self> {
        let (queue, batches) = mpsc::channel();
        let waiting = Arc::<AtomicU64>::default();
        let mut work = Work {
            kind,
            path,
            next_try: database.is_none().then(Instant::now),
            database,
            hanging: None,
            patience,
            pending: BTreeMap::new(),
            pending_bytes: 0,
            unsaved_since: None,
            logged: None,
            tells: None,
            told: false,
            stats: Arc::clone(&stats),
            waiting: Arc::clone(&waiting),
        };
        let thread = task::spawn_thread(name(kind), move || work.run(&batches))?;
        let saver = Saver {
            queue,
            stats,
            waiting,
        };
        Ok(Self { saver, thread })
    }

    pub(super) fn saver(&self) -> &Saver {
        &self.saver
    }

    pub(super) fn close(self) {
        drop(self.saver);
        // A panic of the thread was logged.
        let _ = self.thread.join();
    }
}

impl Saver {
    pub(in crate::io) fn save(&self, batch: SaveBatch, results: Results) {
        let bytes = batch.ops.iter().map(size).sum();
        if self.waiting.load(Relaxed) + bytes > MAX_QUEUED {
            self.stats
                .dropped
                .fetch_add(u64::try_from(batch.ops.len()).unwrap_or_default(), Relaxed);
            report(
                &results,
                batch.ticket,
                Err("the store is too slow: too much waits for the disk".to_owned()),
            );
            return;
        }
        self.waiting.fetch_add(bytes, Relaxed);
        self.stats.queued_bytes.fetch_add(bytes, Relaxed);
        let queued = Queued {
            batch,
            bytes,
            at: Instant::now(),
            results,
        };
        if let Err(mpsc::SendError(queued)) = self.queue.send(queued) {
            let gone = Err("the store is closed".to_owned());
            report(&queued.results, queued.batch.ticket, gone);
        }
    }
}

/// A write on a thread of its own: the database comes back with what became of it, and is `None` if it could not be opened.
type Attempt = mpsc::Receiver<(Option<Engine>, Result<(), DatabaseError>)>;

struct Work {
    kind: Kind,
    path: PathBuf,
    /// `None` after a failure, until it is opened again.
    database: Option<Engine>,
    /// A write that did not end in time. It has the files, so nothing else is written before it ends.
    hanging: Option<Attempt>,
    patience: Patience,
    /// What a failed write left: the newest value of each key, `None` to delete.
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    pending_bytes: usize,
    /// When the oldest of it was handed over.
    unsaved_since: Option<Instant>,
    /// Not before this time is a database that failed tried again.
    next_try: Option<Instant>,
    logged: Option<Instant>,
    stats: Arc<StoreStats>,
    waiting: Arc<AtomicU64>,
    /// Where the node hears how the disk does, and whether it was told that it ails.
    tells: Option<Results>,
    told: bool,
}

impl Work {
    fn run(&mut self, batches: &mpsc::Receiver<Queued>) {
        loop {
            let sync_due = self.database.as_ref().and_then(Engine::sync_due);
            let first = match (self.next_try, sync_due) {
                (None, None) => batches
                    .recv()
                    .map_err(|_gone| RecvTimeoutError::Disconnected),
                (None, Some(at)) => {
                    batches.recv_timeout(at.saturating_duration_since(Instant::now()))
                }
                (Some(_), _) => batches.recv_timeout(RETRY),
            };
            match first {
                Ok(first) => self.commit(gather(first, batches)),
                Err(RecvTimeoutError::Timeout) => self.commit(Vec::new()),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        if !self.pending.is_empty() {
            self.next_try = None;
            self.commit(Vec::new());
        }
        if let Some(database) = self.database.take() {
            if let Err(error) = database.sync() {
                tracing::error!(database = name(self.kind), %error, "the store could not be closed cleanly");
            }
            database.close();
        }
    }

    /// Writes what failed before and these batches, as one, and reports their end.
    fn commit(&mut self, queued: Vec<Queued>) {
        let began = Instant::now();
        let bytes: u64 = queued.iter().map(|queued| queued.bytes).sum();
        let first = queued.first().map(|queued| queued.at);
        self.unsaved_since = self.unsaved_since.or(first);
        self.stats.of(self.kind).writes(self.unsaved_since);
        if let Some(queued) = queued.last() {
            self.tells = Some(queued.results.clone());
        }
        let mut ops = Vec::new();
        let mut tickets = Vec::new();
        for Queued { batch, results, .. } in queued {
            match batch.ops.iter().find_map(too_large) {
                Some(error) => report(&results, batch.ticket, Err(error)),
                None => {
                    ops.extend(batch.ops);
                    tickets.push((results, batch.ticket));
                }
            }
        }
        let left = u64::try_from(self.pending_bytes).unwrap_or(u64::MAX);
        let result = self.write(ops);
        if self.kind == Kind::Durable && result.is_ok() {
            self.stats.durable_writes.observe(began.elapsed());
        }
        self.waiting.fetch_sub(bytes, Relaxed);
        let keeps = u64::try_from(self.pending_bytes).unwrap_or(u64::MAX);
        self.stats.queued_bytes.fetch_add(keeps, Relaxed);
        self.stats.queued_bytes.fetch_sub(bytes + left, Relaxed);
        for (results, ticket) in tickets {
            report(&results, ticket, result.clone());
        }
    }

    fn write(&mut self, ops: Vec<StoreOp>) -> Result<(), String> {
        if self.next_try.is_some_and(|at| Instant::now() < at) {
            self.keep(ops);
            return Err("the store failed before and is tried again shortly".to_owned());
        }
        let again: Vec<_> = std::mem::take(&mut self.pending)
            .into_iter()
            .map(|(key, value)| match value {
                Some(value) => StoreOp::Put { key, value },
                None => StoreOp::Delete { key },
            })
            .chain(ops)
            .collect();
        self.pending_bytes = 0;
        match self.try_write(&again) {
            Ok(()) => {
                self.succeed();
                Ok(())
            }
            Err(error) => {
                self.keep(again);
                self.fail(&error);
                Err(error.to_string())
            }
        }
    }

    fn try_write(&mut self, ops: &[StoreOp]) -> Result<(), DatabaseError> {
        self.take_back()?;
        // A disk, and sled after a write that failed, may let a call wait forever. Then it is left behind with its thread.
        let (done, result) = mpsc::sync_channel(1);
        let (database, kind, path) = (self.database.take(), self.kind, self.path.clone());
        let ops = ops.to_vec();
        task::spawn_thread("commit", move || {
            // Nobody waits any more for what came after the end of the process was ordered.
            let _ = done.send(attempt(database, kind, &path, &ops));
        })?;
        let late = self.patience.late;
        let mut ended = result.recv_timeout(late);
        if matches!(ended, Err(RecvTimeoutError::Timeout)) {
            self.be_late();
            ended = result.recv_timeout(self.patience.hangs.saturating_sub(late));
        }
        match ended {
            Ok((database, written)) => {
                self.database = database;
                written
            }
            Err(RecvTimeoutError::Timeout) => {
                self.hanging = Some(result);
                Err(DatabaseError::Hangs)
            }
            Err(RecvTimeoutError::Disconnected) => Err(panicked()),
        }
    }

    /// Takes the files back from a write that did not end in time, if it has ended since. What it wrote is written again.
    fn take_back(&mut self) -> Result<(), DatabaseError> {
        let Some(hanging) = self.hanging.take() else {
            return Ok(());
        };
        match hanging.try_recv() {
            Ok((database, Ok(()))) => self.database = database,
            Ok((database, Err(_))) => {
                if let Some(database) = database {
                    database.close();
                }
            }
            Err(TryRecvError::Empty) => {
                self.hanging = Some(hanging);
                return Err(DatabaseError::Hangs);
            }
            Err(TryRecvError::Disconnected) => {}
        }
        Ok(())
    }

    /// A write takes long.
    fn be_late(&mut self) {
        self.stats.of(self.kind).is_late();
        tracing::warn!(
            database = %self.path.display(),
            after = ?self.patience.late,
            "the disk has not finished a write to the store; {}. Check the disk's health",
            match self.kind {
                Kind::Durable => "new silences are not confirmed and other nodes get no promises until it has",
                Kind::Bulk => "a restart would forget the latest alerts and history",
            }
        );
        self.tell(true);
    }

    /// Everything is on the disk.
    fn succeed(&mut self) {
        self.stats.of(self.kind).saved();
        self.unsaved_since = None;
        let failed = self.next_try.take().is_some();
        if failed || self.told {
            tracing::info!(
                database = %self.path.display(),
                "the store is written again; everything that waited is on the disk"
            );
            self.logged = None;
        }
        if std::mem::take(&mut self.told) {
            self.tell(false);
        }
    }

    /// Tells the node how the disk does.
    fn tell(&mut self, ails: bool) {
        self.told = ails;
        if let Some(results) = &self.tells {
            let durable = self.kind == Kind::Durable;
            results.send(Input::DiskAils { durable, ails });
        }
    }

    /// Keeps the newest value of each key for the next try.
    fn keep(&mut self, ops: Vec<StoreOp>) {
        for op in ops {
            let bytes = usize::try_from(size(&op)).unwrap_or(usize::MAX);
            let (key, value) = match op {
                StoreOp::Put { key, value } => (key, Some(value)),
                StoreOp::Delete { key } => (key, None),
            };
            let known = self.pending.contains_key(&key);
            if !known && self.pending_bytes + bytes > usize::try_from(MAX_QUEUED).unwrap_or(0) {
                self.stats.dropped.fetch_add(1, Relaxed);
                continue;
            }
            if !known {
                self.pending_bytes += bytes;
            }
            self.pending.insert(key, value);
        }
    }

    /// After a failure sled refuses everything, so the database is closed, to be opened again later.
    fn fail(&mut self, error: &DatabaseError) {
        let now = Instant::now();
        self.next_try = Some(now + RETRY);
        self.stats.of(self.kind).failed(&error.to_string());
        self.stats.write_errors.fetch_add(1, Relaxed);
        if self.logged.is_none_or(|at| now - at >= LOG_EVERY) {
            self.logged = Some(now);
            let unsaved_for = self.unsaved_since.map(|since| now - since);
            tracing::error!(
                database = %self.path.display(),
                %error,
                unsaved_for = ?unsaved_for.unwrap_or_default(),
                "the store cannot be written; the node keeps serving and notifying from memory, and a restart would \
                 forget what is not written; check the disk's space and health"
            );
        }
        self.tell(true);
        if let Some(database) = self.database.take() {
            database.close();
        }
    }
}

/// Opens the database if it is closed, and writes.
fn attempt(
    database: Option<Engine>,
    kind: Kind,
    path: &Path,
    ops: &[StoreOp],
) -> (Option<Engine>, Result<(), DatabaseError>) {
    let opened = database.map_or_else(|| Engine::open(kind, path), Ok);
    match opened {
        Ok(mut database) => {
            let written = database.write(ops);
            (Some(database), written)
        }
        Err(error) => (None, Err(error)),
    }
}

fn panicked() -> DatabaseError {
    DatabaseError::Damaged("this is a bug: a write to the store panicked".to_owned())
}

/// Takes what else is queued.
fn gather(first: Queued, batches: &mpsc::Receiver<Queued>) -> Vec<Queued> {
    let more = batches.try_iter().take(MAX_COMMIT - 1);
    std::iter::once(first).chain(more).collect()
}

fn report(results: &Results, ticket: Option<Ticket>, result: Result<(), String>) {
    if let Some(ticket) = ticket {
        results.send(Input::Saved { ticket, result });
    }
}

fn size(op: &StoreOp) -> u64 {
    let bytes = match op {
        StoreOp::Put { key, value } => key.len() + value.len(),
        StoreOp::Delete { key } => key.len(),
    };
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn too_large(op: &StoreOp) -> Option<String> {
    match op {
        StoreOp::Put { value, .. } => Database::check_value(value)
            .err()
            .map(|error| error.to_string()),
        StoreOp::Delete { .. } => None,
    }
}
