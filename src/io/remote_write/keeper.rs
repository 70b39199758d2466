//! The thread that owns the queue of one target: samples come in, rounds go out, and nobody waits for the disk but it.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    disk::Directory,
    edit::Edit,
    mark::Position,
    queue::{MAX_SAMPLES, Queue, Round},
    rarely::Rarely,
    stats::{DropReason, TargetStats},
};
use crate::{config::RemoteWriteQueue, io::Clock, promql::Sample};

/// Samples that may wait in memory for the disk: ten seconds of ten thousand each.
const MAX_WAITING: u64 = 100_000;

/// How long samples wait for others to share a record with.
const GATHER: Duration = Duration::from_millis(100);

/// How long what was written waits for the disk, and how long after a failure the disk is tried again.
const SYNC: Duration = Duration::from_secs(1);

/// After so long what could not be read is given up: a part of the disk that is broken stays so, and newer samples wait.
const READ_FAILS: Duration = Duration::from_mins(10);

/// What the keeper is asked for.
#[derive(Debug)]
pub(super) enum Command {
    /// Keep these.
    Append(Vec<Sample>),
    /// The next samples, when it is time to send them. No answer: there will be none.
    Next(oneshot::Sender<Round>),
    /// The server took everything before this.
    Taken(Position),
    /// Write everything and wait for the disk; answers whether that succeeded.
    Sync(oneshot::Sender<bool>),
    /// From now on samples do not wait for others; when there are none, [`Command::Next`] has no answer.
    Drain,
    /// Write what is there and end.
    Close,
    /// End without writing anything.
    #[cfg(test)]
    Die,
}

/// Where samples are given to a keeper.
#[derive(Clone, Debug)]
pub(super) struct Intake {
    pub(super) commands: Sender<Command>,
    waiting: Arc<AtomicU64>,
    stats: Arc<TargetStats>,
    /// How much older samples may be when they come, since rules look back so far; milliseconds.
    pub(super) lag: Arc<AtomicI64>,
}

impl Intake {
    pub(super) fn new(
        commands: Sender<Command>,
        stats: Arc<TargetStats>,
        lag: Arc<AtomicI64>,
    ) -> Self {
        Self {
            commands,
            waiting: Arc::default(),
            stats,
            lag,
        }
    }

    /// Hands samples over. When the disk hangs and memory is used up, they are dropped and counted.
    pub(super) fn append(&self, samples: Vec<Sample>) {
        let count = u64::try_from(samples.len()).unwrap_or(u64::MAX);
        let before = self.waiting.fetch_add(count, Relaxed);
        if before > 0 && before + count > MAX_WAITING {
            self.waiting.fetch_sub(count, Relaxed);
            self.stats.count_dropped(DropReason::Memory, count);
            return;
        }
        if let Some(latest) = samples.iter().map(|sample| sample.time).max() {
            self.stats.highest.raise(latest);
        }
        if self.commands.send(Command::Append(samples)).is_err() {
            // The thread ended by a panic, which is in the log.
            self.waiting.fetch_sub(count, Relaxed);
            self.stats.count_dropped(DropReason::Memory, count);
        }
    }
}

/// See the module.
pub(super) struct Keeper {
    queue: Queue<Directory>,
    config: RemoteWriteQueue,
    edit: Edit,
    clock: Clock,
    stats: Arc<TargetStats>,
    /// Samples that the disk does not have, and since when.
    waiting: Vec<Sample>,
    waiting_since: Instant,
    in_memory: Arc<AtomicU64>,
    /// Who wants the next samples, and since when there are some.
    asked: Option<oneshot::Sender<Round>>,
    unread_since: Option<Instant>,
    synced: Instant,
    failed: Option<Instant>,
    draining: bool,
    /// Since when the queue cannot be read, and when that was last tried.
    unreadable: Option<(Instant, Instant)>,
    lag: Arc<AtomicI64>,
    no_room: Rarely,
    damaged: Rarely,
    too_old: Rarely,
}

impl Keeper {
    pub(super) fn new(
        queue: Queue<Directory>,
        config: RemoteWriteQueue,
        edit: Edit,
        clock: Clock,
        intake: &Intake,
    ) -> Self {
        let now = Instant::now();
        let has_old = queue.unread() > 0;
        let mut keeper = Self {
            queue,
            config,
            edit,
            clock,
            stats: Arc::clone(&intake.stats),
            waiting: Vec::new(),
            waiting_since: now,
            in_memory: Arc::clone(&intake.waiting),
            asked: None,
            unread_since: has_old.then_some(now),
            synced: now,
            failed: None,
            draining: false,
            unreadable: None,
            lag: Arc::clone(&intake.lag),
            no_room: Rarely::default(),
            damaged: Rarely::default(),
            too_old: Rarely::default(),
        };
        keeper.show();
        keeper
    }

