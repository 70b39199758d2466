//! What there is: series, names and values, of every partition.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::{
    LONG, endpoints, federation,
    server::{Asked, Handler, Reply, Server, build_info, response},
};
use crate::{
    config::{LimitsConfig, QueryConfig},
    federation::{OwnMetrics, PartitionsUp},
    io::federation::{Federation, LookedUp, LookupAnswer, LookupRequest, Meaning, Subject},
    labels::LabelSet,
    promql::parse::parse_selector,
};

/// What a path of the API is about.
fn subject(path: &str) -> Subject {
    match path {
        "series" => Subject::Series,
        "labels" => Subject::LabelNames,
        "metadata" => Subject::Metadata,
        "query_exemplars" => Subject::Exemplars,
        path => {
            let name = path.strip_prefix("label/").unwrap();
            Subject::LabelValues(name.strip_suffix("/values").unwrap().to_owned())
        }
    }
}

fn request(path: &str, selectors: &[&str]) -> LookupRequest {
    let parsed = selectors.iter().map(|text| parse_selector(text).unwrap());
    LookupRequest {
        subject: subject(path),
        selectors: parsed.collect(),
        params: Vec::new(),
        limit: None,
    }
}

fn answering(body: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Handler {
    Arc::new(move |asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("3.1.0")),
        _ => body(asked),
    })
}

/// What all partitions answer.
async fn look_up(federation: &Federation, request: &LookupRequest) -> Vec<LookupAnswer> {
    federation.look_up(request, LONG).await.unwrap()
}

/// As the API has it.
fn json_of(data: &LookedUp) -> Value {
    let object = |set: &LabelSet| {
        let pairs = set.iter();
        Value::Object(
            pairs
                .map(|(name, value)| (name.to_owned(), value.into()))
                .collect(),
        )
    };
    match data {
        LookedUp::Series(sets) => sets.iter().map(object).collect(),
        LookedUp::Texts(texts) => json!(texts),
        LookedUp::Json(value) => value.clone(),
    }
}

/// What an answer has, which is there.
fn shown(answer: &LookupAnswer) -> Value {
    json_of(answer.data.as_ref().unwrap())
}

fn reason(answer: &LookupAnswer) -> &str {
    answer.data.as_ref().unwrap_err()
}

