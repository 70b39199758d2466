//! What comes of endpoints that do not answer as they should: never a wrong number without a warning.

use std::{sync::Arc, time::Duration};

use super::{
    NOW, at, data, endpoints, expected, federation, now,
    server::{Asked, Reply, Server, build_info, evaluate, refuse, response},
    shown,
};
use crate::promql::engine::Steps;

const SHORT: Duration = Duration::from_millis(700);

/// The answer of a sound server, changed.
fn with(asked: &Asked, change: impl Fn(&str) -> Reply) -> Reply {
    evaluate(asked, &data(5.0)).map(|body| change(&body))
}

type Fault = (&'static str, fn(&Asked) -> Reply, &'static str);

fn faults() -> Vec<Fault> {
    vec![
        ("hangs", |_| Reply::Hang, "it does not answer in time"),
        ("resets", |_| Reply::Reset, "e2: "),
        ("closes", |_| Reply::Raw(Vec::new()), "e2: "),
        (
            "200 with nothing",
            |_| Reply::Raw(response("200 OK", "application/json", b"")),
            "its answer is empty",
        ),
        (
            "200 without data",
            |_| Reply::Json(r#"{"status":"success"}"#.to_owned()),
            "its answer has no data",
        ),
        (
            "500",
            |_| {
                Reply::Raw(response(
                    "500 Internal Server Error",
                    "text/plain",
                    b"oh no",
                ))
            },
            "it answers 500: \"oh no\"",
        ),
        (
            "503 of the API",
            |_| {
                let body = br#"{"status":"error","errorType":"timeout","error":"too slow"}"#;
                Reply::Raw(response(
                    "503 Service Unavailable",
                    "application/json",
                    body,
                ))
            },
            "it refuses: timeout: too slow",
        ),
        (
            "error with 200",
            |_| {
                Reply::Json(
                    r#"{"status":"error","errorType":"internal","error":"broken"}"#.to_owned(),
                )
            },
            "it refuses: internal: broken",
        ),
        (
            "garbage",
            |_| Reply::Json("\u{1}\u{2}garbage".to_owned()),
            "its answer cannot be read",
        ),
        (
            "a login page",
            |_| Reply::Raw(response("200 OK", "text/html", b"<html>log in</html>")),
            "its answer is \"text/html\" and not JSON",
        ),
        (
            "half a body",
            |asked| {
                with(asked, |body| {
                    let whole = response("200 OK", "application/json", body.as_bytes());
                    Reply::Raw(whole[..whole.len() - 20].to_vec())
                })
            },
            "its answer ends early",
        ),
        (
            "half a body that looks whole",
            |asked| {
                with(asked, |body| {
                    Reply::Json(body[..body.len() - 20].to_owned())
                })
            },
            "its answer ends early",
        ),
        (
            "a body and a half",
            |asked| with(asked, |body| Reply::Json(format!("{body}{}", &body[..20]))),
            "its answer cannot be read",
        ),
        (
            "an old time",
            |asked| with(asked, |body| Reply::Json(body.replace("[600,", "[570,"))),
            "its answer is about 570, which was not asked",
        ),
        (
            "partial",
            |asked| {
                with(asked, |body| {
                    Reply::Json(body.replacen('{', r#"{"isPartial":true,"#, 1))
                })
            },
            "its answer is partial",
        ),
        (
            "a warning",
            |asked| {
                with(asked, |body| {
                    Reply::Json(body.replacen('{', r#"{"warnings":["store a is away"],"#, 1))
                })
            },
            "its answer is partial: store a is away",
        ),
        (
            "broken gzip",
            |_| {
                let head = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n";
                Reply::Raw([head.as_bytes(), b"\x1f\x8b\x08\x00"].concat())
            },
            "its answer",
        ),
        (
            "another encoding",
            |_| {
                let head = "HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 4\r\n\r\n";
                Reply::Raw([head.as_bytes(), b"abcd"].concat())
            },
            "unknown Content-Encoding \"br\"",
        ),
        (
            "a matrix",
            |_| {
                Reply::Json(
                    r#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#.to_owned(),
                )
            },
            "it answers a \"matrix\" to a question for a vector",
        ),
    ]
}

#[tokio::test]
async fn a_partition_that_does_not_answer_is_missing_and_the_result_says_so() {
    let (eu, us) = (
        Server::prometheus(data(1.0)).await,
        Server::prometheus(data(2.0)).await,
    );
    for (name, fault, reason) in faults() {
        let ap = Server::start(Arc::new(move |asked| match &*asked.path {
            "/api/v1/status/buildinfo" => Reply::Json(build_info("3.1.0")),
            _ => fault(asked),
        }))
        .await;
        let federation = federation(endpoints(&[
            (&eu, "partition: {cluster: eu}"),
            (&us, "partition: {cluster: us}"),
            (&ap, "partition: {cluster: ap}"),
        ]));
        let steps = Steps::instant(NOW);
        for query in ["sum(x)", "x", "sum by (cluster) (rate(x[5m]))"] {
            let reply = at(&federation, query, steps, SHORT).await;
            let reply = reply.unwrap_or_else(|error| panic!("{name}, {query}: {error}"));
            let found = shown(&reply.answer.output.value);
            assert_eq!(
                found,
                expected(query, steps, &[("eu", 1.0), ("us", 2.0)]),
                "{name}"
            );
            let warnings = reply.warnings();
            assert_eq!(warnings.len(), 1, "{name}: {warnings:?}");
            let start = "partition {cluster=\"ap\"} is missing: e2: ";
            assert!(warnings[0].starts_with(start), "{name}: {warnings:?}");
            assert!(warnings[0].contains(reason), "{name}: {warnings:?}");
            let failed = reply
                .explain
                .requests
                .iter()
                .filter(|one| one.error.is_some());
            assert_eq!(failed.count(), 1, "{name}");
        }
    }
}

#[tokio::test]
async fn times_off_the_grid_are_no_answer() {
    let server = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/query_range" => with(asked, |body| Reply::Json(body.replace("[580,", "[581,"))),
        _ => evaluate(asked, &data(5.0)),
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "partition: {cluster: ap}")]));
    let steps = Steps {
        start: NOW - 100_000,
        end: NOW,
        step: 20_000,
    };
    let reply = at(&federation, "sum(x)", steps, SHORT).await.unwrap();
    assert_eq!(shown(&reply.answer.output.value), Vec::<String>::new());
    assert!(
        reply.warnings()[0].contains("its answer is about 581"),
        "{:?}",
        reply.warnings()
    );
}

#[tokio::test]
async fn parts_of_a_query_are_about_the_same_part_of_the_world() {
    let eu = Server::prometheus(data(1.0)).await;
    let us = Server::start(Arc::new(|asked| match asked.form.get("query") {
        Some(query) if query.contains("count") => Reply::Reset,
        Some(_) | None => evaluate(asked, &data(2.0)),
    }))
    .await;
    let federation = federation(endpoints(&[
        (&eu, "partition: {cluster: eu}"),
        (&us, "partition: {cluster: us}"),
    ]));
    let reply = now(&federation, "sum(x) / count(x)").await;
    // The sum of one cluster and not of two by the count of one.
    assert_eq!(shown(&reply.answer.output.value), ["{} 600000 118"]);
    assert_eq!(reply.answer.missing.len(), 1);
}

#[tokio::test]
async fn an_endpoint_without_its_sentinel_has_no_data() {
    let empty = Server::prometheus(Vec::new()).await;
    let full = Server::start(Arc::new(|asked| match asked.form.get("query").map(String::as_str) {
        Some("up") => Reply::Json(format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"value":[{},"1"]}}]}}}}"#,
            asked.form["time"]
        )),
        Some(_) | None => evaluate(asked, &data(1.0)),
    }))
    .await;
    let federation = federation(endpoints(&[
        (&full, "partition: {cluster: eu}, sentinel: up"),
        (&empty, "partition: {cluster: us}, sentinel: up"),
    ]));
    for _ in 0..2 {
        let reply = now(&federation, "sum(x)").await;
        assert_eq!(shown(&reply.answer.output.value), ["{} 600000 236"]);
        let warnings = reply.warnings();
        assert!(
            warnings[0].contains("its sentinel has no result"),
            "{warnings:?}"
        );
    }
    let sentinels = full
        .asked()
        .into_iter()
        .filter(|one| one.form["query"] == "up");
    assert_eq!(
        sentinels.count(),
        1,
        "one that is there is believed for a while"
    );
}

