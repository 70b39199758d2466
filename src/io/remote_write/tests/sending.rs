//! From `append` to a server that fails in every way.

use std::{
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    time::{Duration, Instant},
};

use super::{
    receiver::{Receiver, Reply},
    writing::{Bench, config, labels, now, sample, until},
};
use crate::{
    config::RemoteWriteMessage,
    io::remote_write::DropReason,
    promql::{Point, STALE, STALE_BITS},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_arrive_in_both_versions_with_stale_marks() {
    for version in [RemoteWriteMessage::V1, RemoteWriteMessage::V2] {
        let server = Receiver::start(|_| Reply::Take).await;
        let mut target = config(&server.url);
        target.protobuf_message = version;
        let bench = Bench::open(&[target]);
        let time = now();
        let mut ended = sample("up", time + 1, 0.0);
        ended.point = Point::Float(STALE);
        bench.writer.append(vec![sample("up", time, 1.5), ended]);
        until("two samples", || server.taken().len() == 2).await;
        let (name, at) = (labels("up").to_string(), time);
        assert_eq!(
            server.taken(),
            [
                (name.clone(), at, Some(1.5_f64.to_bits())),
                (name, at + 1, Some(STALE_BITS))
            ]
        );
        let stats = &bench.writer.stats().targets()[0];
        until("none pending", || stats.pending.load(Relaxed) == 0).await;
        assert_eq!(stats.sent.numbers.load(Relaxed), 2);
        assert_eq!(stats.highest_sent.seconds(), (time + 1).div_euclid(1000));
        assert_eq!(bench.writer.stats().samples_in.load(Relaxed), 2);
        bench.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_down_for_a_while_gets_everything_in_order() {
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    let turn = AtomicU64::new(0);
    let server = Receiver::start(move |_| {
        if !is_down.load(SeqCst) {
            return Reply::Take;
        }
        match turn.fetch_add(1, SeqCst) % 4 {
            0 => Reply::Refuse(500, &[], "no"),
            1 => Reply::Refuse(429, &[("retry-after", "0")], ""),
            2 => Reply::Hang,
            _ => Reply::Refuse(503, &[], ""),
        }
    })
    .await;
    let mut target = config(&server.url);
    target.remote_timeout = Duration::from_millis(100);
    target.queue.max_samples_per_send = 50;
    let bench = Bench::open(&[target]);
    let time = now();
    let names = ["a", "b", "c", "d", "e"];
    for slot in 0..100 {
        let slot_of = |name: &&str| sample(name, time + slot, 1.0);
        bench.writer.append(names.iter().map(slot_of).collect());
    }
    until("some attempts", || server.requests() > 6).await;
    let stats = Arc::clone(&bench.writer.stats().targets()[0]);
    assert_eq!(stats.pending.load(Relaxed), 500);
    assert!(stats.retried.numbers.load(Relaxed) > 0);
    down.store(false, SeqCst);
    until("everything", || stats.pending.load(Relaxed) == 0).await;
    for name in names {
        let times = server.times(&labels(name).to_string());
        assert_eq!(times, (time..time + 100).collect::<Vec<_>>());
    }
    assert_eq!(stats.failed.numbers.load(Relaxed), 0);
    let attempts: Vec<_> = (server.came.lock().unwrap().iter())
        .map(|one| one.headers.get("retry-attempt").cloned())
        .collect();
    assert!(attempts.contains(&None) && attempts.contains(&Some("1".to_owned())));
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retry_after_is_waited_for() {
    let begun = Instant::now();
    let refused = AtomicBool::new(false);
    let server = Receiver::start(move |_| {
        if refused.swap(true, SeqCst) {
            return Reply::Take;
        }
        Reply::Refuse(429, &[("retry-after", "1")], "slow down")
    })
    .await;
    let bench = Bench::open(&[config(&server.url)]);
    bench.writer.append(vec![sample("up", now(), 1.0)]);
    until("the sample", || server.taken().len() == 1).await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(server.requests(), 2);
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_bad_sample_does_not_cost_the_others() {
    let bad = labels("m77").to_string();
    let known = bad.clone();
    let server = Receiver::start(move |came| {
        if came.samples.iter().any(|(labels, ..)| *labels == known) {
            return Reply::Refuse(400, &[], "out of order sample");
        }
        Reply::Take
    })
    .await;
    let bench = Bench::open(&[config(&server.url)]);
    let time = now();
    let batch = (0..100).map(|number| sample(&format!("m{number}"), time, 1.0));
    bench.writer.append(batch.collect());
    let stats = Arc::clone(&bench.writer.stats().targets()[0]);
    until("99 samples", || server.taken().len() == 99).await;
    until("the end", || stats.pending.load(Relaxed) == 0).await;
    assert!(server.times(&bad).is_empty());
    assert_eq!(stats.failed.numbers.load(Relaxed), 1);
    assert!(server.requests() < 20, "{}", server.requests());
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_as_a_whole_is_sent_once() {
    for status in [400, 410, 422] {
        let server = Receiver::start(move |_| Reply::Refuse(status, &[], "Bad request")).await;
        let bench = Bench::open(&[config(&server.url)]);
        let time = now();
        let batch = (0..20).map(|number| sample(&format!("m{number}"), time, 1.0));
        bench.writer.append(batch.collect());
        let stats = Arc::clone(&bench.writer.stats().targets()[0]);
        until("a failure", || stats.failed.numbers.load(Relaxed) == 20).await;
        assert_eq!(
            (server.requests(), stats.retried.numbers.load(Relaxed)),
            (1, 0)
        );
        bench.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_without_the_second_version_gets_the_first() {
    // Some say so, some take the message for an empty one of the first.
    for status in [415, 204] {
        let server = Receiver::start(move |came| {
            if came.headers["content-type"].contains("v2") {
                return Reply::Refuse(status, &[], "");
            }
            Reply::Take
        })
        .await;
        let mut target = config(&server.url);
        target.protobuf_message = RemoteWriteMessage::V2;
        let bench = Bench::open(&[target]);
        for slot in 0..2 {
            bench.writer.append(vec![sample("up", now(), 1.0)]);
            until("a sample", || server.taken().len() == slot + 1).await;
        }
        assert_eq!(server.requests(), 3);
        bench.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_of_rules_that_look_back_are_no_older_than_others() {
    let server = Receiver::start(|_| Reply::Take).await;
    let bench = Bench::open(&[config(&server.url)]);
    let (hour, now) = (3_600_000, now());
    bench.writer.look_back(hour);
    bench.writer.append(vec![
        sample("a", now - hour - hour / 2, 1.0),
        sample("b", now - hour - 2 * hour, 1.0),
    ]);
    until("a sample", || server.taken().len() == 1).await;
    assert_eq!(server.times(&labels("a").to_string()).len(), 1);
    let stats = Arc::clone(&bench.writer.stats().targets()[0]);
    until("the other", || stats.dropped(DropReason::TooOld) == 1).await;
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_by_now_is_dropped_while_it_is_retried() {
    let server = Receiver::start(|_| Reply::Refuse(500, &[], "")).await;
    let mut target = config(&server.url);
    target.queue.sample_age_limit = Duration::from_millis(700);
    let bench = Bench::open(&[target]);
    bench.writer.append(vec![sample("up", now(), 1.0)]);
    bench.writer.append(vec![sample("up", now() - 5000, 1.0)]);
    let stats = Arc::clone(&bench.writer.stats().targets()[0]);
    until("both dropped", || stats.dropped(DropReason::TooOld) == 2).await;
    until("none left", || stats.pending.load(Relaxed) == 0).await;
    assert!(server.requests() > 1);
    bench.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_server_gets_full_requests_at_a_time() {
    let server = Receiver::start(|_| Reply::Slow(Duration::from_millis(50))).await;
    let mut target = config(&server.url);
    target.queue.max_samples_per_send = 100;
    target.queue.max_shards = 3;
    let bench = Bench::open(&[target]);
    let time = now();
    for slot in 0..10 {
        let batch = (0..200).map(|number| sample(&format!("m{number}"), time + slot, 1.0));
        bench.writer.append(batch.collect());
    }
    until("2000 samples", || server.taken().len() == 2000).await;
    let stats = Arc::clone(&bench.writer.stats().targets()[0]);
    assert!((2..=3).contains(&stats.shards.load(Relaxed)));
    for number in 0..200 {
        let times = server.times(&labels(&format!("m{number}")).to_string());
        assert_eq!(times, (time..time + 10).collect::<Vec<_>>());
    }
    assert!(
        server
            .came
            .lock()
            .unwrap()
            .iter()
            .all(|one| one.samples.len() <= 100)
    );
    bench.close().await;
}
