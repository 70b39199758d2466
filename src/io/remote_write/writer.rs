//! Remote write to all servers of a configuration.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::Duration,
};

use thiserror::Error;
use tokio::{
    runtime,
    sync::{Mutex as Turn, oneshot},
    task::JoinHandle,
    time::{Instant as Due, timeout_at},
};

use super::{
    disk::Directory,
    edit::Edit,
    keeper::{Command, Intake, Keeper},
    name,
    queue::{Bounds, Queue},
    sender::Target,
    stats::{RemoteWriteStats, TargetStats},
};
use crate::{
    config::RemoteWriteConfig,
    io::{Clock, HttpClients, task},
    promql::Sample,
};

/// A queue that cannot be used.
#[derive(Debug, Error)]
pub enum RemoteWriteError {
    /// Its directory cannot be read or written.
    #[error("the queue of remote write {name} in {directory} cannot be opened: {source}", directory = directory.display())]
    Directory {
        /// The name of the target.
        name: String,
        /// Where its queue is.
        directory: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Two targets would share a queue.
    #[error("two targets of remote write are called {name}; give one of them another name")]
    Twice {
        /// The name of both.
        name: String,
    },
    /// The system has no thread left.
    #[error("no thread could be started for remote write: {0}")]
    Thread(io::Error),
}

/// Samples that are held while targets are exchanged.
const MAX_HELD: usize = 100_000;

/// What all targets share.
#[derive(Clone, Debug)]
struct Shared {
    directory: PathBuf,
    http: Arc<HttpClients>,
    clock: Clock,
    runtime: runtime::Handle,
    stats: Arc<RemoteWriteStats>,
    /// How far rules look back; milliseconds.
    lag: Arc<AtomicI64>,
}

/// Writes samples to the servers of a configuration, each with a queue of its own on disk.
#[derive(Debug)]
pub struct RemoteWriter {
    shared: Shared,
    running: RwLock<Vec<Running>>,
    /// What comes while targets are exchanged, for those that begin.
    held: Mutex<Option<Vec<Sample>>>,
    /// One reload or end at a time.
    turn: Turn<()>,
}

/// A target that works.
#[derive(Debug)]
struct Running {
    config: RemoteWriteConfig,
    edit: Edit,
    intake: Intake,
    stats: Arc<TargetStats>,
    sending: JoinHandle<()>,
    keeping: thread::JoinHandle<()>,
}

impl RemoteWriter {
    /// Opens the queues below `directory`, one directory for each target, and begins to send what is in them. Reads the
    /// queues, so it may take seconds after an outage of a server.
    ///
    /// # Errors
    /// When a queue cannot be used. A damaged one can: what is left of it is sent.
    pub fn open(
        targets: &[RemoteWriteConfig],
        external_labels: &BTreeMap<String, String>,
        directory: &Path,
        http: Arc<HttpClients>,
        clock: Clock,
        runtime: runtime::Handle,
    ) -> Result<Self, RemoteWriteError> {
        let shared = Shared {
            directory: directory.to_owned(),
            http,
            clock,
            runtime,
            stats: Arc::default(),
            lag: Arc::default(),
        };
        check(targets)?;
        let started = targets
            .iter()
            .map(|target| Running::start(&shared, target, external_labels));
        let running: Vec<_> = started.collect::<Result<_, _>>()?;
        show(&shared, &running);
        Ok(Self {
            shared,
            running: RwLock::new(running),
            held: Mutex::default(),
            turn: Turn::new(()),
        })
    }

