//! Requests that several queries share, several questions in one request, and replicas that are behind.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use tokio::sync::Semaphore;

use super::{
    LONG, NOW, at, data, endpoints, expected, federation, now,
    server::{Asked, Reply, Server, build_info, evaluate, response},
    shown,
};
use crate::{io::federation::Federation, promql::engine::Steps};

/// A server that answers queries when it gets permits.
async fn slow(permits: &Arc<Semaphore>) -> Server {
    let waiting = Arc::clone(permits);
    Server::start(Arc::new(move |asked| {
        evaluate(asked, &data(1.0)).map(|body| match &*asked.path {
            "/api/v1/query" => Reply::Later(Arc::clone(&waiting), body),
            _ => Reply::Json(body),
        })
    }))
    .await
}

fn spawned(
    federation: &Arc<Federation>,
    query: &'static str,
) -> tokio::task::JoinHandle<super::Reply> {
    let federation = Arc::clone(federation);
    tokio::spawn(async move {
        let reply = at(&federation, query, Steps::instant(NOW), LONG).await;
        reply.unwrap_or_else(|error| panic!("{query}: {error}"))
    })
}

#[tokio::test]
async fn queries_that_ask_the_same_at_once_share_the_request() {
    let permits = Arc::new(Semaphore::new(0));
    let server = slow(&permits).await;
    let federation = Arc::new(federation(endpoints(&[(
        &server,
        "partition: {cluster: eu}",
    )])));
    let first = spawned(&federation, "sum(x)");
    server.until(|seen| seen.queries().count() == 1).await;
    let others = [
        spawned(&federation, "sum(x)"),
        spawned(&federation, "sum(x)"),
    ];
    // Only when it is asked as well, the others have joined.
    let last = spawned(&federation, "max(x)");
    server.until(|seen| seen.queries().count() == 2).await;
    first.abort();
    permits.add_permits(10);
    let steps = Steps::instant(NOW);
    for other in others {
        let reply = other.await.unwrap();
        let found = shown(&reply.answer.output.value);
        assert_eq!(found, expected("sum(x)", steps, &[("eu", 1.0)]));
        assert!(reply.explain.requests[0].joined);
    }
    assert!(!last.await.unwrap().explain.requests[0].joined);
    assert_eq!(server.asked().len(), 2);
    // What is over is asked anew.
    now(&federation, "sum(x)").await;
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn a_request_ends_when_the_last_who_waits_for_it_goes() {
    let server = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/query" => Reply::Hang,
        _ => evaluate(asked, &data(1.0)),
    }))
    .await;
    let federation = Arc::new(federation(endpoints(&[(
        &server,
        "partition: {cluster: eu}",
    )])));
    let both = [
        spawned(&federation, "sum(x)"),
        spawned(&federation, "sum(x)"),
    ];
    server.until(|seen| seen.queries().count() == 1).await;
    let last = spawned(&federation, "max(x)");
    server.until(|seen| seen.queries().count() == 2).await;
    for one in both {
        one.abort();
    }
    server.until(|seen| seen.running == 1).await;
    last.abort();
    server.until(|seen| seen.running == 0).await;
}

const RATIO: &str =
    "sum by (job) (x) / on (job) count by (job) (x{job!=\"\"}) + on (job) max by (job) (x)";

#[tokio::test]
async fn light_questions_become_one_request() {
    let (eu, us) = (
        Server::prometheus(data(1.0)).await,
        Server::prometheus(data(2.0)).await,
    );
    let federation = federation(endpoints(&[
        (&eu, "partition: {cluster: eu}"),
        (&us, "partition: {cluster: us}"),
    ]));
    let steps = Steps::instant(NOW);
    let expect = expected(RATIO, steps, &[("eu", 1.0), ("us", 2.0)]);
    for (round, requests) in [(1, 3), (2, 3), (3, 1), (4, 1)] {
        let before = eu.asked().len();
        let reply = now(&federation, RATIO).await;
        assert_eq!(shown(&reply.answer.output.value), expect, "{round}");
        assert_eq!(reply.warnings(), Vec::<String>::new());
        assert_eq!(eu.asked().len() - before, requests, "{round}");
        assert_eq!(reply.explain.requests.len(), 2 * requests, "{round}");
    }
    // Names and all labels stay, and a question alone is asked as it is.
    let query = "x{job=\"a\"} or up";
    for _ in 0..3 {
        let found = shown(&now(&federation, query).await.answer.output.value);
        assert_eq!(found, expected(query, steps, &[("eu", 1.0), ("us", 2.0)]));
    }
    now(&federation, "sum by (job) (x)").await;
    assert!(!eu.asked().last().unwrap().form["query"].contains("label_replace"));
    // Values at many times are not asked for together.
    let range = Steps {
        start: NOW - 60_000,
        end: NOW,
        step: 20_000,
    };
    let found = at(&federation, RATIO, range, LONG).await.unwrap();
    let found = shown(&found.answer.output.value);
    assert_eq!(found, expected(RATIO, range, &[("eu", 1.0), ("us", 2.0)]));
}