#[tokio::test]
async fn times_that_an_endpoint_does_not_hold_are_not_asked_of_it() {
    let server = Server::prometheus(data(1.0)).await;
    let federation = federation(endpoints(&[(&server, "time_range: {max_age: 15d}")]));
    let reply = now(&federation, "sum(x)").await;
    let warnings = reply.warnings();
    assert!(
        warnings[0].contains("the query needs samples since 300"),
        "{warnings:?}"
    );
    assert!(server.asked().is_empty());
}

#[tokio::test]
async fn an_endpoint_that_does_not_tell_what_it_is_is_missing() {
    let server = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Raw(response("404 Not Found", "text/plain", b"")),
        _ => evaluate(asked, &data(1.0)),
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "")]));
    let reply = now(&federation, "sum(x)").await;
    let warnings = reply.warnings();
    assert!(
        warnings[0].contains("what it is, is not known: it answers 404"),
        "{warnings:?}"
    );
    federation.reload(endpoints(&[(&server, "kind: prometheus")]));
    let reply = now(&federation, "sum(x)").await;
    assert_eq!(shown(&reply.answer.output.value), ["{} 600000 236"]);
}

#[tokio::test]
async fn what_is_wrong_with_the_query_is_asked_of_one_replica() {
    let refuse = |asked: &Asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("3.1.0")),
        _ => refuse("422 Unprocessable Entity", "execution", "many"),
    };
    let (a, b) = (
        Server::start(Arc::new(refuse)).await,
        Server::start(Arc::new(refuse)).await,
    );
    let federation = federation(endpoints(&[(&a, "replica: a"), (&b, "replica: b")]));
    let error = at(&federation, "sum(x)", Steps::instant(NOW), super::LONG).await;
    let error = error.unwrap_err().to_string();
    assert_eq!(
        error,
        "partition {} refuses the series that the query needs: e0: it refuses: execution: many"
    );
    // The sum, and then the series.
    let queries: Vec<String> = a
        .asked()
        .iter()
        .map(|one| one.form["query"].clone())
        .collect();
    assert_eq!(queries, ["sum(x)", "x"]);
    assert!(b.asked().is_empty());
}