    /// Takes samples for all targets. It never waits: a target whose disk hangs takes what fits into memory and drops and
    /// counts the rest. Samples of one series are to come in the order of their times.
    pub fn append(&self, samples: Vec<Sample>) {
        if samples.is_empty() {
            return;
        }
        let stats = &self.shared.stats;
        let count = u64::try_from(samples.len()).unwrap_or(u64::MAX);
        stats.samples_in.fetch_add(count, Relaxed);
        if let Some(latest) = samples.iter().map(|sample| sample.time).max() {
            stats.highest.raise(latest);
        }
        let running = self.running.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = self.held().as_mut()
            && held.len() < MAX_HELD
        {
            held.extend(samples.iter().cloned());
        }
        let Some((last, others)) = running.split_last() else {
            return;
        };
        for one in others {
            one.intake.append(samples.clone());
        }
        last.intake.append(samples);
    }

    /// Says how long before they come samples may be of, in milliseconds, at most: that does not count as their age.
    pub fn look_back(&self, lag: i64) {
        self.shared.lag.store(lag, Relaxed);
    }

    /// Counters for the metrics page.
    #[must_use]
    pub fn stats(&self) -> Arc<RemoteWriteStats> {
        Arc::clone(&self.shared.stats)
    }

    /// Waits until everything that was appended before is on the disk; `false` if that failed somewhere.
    pub async fn sync(&self) -> bool {
        let asked: Vec<_> = {
            let running = self.running.read().unwrap_or_else(PoisonError::into_inner);
            let ask = |one: &Running| {
                let (answer, done) = oneshot::channel();
                // Without a keeper there is no answer, which is one.
                let _ = one.intake.commands.send(Command::Sync(answer));
                done
            };
            running.iter().map(ask).collect()
        };
        let mut all = true;
        for done in asked {
            all &= done.await.unwrap_or(false);
        }
        all
    }

    /// Takes another configuration. Targets that are the same go on untouched. One that changed goes on with its queue if
    /// it kept its name. The queue of one that is gone stays on disk, and is sent if the target comes back.
    ///
    /// # Errors
    /// When a queue cannot be used; the targets that can be used work on.
    pub async fn reload(
        &self,
        targets: &[RemoteWriteConfig],
        external_labels: &BTreeMap<String, String>,
    ) -> Result<(), RemoteWriteError> {
        let _turn = self.turn.lock().await;
        check(targets)?;
        let same = |one: &Running| {
            let edit = |target| Edit::new(external_labels, rules(target));
            (targets.iter()).any(|target| one.config == *target && one.edit == edit(target))
        };
        let gone: Vec<Running> = {
            let mut running = self.running.write().unwrap_or_else(PoisonError::into_inner);
            *self.held() = Some(Vec::new());
            running.extract_if(.., |one| !same(one)).collect()
        };
        for one in gone {
            one.stop().await;
        }
        let missing: Vec<RemoteWriteConfig> = {
            let running = self.running.read().unwrap_or_else(PoisonError::into_inner);
            let works =
                |target: &&RemoteWriteConfig| running.iter().any(|one| one.config == **target);
            targets
                .iter()
                .filter(|target| !works(target))
                .cloned()
                .collect()
        };
        let (mut begun, mut problem) = (Vec::new(), Ok(()));
        for target in missing {
            let (shared, external) = (self.shared.clone(), external_labels.clone());
            let start = move || Running::start(&shared, &target, &external);
            match self.shared.runtime.spawn_blocking(start).await {
                Ok(Ok(one)) => begun.push(one),
                Ok(Err(error)) => problem = Err(error),
                Err(error) => problem = Err(RemoteWriteError::Thread(io::Error::other(error))),
            }
        }
        let mut running = self.running.write().unwrap_or_else(PoisonError::into_inner);
        let held = self.held().take().unwrap_or_default();
        for one in begun {
            one.intake.append(held.clone());
            running.push(one);
        }
        show(&self.shared, &running);
        problem
    }

    fn held(&self) -> MutexGuard<'_, Option<Vec<Sample>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends at once, as if the process were killed: nothing more is sent, written or saved.
    #[cfg(test)]
    pub(super) fn kill(self) {
        let running = self.running.into_inner();
        for one in running.unwrap_or_else(PoisonError::into_inner) {
            one.sending.abort();
            // The thread may still wait for its channel; its files are not touched again.
            let _ = one.intake.commands.send(Command::Die);
            let _ = one.keeping.join();
        }
    }

