//! What is counted of queries and endpoints, and what the status tells of them.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;

use super::{
    LONG, NOW, at, data, endpoints, federation, now,
    server::{Reply, Server, evaluate},
};
use crate::{
    config::{LimitsConfig, QueryConfig},
    io::federation::QueryKind,
    promql::engine::Steps,
};

/// How many queries of a kind there were.
fn queries(federation: &super::Federation, kind: QueryKind) -> u64 {
    let status = federation.status();
    let counts = status.queries.durations();
    let mut counts = counts.filter(|(known, _)| *known == kind);
    counts.next().map_or(0, |(_, histogram)| histogram.count())
}

fn errors(federation: &super::Federation, reason: &str) -> u64 {
    let status = federation.status();
    let errors: std::collections::BTreeMap<_, _> = status.queries.errors().collect();
    errors[reason]
}

#[tokio::test]
async fn queries_requests_and_failures_are_counted() {
    let well = Server::prometheus(data(1.0)).await;
    let broken = Server::start(Arc::new(|_| Reply::Reset)).await;
    let federation = federation(endpoints(&[
        (&well, "kind: prometheus, partition: {cluster: eu}"),
        (&broken, "kind: prometheus, partition: {cluster: us}"),
    ]));
    let ups = |federation: &super::Federation| -> Vec<_> {
        let status = federation.status();
        status.partitions.iter().map(|one| one.up).collect()
    };
    assert_eq!(ups(&federation), [None, None]);
    now(&federation, "sum(x)").await;
    assert_eq!(ups(&federation), [Some(true), Some(false)]);

    let status = federation.status();
    let [well, broken] = [0, 1].map(|at: usize| status.partitions[at].endpoints[0].clone());
    assert_eq!((well.kind, &*well.version), ("prometheus", "3.14.0"));
    assert!(well.last_answer.is_some() && well.last_error.is_none() && well.preferred);
    assert_eq!(well.requests.durations.count(), 1);
    assert!(well.requests.bytes() > 50 && well.requests.failures() == 0);
    assert!(broken.last_answer.is_none() && broken.last_error.is_some());
    assert_eq!(
        (broken.requests.bytes(), broken.requests.failures()),
        (0, 1)
    );
    assert_eq!((status.queries.partial(), status.queries.samples()), (1, 1));
    assert_eq!(queries(&federation, QueryKind::Instant), 1);

    let range = Steps {
        start: NOW - 60_000,
        end: NOW,
        step: 60_000,
    };
    at(&federation, "x{cluster=\"eu\"}", range, LONG)
        .await
        .unwrap();
    assert_eq!(queries(&federation, QueryKind::Range), 1);
    assert_eq!(federation.status().queries.samples(), 5);

    let many = "x + on () group_left x{cluster=\"eu\"}";
    at(&federation, many, Steps::instant(NOW), LONG)
        .await
        .unwrap_err();
    assert_eq!(errors(&federation, "evaluation"), 1);
}

#[tokio::test]
async fn an_endpoint_that_nobody_asks_is_probed_and_found_again() {
    let gate = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let opened = Arc::clone(&gate);
    let series = data(1.0);
    let server = Server::start(Arc::new(move |asked| {
        if opened.load(std::sync::atomic::Ordering::SeqCst) {
            evaluate(asked, &series)
        } else {
            Reply::Reset
        }
    }))
    .await;
    let federation = federation(endpoints(&[(
        &server,
        "kind: prometheus, partition: {cluster: eu}",
    )]));
    federation.probe_idle(LONG).await;
    let up = || federation.status().partitions[0].up;
    assert_eq!(up(), Some(false));
    // It was asked just now, so that it is left alone.
    let before = server.asked().len();
    federation.probe_idle(LONG).await;
    assert_eq!(server.asked().len(), before);

    gate.store(true, std::sync::atomic::Ordering::SeqCst);
    federation.probe_idle(Duration::ZERO).await;
    assert_eq!(up(), Some(true));
}

#[tokio::test]
async fn how_long_a_query_waited_for_its_turn_is_told() {
    let permits = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&permits);
    let series = data(1.0);
    let server = Server::start(Arc::new(move |asked| {
        evaluate(asked, &series).map(|body| match &*asked.path {
            "/api/v1/query" => Reply::Later(Arc::clone(&waiting), body),
            _ => Reply::Json(body),
        })
    }))
    .await;
    let limits = LimitsConfig {
        max_concurrent_queries: 1,
        ..LimitsConfig::default()
    };
    let federation = federation(QueryConfig {
        limits,
        ..endpoints(&[(&server, "")])
    });
    let pause = Duration::from_millis(50);
    let first = async {
        let reply = now(&federation, "sum(x)").await;
        reply.explain.queued
    };
    let second = async {
        server.until(|seen| seen.queries().count() > 0).await;
        let reply = now(&federation, "sum(x) + 1").await;
        reply.explain.queued
    };
    let gate = async {
        let since = Instant::now();
        while federation.status().load.waiting == 0 {
            assert!(since.elapsed() < LONG, "no query waits for its turn");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(pause).await;
        permits.add_permits(10);
    };
    let (first, second, ()) = tokio::join!(first, second, gate);
    assert!(second >= pause && first < second, "{first:?} {second:?}");
}
