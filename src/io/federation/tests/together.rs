//! Queries of several rules that are asked together.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use tokio::sync::{Semaphore, mpsc};

use super::{
    LONG, NOW, Query, data, endpoints, expected, federation,
    server::{Asked, OPTIONS, Reply, Server, build_info, evaluate, response},
    shown,
};
use crate::{
    io::federation::{Federation, QueryError, Reply as Answered},
    promql::{
        ast::Expr,
        engine::Steps,
        parse::{Features, parse},
    },
};

const BOTH: [(&str, f64); 2] = [("eu", 1.0), ("us", 2.0)];

fn exprs(queries: &[&str]) -> Vec<Arc<Expr>> {
    let parsed = queries.iter().map(|query| parse(query, Features::all()));
    parsed.map(|expr| Arc::new(expr.unwrap())).collect()
}

/// Evaluates all of them; the answers, and the numbers of those that were asked by themselves.
async fn answers(
    federation: &Federation,
    queries: &[&str],
) -> (BTreeMap<usize, Result<Answered, QueryError>>, Vec<usize>) {
    let exprs = exprs(queries);
    let together = federation.together(&exprs, NOW, OPTIONS, LONG, &[]).await;
    let alone = together.alone().to_vec();
    let mut found = BTreeMap::new();
    together
        .ask(federation, |results| found.extend(results))
        .await;
    for number in &alone {
        let steps = Steps::instant(NOW);
        let asked = federation.query_beside(
            Query::new(&exprs[*number], steps, OPTIONS, LONG),
            Vec::new(),
            &[],
        );
        assert!(found.insert(*number, asked.await).is_none());
    }
    (found, alone)
}

/// The same where all are answered whole: their values.
async fn round(federation: &Federation, queries: &[&str]) -> (Vec<Vec<String>>, Vec<usize>) {
    let (found, alone) = answers(federation, queries).await;
    let values = found.into_values().map(|reply| {
        let reply = reply.unwrap();
        assert_eq!(reply.warnings(), Vec::<String>::new());
        shown(&reply.answer.output.value)
    });
    (values.collect(), alone)
}

fn wanted(queries: &[&str]) -> Vec<Vec<String>> {
    let wanted = queries.iter();
    let wanted = wanted.map(|query| expected(query, Steps::instant(NOW), &BOTH));
    wanted.collect()
}

#[tokio::test]
async fn what_several_rules_ask_is_one_request() {
    let (eu, us) = (
        Server::prometheus(data(1.0)).await,
        Server::prometheus(data(2.0)).await,
    );
    let federation = federation(endpoints(&[
        (&eu, "partition: {cluster: eu}"),
        (&us, "partition: {cluster: us}"),
    ]));
    // Two ask the same, one has two questions, one has none, and one wants samples.
    let queries = [
        "sum by (job) (x) > 0",
        "x{job=\"a\"} > 1",
        "sum by (job) (x) > 0",
        "max(x) / max(up + 1)",
        "vector(1)",
        "quantile(0.5, x)",
    ];
    for (number, requests, by_themselves) in [
        (1, 6, vec![0, 1, 2, 3, 4, 5]),
        // The answers to what two of them ask were light twice.
        (2, 1 + 4, vec![1, 3, 4, 5]),
        (3, 1, vec![4]),
        (4, 1, vec![4]),
    ] {
        let before = (
            eu.asked_of("/api/v1/query").len(),
            us.asked_of("/api/v1/query").len(),
        );
        let (found, alone) = round(&federation, &queries).await;
        assert_eq!(found, wanted(&queries), "{number}");
        assert_eq!(alone, by_themselves, "{number}");
        for (server, before) in [(&eu, before.0), (&us, before.1)] {
            let asked = server.asked_of("/api/v1/query").len() - before;
            assert_eq!(asked, requests, "{number}");
        }
    }
}

/// A Prometheus 2 whose windows of 4m55s have a sample on their start: what it makes of rates over them is wrong here.
async fn prometheus_2(cluster: f64, refuses: &'static str) -> Server {
    Server::start(Arc::new(move |asked| {
        if asked.path == "/api/v1/status/buildinfo" {
            return Reply::Json(build_info("2.53.0"));
        }
        if asked.path == "/api/v1/status/flags" {
            let none = r#"{"status":"success","data":{"enable-feature":""}}"#;
            return Reply::Json(none.to_owned());
        }
        let mut asked = asked.clone();
        if let Some(query) = asked.form.get_mut("query") {
            if query.contains(refuses) {
                let body = br#"{"status":"error","errorType":"timeout","error":"too slow"}"#;
                let status = "503 Service Unavailable";
                return Reply::Raw(response(status, "application/json", body));
            }
            *query = query.replace("rate(x[4m55s])", "(1000 * rate(x[4m56s]))");
        }
        evaluate(&asked, &data(cluster))
    }))
    .await
}

