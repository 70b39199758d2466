//! The one thread that writes a database.
//!
//! It takes everything that is queued as one commit. After a failed write the records wait in memory, the newest of
//! each key, and are written again when the disk lets it: the store follows the node's memory, whatever it told whom.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError},
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

/// A write that takes longer is given up.
const HANGS: Duration = Duration::from_secs(20);

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
    results: Results,
}

impl Writer {
    /// Starts the thread; without a database it begins with trying to open it.
    pub(super) fn start(
        kind: Kind,
        path: PathBuf,
        database: Option<Engine>,
        stats: Arc<StoreStats>,
    ) -> io::Result<Self> {
        let (queue, batches) = mpsc::channel();
        let waiting = Arc::<AtomicU64>::default();
        let mut work = Work {
            kind,
            path,
            next_try: database.is_none().then(Instant::now),
            database,
            pending: BTreeMap::new(),
            pending_bytes: 0,
            logged: None,
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
            results,
        };
        if let Err(mpsc::SendError(queued)) = self.queue.send(queued) {
            let gone = Err("the store is closed".to_owned());
            report(&queued.results, queued.batch.ticket, gone);
        }
    }
}

struct Work {
    kind: Kind,
    path: PathBuf,
    /// `None` after a failure, until it is opened again.
    database: Option<Engine>,
    /// What a failed write left: the newest value of each key, `None` to delete.
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
    pending_bytes: usize,
    /// Not before this time is a database that failed tried again.
    next_try: Option<Instant>,
    logged: Option<Instant>,
    stats: Arc<StoreStats>,
    waiting: Arc<AtomicU64>,
}

impl Work {
    fn run(&mut self, batches: &mpsc::Receiver<Queued>) {
        loop {
            let first = match self.next_try {
                None => batches
                    .recv()
                    .map_err(|_gone| RecvTimeoutError::Disconnected),
                Some(_) => batches.recv_timeout(RETRY),
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
        let result = self.write(ops);
        if self.kind == Kind::Durable && result.is_ok() {
            self.stats.durable_writes.observe(began.elapsed());
        }
        self.waiting.fetch_sub(bytes, Relaxed);
        self.stats.queued_bytes.fetch_sub(bytes, Relaxed);
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
        match self.try_write(&again) {
            Ok(()) => {
                self.pending_bytes = 0;
                if self.next_try.take().is_some() {
                    tracing::info!(database = name(self.kind), "the store works again");
                    self.stats.failing.store(0, Relaxed);
                    self.logged = None;
                }
                Ok(())
            }
            Err(error) => {
                self.pending_bytes = 0;
                self.keep(again);
                self.fail(&error);
                Err(error.to_string())
            }
        }
    }

    fn try_write(&mut self, ops: &[StoreOp]) -> Result<(), DatabaseError> {
        let mut database = match self.database.take() {
            Some(database) => database,
            None => Engine::open(self.kind, &self.path)?,
        };
        // sled may wait forever for a write that failed. Then it is left behind with its thread.
        let (done, result) = mpsc::sync_channel(1);
        let ops = ops.to_vec();
        task::spawn_thread("commit", move || {
            let written = database.write(&ops);
            // Nobody waits any more for what came too late.
            let _ = done.send((database, written));
        })?;
        let (database, written) = result
            .recv_timeout(HANGS)
            .map_err(|_late| DatabaseError::Hangs)?;
        self.database = Some(database);
        written
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
        if let Some(database) = self.database.take() {
            database.close();
        }
        let now = Instant::now();
        self.next_try = Some(now + RETRY);
        self.stats.failing.store(1, Relaxed);
        self.stats.write_errors.fetch_add(1, Relaxed);
        if self.logged.is_none_or(|at| now - at >= LOG_EVERY) {
            self.logged = Some(now);
            tracing::error!(
                database = %self.path.display(),
                %error,
                "the store cannot be written; the node keeps serving and notifying from memory, and a restart would \
                 forget what is not written; check the disk's space and health"
            );
        }
    }
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
