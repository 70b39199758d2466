//! Restarts, reloads and ends of the writer.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use tempfile::TempDir;

use super::{
    super::{RemoteWriteError, RemoteWriter},
    receiver::{Receiver, Reply},
};
use crate::{
    config::RemoteWriteConfig,
    io::{Clock, HttpClients},
    labels::LabelSet,
    promql::{Point, Sample},
};

/// A target whose samples wait for nothing.
pub(super) fn config(url: &str) -> RemoteWriteConfig {
    let mut config = RemoteWriteConfig {
        name: "test".to_owned(),
        url: url.into(),
        ..RemoteWriteConfig::default()
    };
    config.queue.batch_send_deadline = Duration::ZERO;
    config.queue.min_backoff = Duration::from_millis(5);
    config.queue.max_backoff = Duration::from_millis(50);
    config
}

pub(super) fn labels(name: &str) -> LabelSet {
    LabelSet::from_pairs([("__name__", name), ("job", "test")])
}

pub(super) fn sample(name: &str, time: i64, value: f64) -> Sample {
    Sample {
        labels: labels(name),
        time,
        point: Point::Float(value),
    }
}

pub(super) fn now() -> i64 {
    Clock::start(SignedDuration::ZERO).now().wall.unix_millis()
}

/// Waits, at most half a minute.
pub(super) async fn until(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(30), "no {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A writer and its directory.
pub(super) struct Bench {
    pub(super) writer: RemoteWriter,
    pub(super) directory: TempDir,
}

impl Bench {
    pub(super) fn open(targets: &[RemoteWriteConfig]) -> Self {
        Self::open_in(tempfile::tempdir().unwrap(), targets).unwrap()
    }

    fn open_in(
        directory: TempDir,
        targets: &[RemoteWriteConfig],
    ) -> Result<Self, RemoteWriteError> {
        let clock = Clock::start(SignedDuration::ZERO);
        let writer = RemoteWriter::open(
            targets,
            &BTreeMap::new(),
            directory.path(),
            Arc::new(HttpClients::new(clock)),
            clock,
            tokio::runtime::Handle::current(),
        )?;
        Ok(Self { writer, directory })
    }

    /// As after a kill and a start with these targets: without `close` nobody saves anything.
    fn killed(self, targets: &[RemoteWriteConfig]) -> Self {
        let Self { writer, directory } = self;
        writer.kill();
        Self::open_in(directory, targets).unwrap()
    }

    pub(super) async fn close(self) -> TempDir {
        self.writer.close(Duration::from_secs(5)).await;
        self.directory
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_on_the_disk_survives_a_kill_and_nothing_that_was_taken_comes_again() {
    // A server of its own refuses: a request that was under way at a kill must not be taken later.
    let refusing = Receiver::start(|_| Reply::Refuse(503, &[], "")).await;
    let server = Receiver::start(|_| Reply::Take).await;
    let (down, up) = ([config(&refusing.url)], [config(&server.url)]);
    let mut bench = Bench::open(&up);
    let time = now();
    for round in 0..4 {
        let first = time + round * 10;
        bench.writer.append(vec![sample("up", first, 1.0)]);
        let stats = Arc::clone(&bench.writer.stats().targets()[0]);
        until("all taken", || {
            server.times(&labels("up").to_string()).last() == Some(&first)
        })
        .await;
        until("none pending", || stats.pending.load(Relaxed) == 0).await;
        bench = bench.killed(&down);
        bench.writer.append(vec![
            sample("up", first + 1, 1.0),
            sample("up", first + 2, 1.0),
        ]);
        assert!(bench.writer.sync().await);
        bench = bench.killed(&down);
        assert_eq!(bench.writer.stats().targets()[0].pending.load(Relaxed), 2);
        bench = bench.killed(&up);
    }
    let expected: Vec<_> = (0..4)
        .flat_map(|round| [0, 1, 2].map(|one| time + round * 10 + one))
        .collect();
    until("everything", || server.taken().len() == expected.len()).await;
    assert_eq!(server.times(&labels("up").to_string()), expected);
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_sends_what_waits_and_keeps_what_cannot_be_sent() {
    let server = Receiver::start(|_| Reply::Take).await;
    let mut target = config(&server.url);
    target.queue.batch_send_deadline = Duration::from_secs(3600);
    let bench = Bench::open(&[target.clone()]);
    bench.writer.append(vec![sample("up", now(), 1.0)]);
    bench.close().await;
    assert_eq!(server.taken().len(), 1);

    let hanging = Receiver::start(|_| Reply::Hang).await;
    target.url = hanging.url.as_str().into();
    let bench = Bench::open(&[target.clone()]);
    bench.writer.append(vec![sample("up", now(), 1.0)]);
    let begun = Instant::now();
    bench.writer.close(Duration::from_millis(300)).await;
    assert!(begun.elapsed() < Duration::from_secs(20));
    target.url = server.url.as_str().into();
    target.queue.batch_send_deadline = Duration::ZERO;
    let bench = Bench::open_in(bench.directory, &[target]).unwrap();
    until("what was kept", || server.taken().len() == 2).await;
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_keeps_queues_and_loses_nothing_meanwhile() {
    let bad = Receiver::start(|_| Reply::Refuse(500, &[], "")).await;
    let good = Receiver::start(|_| Reply::Take).await;
    let untouched = Receiver::start(|_| Reply::Take).await;
    let mut other = config(&untouched.url);
    other.name = "other".to_owned();
    let bench = Bench::open(&[config(&bad.url), other.clone()]);
    let time = now();
    bench.writer.append(vec![sample("up", time, 1.0)]);
    until("an attempt", || bad.requests() > 1).await;
    let before = bench.writer.stats().targets()[1].clone();
    let external = BTreeMap::new();
    let targets = [other.clone(), config(&good.url)];
    let reload = bench.writer.reload(&targets, &external);
    let append = async {
        for slot in 1..200 {
            bench.writer.append(vec![sample("up", time + slot, 1.0)]);
            tokio::task::yield_now().await;
        }
    };
    let (reloaded, ()) = tokio::join!(reload, append);
    reloaded.unwrap();
    let name = labels("up").to_string();
    until("all of the changed one", || good.taken().len() == 200).await;
    assert_eq!(good.times(&name), (time..time + 200).collect::<Vec<_>>());
    until("all of the other", || untouched.taken().len() == 200).await;
    assert_eq!(
        untouched.times(&name),
        (time..time + 200).collect::<Vec<_>>()
    );
    let after = bench.writer.stats().targets();
    assert!(after.iter().any(|one| Arc::ptr_eq(one, &before)));
    // One that is gone is not sent to any more.
    bench.writer.reload(&[other], &external).await.unwrap();
    bench.writer.append(vec![sample("up", time + 200, 1.0)]);
    until("one more", || untouched.taken().len() == 201).await;
    assert_eq!(
        (good.taken().len(), bench.writer.stats().targets().len()),
        (200, 1)
    );
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_cannot_be_used_is_told() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("test"), "a file").unwrap();
    let target = config("http://127.0.0.1:9/");
    let error = Bench::open_in(directory, std::slice::from_ref(&target))
        .err()
        .unwrap()
        .to_string();
    assert!(
        error.starts_with("the queue of remote write test in /"),
        "{error}"
    );
    let twice = Bench::open_in(tempfile::tempdir().unwrap(), &[target.clone(), target]);
    assert!(matches!(twice.err(), Some(RemoteWriteError::Twice { .. })));
}