    /// Ends: sends what waits as far as that is done within `bound`, and keeps the rest on disk. What is appended
    /// afterwards is lost.
    pub async fn close(&self, bound: Duration) {
        let _turn = self.turn.lock().await;
        let until = Due::now() + bound;
        let mut running = {
            let mut running = self.running.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *running)
        };
        for one in &running {
            // Without a keeper there is nothing to send.
            let _ = one.intake.commands.send(Command::Drain);
        }
        for one in &mut running {
            // Time that is over for one is over for all; what they sent until then counts.
            let _ = timeout_at(until, &mut one.sending).await;
        }
        for one in running {
            one.stop().await;
        }
    }
}

impl Running {
    fn start(
        shared: &Shared,
        config: &RemoteWriteConfig,
        external_labels: &BTreeMap<String, String>,
    ) -> Result<Self, RemoteWriteError> {
        let shown = name::shown(config);
        let directory = shared.directory.join(name::directory(config));
        let opened = Directory::open(&directory)
            .and_then(|disk| Queue::open(disk, Bounds::of(config.queue.max_bytes)));
        let queue = opened.map_err(|source| RemoteWriteError::Directory {
            name: shown.clone(),
            directory: directory.clone(),
            source,
        })?;
        if queue.pending() > 0 || queue.torn() > 0 {
            tracing::info!(
                remote_name = shown,
                samples = queue.pending(),
                torn_bytes = queue.torn(),
                "found samples that wait to be sent"
            );
        }
        if queue.broken() > 0 {
            tracing::error!(
                remote_name = shown,
                bytes = queue.broken(),
                "a part of the queue of samples is damaged: it was cut off, and the samples in it are lost; check the disk"
            );
        }
        let stats = shared.stats.target(&shown, &config.url.to_string());
        let edit = Edit::new(external_labels, rules(config));
        let (commands, inbox) = mpsc::channel();
        let intake = Intake::new(commands, Arc::clone(&stats), Arc::clone(&shared.lag));
        let keeper = Keeper::new(
            queue,
            config.queue.clone(),
            edit.clone(),
            shared.clock,
            &intake,
        );
        let keeping = task::spawn_thread("remote write", move || keeper.run(&inbox))
            .map_err(RemoteWriteError::Thread)?;
        let target = Arc::new(Target::new(
            config.clone(),
            Arc::clone(&shared.http),
            shared.clock,
            Arc::clone(&stats),
            Arc::clone(&shared.lag),
        ));
        let sending = task::spawn(
            &shared.runtime,
            "remote write",
            target.run(intake.commands.clone()),
        );
        Ok(Self {
            config: config.clone(),
            edit,
            intake,
            stats,
            sending,
            keeping,
        })
    }

    /// Ends; what was not taken stays on disk.
    async fn stop(self) {
        if !self.sending.is_finished() {
            self.sending.abort();
            // It was aborted, which is an error.
            let _ = self.sending.await;
        }
        // Without a keeper there is nothing to wait for.
        let _ = self.intake.commands.send(Command::Close);
        let keeping = self.keeping;
        // A panic of the thread is in the log.
        let _ = tokio::task::spawn_blocking(move || keeping.join()).await;
    }
}

fn rules(target: &RemoteWriteConfig) -> &[crate::labels::Relabel] {
    &target.write_relabel_configs
}

fn show(shared: &Shared, running: &[Running]) {
    let stats = running.iter().map(|one| Arc::clone(&one.stats));
    shared.stats.show(stats.collect());
}

fn check(targets: &[RemoteWriteConfig]) -> Result<(), RemoteWriteError> {
    let mut seen = std::collections::BTreeSet::new();
    for target in targets {
        if !seen.insert(name::directory(target)) {
            let name = name::shown(target);
            return Err(RemoteWriteError::Twice { name });
        }
    }
    Ok(())
}
