//! What there is: series, names and values, of every partition.

use std::sync::Arc;

use serde_json::json;
use tokio::sync::Semaphore;

use super::{
    LONG, endpoints, federation,
    server::{Asked, Handler, Reply, Server, build_info, response},
};
use crate::{
    io::federation::{LookupAnswer, LookupRequest},
    promql::parse::parse_selector,
};

fn request(path: &str, selectors: &[&str]) -> LookupRequest {
    let parsed = selectors.iter().map(|text| parse_selector(text).unwrap());
    LookupRequest {
        path: path.to_owned(),
        selectors: parsed.collect(),
        params: Vec::new(),
    }
}

fn answering(body: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Handler {
    Arc::new(move |asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("3.1.0")),
        _ => body(asked),
    })
}

fn reason(answer: &LookupAnswer) -> &str {
    answer.data.as_ref().unwrap_err()
}

#[tokio::test]
async fn answers_that_are_not_whole_are_missing() {
    let fine = Server::start(answering(|_| {
        Reply::Json(
            r#"{"status":"success","warnings":[],"isPartial":false,"data":["a"]}"#.to_owned(),
        )
    }))
    .await;
    let warns = Server::start(answering(|_| {
        Reply::Json(
            r#"{"status":"success","warnings":["store b is away"],"data":["a"]}"#.to_owned(),
        )
    }))
    .await;
    let partial = Server::start(answering(|_| {
        Reply::Json(r#"{"status":"success","isPartial":true,"data":["a"]}"#.to_owned())
    }))
    .await;
    let refuses = Server::start(answering(|_| {
        let body = br#"{"status":"error","errorType":"bad_data","error":"no such path"}"#;
        Reply::Raw(response("400 Bad Request", "application/json", body))
    }))
    .await;
    let federation = federation(endpoints(&[
        (&fine, "partition: {cluster: a}"),
        (&warns, "partition: {cluster: b}"),
        (&partial, "partition: {cluster: c}, kind: victoriametrics"),
        (&refuses, "partition: {cluster: d}, replica: a"),
        (&fine, "partition: {cluster: d}, replica: b"),
    ]));
    let answers = federation.look_up(&request("labels", &[]), LONG).await;
    assert_eq!(answers.len(), 4);
    assert_eq!(answers[0].data, Ok(json!(["a"])));
    assert_eq!(
        reason(&answers[1]),
        "e1: its answer is partial: store b is away"
    );
    assert_eq!(reason(&answers[2]), "e2: its answer is partial");
    assert_eq!(
        reason(&answers[3]),
        "e3: it refuses: bad_data: no such path"
    );
    assert_eq!(
        partial.asked_of("/api/v1/labels")[0].form["deny_partial_response"],
        "1"
    );
    // No replica would answer otherwise what is wrong with the question.
    assert_eq!(fine.asked_of("/api/v1/labels").len(), 1);
}

#[tokio::test]
async fn long_lists_of_selectors_are_forms() {
    let server = Server::start(answering(|_| {
        Reply::Json(r#"{"status":"success","data":[]}"#.to_owned())
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "")]));
    let long = format!("x{{job=~\"{}\"}}", "a|".repeat(600));
    for (path, selector, method) in [
        ("series", &*long, "POST"),
        ("series", "x", "GET"),
        ("labels", &long, "POST"),
        ("label/job/values", &long, "GET"),
    ] {
        let answers = federation.look_up(&request(path, &[selector]), LONG).await;
        assert_eq!(answers[0].data, Ok(json!([])), "{path}");
        let asked = server.asked_of(&format!("/api/v1/{path}"));
        let last = asked.last().unwrap();
        assert_eq!(last.method, method, "{path} {selector}");
        assert!(last.form["match[]"].starts_with("{__name__=\"x\""));
    }
}

#[tokio::test]
async fn questions_about_what_there_is_wait_for_their_turn() {
    let permits = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&permits);
    let server = Server::start(answering(move |_| {
        let body = r#"{"status":"success","data":[]}"#.to_owned();
        Reply::Later(Arc::clone(&waiting), body)
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "max_concurrency: 1")]));
    let (series, labels) = (request("series", &[]), request("labels", &[]));
    let released = async {
        server
            .until(|seen| seen.running == 1 && seen.most == 1)
            .await;
        permits.add_permits(10);
    };
    let (a, b, ()) = tokio::join!(
        federation.look_up(&series, LONG),
        federation.look_up(&labels, LONG),
        released
    );
    assert!(a[0].data.is_ok() && b[0].data.is_ok());
    assert_eq!(server.seen(|seen| seen.most), 1);
}

#[tokio::test]
async fn exemplars_are_asked_by_an_expression_of_the_selectors() {
    let server = Server::start(answering(|_| {
        Reply::Json(r#"{"status":"success","data":[]}"#.to_owned())
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "partition: {cluster: eu}")]));
    let selectors = [r#"x{cluster="eu",job="a"}"#, r#"y{cluster="us"}"#, "z"];
    let answers = federation
        .look_up(&request("query_exemplars", &selectors), LONG)
        .await;
    assert_eq!(answers[0].data, Ok(json!([])));
    let asked = server.asked_of("/api/v1/query_exemplars");
    assert_eq!(
        asked[0].form["query"],
        r#"{__name__="x",job="a"} or {__name__="z"}"#
    );
    let nowhere = [r#"y{cluster="us"}"#];
    let answers = federation
        .look_up(&request("query_exemplars", &nowhere), LONG)
        .await;
    assert_eq!(answers, []);
}
