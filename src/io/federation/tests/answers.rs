//! What comes of answers that are as they should be.

use std::{sync::Arc, time::Duration};

use tokio::sync::Semaphore;

use super::{
    LONG, NOW, at, config, data, endpoints, expected, federation, now,
    server::{Reply, Server, build_info, evaluate},
    shown,
};
use crate::{io::federation::QueryError, promql::engine::Steps};

const CLUSTERS: [(&str, f64); 3] = [("eu", 1.0), ("us", 2.0), ("ap", 5.0)];

async fn three() -> [Server; 3] {
    [
        Server::prometheus(data(1.0)).await,
        Server::prometheus(data(2.0)).await,
        Server::prometheus(data(5.0)).await,
    ]
}

#[tokio::test]
async fn three_partitions_answer_as_one_prometheus() {
    let servers = three().await;
    let federation = federation(endpoints(&[
        (&servers[0], "partition: {cluster: eu}"),
        (&servers[1], "partition: {cluster: us}"),
        (&servers[2], "partition: {cluster: ap}"),
    ]));
    let range = Steps {
        start: NOW - 100_000,
        end: NOW,
        step: 20_000,
    };
    for query in [
        "x",
        "x{cluster=\"us\"}",
        "x{cluster=~\"us|ap\", job!=\"a\"}",
        "sum(x)",
        "sum by (job) (rate(x[5m]))",
        "sum by (cluster) (x)",
        "count(x) by (job)",
        "avg(x)",
        "topk(2, x)",
        "max_over_time(sum by (job) (x)[2m:30s])",
        "quantile(0.5, rate(x[2m]))",
        "x / on (job) group_left sum by (job) (x)",
        "absent(x{job=\"c\"})",
        "x offset 1m > 20",
        "scalar(sum(x)) + 1",
        "vector(1)",
        "1 + 2",
    ] {
        for steps in [Steps::instant(NOW), range] {
            let reply = at(&federation, query, steps, LONG).await;
            let reply = reply.unwrap_or_else(|error| panic!("{query}: {error}"));
            let found = shown(&reply.answer.output.value);
            assert_eq!(found, expected(query, steps, &CLUSTERS), "{query}");
            assert_eq!(reply.warnings(), Vec::<String>::new(), "{query}");
        }
    }
}

#[tokio::test]
async fn aggregates_travel_as_aggregates_and_others_are_not_asked() {
    let servers = three().await;
    let federation = federation(endpoints(&[
        (&servers[0], "partition: {cluster: eu}"),
        (&servers[1], "partition: {cluster: us}"),
        (&servers[2], "partition: {cluster: ap}"),
    ]));
    let reply = now(&federation, "sum(rate(x{cluster!=\"ap\"}[5m]))").await;
    let requests = &reply.explain.requests;
    assert_eq!(requests.len(), 2, "{:?}", reply.explain);
    assert!(servers[2].asked().is_empty());
    for request in requests {
        assert!(request.query.starts_with("sum"), "{}", request.query);
        assert_eq!((request.series, request.samples), (1, 1));
        assert!(request.bytes > 50 && request.error.is_none() && request.took > Duration::ZERO);
    }
    assert!(
        reply.explain.local().contains("<fragment 0>"),
        "{}",
        reply.explain.local()
    );
    let asked = servers[0].asked().remove(0);
    assert_eq!((&*asked.method, &*asked.path), ("GET", "/api/v1/query"));
    assert_eq!(asked.form["time"], "600");
    assert_eq!(asked.form["lookback_delta"], "300");
    assert!(
        asked.head.contains("user-agent: watchfire/"),
        "{}",
        asked.head
    );
}

