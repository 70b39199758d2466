//! What a query is to blame for is no fault of an endpoint.

use std::{sync::Arc, time::Duration};

use super::{
    LONG, NOW, Query, at, data, endpoints, federation, now,
    server::{OPTIONS, Reply, Server, build_info, evaluate, refuse},
};
use crate::{
    io::federation::{Federation, QueryError},
    promql::{
        engine::{Options, Steps},
        parse::{Features, parse},
    },
};

/// Less time than any endpoint has to have.
const TOO_SHORT: Duration = Duration::from_millis(30);

/// Whether each partition counts as one that answers.
fn ups(federation: &Federation) -> Vec<Option<bool>> {
    let status = federation.status();
    status.partitions.iter().map(|one| one.up).collect()
}

#[tokio::test]
async fn more_samples_than_a_query_may_hold_are_an_error_that_names_the_limit() {
    let server = Server::prometheus(data(1.0)).await;
    let federation = federation(endpoints(&[(&server, "pushdown: selector")]));
    now(&federation, "x").await;
    for (query, max_samples) in [("rate(x[5m])", 50), ("sum(x + on (job) x offset 1m)", 3)] {
        let options = Options {
            max_samples,
            ..OPTIONS
        };
        let expr = parse(query, Features::all()).unwrap();
        let asked = federation.query(Query::new(&expr, Steps::instant(NOW), options, LONG));
        let error = asked.await.unwrap_err().to_string();
        let wanted = format!(
            "query processing would load too many samples into memory in query execution: max_samples is {max_samples}"
        );
        assert_eq!(error, wanted, "{query}");
        assert_eq!(ups(&federation), [Some(true)], "{query}");
    }
}

#[tokio::test]
async fn a_time_that_is_too_short_makes_no_endpoint_down() {
    let server = Server::start(Arc::new(|asked| match asked.form.get("query") {
        Some(query) if query.contains("sum") => Reply::Hang,
        Some(_) | None => evaluate(asked, &data(1.0)),
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "")]));
    now(&federation, "x").await;
    let reply = at(&federation, "sum(x)", Steps::instant(NOW), TOO_SHORT).await;
    let warnings = reply.unwrap().warnings();
    assert!(
        warnings[0].contains("it does not answer in time"),
        "{warnings:?}"
    );
    assert_eq!(ups(&federation), [Some(true)]);
}

#[tokio::test]
async fn an_endpoint_that_ends_a_query_in_time_is_there() {
    let told = |asked: &super::server::Asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("3.1.0")),
        _ => refuse(
            "503 Service Unavailable",
            "timeout",
            "query timed out in expression evaluation",
        ),
    };
    let (a, b) = (
        Server::start(Arc::new(told)).await,
        Server::prometheus(data(1.0)).await,
    );
    let federation = federation(endpoints(&[(&a, "replica: a")]));
    let warnings = now(&federation, "sum(x)").await.warnings();
    assert!(
        warnings[0].contains("it refuses: timeout: query timed out"),
        "{warnings:?}"
    );
    assert_eq!(ups(&federation), [None]);
    // Another replica may be faster.
    federation.reload(endpoints(&[(&a, "replica: a"), (&b, "replica: b")]));
    assert_eq!(
        now(&federation, "sum(x)").await.warnings(),
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn what_victoria_metrics_does_not_understand_is_wrong_with_the_query() {
    let server = Server::start(Arc::new(|_| {
        refuse("422 Unprocessable Entity", "422", "cannot parse the query")
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "kind: victoriametrics")]));
    let asked = at(&federation, "up{\"a.b\"=\"x\"}", Steps::instant(NOW), LONG);
    let error: QueryError = asked.await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("it refuses: 422: cannot parse the query"),
        "{error}"
    );
    assert_eq!(ups(&federation), [None]);

    let slow = Server::start(Arc::new(|_| {
        let error = "timeout exceeded while fetching data: 30.000 seconds";
        refuse("422 Unprocessable Entity", "422", error)
    }))
    .await;
    federation.reload(endpoints(&[(&slow, "kind: victoriametrics")]));
    let warnings = now(&federation, "x").await.warnings();
    assert!(warnings[0].contains("timeout exceeded"), "{warnings:?}");
    assert_eq!(ups(&federation), [None]);
}

#[tokio::test]
async fn a_probe_may_find_a_sentinel_of_several_series() {
    let server = Server::start(Arc::new(|asked| {
        let Some(time) = asked.form.get("time") else {
            return Reply::Json(build_info("3.1.0"));
        };
        let one = |job: &str| format!(r#"{{"metric":{{"job":"{job}"}},"value":[{time},"1"]}}"#);
        let many = match &*asked.form["query"] {
            "up" => [one("a"), one("b")].join(","),
            _ => one("a"),
        };
        Reply::Json(format!(
            r#"{{"status":"success","data":{{"resultType":"vector","result":[{many}]}}}}"#
        ))
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "sentinel: up")]));
    federation.probe_idle(Duration::ZERO).await;
    assert_eq!(ups(&federation), [Some(true)]);
}

#[tokio::test]
async fn values_at_too_many_steps_are_not_asked_for() {
    let server = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("2.42.0")),
        "/api/v1/status/flags" => Reply::Json(r#"{"status":"success","data":{}}"#.to_owned()),
        _ => evaluate(asked, &data(1.0)),
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "")]));
    for query in [
        "max_over_time(sum(x)[100y:1ms])",
        "max_over_time(rate(x[5m])[100y:1ms])",
        "max_over_time(x[100y:1ms])",
    ] {
        let asked = at(&federation, query, Steps::instant(NOW), LONG).await;
        let error = asked.unwrap_err().to_string();
        assert!(error.contains("steps in memory"), "{query}: {error}");
    }
    // As a whole it may be asked for what it can refuse itself, but not for all these values.
    assert_eq!(server.asked_of("/api/v1/query_range").len(), 0);
}