#[tokio::test]
async fn rates_over_few_samples_of_a_prometheus_2_are_asked_together_with_what_tells_whether_they_are_right()
 {
    let (eu, us) = (
        prometheus_2(1.0, "nothing").await,
        prometheus_2(2.0, "nothing").await,
    );
    let federation = federation(endpoints(&[
        (&eu, "partition: {cluster: eu}"),
        (&us, "partition: {cluster: us}"),
    ]));
    let queries = [
        "rate(x[5m]) > 0",
        "sum(rate(x[5m] offset 10s))",
        "max(x)",
        "sum(rate(x[4m55s]))",
    ];
    for (number, requests, by_themselves) in [
        (1, 4, vec![0, 1, 2, 3]),
        // The first two need the same window.
        (2, 1 + 2, vec![2, 3]),
        // The last one is asked for its samples afterwards, and so in the next rounds.
        (3, 1 + 1, vec![]),
        (4, 1 + 1, vec![3]),
        (5, 1 + 1, vec![3]),
    ] {
        let before = eu.asked_of("/api/v1/query").len();
        let (found, alone) = round(&federation, &queries).await;
        assert_eq!(found, wanted(&queries), "{number}");
        assert_eq!(alone, by_themselves, "{number}");
        let asked = eu.asked_of("/api/v1/query");
        assert_eq!(asked.len() - before, requests, "{number}: {asked:#?}");
    }
    let asked = eu.asked_of("/api/v1/query");
    let count = |text: &str| {
        let counts = asked
            .iter()
            .map(|one| one.form["query"].matches(text).count());
        counts.max()
    };
    assert_eq!(count("rate(x"), Some(3));
    assert_eq!(count("max(timestamp(x"), Some(3));
}

#[tokio::test]
async fn what_does_not_tell_whether_a_rate_is_right_leaves_the_samples() {
    let (eu, us) = (
        prometheus_2(1.0, "timestamp").await,
        prometheus_2(2.0, "nothing").await,
    );
    let federation = federation(endpoints(&[
        (&eu, "partition: {cluster: eu}"),
        (&us, "partition: {cluster: us}"),
    ]));
    let queries = ["rate(x[5m]) > 0", "sum(rate(x[5m]))"];
    for number in 0..5 {
        let (found, _) = round(&federation, &queries).await;
        assert_eq!(found, wanted(&queries), "{number}");
    }
    let refused = |asked: &&Asked| asked.form["query"].contains("timestamp");
    let asked = eu.asked_of("/api/v1/query");
    assert!(asked.iter().filter(refused).count() > 0);
}

#[tokio::test]
async fn of_a_pair_whose_gaps_are_filled_from_each_other_windows_are_fetched() {
    let (one, other) = (
        prometheus_2(1.0, "nothing").await,
        prometheus_2(1.0, "nothing").await,
    );
    let us = prometheus_2(2.0, "nothing").await;
    let federation = federation(endpoints(&[
        (&one, "partition: {cluster: eu}, replica: a"),
        (&other, "partition: {cluster: eu}, replica: b"),
        (&us, "partition: {cluster: us}"),
    ]));
    let queries = ["rate(x[5m]) > 0", "sum(rate(x[5m]))"];
    for number in 0..5 {
        let (found, alone) = round(&federation, &queries).await;
        assert_eq!((found, alone), (wanted(&queries), vec![0, 1]), "{number}");
    }
    for server in [&one, &other, &us] {
        let asked = server.asked();
        let asked = asked.iter().map(|one| &*one.form["query"]);
        assert!(asked.into_iter().all(|query| !query.contains("(x")));
    }
}

