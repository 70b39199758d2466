//! Sends what is in the queue of one target.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
        mpsc,
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant as Due, sleep_until},
};

use super::{
    encode,
    entry::{Counts, Entry},
    keeper::{Command, oldest, say_too_old},
    queue::Round,
    rarely::Rarely,
    split::Parts,
    stats::{DropReason, TargetStats},
    verdict::{Backoff, Verdict, judge, unanswered},
};
use crate::{
    config::{RemoteWriteConfig, RemoteWriteMessage, Secret},
    io::{Clock, HttpClients},
    notify::integration::HttpRequest,
};

/// How long a server that does not speak 2.0 gets 1.0: it may be a newer one by then.
const FIRST_VERSION: Duration = Duration::from_hours(1);

/// A server and what is known of it.
#[derive(Debug)]
pub(super) struct Target {
    config: RemoteWriteConfig,
    url: Secret,
    http: Arc<HttpClients>,
    clock: Clock,
    stats: Arc<TargetStats>,
    /// How much older samples may be when they come; milliseconds.
    lag: Arc<AtomicI64>,
    log: Mutex<Log>,
}

/// What was told of a server.
#[derive(Debug, Default)]
struct Log {
    /// When requests began to fail.
    failing: Option<Instant>,
    delayed: Rarely,
    refused: Rarely,
    too_old: Rarely,
    /// Until when it is taken not to speak 2.0.
    only_first: Option<Instant>,
}

impl Target {
    pub(super) fn new(
        config: RemoteWriteConfig,
        http: Arc<HttpClients>,
        clock: Clock,
        stats: Arc<TargetStats>,
        lag: Arc<AtomicI64>,
    ) -> Self {
        stats
            .max_shards
            .store(u64::from(config.queue.max_shards), Relaxed);
        stats
            .max_samples_per_send
            .store(u64::from(config.queue.max_samples_per_send), Relaxed);
        Self {
            url: Secret::new(config.url.as_str()),
            config,
            http,
            clock,
            stats,
            lag,
            log: Mutex::default(),
        }
    }

    /// Sends round after round, until the keeper has nothing more.
    pub(super) async fn run(self: Arc<Self>, keeper: mpsc::Sender<Command>) {
        loop {
            let (answer, round) = oneshot::channel();
            if keeper.send(Command::Next(answer)).is_err() {
                return;
            }
            let Ok(round) = round.await else {
                return;
            };
            let Round { entries, end, .. } = round;
            self.round(entries).await;
            if keeper.send(Command::Taken(end)).is_err() {
                return;
            }
        }
    }

    /// Sends the samples of a round by as many requests at a time as there are full ones. A series goes one way, so its
    /// samples stay in order.
    async fn round(self: &Arc<Self>, entries: Vec<Entry>) {
        let size = usize::try_from(self.config.queue.max_samples_per_send).unwrap_or(usize::MAX);
        let most = usize::try_from(self.config.queue.max_shards).unwrap_or(usize::MAX);
        let lanes = entries.len().div_ceil(size.max(1)).clamp(1, most.max(1));
        let shown = u64::try_from(lanes).unwrap_or(u64::MAX);
        self.stats.shards.store(shown, Relaxed);
        let mut requests = JoinSet::new();
        for lane in into_lanes(entries, lanes) {
            let target = Arc::clone(self);
            requests.spawn(async move {
                for batch in lane.chunks(size.max(1)) {
                    target.batch(batch).await;
                }
            });
        }
        while let Some(ended) = requests.join_next().await {
            if ended.is_err() {
                tracing::error!(
                    remote_name = self.stats.name,
                    "this is a bug: a request of remote write ended by a panic; its samples are lost"
                );
            }
        }
    }

    /// Sends samples until each was taken, or refused for good.
    async fn batch(&self, batch: &[Entry]) {
        let mut batch = batch.to_vec();
        batch.sort_by_key(|entry| entry.hash);
        let mut parts = Parts::new(batch.iter().map(|entry| entry.hash).collect());
        while let Some(part) = parts.next() {
            let entries = batch.get(part.clone()).unwrap_or_default();
            match self.part(entries).await {
                Outcome::Done => {}
                Outcome::Refused { apart: true, .. } if parts.halve(&part) => {}
                Outcome::Refused { lost, why, .. } => self.refused(lost, &why),
            }
        }
    }

    /// Sends one request, again and again as long as that may help.
    async fn part(&self, entries: &[Entry]) -> Outcome {
        let queue = &self.config.queue;
        let mut backoff = Backoff::new(queue.min_backoff, queue.max_backoff);
        let mut attempt = 0;
        let mut left = entries.to_vec();
        loop {
            let version = self.version();
            self.leave_out(&mut left, version);
            if left.is_empty() {
                return Outcome::Done;
            }
            let counts = Counts::of(&left);
            match self.request(&left, counts, version, attempt).await {
                Verdict::Taken { missing } => {
                    self.taken(&left);
                    if missing.all() > 0 {
                        self.refused(missing, "the server says that it wrote less than it got");
                    }
                    return Outcome::Done;
                }
                Verdict::Refused {
                    written,
                    apart,
                    why,
                } => {
                    let lost = counts.without(written);
                    return Outcome::Refused { lost, apart, why };
                }
                Verdict::FirstVersion => self.only_first(),
                Verdict::Later { after, why } => {
                    self.stats.retried.add(counts);
                    self.delayed(&why);
                    let wait = backoff.wait(after);
                    sleep_until(Due::now() + wait).await;
                    attempt += 1;
                }
            }
        }
    }