    /// Works until it is told to close or nobody is left who could.
    pub(super) fn run(mut self, commands: &Receiver<Command>) {
        loop {
            let first = match commands.recv_timeout(self.idle()) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut next = first;
            while let Some(command) = next {
                #[cfg(test)]
                if matches!(command, Command::Die) {
                    return;
                }
                if !self.handle(command) {
                    self.finish();
                    return;
                }
                // What waits is bounded, so this ends.
                next = commands.try_recv().ok();
            }
            self.work();
        }
        self.finish();
    }

    fn handle(&mut self, command: Command) -> bool {
        match command {
            Command::Append(samples) => {
                if self.waiting.is_empty() {
                    self.waiting_since = Instant::now();
                }
                self.waiting.extend(samples);
            }
            Command::Next(asked) => self.asked = Some(asked),
            Command::Taken(end) => {
                let taken = self.queue.taken(end);
                self.told("could not save how far the server is", taken);
            }
            Command::Sync(answer) => {
                let done = self.write() && self.sync();
                // Who asked may have gone.
                let _ = answer.send(done);
            }
            Command::Drain => self.draining = true,
            Command::Close => return false,
            #[cfg(test)]
            Command::Die => return false,
        }
        true
    }

    fn finish(&mut self) {
        self.write();
        self.sync();
        let lost = u64::try_from(self.waiting.len()).unwrap_or(u64::MAX);
        self.stats.count_dropped(DropReason::Memory, lost);
        self.in_memory.fetch_sub(lost, Relaxed);
    }

    /// How long there is nothing to do.
    fn idle(&self) -> Duration {
        const LONG: Duration = Duration::from_secs(3600);
        let now = Instant::now();
        let after = |since: Instant, wait: Duration| (since + wait).saturating_duration_since(now);
        let mut idle = LONG;
        if !self.waiting.is_empty() {
            idle = idle.min(after(self.waiting_since, GATHER));
        }
        if self.queue.is_dirty() {
            idle = idle.min(after(self.synced, SYNC));
        }
        if let Some(failed) = self.failed {
            // Everything that is due failed just now.
            idle = after(failed, SYNC);
        }
        if let (Some(_), Some(since)) = (&self.asked, self.unread_since) {
            let due = after(since, self.config.batch_send_deadline);
            let readable = self.unreadable.map(|(_, tried)| after(tried, SYNC));
            idle = idle.min(readable.map_or(due, |readable| readable.max(due)));
        }
        idle
    }

    fn work(&mut self) {
        let now = Instant::now();
        let may_write = self.failed.is_none_or(|failed| now - failed >= SYNC);
        let is_full = self.waiting.len() >= MAX_SAMPLES;
        if may_write && (is_full || self.draining || now - self.waiting_since >= GATHER) {
            self.write();
        }
        if may_write && (self.failed.is_some() || now - self.synced >= SYNC) {
            self.sync();
        }
        self.answer();
        self.show();
    }

    fn write(&mut self) -> bool {
        while !self.waiting.is_empty() {
            let edit = &mut |labels: &_| self.edit.apply(labels);
            match self.queue.append(&self.waiting, edit) {
                Ok(appended) => {
                    let count = u64::try_from(appended.looked_at).unwrap_or(u64::MAX);
                    self.waiting.drain(..appended.looked_at);
                    self.in_memory.fetch_sub(count, Relaxed);
                    self.stats
                        .count_dropped(DropReason::Series, appended.dropped);
                    self.works_again();
                }
                Err(error) => {
                    self.told(
                        "could not write to the queue of samples; they wait in memory, and a restart would lose them: check the space and the \
                         health of the disk of --storage.path",
                        Err(error),
                    );
                    return false;
                }
            }
        }
        if self.queue.unread() > 0 && self.unread_since.is_none() {
            self.unread_since = Some(Instant::now());
        }
        true
    }

    fn sync(&mut self) -> bool {
        self.synced = Instant::now();
        let synced = self.queue.sync();
        let done = self.told("could not write the queue of samples to the disk; a power cut would lose them: check the disk of --storage.path", synced);
        if done && self.waiting.is_empty() {
            self.works_again();
        }
        done
    }

    fn works_again(&mut self) {
        if self.failed.take().is_some() {
            tracing::info!(
                remote_name = self.stats.name,
                "the queue of samples works again"
            );
        }
    }

    /// Logs the first failure in a row; gives whether there was none.
    fn told(&mut self, what: &'static str, result: io::Result<()>) -> bool {
        let Err(error) = result else {
            return true;
        };
        self.stats.disk_errors.fetch_add(1, Relaxed);
        if self.failed.replace(Instant::now()).is_none() {
            tracing::error!(remote_name = self.stats.name, %error, "{what}");
        }
        false
    }