#[tokio::test]
async fn what_the_node_measures_of_itself_is_found_by_its_label() {
    let server = Server::start(answering(|asked| {
        Reply::Json(match &*asked.path {
            "/api/v1/metadata" => {
                r#"{"status":"success","data":{"up":[{"type":"gauge"}]}}"#.to_owned()
            }
            "/api/v1/series" => r#"{"status":"success","data":[{"a":"b"}]}"#.to_owned(),
            _ => r#"{"status":"success","data":["up"]}"#.to_owned(),
        })
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "")]));
    let mut own = OwnMetrics::default();
    let metric = |pairs: &[(&str, &str)]| (LabelSet::from_pairs(pairs.iter().copied()), 1.0);
    let measured = vec![
        metric(&[("__name__", "watchfire_alerts"), ("state", "active")]),
        metric(&[("__name__", "watchfire_alerts"), ("state", "suppressed")]),
        metric(&[("__name__", "watchfire_partition_up"), ("cluster", "eu")]),
    ];
    own.take(measured, 1_000_000);
    let up = PartitionsUp::of(&own);
    let meaning = Meaning {
        name: "watchfire_alerts".to_owned(),
        kind: "gauge",
        help: "How many.".to_owned(),
    };
    federation.set_own(vec![Arc::new(own), Arc::new(up)], vec![meaning]);
    let look = async |request: LookupRequest| {
        let before = server.asked_of("/api/v1/").len();
        let answers = look_up(&federation, &request).await;
        let data: Vec<_> = answers.iter().map(shown).collect();
        (data, server.asked_of("/api/v1/").len() - before)
    };
    // What it is, is asked once.
    look(request("labels", &["up"])).await;

    let own = r#"{watchfire="self", state!="active"}"#;
    let suppressed = json!([{"__name__": "watchfire_alerts", "state": "suppressed"}]);
    let of_up = json!([{"__name__": "watchfire_partition_up", "cluster": "eu"}]);
    let without = r#"{__name__="watchfire_alerts",watchfire="self",state!="active"}"#;
    assert_eq!(
        look(request("series", &[without])).await,
        (vec![suppressed], 0)
    );
    let found = look(request("series", &["watchfire_partition_up"])).await;
    assert_eq!(found, (vec![of_up], 0));
    let names = json!(["__name__", "cluster", "state"]);
    assert_eq!(
        look(request("labels", &[own])).await,
        (vec![names.clone()], 0)
    );
    let values = look(request("label/state/values", &[r#"{watchfire="self"}"#])).await;
    assert_eq!(values, (vec![json!(["active", "suppressed"])], 0));
    let marks = look(request(
        "label/watchfire/values",
        &[r#"{watchfire="self"}"#],
    ))
    .await;
    assert_eq!(marks, (vec![json!(["self"])], 0));
    // Without it, and beside it, what endpoints have.
    assert_eq!(
        look(request("series", &["watchfire_alerts"])).await,
        (vec![json!([{"a": "b"}])], 1)
    );
    let both = look(request("label/state/values", &["up", own])).await;
    assert_eq!(both, (vec![json!(["up"]), json!(["suppressed"])], 1));
    let all = look(request("labels", &[])).await;
    let of_partitions = json!(["__name__", "cluster"]);
    assert_eq!(all, (vec![json!(["up"]), names, of_partitions], 1));
    let nothing = look(request("series", &[r#"none{watchfire="self"}"#])).await;
    assert_eq!(nothing, (Vec::new(), 0));

    let mut past = request("series", &[own]);
    past.params = vec![("end", "999.999".to_owned())];
    assert_eq!(look(past).await, (Vec::new(), 0));
    let mut described = request("metadata", &[]);
    let means = json!({"watchfire_alerts": [{"type": "gauge", "unit": "", "help": "How many."}]});
    let elsewhere = json!({"up": [{"type": "gauge"}]});
    assert_eq!(
        look(described.clone()).await,
        (vec![elsewhere.clone(), means], 1)
    );
    described.params = vec![("metric", "up".to_owned())];
    assert_eq!(look(described).await, (vec![elsewhere], 1));
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
    let answers = look_up(&federation, &request("labels", &[])).await;
    assert_eq!(answers.len(), 4);
    assert_eq!(shown(&answers[0]), json!(["a"]));
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
        let answers = look_up(&federation, &request(path, &[selector])).await;
        assert_eq!(shown(&answers[0]), json!([]), "{path}");
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
        look_up(&federation, &series),
        look_up(&federation, &labels),
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
    let answers = look_up(&federation, &request("query_exemplars", &selectors)).await;
    assert_eq!(shown(&answers[0]), json!([]));
    let asked = server.asked_of("/api/v1/query_exemplars");
    assert_eq!(
        asked[0].form["query"],
        r#"{__name__="x",job="a"} or {__name__="z"}"#
    );
    let nowhere = [r#"y{cluster="us"}"#];
    let answers = look_up(&federation, &request("query_exemplars", &nowhere)).await;
    assert_eq!(answers, []);
}

#[tokio::test]
async fn an_old_prometheus_is_not_asked_for_names_that_it_refuses() {
    let server = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("2.42.0")),
        _ => Reply::Json(r#"{"status":"success","data":["b"]}"#.to_owned()),
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "kind: prometheus")]));
    let look = async |path: &str| {
        let answers = look_up(&federation, &request(path, &[])).await;
        shown(&answers[0])
    };
    assert_eq!(look("label/a.b/values").await, json!([]));
    assert_eq!(look("label/a/values").await, json!(["b"]));
    assert_eq!(server.asked_of("/api/v1/label/").len(), 1);
}

#[tokio::test]
async fn a_partition_has_its_labels_where_it_has_series() {
    let server = Server::start(answering(|asked| {
        let has = match asked.form.get("match[]").map(String::as_str) {
            Some(r#"{__name__="up"}"#) | None => r#""__name__""#,
            Some(_) => "",
        };
        let found = match &*asked.path {
            "/api/v1/labels" => has,
            // A series may have a label of this name itself, of which queries see that of the partition.
            _ => r#""its own""#,
        };
        Reply::Json(format!(r#"{{"status":"success","data":[{found}]}}"#))
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "partition: {cluster: eu}")]));
    let look = async |selectors: &[&str]| {
        let answers = look_up(&federation, &request("label/cluster/values", selectors)).await;
        answers.iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(look(&[]).await, [json!(["eu"])]);
    assert_eq!(look(&["up"]).await, [json!(["eu"])]);
    assert_eq!(look(&["down"]).await, [json!([])]);
    assert_eq!(look(&[r#"up{cluster="us"}"#]).await, Vec::<Value>::new());
    let mut since = request("label/cluster/values", &["up"]);
    since.params = vec![("start", "5".to_owned())];
    assert_eq!(shown(&look_up(&federation, &since).await[0]), json!(["eu"]));
    let asked = server.asked_of("/api/v1/labels");
    assert_eq!(asked.last().unwrap().form["start"], "5");
    assert!(asked.iter().all(|one| one.form["limit"] == "1"));
}

#[tokio::test]
async fn no_more_is_asked_for_than_is_wanted_and_one_more() {
    let server = Server::start(answering(|asked| {
        let cut = asked.form.get("limit").map(String::as_str) == Some("3");
        let warnings = if cut { r#""results truncated due to limit""# } else { "" };
        Reply::Json(format!(
            r#"{{"status":"success","warnings":[{warnings}],"data":[{{"a":"1"}},{{"a":"2"}},{{"a":"3"}}]}}"#
        ))
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "")]));
    let mut few = request("series", &["x"]);
    few.limit = Some(2);
    let all = json!([{"a": "1"}, {"a": "2"}, {"a": "3"}]);
    assert_eq!(shown(&look_up(&federation, &few).await[0]), all);
    let many = look_up(&federation, &request("series", &["x"])).await;
    assert_eq!(shown(&many[0]), all);
    let asked = server.asked_of("/api/v1/series");
    let limits = asked.iter().map(|one| one.form.get("limit").cloned());
    assert_eq!(limits.collect::<Vec<_>>(), [Some("3".to_owned()), None]);
}

#[tokio::test]
async fn lookups_wait_for_their_turn_among_queries() {
    let permits = Arc::new(Semaphore::new(0));
    let waiting = Arc::clone(&permits);
    let server = Server::start(answering(move |_| {
        let body = r#"{"status":"success","data":[]}"#.to_owned();
        Reply::Later(Arc::clone(&waiting), body)
    }))
    .await;
    let config = QueryConfig {
        limits: LimitsConfig {
            max_concurrent_queries: 1,
            ..LimitsConfig::default()
        },
        ..endpoints(&[(&server, "")])
    };
    let federation = federation(config);
    let (series, labels) = (request("series", &["x"]), request("labels", &[]));
    let second = async {
        server.until(|seen| seen.running == 1).await;
        let error = federation
            .look_up(&labels, Duration::from_millis(150))
            .await;
        permits.add_permits(1);
        error.unwrap_err().to_string()
    };
    let (first, second) = tokio::join!(look_up(&federation, &series), second);
    assert_eq!(shown(&first[0]), json!([]));
    assert_eq!(
        second,
        "query timed out in query queue: max_concurrent_queries is 1"
    );
    assert!(server.asked_of("/api/v1/labels").is_empty());
}

#[tokio::test]
async fn large_answers_are_read_as_small_ones() {
    let names: Vec<String> = (0_i32..20_000)
        .map(|one| format!("name_{one:06}"))
        .collect();
    let body = json!({"status": "success", "data": names}).to_string();
    let server = Server::start(answering(move |_| Reply::Json(body.clone()))).await;
    let federation = federation(endpoints(&[(&server, "")]));
    let found = look_up(&federation, &request("labels", &[])).await;
    assert_eq!(shown(&found[0]), json!(names));
}