#[tokio::test]
async fn equal_questions_are_asked_once() {
    let server = Server::prometheus(data(1.0)).await;
    let other = Server::prometheus(data(2.0)).await;
    let federation = federation(endpoints(&[
        (&server, "partition: {cluster: eu}"),
        (&other, "partition: {cluster: us}"),
    ]));
    let query = "sum(x) / (sum(x) + 1)";
    let reply = now(&federation, query).await;
    let found = shown(&reply.answer.output.value);
    assert_eq!(found, expected(query, Steps::instant(NOW), &CLUSTERS[..2]));
    assert_eq!(server.asked().len(), 1);
    assert_eq!(server.seen(|seen| seen.open), 1, "the connection is kept");
}

#[tokio::test]
async fn no_endpoint_gets_more_at_once_than_it_may() {
    let permits = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&permits);
    let server = Server::start(Arc::new(move |asked| {
        evaluate(asked, &data(1.0)).map(|body| match &*asked.path {
            "/api/v1/query" => Reply::Later(Arc::clone(&waiting), body),
            _ => Reply::Json(body),
        })
    }))
    .await;
    let other = Server::prometheus(data(2.0)).await;
    let federation = federation(endpoints(&[
        (&server, "partition: {cluster: eu}, max_concurrency: 2"),
        (&other, "partition: {cluster: us}"),
    ]));
    let query = "sum(x) + max(x) + min(x) + count(x) + group(x)";
    let asked = at(&federation, query, Steps::instant(NOW), LONG);
    let released = async {
        server.until(|seen| seen.queries().count() >= 2).await;
        permits.add_permits(100);
    };
    let (reply, ()) = tokio::join!(asked, released);
    let found = shown(&reply.unwrap().answer.output.value);
    assert_eq!(found, expected(query, Steps::instant(NOW), &CLUSTERS[..2]));
    assert_eq!(server.asked().len(), 5);
    assert_eq!(server.seen(|seen| seen.most), 2);
}

#[tokio::test]
async fn long_questions_are_forms_and_answers_may_be_compressed() {
    let server = Server::start(Arc::new(|asked| {
        assert!(
            asked.head.contains("accept-encoding: gzip"),
            "{}",
            asked.head
        );
        evaluate(asked, &data(1.0)).map(|body| {
            use std::io::Write as _;

            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(body.as_bytes()).unwrap();
            let body = gzip.finish().unwrap();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            Reply::Raw([head.as_bytes(), &body].concat())
        })
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "gzip: true")]));
    let long = "a|".repeat(600);
    let reply = now(&federation, &format!("sum(x{{job=~\"{long}b\"}})")).await;
    assert_eq!(shown(&reply.answer.output.value), ["{} 600000 236"]);
    let asked = server.asked().remove(0);
    assert_eq!((&*asked.method, &*asked.path), ("POST", "/api/v1/query"));
    assert!(asked.form["query"].contains(&long));
}

#[tokio::test]
async fn a_replica_takes_over_and_is_asked_first_from_then_on() {
    let first = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("3.1.0")),
        _ => Reply::Reset,
    }))
    .await;
    let second = Server::prometheus(data(1.0)).await;
    let federation = federation(endpoints(&[
        (&first, "partition: {cluster: eu}, replica: a"),
        (&second, "partition: {cluster: eu}, replica: b"),
    ]));
    for round in 1..=3 {
        let reply = now(&federation, "sum(x)").await;
        assert_eq!(shown(&reply.answer.output.value), ["{} 600000 236"]);
        assert_eq!(reply.warnings(), Vec::<String>::new());
        let asked: Vec<(&str, bool)> = reply
            .explain
            .requests
            .iter()
            .map(|request| (&*request.replica, request.error.is_none()))
            .collect();
        let expect: &[(&str, bool)] = match round {
            1 => &[("a", false), ("b", true)],
            _ => &[("b", true)],
        };
        assert_eq!(asked, expect);
    }
}

