//! Endpoints that take connections and never answer: they are waited for once, and no longer than it takes to know.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::{
    LONG, NOW, at, data, endpoints, expected, federation, now,
    server::{Asked, Reply, Server, evaluate},
    shown,
};
use crate::{
    io::federation::{self, Federation},
    promql::engine::Steps,
};

/// Much less than a query has, and much more than it takes to know that an endpoint hangs.
const SOON: Duration = Duration::from_secs(15);

/// A server that hangs as long as it is told to, at what is said.
async fn moody(hangs: &Arc<AtomicBool>, at: fn(&Asked) -> bool) -> Server {
    let hangs = Arc::clone(hangs);
    Server::start(Arc::new(move |asked| {
        match hangs.load(SeqCst) && at(asked) {
            true => Reply::Hang,
            false => evaluate(asked, &data(2.0)),
        }
    }))
    .await
}

/// An answer that must come soon.
async fn soon(federation: &Federation, query: &str) -> federation::Reply {
    let began = Instant::now();
    let reply = now(federation, query).await;
    let took = began.elapsed();
    assert!(took < SOON, "{query}: {took:?}");
    reply
}

/// The first whole answer, which must come soon: when the look that is under way ends.
async fn whole_soon(federation: &Federation, query: &str) -> federation::Reply {
    let began = Instant::now();
    loop {
        let reply = soon(federation, query).await;
        if reply.warnings().is_empty() {
            return reply;
        }
        assert!(began.elapsed() < SOON, "{:?}", reply.warnings());
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_that_hangs_is_missing_soon_and_there_again_when_it_answers() {
    let hangs = Arc::new(AtomicBool::new(false));
    let eu = Server::prometheus(data(1.0)).await;
    let us = moody(&hangs, |_| true).await;
    let federation = federation(endpoints(&[
        (&eu, "partition: {cluster: eu}"),
        (&us, "partition: {cluster: us}, hang_timeout: 300ms"),
    ]));
    let (one, both) = (&[("eu", 1.0)][..], &[("eu", 1.0), ("us", 2.0)][..]);
    let steps = Steps::instant(NOW);
    let of = |clusters| expected("sum(x)", steps, clusters);
    let value = |reply: &federation::Reply| shown(&reply.answer.output.value);
    assert_eq!(value(&soon(&federation, "sum(x)").await), of(both));

    hangs.store(true, SeqCst);
    for _ in 0..3 {
        let reply = soon(&federation, "sum(x)").await;
        assert_eq!(value(&reply), of(one));
        let warnings = reply.warnings();
        let start = "partition {cluster=\"us\"} is missing: e1: it hangs: ";
        assert!(warnings[0].starts_with(start), "{warnings:?}");
    }
    let status = federation.status();
    assert_eq!(status.partitions[1].up, Some(false));

    hangs.store(false, SeqCst);
    assert_eq!(value(&whole_soon(&federation, "sum(x)").await), of(both));
    assert_eq!(federation.status().partitions[1].up, Some(true));
}

#[tokio::test]
async fn queries_of_little_time_know_in_the_end() {
    let hangs = Arc::new(AtomicBool::new(true));
    let server = moody(&hangs, |_| true).await;
    let keys = "kind: victoriametrics, hang_timeout: 300ms";
    let federation = federation(endpoints(&[(&server, keys)]));
    let began = Instant::now();
    let reason = || async {
        let time = Duration::from_millis(150);
        let reply = at(&federation, "sum(x)", Steps::instant(NOW), time).await;
        reply.unwrap().warnings().concat()
    };
    let first = reason().await;
    assert!(first.contains("it does not answer in time"), "{first}");
    while !reason().await.contains("it hangs: ") {
        assert!(began.elapsed() < SOON);
    }
    assert_eq!(federation.status().partitions[0].up, Some(false));
}

#[tokio::test]
async fn probes_know_of_one_that_hangs() {
    let hangs = Arc::new(AtomicBool::new(true));
    let server = moody(&hangs, |_| true).await;
    let up = |federation: &Federation| federation.status().partitions[0].up;
    for keys in ["hang_timeout: 300ms", "hang_timeout: 400ms, timeout: 500ms"] {
        let keys = format!("kind: victoriametrics, {keys}");
        let federation = federation(endpoints(&[(&server, &keys)]));
        federation.probe_idle(Duration::ZERO).await;
        assert_eq!(up(&federation), Some(false), "{keys}");
    }
}

#[tokio::test]
async fn the_other_replica_is_asked_when_one_hangs() {
    let hangs = Arc::new(AtomicBool::new(true));
    let a = moody(&hangs, |asked| !asked.path.contains("status")).await;
    let b = Server::prometheus(data(2.0)).await;
    let federation = federation(endpoints(&[
        (&a, "replica: a, hang_timeout: 300ms, timeout: 400ms"),
        (&b, "replica: b"),
    ]));
    let reply = soon(&federation, "sum(x)").await;
    assert_eq!(reply.warnings(), Vec::<String>::new());
    assert_eq!(reply.explain.requests.len(), 2);
}

#[tokio::test]
async fn one_that_is_slow_is_waited_for() {
    let permits = Arc::new(Semaphore::new(0));
    let answers = Arc::clone(&permits);
    let server = Server::start(Arc::new(move |asked| {
        let slow = asked.path.ends_with("/query");
        evaluate(asked, &data(1.0)).map(|body| match slow {
            true => Reply::Later(Arc::clone(&answers), body),
            false => Reply::Json(body),
        })
    }))
    .await;
    let keys = "kind: prometheus, partition: {cluster: eu}, hang_timeout: 200ms";
    let federation = federation(endpoints(&[(&server, keys)]));
    let looks = || server.asked_of("/api/v1/status/buildinfo").len();
    let release = async {
        server.until(|seen| seen.queries().count() > 0).await;
        let before = looks();
        // It is looked more than once whether it is there, and it is.
        server
            .until(|seen| seen.of("/api/v1/status/buildinfo").count() > before + 2)
            .await;
        permits.add_permits(10);
    };
    let (reply, ()) = tokio::join!(now(&federation, "sum(x)"), release);
    assert_eq!(reply.warnings(), Vec::<String>::new());
    let wanted = expected("sum(x)", Steps::instant(NOW), &[("eu", 1.0)]);
    assert_eq!(shown(&reply.answer.output.value), wanted);
}

#[tokio::test]
async fn one_that_answers_no_query_is_told_from_one_that_is_slow() {
    let hangs = Arc::new(AtomicBool::new(true));
    let server = moody(&hangs, |asked| !asked.path.contains("status")).await;
    let keys = "hang_timeout: 200ms, timeout: 500ms";
    let federation = federation(endpoints(&[(&server, keys)]));
    let reply = soon(&federation, "sum(x)").await;
    let warnings = reply.warnings();
    let wanted = "it does not answer within its timeout, which is 500ms";
    assert!(warnings[0].contains(wanted), "{warnings:?}");
    let reply = soon(&federation, "sum(x)").await;
    let warnings = reply.warnings();
    assert!(warnings[0].contains("e0: it hangs: "), "{warnings:?}");
    // A query that costs nothing shows that it computes again.
    hangs.store(false, SeqCst);
    whole_soon(&federation, "sum(x)").await;
}

#[tokio::test]
async fn a_server_that_is_asked_one_thing_too_much_is_not_taken_for_one_that_hangs() {
    // It hangs at one query only, which ends with the time of whoever asks.
    let hangs = Arc::new(AtomicBool::new(true));
    let server = moody(&hangs, |asked| {
        asked
            .form
            .get("query")
            .is_some_and(|query| query.contains("avg"))
    })
    .await;
    let keys = "hang_timeout: 100ms";
    let federation = federation(endpoints(&[(&server, keys)]));
    let time = Duration::from_millis(700);
    for _ in 0..2 {
        let reply = at(
            &federation,
            "max(avg_over_time(x[5m]))",
            Steps::instant(NOW),
            time,
        )
        .await;
        let warnings = reply.unwrap().warnings();
        let wanted = "it does not answer in time";
        assert!(warnings[0].contains(wanted), "{warnings:?}");
        let reply = at(&federation, "sum(x)", Steps::instant(NOW), LONG).await;
        assert_eq!(reply.unwrap().warnings(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn one_that_hangs_before_it_told_what_it_is_is_waited_for_once() {
    let permits = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&permits);
    let well = Server::prometheus(data(1.0)).await;
    let silent = Server::start(Arc::new(move |asked| {
        evaluate(asked, &data(2.0)).map(|body| match &*asked.path {
            "/api/v1/status/buildinfo" => Reply::Later(Arc::clone(&waiting), body),
            _ => Reply::Json(body),
        })
    }))
    .await;
    let federation = federation(endpoints(&[
        (&well, "partition: {cluster: eu}"),
        (&silent, "partition: {cluster: us}"),
    ]));
    let took = async || {
        let began = Instant::now();
        let reply = now(&federation, "sum(x)").await;
        let warnings = reply.warnings();
        assert!(
            warnings[0].contains("what it is, is not known"),
            "{warnings:?}"
        );
        began.elapsed()
    };
    let wait = took().await;
    assert!(wait >= Duration::from_secs(1), "{wait:?}");
    // It is asked again, but not at once.
    let (mut longest, since) = (Duration::ZERO, Instant::now());
    while silent.asked_of("/api/v1/status").len() < 2 {
        assert!(since.elapsed() < SOON, "it is not asked again");
        longest = longest.max(took().await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    longest = longest.max(took().await);
    assert!(longest < Duration::from_secs(1), "{longest:?}");
    permits.add_permits(10);
    let reply = whole_soon(&federation, "sum(x)").await;
    let wanted = expected("sum(x)", Steps::instant(NOW), &[("eu", 1.0), ("us", 2.0)]);
    assert_eq!(shown(&reply.answer.output.value), wanted);
}