#[tokio::test]
async fn what_an_endpoint_refuses_to_compute_is_computed_here() {
    let eu = Server::prometheus(data(1.0)).await;
    let us = Server::start(Arc::new(|asked| match asked.form.get("query") {
        Some(query) if query.contains("sum") => {
            refuse("422 Unprocessable Entity", "bad_data", "no sums today")
        }
        Some(_) | None => evaluate(asked, &data(2.0)),
    }))
    .await;
    let federation = federation(endpoints(&[
        (&eu, "partition: {cluster: eu}"),
        (&us, "partition: {cluster: us}"),
    ]));
    let steps = Steps::instant(NOW);
    let reply = now(&federation, "sum(x)").await;
    let found = shown(&reply.answer.output.value);
    assert_eq!(
        found,
        expected("sum(x)", steps, &[("eu", 1.0), ("us", 2.0)])
    );
    assert_eq!(reply.warnings(), Vec::<String>::new());
    let why = reply.explain.again.unwrap();
    assert_eq!(why, "e1: it refuses: bad_data: no sums today");

    // Windows as well are the query's.
    let refusing = Server::start(Arc::new(|asked| match asked.form.get("query") {
        Some(query) if query.contains('[') => {
            refuse("422 Unprocessable Entity", "execution", "too many samples")
        }
        Some(_) | None => evaluate(asked, &data(2.0)),
    }))
    .await;
    federation.reload(endpoints(&[(&refusing, "pushdown: selector")]));
    let error = at(&federation, "rate(x[5m])", steps, super::LONG).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("execution: too many samples"), "{error}");
}

#[tokio::test]
async fn a_store_that_fails_while_a_query_runs_is_no_fault_of_the_query() {
    let failing = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("3.1.0")),
        _ => refuse(
            "422 Unprocessable Entity",
            "execution",
            "expanding series: a store is away",
        ),
    }))
    .await;
    let sound = Server::prometheus(data(1.0)).await;
    let federation = federation(endpoints(&[
        (&failing, "replica: a"),
        (&sound, "replica: b"),
    ]));
    let reply = now(&federation, "sum(x)").await;
    assert_eq!(shown(&reply.answer.output.value), ["{} 600000 236"]);
    assert_eq!(reply.explain.requests.len(), 2);

    federation.reload(endpoints(&[(&failing, "")]));
    let reply = now(&federation, "x").await;
    let warnings = reply.warnings();
    assert!(warnings[0].contains("a store is away"), "{warnings:?}");
}

#[tokio::test]
async fn a_query_that_is_dropped_leaves_no_request_behind() {
    let server = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("3.1.0")),
        _ => Reply::Hang,
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "")]));
    let query =
        tokio::spawn(
            async move { at(&federation, "sum(x)", Steps::instant(NOW), super::LONG).await },
        );
    server.until(|seen| seen.queries().count() > 0).await;
    query.abort();
    server.until(|seen| seen.running == 0).await;
}