#[tokio::test]
async fn a_replica_of_another_language_takes_over_in_the_middle() {
    let old = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("2.42.0")),
        "/api/v1/status/flags" => Reply::Json("{}".to_owned()),
        _ => evaluate(asked, &data(1.0)),
    }))
    .await;
    let new = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("3.1.0")),
        _ => Reply::Reset,
    }))
    .await;
    let federation = federation(endpoints(&[
        (&new, "partition: {cluster: eu}, replica: a"),
        (&old, "partition: {cluster: eu}, replica: b"),
    ]));
    let reply = now(&federation, "sum(x)").await;
    assert_eq!(reply.warnings(), Vec::<String>::new());
    assert_eq!(shown(&reply.answer.output.value), ["{} 600000 236"]);
    let asked = old.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].form["lookback_delta"], "299.999");
}

#[tokio::test]
async fn a_reload_does_not_touch_what_runs() {
    let permits = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&permits);
    let server = Server::start(Arc::new(move |asked| {
        evaluate(asked, &data(1.0)).map(|body| match &*asked.path {
            "/api/v1/query" => Reply::Later(Arc::clone(&waiting), body),
            _ => Reply::Json(body),
        })
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "")]));
    let reloaded = async {
        server.until(|seen| seen.queries().count() > 0).await;
        federation.reload(config(""));
        permits.add_permits(10);
    };
    let (reply, ()) = tokio::join!(now(&federation, "sum(x)"), reloaded);
    assert_eq!(shown(&reply.answer.output.value), ["{} 600000 236"]);
    assert_eq!(reply.warnings(), Vec::<String>::new());
    let reply = now(&federation, "sum(x)").await;
    assert_eq!(shown(&reply.answer.output.value), Vec::<String>::new());

    federation.reload(endpoints(&[(&server, "")]));
    let reply = now(&federation, "sum(x)").await;
    assert_eq!(shown(&reply.answer.output.value), ["{} 600000 236"]);
}

#[tokio::test]
async fn the_windows_of_older_servers_are_cut() {
    let server = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("2.42.0+ds")),
        _ => Reply::Json(
            r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"job":"a"},
               "values":[[595,"3"],[600,"4"]]}]}}"#
                .to_owned(),
        ),
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "pushdown: selector")]));
    let reply = now(&federation, "count_over_time(x[10s])").await;
    assert_eq!(shown(&reply.answer.output.value), ["{job=\"a\"} 600000 2"]);
    assert_eq!(server.asked()[0].form["query"], "{__name__=\"x\"}[9s999ms]");
}

#[tokio::test]
async fn many_times_are_asked_for_in_several_requests() {
    let server = Server::prometheus(data(1.0)).await;
    let federation = federation(endpoints(&[(&server, "partition: {cluster: eu}")]));
    let steps = Steps {
        start: 0,
        end: NOW,
        step: 25,
    };
    let query = "sum by (job) (x)";
    let reply = at(&federation, query, steps, LONG).await.unwrap();
    let found = shown(&reply.answer.output.value);
    assert_eq!(found, expected(query, steps, &CLUSTERS[..1]));
    let asked: Vec<(String, String)> = server
        .asked()
        .iter()
        .map(|one| (one.form["start"].clone(), one.form["end"].clone()))
        .collect();
    let expect = [("0", "274.975"), ("275", "549.975"), ("550", "600")];
    let expect = expect.map(|(start, end)| (start.to_owned(), end.to_owned()));
    assert_eq!(asked, expect);
    assert_eq!(reply.explain.requests.len(), 1);
}

#[tokio::test]
async fn histograms_are_refused_aloud() {
    let server = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("3.1.0")),
        _ => Reply::Json(
            r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},
               "histogram":[600,{"count":"1","sum":"1"}]}]}}"#
                .to_owned(),
        ),
    }))
    .await;
    let federation = federation(endpoints(&[(
        &server,
        "partition: {cluster: eu}, remote_read: never",
    )]));
    let error = at(&federation, "x", Steps::instant(NOW), LONG)
        .await
        .unwrap_err();
    assert!(matches!(error, QueryError::Histograms { .. }), "{error}");
    assert!(error.to_string().contains("cluster=\"eu\""), "{error}");
}
