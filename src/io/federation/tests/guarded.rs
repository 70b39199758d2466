//! Rates of a Prometheus 2 over many samples, and what tells whether they are right: one look at data that change.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use super::{
    LONG, NOW, Query, endpoints, federation,
    server::{Asked, OPTIONS, Reply, Server, build_info, evaluate, response, series, value},
    shown,
};
use crate::{
    io::federation::Federation,
    promql::{
        Series,
        engine::Steps,
        parse::{Features, parse},
    },
};

const RANGE: Steps = Steps {
    start: NOW - 60_000,
    end: NOW,
    step: 30_000,
};

/// Counters of which five minutes take more than 64 KiB.
fn many() -> Vec<Series> {
    let one = |number: u32| {
        let samples = (0..60_i32).map(|step| {
            let value = f64::from(step) * f64::from(number + 1);
            (i64::from(step) * 10_000 + 5_000, value)
        });
        let (job, instance) = (format!("j{}", number % 3), number.to_string());
        let labels = [("__name__", "x"), ("job", &*job), ("instance", &*instance)];
        series(&labels, &samples.collect::<Vec<_>>())
    };
    (0..150).map(one).collect()
}

/// A Prometheus 2 that answers as `change` has its questions be.
async fn prometheus_2(
    change: impl Fn(&mut String) -> Option<Reply> + Send + Sync + 'static,
) -> Server {
    let series = many();
    Server::start(Arc::new(move |asked| {
        if asked.path == "/api/v1/status/buildinfo" {
            return Reply::Json(build_info("2.53.0"));
        }
        if asked.path == "/api/v1/status/flags" {
            let none = r#"{"status":"success","data":{"enable-feature":""}}"#;
            return Reply::Json(none.to_owned());
        }
        let mut asked = asked.clone();
        let changed = asked.form.get_mut("query").and_then(&change);
        changed.unwrap_or_else(|| evaluate(&asked, &series))
    }))
    .await
}

/// Why a query had to be asked again, whose values are those of all samples.
async fn right(federation: &Federation, query: &str, steps: Steps) -> Option<String> {
    let expr = parse(query, Features::all()).unwrap();
    let reply = federation
        .query(Query::new(&expr, steps, OPTIONS, LONG).afresh())
        .await;
    let reply = reply.unwrap();
    assert_eq!(reply.warnings(), Vec::<String>::new(), "{query}");
    let expect = shown(&value(query, steps, &many()).unwrap());
    assert_eq!(shown(&reply.answer.output.value), expect, "{query}");
    reply.explain.again
}

fn is_rate(asked: &&Asked) -> bool {
    asked.form["query"].contains("rate(")
}

#[tokio::test]
async fn a_rate_and_what_tells_whether_it_is_right_see_the_same_samples() {
    // At each second look a sample is on the start of windows: then rates are wrong, and guards tell it.
    let looks = AtomicUsize::new(0);
    let server = prometheus_2(move |query| {
        let looks = query.contains("(x") && looks.fetch_add(1, SeqCst).is_multiple_of(2);
        if looks {
            *query = query.replace("rate(x[", "1000 * rate(x[");
            *query = query.replace("timestamp(x offset", "1000000 + timestamp(x offset");
        }
        None
    })
    .await;
    let federation = federation(endpoints(&[(&server, "partition: {cluster: eu}")]));
    for steps in [Steps::instant(NOW), RANGE] {
        let mut again = Vec::new();
        for window in ["5m", "4m50s", "4m40s", "4m30s"] {
            for query in [
                "sum by (job) (rate(x[5m]))",
                "max by (job) (rate(x[5m]) * 2)",
            ] {
                let query = query.replace("5m", window);
                again.push(right(&federation, &query, steps).await.is_some());
            }
        }
        assert!(again.contains(&true) && again.contains(&false), "{again:?}");
    }
    for asked in server.asked().iter().filter(is_rate) {
        let query = &asked.form["query"];
        assert!(query.contains("timestamp(x"), "{query}");
        // Its own elements are as they are.
        assert!(!query.starts_with("label_replace"), "{query}");
    }
}

#[tokio::test]
async fn all_parts_of_an_average_are_one_look() {
    let server = prometheus_2(|_| None).await;
    let federation = federation(endpoints(&[(&server, "partition: {cluster: eu}")]));
    for (number, requests) in [(1, 1), (2, 1), (3, 1)] {
        let before = server.asked().len();
        assert_eq!(right(&federation, "avg(rate(x[5m]))", RANGE).await, None);
        assert_eq!(server.asked().len() - before, requests, "{number}");
    }
    let last = server.asked().pop().unwrap();
    let query = &last.form["query"];
    assert!(
        ["rate(", "timestamp("]
            .iter()
            .all(|text| query.contains(text)),
        "{query}"
    );
}

#[tokio::test]
async fn what_is_refused_together_is_asked_one_by_one() {
    let server = prometheus_2(|query| {
        let body = br#"{"status":"error","errorType":"execution","error":"too many samples"}"#;
        let refused = query.contains(" or label_replace(");
        refused.then(|| {
            let status = "422 Unprocessable Entity";
            Reply::Raw(response(status, "application/json", body))
        })
    })
    .await;
    let federation = federation(endpoints(&[(&server, "partition: {cluster: eu}")]));
    for (number, requests) in [(1, 1), (2, 3), (3, 2), (4, 2)] {
        let before = server.asked().len();
        let query = "sum by (job) (rate(x[5m]))";
        assert_eq!(right(&federation, query, Steps::instant(NOW)).await, None);
        assert_eq!(server.asked().len() - before, requests, "{number}");
    }
}