#[tokio::test]
async fn who_does_not_answer_keeps_those_waiting_that_ask_it() {
    let (hangs, permits) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(Semaphore::new(0)),
    );
    let (flag, waiting) = (Arc::clone(&hangs), Arc::clone(&permits));
    let eu = Server::prometheus(data(1.0)).await;
    let us = Server::start(Arc::new(move |asked| {
        let (flag, waiting) = (flag.load(SeqCst), Arc::clone(&waiting));
        evaluate(asked, &data(2.0)).map(|body| match flag {
            true => Reply::Later(waiting, body),
            false => Reply::Json(body),
        })
    }))
    .await;
    let federation = Arc::new(federation(endpoints(&[
        (&eu, "partition: {cluster: eu}"),
        (&us, "partition: {cluster: us}"),
    ])));
    let queries = ["sum(x{cluster=\"eu\"})", "max(x)", "max(x{cluster=\"eu\"})"];
    for _ in 0..3 {
        assert_eq!(round(&federation, &queries).await.0, wanted(&queries));
    }
    hangs.store(true, SeqCst);
    let (tell, mut told) = mpsc::unbounded_channel();
    let asking = Arc::clone(&federation);
    let asked = tokio::spawn(async move {
        let exprs = exprs(&queries);
        let together = asking.together(&exprs, NOW, OPTIONS, LONG, &[]).await;
        assert_eq!(together.alone(), [0; 0]);
        let tell = |results: Vec<(usize, _)>| {
            tell.send(
                results
                    .iter()
                    .map(|(number, _)| *number)
                    .collect::<Vec<_>>(),
            )
            .unwrap();
        };
        together.ask(&asking, tell).await;
    });
    // Both at once, so that what follows of them can be asked together as well.
    assert_eq!(told.recv().await, Some(vec![0, 2]));
    permits.add_permits(1);
    assert_eq!(told.recv().await, Some(vec![1]));
    assert_eq!(told.recv().await, None);
    asked.await.unwrap();
}

#[tokio::test]
async fn one_that_is_refused_does_not_take_others_with_it() {
    let broken = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&broken);
    let server = Server::start(Arc::new(move |asked| {
        let query = asked.form.get("query");
        let refused = query.is_some_and(|query| query.contains("max"));
        if refused && flag.load(SeqCst) {
            let body = br#"{"status":"error","errorType":"bad_data","error":"no"}"#;
            let status = "400 Bad Request";
            return Reply::Raw(response(status, "application/json", body));
        }
        evaluate(asked, &data(1.0))
    }))
    .await;
    let config = endpoints(&[(&server, "partition: {cluster: eu}")]);
    let federation = federation(config);
    for number in 0..4 {
        broken.store(number > 2, SeqCst);
        let (found, alone) = answers(&federation, &["sum(x)", "max(x)"]).await;
        assert_eq!(alone.len(), if number > 1 { 0 } else { 2 });
        let sum = found[&0].as_ref().unwrap();
        let expect = expected("sum(x)", Steps::instant(NOW), &[("eu", 1.0)]);
        assert_eq!(shown(&sum.answer.output.value), expect);
        // It is asked for series instead.
        let max = found[&1].as_ref().unwrap();
        let expect = expected("max(x)", Steps::instant(NOW), &[("eu", 1.0)]);
        assert_eq!(shown(&max.answer.output.value), expect);
        assert_eq!(max.explain.again.is_some(), number > 2);
        assert_eq!(sum.explain.again, None);
    }
}

#[tokio::test]
async fn one_that_cannot_be_answered_does_not_take_others_with_it() {
    let broken = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&broken);
    let server = Server::start(Arc::new(move |asked| {
        let query = asked.form.get("query");
        let heavy = query.is_some_and(|query| query.contains("max"));
        if heavy && flag.load(SeqCst) {
            let body = br#"{"status":"error","errorType":"timeout","error":"too slow"}"#;
            let status = "503 Service Unavailable";
            return Reply::Raw(response(status, "application/json", body));
        }
        evaluate(asked, &data(1.0))
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "partition: {cluster: eu}")]));
    let queries = ["sum(x)", "max(x)"];
    for _ in 0..3 {
        round(&federation, &queries).await;
    }
    broken.store(true, SeqCst);
    for _ in 0..3 {
        let (found, _) = answers(&federation, &queries).await;
        let sum = found[&0].as_ref().unwrap();
        let expect = expected("sum(x)", Steps::instant(NOW), &[("eu", 1.0)]);
        assert_eq!(shown(&sum.answer.output.value), expect);
        assert!(sum.warnings().is_empty(), "{:?}", sum.warnings());
        let max = found[&1].as_ref().unwrap();
        assert!(!max.warnings().is_empty(), "it is missing, and said to be");
    }
}