#[tokio::test]
async fn what_cannot_be_answered_together_is_answered_alone() {
    let joint = |asked: &Asked| {
        let query = asked.form.get("query");
        query.is_some_and(|query| query.contains("label_replace"))
    };
    let refuses = Server::start(Arc::new(move |asked| {
        if joint(asked) {
            let body = br#"{"status":"error","errorType":"execution","error":"too much"}"#;
            return Reply::Raw(response(
                "422 Unprocessable Entity",
                "application/json",
                body,
            ));
        }
        evaluate(asked, &data(1.0))
    }))
    .await;
    let remarks = Server::start(Arc::new(move |asked| {
        evaluate(asked, &data(2.0)).map(|body| {
            let remark = r#"{"infos":["PromQL info: whose is it? (1:1)"],"#;
            Reply::Json(if joint(asked) {
                body.replacen('{', remark, 1)
            } else {
                body
            })
        })
    }))
    .await;
    let federation = federation(endpoints(&[
        (&refuses, "partition: {cluster: eu}"),
        (&remarks, "partition: {cluster: us}"),
    ]));
    let steps = Steps::instant(NOW);
    let expect = expected(RATIO, steps, &[("eu", 1.0), ("us", 2.0)]);
    for (round, requests) in [(1, 3), (2, 3), (3, 4), (4, 3), (5, 3)] {
        let before = (refuses.asked().len(), remarks.asked().len());
        let reply = now(&federation, RATIO).await;
        assert_eq!(shown(&reply.answer.output.value), expect, "{round}");
        assert_eq!(reply.warnings(), Vec::<String>::new());
        assert!(reply.answer.output.annotations.iter().next().is_none());
        assert_eq!(refuses.asked().len() - before.0, requests, "{round}");
        assert_eq!(remarks.asked().len() - before.1, requests, "{round}");
    }
}

/// A replica whose newest sample is of this many seconds, with 20 s between its samples.
async fn replica(newest: usize, broken: &Arc<AtomicBool>) -> Server {
    let broken = Arc::clone(broken);
    Server::start(Arc::new(move |asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("3.1.0")),
        _ if asked.is_about_freshness() => {
            let time = &asked.form["time"];
            let element = |number: usize, value: usize| {
                format!(r#"{{"metric":{{"__q__":"{number}"}},"value":[{time},"{value}"]}}"#)
            };
            let (a, b) = (element(0, newest), element(1, 20));
            Reply::Json(format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[{a},{b}]}}}}"#
            ))
        }
        _ if broken.load(SeqCst) => Reply::Reset,
        _ => evaluate(asked, &data(1.0)),
    }))
    .await
}

#[tokio::test]
async fn a_replica_that_is_behind_is_not_used() {
    // Samples every 20 s: two intervals are 40 s.
    let (sound, broken) = (Arc::default(), Arc::default());
    let (a, b) = (replica(559, &sound).await, replica(600, &broken).await);
    let federation = federation(endpoints(&[
        (&a, "partition: {cluster: eu}, replica: a"),
        (&b, "partition: {cluster: eu}, replica: b"),
    ]));
    let used = async || {
        let reply = now(&federation, "sum(x)").await;
        assert_eq!(reply.warnings(), Vec::<String>::new());
        reply.explain.requests[0].replica.to_string()
    };
    // Nobody waits for the knowledge.
    let changed = async {
        while used().await != "b" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, changed).await.unwrap();
    assert_eq!(
        a.asked_of("/api/v1/query")
            .iter()
            .filter(|one| one.is_about_freshness())
            .count(),
        1
    );

    // When the other one fails, it may answer for the times that it has.
    broken.store(true, SeqCst);
    let reply = now(&federation, "sum(x)").await;
    assert!(reply.warnings()[0].starts_with("partition {cluster=\"eu\"} is missing: e1: "));
    let steps = Steps::instant(559_000);
    let reply = at(&federation, "sum(x)", steps, LONG).await.unwrap();
    assert_eq!(reply.warnings(), Vec::<String>::new());
    assert_eq!(*reply.explain.requests.last().unwrap().replica, *"a");
}

#[tokio::test]
async fn gaps_of_a_replica_are_filled_with_samples_of_the_other() {
    let without = |from: i64, to: i64| {
        let mut all = data(1.0);
        for one in &mut all {
            let (times, values) = (&one.floats.times, &one.floats.values);
            let kept = times.iter().copied().zip(values.iter().copied());
            let kept = kept.filter(|(time, _)| *time < from || *time > to);
            (one.floats.times, one.floats.values) = kept.unzip();
        }
        all
    };
    let (a, b) = (
        Server::prometheus(without(NOW - 200_000, NOW - 100_000)).await,
        Server::prometheus(without(NOW - 90_000, NOW - 40_000)).await,
    );
    let federation = federation(endpoints(&[
        (
            &a,
            "partition: {cluster: eu}, replica: a, pushdown: selector",
        ),
        (
            &b,
            "partition: {cluster: eu}, replica: b, pushdown: selector",
        ),
    ]));
    let steps = Steps::instant(NOW);
    for query in ["count_over_time(x[5m])", "sum by (job) (rate(x[5m]))"] {
        let reply = now(&federation, query).await;
        let found = shown(&reply.answer.output.value);
        assert_eq!(found, expected(query, steps, &[("eu", 1.0)]), "{query}");
        assert_eq!(reply.warnings(), Vec::<String>::new());
        let used: Vec<(&str, usize)> = reply
            .explain
            .requests
            .iter()
            .map(|request| (&*request.replica, request.filled))
            .collect();
        // Ten samples of two series.
        assert_eq!(used, [("a", 0), ("b", 20)], "{query}");
    }
    // Where there is no gap, the other one is not asked.
    let before = b.asked().len();
    now(&federation, "count_over_time(x[1m])").await;
    assert_eq!(b.asked().len(), before);
    // What a replica computes itself is never mixed.
    assert_eq!(now(&federation, "x").await.explain.requests.len(), 1);
}