    /// Hands out the next samples, if somebody wants them and they need not wait for more.
    fn answer(&mut self) {
        let Some(asked) = self.asked.take() else {
            return;
        };
        let unread = self.queue.unread();
        if unread == 0 {
            self.unread_since = None;
            if !self.draining || !self.waiting.is_empty() {
                self.asked = Some(asked);
            }
            return;
        }
        let since = *self.unread_since.get_or_insert_with(Instant::now);
        let waited = since.elapsed() >= self.config.batch_send_deadline;
        if !waited && !self.draining && unread < u64::from(self.config.max_samples_per_send) {
            self.asked = Some(asked);
            return;
        }
        if (self.unreadable).is_some_and(|(_, tried)| tried.elapsed() < SYNC) {
            self.asked = Some(asked);
            return;
        }
        let most = (self.config.max_samples_per_send).saturating_mul(self.config.max_shards);
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let (round, read) = self
            .queue
            .next(most, oldest(&self.config, self.clock, &self.lag));
        self.note_read(read);
        if round.entries.is_empty() && self.unreadable.is_some() {
            self.expired(round.expired);
            self.asked = Some(asked);
            return;
        }
        self.unread_since = (self.queue.unread() > 0).then(Instant::now);
        self.expired(round.expired);
        // Before anybody can have taken them: whoever then sees that none wait may rely on it.
        self.show();
        // Who asked may have gone; then the samples stay in the queue for whoever opens it next.
        let _ = asked.send(round);
    }

    fn expired(&mut self, count: u64) {
        self.stats.count_dropped(DropReason::TooOld, count);
        say_too_old(&mut self.too_old, count, &self.stats.name, &self.config);
    }

    /// What cannot be read now is there nevertheless, and is read later; but not for ever.
    fn note_read(&mut self, read: io::Result<()>) {
        let now = Instant::now();
        let remote_name = &self.stats.name;
        match (read, self.unreadable) {
            (Ok(()), None) => {}
            (Ok(()), Some(_)) => {
                self.unreadable = None;
                tracing::info!(remote_name, "the queue of samples can be read again");
            }
            (Err(error), None) => {
                self.stats.disk_errors.fetch_add(1, Relaxed);
                self.unreadable = Some((now, now));
                tracing::error!(
                    remote_name,
                    %error,
                    "could not read the queue of samples; it is read again every second"
                );
            }
            (Err(error), Some((since, _))) => {
                self.stats.disk_errors.fetch_add(1, Relaxed);
                self.unreadable = Some((since, now));
                if now - since >= READ_FAILS {
                    tracing::error!(
                        remote_name,
                        %error,
                        "a part of the queue of samples could not be read for ten minutes: it is dropped; check the disk"
                    );
                    self.queue.give_up_reading();
                    self.unreadable = None;
                }
            }
        }
    }

    /// Shows how it stands.
    fn show(&mut self) {
        self.stats.pending.store(self.queue.pending(), Relaxed);
        self.stats.disk_bytes.store(self.queue.bytes(), Relaxed);
        let lost = self.queue.take_lost();
        let now = Instant::now();
        self.stats.count_dropped(DropReason::NoRoom, lost.no_room);
        self.stats.count_dropped(DropReason::Damaged, lost.damaged);
        let name = &self.stats.name;
        if let Some(samples) = self.no_room.add(lost.no_room, now) {
            tracing::warn!(
                remote_name = name,
                samples,
                max_bytes = self.config.max_bytes,
                "the queue of samples is full: the oldest were dropped; see whether the server takes samples, or raise max_bytes"
            );
        }
        if let Some(samples) = self.damaged.add(lost.damaged, now) {
            tracing::error!(
                remote_name = name,
                samples,
                "a part of the queue of samples is damaged: what cannot be read was dropped; check the disk"
            );
        }
    }
}

/// The Unix milliseconds before which samples are too old. Those of rules that look back, so many milliseconds of `lag`, are
/// no older than others when they come.
pub(super) fn oldest(config: &RemoteWriteQueue, clock: Clock, lag: &AtomicI64) -> i64 {
    if config.sample_age_limit.is_zero() {
        return i64::MIN;
    }
    let oldest = clock.now().wall.minus(config.sample_age_limit);
    oldest.unix_millis().saturating_sub(lag.load(Relaxed))
}

/// Says at times that samples were dropped for their age.
pub(super) fn say_too_old(
    rarely: &mut Rarely,
    count: u64,
    remote_name: &str,
    config: &RemoteWriteQueue,
) {
    if let Some(samples) = rarely.add(count, Instant::now()) {
        tracing::warn!(
            remote_name,
            samples,
            sample_age_limit = ?config.sample_age_limit,
            "samples waited too long, or were written for a time too long ago: they were dropped; see whether the server takes \
             samples, or raise sample_age_limit"
        );
    }
}