    /// Leaves out what is too old by now, and what this version has no place for.
    fn leave_out(&self, left: &mut Vec<Entry>, version: RemoteWriteMessage) {
        let oldest = oldest(&self.config.queue, self.clock, &self.lag);
        let drop = |left: &mut Vec<Entry>, reason, keep: &dyn Fn(&Entry) -> bool| {
            let before = left.len();
            left.retain(keep);
            let dropped = u64::try_from(before - left.len()).unwrap_or(u64::MAX);
            self.stats.count_dropped(reason, dropped);
            dropped
        };
        let expired = drop(left, DropReason::TooOld, &|entry| entry.time >= oldest);
        if expired > 0 {
            let mut log = self.log();
            say_too_old(
                &mut log.too_old,
                expired,
                &self.stats.name,
                &self.config.queue,
            );
        }
        if version == RemoteWriteMessage::V1 {
            drop(left, DropReason::CustomBuckets, &|entry| {
                !entry.needs_second_version()
            });
        }
    }

    async fn request(
        &self,
        entries: &[Entry],
        counts: Counts,
        version: RemoteWriteMessage,
        attempt: u32,
    ) -> Verdict {
        let Some(body) = encode::body(version, entries) else {
            return Verdict::Refused {
                written: Counts::default(),
                apart: true,
                why: "the request would be larger than what can be compressed".to_owned(),
            };
        };
        let size = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let request = HttpRequest {
            method: "POST",
            url: self.url.clone(),
            headers: encode::headers(version, attempt),
            body: Arc::from(body),
            timeout: None,
            http: Arc::clone(&self.config.http),
        };
        self.stats.sent.add(counts);
        self.stats.bytes.fetch_add(size, Relaxed);
        let begun = Instant::now();
        let answer = self.http.send(&request, self.config.remote_timeout).await;
        self.stats.duration.observe(begun.elapsed());
        match answer {
            Ok(answer) => judge(version, counts, &answer),
            Err(error) => unanswered(&error),
        }
    }

    fn version(&self) -> RemoteWriteMessage {
        let only_first = self.log().only_first;
        match only_first.is_some_and(|until| Instant::now() < until) {
            true => RemoteWriteMessage::V1,
            false => self.config.protobuf_message,
        }
    }

    fn only_first(&self) {
        let until = Instant::now() + FIRST_VERSION;
        // It is tried every hour, and told once.
        if self.log().only_first.replace(until).is_none() {
            tracing::warn!(
                remote_name = self.stats.name,
                url = self.stats.url,
                "the server does not speak remote write 2.0; it gets 1.0, and 2.0 is tried again every hour"
            );
        }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn taken(&self, entries: &[Entry]) {
        if let Some(latest) = entries.iter().map(|entry| entry.time).max() {
            self.stats.highest_sent.raise(latest);
        }
        let mut log = self.log();
        if let Some(since) = log.failing.take() {
            tracing::info!(
                remote_name = self.stats.name,
                url = self.stats.url,
                after = ?rounded(since.elapsed()),
                waiting = self.stats.pending.load(Relaxed),
                "the server takes samples again"
            );
        }
    }

    fn delayed(&self, why: &str) {
        let now = Instant::now();
        let mut log = self.log();
        log.failing.get_or_insert(now);
        if let Some(attempts) = log.delayed.add(1, now) {
            tracing::warn!(
                remote_name = self.stats.name,
                url = self.stats.url,
                attempts,
                waiting = self.stats.pending.load(Relaxed),
                error = why,
                "the server did not take samples; they are sent again"
            );
        }
    }

    fn refused(&self, lost: Counts, why: &str) {
        self.stats.failed.add(lost);
        let mut log = self.log();
        if let Some(samples) = log.refused.add(lost.all(), Instant::now()) {
            tracing::error!(
                remote_name = self.stats.name,
                url = self.stats.url,
                samples,
                error = why,
                "the server refused samples for good; they are dropped"
            );
        }
    }
}

/// What became of a part of a batch.
enum Outcome {
    Done,
    Refused {
        lost: Counts,
        apart: bool,
        why: String,
    },
}

fn into_lanes(entries: Vec<Entry>, count: usize) -> Vec<Vec<Entry>> {
    if count <= 1 {
        return if entries.is_empty() {
            Vec::new()
        } else {
            vec![entries]
        };
    }
    let mut lanes = vec![Vec::new(); count];
    let modulus = u64::try_from(count).unwrap_or(u64::MAX);
    for entry in entries {
        let lane = usize::try_from(entry.hash % modulus).unwrap_or_default();
        if let Some(lane) = lanes.get_mut(lane) {
            lane.push(entry);
        }
    }
    lanes
}

fn rounded(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}
