//! Samples as they are stored, where answers to queries do not hold enough.

use std::{collections::BTreeMap, sync::Arc};

use prost::Message as _;

use super::{
    LONG, NOW, Query, at, data, endpoints, federation, now,
    server::{
        Asked, OPTIONS, Reply, Server, build_info, evaluate, response, select, series, value,
    },
    shown,
};
use crate::{
    io::federation::QueryError,
    labels::{LabelSet, MatchOp, Matcher},
    promql::{
        FloatHistogram, STALE, Series, Value,
        engine::{Selection, Steps, prepare},
        histogram::{BucketSpan, Buckets},
        parse::{Features, parse},
    },
};

/// The messages of `/api/v1/read` as this server knows them.
mod wire {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Request {
        #[prost(message, repeated, tag = "1")]
        pub(super) queries: Vec<Query>,
        #[prost(int32, repeated, tag = "2")]
        pub(super) accepted: Vec<i32>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Query {
        #[prost(int64, tag = "1")]
        pub(super) start: i64,
        #[prost(int64, tag = "2")]
        pub(super) end: i64,
        #[prost(message, repeated, tag = "3")]
        pub(super) matchers: Vec<Matcher>,
    }

    #[derive(Clone, PartialEq, Eq, Message)]
    pub(super) struct Matcher {
        #[prost(int32, tag = "1")]
        pub(super) kind: i32,
        #[prost(string, tag = "2")]
        pub(super) name: String,
        #[prost(string, tag = "3")]
        pub(super) value: String,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Response {
        #[prost(message, repeated, tag = "1")]
        pub(super) results: Vec<Found>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Found {
        #[prost(message, repeated, tag = "1")]
        pub(super) series: Vec<Series>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Series {
        #[prost(map = "string, string", tag = "1")]
        pub(super) labels: std::collections::HashMap<String, String>,
        #[prost(message, repeated, tag = "2")]
        pub(super) samples: Vec<Sample>,
        #[prost(message, repeated, tag = "4")]
        pub(super) histograms: Vec<Histogram>,
    }

    #[derive(Clone, Copy, PartialEq, Message)]
    pub(super) struct Sample {
        #[prost(double, tag = "1")]
        pub(super) value: f64,
        #[prost(int64, tag = "2")]
        pub(super) time: i64,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Histogram {
        #[prost(double, tag = "2")]
        pub(super) count: f64,
        #[prost(double, tag = "3")]
        pub(super) sum: f64,
        #[prost(sint32, tag = "4")]
        pub(super) schema: i32,
        #[prost(message, repeated, tag = "11")]
        pub(super) spans: Vec<Span>,
        #[prost(double, repeated, tag = "13")]
        pub(super) counts: Vec<f64>,
        #[prost(int64, tag = "15")]
        pub(super) time: i64,
    }

    #[derive(Clone, Copy, PartialEq, Eq, Message)]
    pub(super) struct Span {
        #[prost(sint32, tag = "1")]
        pub(super) offset: i32,
        #[prost(uint32, tag = "2")]
        pub(super) length: u32,
    }
}

const EXTERNAL: [(&str, &str); 2] = [("cluster", "eu"), ("prometheus", "a")];

fn request(asked: &Asked) -> wire::Request {
    assert!(
        asked.head.contains("content-encoding: snappy"),
        "{}",
        asked.head
    );
    let message = snap::raw::Decoder::new()
        .decompress_vec(&asked.body)
        .unwrap();
    wire::Request::decode(&*message).unwrap()
}

/// A Prometheus with external labels that can be read.
fn readable(asked: &Asked, all: &[Series]) -> Reply {
    match &*asked.path {
        "/api/v1/status/config" => Reply::Json(
            r#"{"status":"success","data":{"yaml":"global:\n  external_labels:\n    cluster: eu\n    prometheus: a\n"}}"#
                .to_owned(),
        ),
        "/api/v1/read" => {
            let query = &request(asked).queries[0];
            let ops = [MatchOp::Equal, MatchOp::NotEqual, MatchOp::Regex, MatchOp::NotRegex];
            let matcher = |one: &wire::Matcher| {
                // As Prometheus has it: what is said of an external label is not said of the series.
                let external = one.kind == 0 && EXTERNAL.contains(&(&*one.name, &*one.value));
                let value = if external { "" } else { &one.value };
                let op = ops[usize::try_from(one.kind).unwrap()];
                Matcher::new(op, &one.name, value).unwrap()
            };
            let selection = Selection {
                matchers: query.matchers.iter().map(matcher).collect(),
                from: query.start - 1,
                to: query.end,
            };
            let found = select(all, &selection);
            let series = found.iter().map(wire_series).collect();
            let response = wire::Response {
                results: vec![wire::Found { series }],
            };
            samples(&response.encode_to_vec())
        }
        _ => evaluate(asked, all),
    }
}

fn samples(message: &[u8]) -> Reply {
    let body = snap::raw::Encoder::new().compress_vec(message).unwrap();
    let kind = "application/x-protobuf\r\ncontent-encoding: snappy";
    Reply::Raw(response("200 OK", kind, &body))
}

fn wire_series(one: &Series) -> wire::Series {
    let mut labels: std::collections::HashMap<String, String> = EXTERNAL
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    labels.extend(one.labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())));
    let floats = one.floats.times.iter().zip(&one.floats.values);
    let histograms = one.histograms.times.iter().zip(&one.histograms.values);
    wire::Series {
        labels,
        samples: floats
            .map(|(time, value)| wire::Sample {
                value: *value,
                time: *time,
            })
            .collect(),
        histograms: histograms
            .map(|(time, value)| wire::Histogram {
                count: value.count,
                sum: value.sum,
                schema: value.schema,
                spans: value
                    .positive
                    .spans
                    .iter()
                    .map(|span| wire::Span {
                        offset: span.offset,
                        length: span.length,
                    })
                    .collect(),
                counts: value.positive.counts.clone(),
                time: *time,
            })
            .collect(),
    }
}

async fn server(all: Vec<Series>) -> Server {
    Server::start(Arc::new(move |asked| readable(asked, &all))).await
}

/// Native histograms of two jobs.
fn histograms(cluster: f64) -> Vec<Series> {
    let of_job = |job: &str, rate: f64| {
        let mut one = Series {
            labels: LabelSet::from_pairs([("__name__", "h"), ("job", job)]),
            ..Series::default()
        };
        for step in 0_i32..60 {
            let count = f64::from(step) * rate * cluster;
            let histogram = FloatHistogram {
                count: count * 3.0,
                sum: count,
                schema: 1,
                positive: Buckets {
                    spans: vec![BucketSpan {
                        offset: 0,
                        length: 2,
                    }],
                    counts: vec![count, count * 2.0],
                },
                ..FloatHistogram::default()
            };
            one.histograms.times.push(i64::from(step) * 10_000 + 5_000);
            one.histograms.values.push(Arc::new(histogram));
        }
        one
    };
    vec![of_job("a", 1.0), of_job("b", 3.0)]
}

fn in_cluster(name: &str, mut all: Vec<Series>) -> Vec<Series> {
    for one in &mut all {
        one.labels = LabelSet::from_pairs(one.labels.iter().chain([("cluster", name)]));
    }
    all
}

fn paths(server: &Server) -> BTreeMap<String, usize> {
    let mut paths = BTreeMap::new();
    for one in server.asked() {
        *paths.entry(one.path.replace("/api/v1/", "")).or_default() += 1;
    }
    paths
}

#[tokio::test]
async fn native_histograms_are_read_as_they_are_stored() {
    let (eu, us) = (server(histograms(1.0)).await, server(histograms(2.0)).await);
    let federation = federation(endpoints(&[
        (&eu, "partition: {cluster: eu}"),
        (&us, "partition: {cluster: us}"),
    ]));
    let union = [
        in_cluster("eu", histograms(1.0)),
        in_cluster("us", histograms(2.0)),
    ]
    .concat();
    let range = Steps {
        start: NOW - 100_000,
        end: NOW,
        step: 20_000,
    };
    for query in [
        "h",
        "h{cluster=\"us\"}",
        "rate(h[5m])",
        "sum(rate(h[5m]))",
        "histogram_quantile(0.9, sum by (job) (rate(h[5m])))",
        "histogram_count(h) + histogram_sum(h)",
        "count_over_time(h[2m:30s])",
    ] {
        for steps in [Steps::instant(NOW), range] {
            let reply = at(&federation, query, steps, LONG).await;
            let reply = reply.unwrap_or_else(|error| panic!("{query}: {error}"));
            let found = shown(&reply.answer.output.value);
            assert_eq!(
                found,
                shown(&value(query, steps, &union).unwrap()),
                "{query}"
            );
            assert_eq!(reply.warnings(), Vec::<String>::new(), "{query}");
        }
    }
    // What is known to have native histograms is not queried for again.
    let before = paths(&eu);
    let reply = now(&federation, "h").await;
    assert!(
        reply
            .explain
            .requests
            .iter()
            .all(|request| request.remote_read)
    );
    let after = paths(&eu);
    assert_eq!(after["query"], before["query"]);
    assert_eq!(after["read"], before["read"] + 1);
    // What they compute to numbers travels as numbers.
    let reply = now(&federation, "histogram_count(h{job=\"a\"})").await;
    assert!(!reply.explain.requests[0].remote_read);

    federation.reload(endpoints(&[(&eu, "remote_read: never")]));
    let refused = at(&federation, "h", Steps::instant(NOW), LONG).await;
    assert!(matches!(refused, Err(QueryError::Histograms { .. })));
}

#[tokio::test]
async fn a_query_that_looks_back_otherwise_is_answered_of_samples() {
    let all = [(NOW - 90_000, 1.0), (NOW - 30_000, 2.0)];
    let all: Vec<Series> = all
        .iter()
        .map(|(time, value)| {
            let job = value.to_string();
            series(&[("__name__", "y"), ("job", &job)], &[(*time, *value)])
        })
        .collect();
    let mimir = server(all).await;
    let lookback = |millis| crate::promql::engine::Options {
        lookback: millis,
        ..OPTIONS
    };
    let expr = parse("sum(y)", Features::all()).unwrap();
    let federation = federation(endpoints(&[(&mimir, "kind: mimir, lookback: 2m")]));
    let ask = async |millis| {
        let steps = Steps::instant(NOW);
        let reply = federation
            .query(Query::new(&expr, steps, lookback(millis), LONG))
            .await;
        reply.unwrap()
    };
    // It cannot be told how far to look back.
    let same = ask(120_000).await;
    assert!(!same.explain.requests[0].remote_read);
    let other = ask(60_000).await;
    assert_eq!(shown(&other.answer.output.value), ["{} 600000 2"]);
    assert!(other.explain.requests[0].remote_read);
    let of_windows = parse("sum(sum_over_time(y[1m]))", Features::all()).unwrap();
    let reply = federation
        .query(Query::new(
            &of_windows,
            Steps::instant(NOW),
            lookback(60_000),
            LONG,
        ))
        .await
        .unwrap();
    assert!(!reply.explain.requests[0].remote_read);

    federation.reload(endpoints(&[(
        &mimir,
        "kind: mimir, lookback: 2m, remote_read: never",
    )]));
    let unable = ask(60_000).await;
    assert!(
        unable.warnings()[0].contains("looks back over its own lookback"),
        "{:?}",
        unable.warnings()
    );
}

/// Series of which one ended and one is old.
fn ended() -> Vec<Series> {
    let mut all = data(1.0);
    let ending = [(NOW - 30_000, 7.0), (NOW - 15_000, STALE)];
    all.push(series(&[("__name__", "x"), ("job", "ended")], &ending));
    let again = [(NOW - 60_000, STALE), (NOW - 15_000, 9.0)];
    all.push(series(&[("__name__", "x"), ("job", "again")], &again));
    let old = [(NOW - OPTIONS.lookback, 8.0)];
    all.push(series(&[("__name__", "x"), ("job", "old")], &old));
    let own = [(NOW, 5.0)];
    all.push(series(
        &[("__name__", "x"), ("job", "own"), ("prometheus", "a")],
        &own,
    ));
    all
}

#[tokio::test]
async fn series_are_read_as_they_are_stored_where_that_is_preferred() {
    for version in ["3.1.0", "2.42.0"] {
        let eu = Server::start(Arc::new(move |asked| match &*asked.path {
            "/api/v1/status/buildinfo" => Reply::Json(build_info(version)),
            _ => readable(asked, &ended()),
        }))
        .await;
        let federation = federation(endpoints(&[(
            &eu,
            "partition: {cluster: eu}, remote_read: prefer, pushdown: selector",
        )]));
        let union = in_cluster("eu", ended());
        let range = Steps {
            start: NOW - 100_000,
            end: NOW,
            step: 5_000,
        };
        for query in [
            "x",
            "x{cluster=\"eu\",job!=\"a\"}",
            "x{prometheus=\"a\"}",
            "x{job!=\"own\"} offset 10s",
            "sum by (job) (rate(x{job!=\"own\"}[1m]))",
            "count_over_time(x{job!=\"own\"}[1m])",
        ] {
            for steps in [Steps::instant(NOW), range] {
                let reply = at(&federation, query, steps, LONG).await.unwrap();
                let found = shown(&reply.answer.output.value);
                // A label that the server would add as well is not known to be a series' own.
                let expect: Vec<String> = shown(&value(query, steps, &union).unwrap());
                let plain = |all: Vec<String>| -> Vec<String> {
                    let of = |one: String| one.replace(", prometheus=\"a\"", "");
                    all.into_iter().map(of).collect()
                };
                assert_eq!(plain(found), plain(expect), "{query}");
                assert_eq!(reply.warnings(), Vec::<String>::new(), "{query}");
            }
        }
        assert_eq!(paths(&eu).keys().collect::<Vec<_>>(), ["read"]);
        assert_eq!(eu.asked_of("/api/v1/status/config").len(), 1);
        assert_eq!(request(&eu.asked()[0]).accepted, [1, 0]);
    }
}

/// Metrics and what is known of their targets.
fn informed() -> Vec<Series> {
    let mut all = ended();
    for job in ["a", "ended"] {
        let labels = [("__name__", "x"), ("job", job), ("instance", "i")];
        all.push(series(&labels, &[(NOW - 20_000, 1.0)]));
        let info = [
            ("__name__", "target_info"),
            ("job", job),
            ("instance", "i"),
            ("zone", "z"),
        ];
        let value = if job == "a" { 1.0 } else { STALE };
        all.push(series(&info, &[(NOW - 30_000, 1.0), (NOW - 10_000, value)]));
    }
    all
}

#[tokio::test]
async fn marks_of_ended_series_are_read() {
    let eu = server(informed()).await;
    let federation = federation(endpoints(&[(&eu, "partition: {cluster: eu}")]));
    let union = in_cluster("eu", informed());
    let query = "info(x{instance=\"i\"})";
    let steps = Steps::instant(NOW);
    let expect = {
        let expr = parse(query, Features::all()).unwrap();
        let prepared = prepare(&expr, steps, OPTIONS).unwrap();
        let selections = prepared.selections().iter();
        let data: Vec<_> = selections.map(|one| select(&union, one)).collect();
        prepared.evaluate(&data).unwrap().value
    };
    assert!(matches!(&expect, Value::Vector(all) if all.len() == 2));
    let reply = now(&federation, query).await;
    assert_eq!(shown(&reply.answer.output.value), shown(&expect));
    assert_eq!(reply.warnings(), Vec::<String>::new());
    assert_eq!(paths(&eu).keys().collect::<Vec<_>>(), ["read"]);

    // One replica is able to, the other is not.
    federation.reload(endpoints(&[
        (
            &eu,
            "partition: {cluster: eu}, replica: a, remote_read: never",
        ),
        (&eu, "partition: {cluster: eu}, replica: b"),
    ]));
    let reply = now(&federation, query).await;
    assert_eq!(shown(&reply.answer.output.value), shown(&expect));
    federation.reload(endpoints(&[(&eu, "remote_read: never")]));
    let reply = now(&federation, query).await;
    let warnings = reply.warnings();
    assert!(
        warnings[0].contains("which only remote_read has"),
        "{warnings:?}"
    );
}

#[tokio::test]
async fn labels_that_are_not_known_make_no_answer() {
    let hidden = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/status/config" => Reply::Raw(response("403 Forbidden", "text/plain", b"no")),
        _ => readable(asked, &ended()),
    }))
    .await;
    let federation = federation(endpoints(&[(&hidden, "remote_read: prefer")]));
    let warnings = now(&federation, "x").await.warnings();
    assert!(warnings[0].contains("its external labels are not known: it answers 403"));
    // Mimir adds none.
    federation.reload(endpoints(&[(&hidden, "kind: mimir, remote_read: prefer")]));
    let reply = now(&federation, "x{job=\"a\"}").await;
    let found = shown(&reply.answer.output.value);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("prometheus=\"a\""), "{found:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_asked_for_in_another_way() {
    // Chunks of an encoding that is not known, but for whoever asks for samples only.
    let newer = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/read" if request(asked).accepted == [1, 0] => {
            // A series without labels, with a chunk whose encoding is 4.
            let message = [0x0a, 6, 0x12, 4, 0x18, 4, 0x22, 0];
            let sum = crc32c::crc32c(&message).to_be_bytes();
            let stream = [&[8], &sum[..], &message].concat();
            let kind = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse";
            Reply::Raw(response("200 OK", kind, &stream))
        }
        _ => readable(asked, &data(1.0)),
    }))
    .await;
    // Messages without native histograms.
    let older = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/read" => samples(&[0x0a, 2, 0x0a, 0]),
        _ => readable(asked, &data(1.0)),
    }))
    .await;
    let federation = federation(endpoints(&[]));
    for server in [&newer, &older] {
        federation.reload(endpoints(&[(server, "remote_read: prefer")]));
        let reply = now(&federation, "x{job=\"a\"}").await;
        assert_eq!(reply.warnings(), Vec::<String>::new());
        assert_eq!(
            shown(&reply.answer.output.value),
            ["{__name__=\"x\", job=\"a\"} 600000 59"]
        );
    }
    assert_eq!(paths(&newer), BTreeMap::from([("read".to_owned(), 2)]));
    let both = [("query".to_owned(), 1), ("read".to_owned(), 1)];
    assert_eq!(paths(&older), BTreeMap::from(both));
}

/// The first query that a Prometheus of a version with these features is asked.
async fn first_asked(version: &'static str, features: &'static str, query: &str) -> String {
    let server = Server::start(Arc::new(move |asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info(version)),
        "/api/v1/status/flags" => Reply::Json(format!(
            r#"{{"status":"success","data":{{"enable-feature":"{features}"}}}}"#
        )),
        _ => readable(asked, &histograms(1.0)),
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "partition: {cluster: eu}")]));
    let reply = now(&federation, query).await;
    assert_eq!(reply.warnings(), Vec::<String>::new());
    server.asked()[0].form["query"].clone()
}

#[tokio::test]
async fn old_servers_that_take_histograms_for_zeros_are_asked_for_series_only() {
    for version in ["2.42.0", "3.4.2"] {
        for (features, asked) in [("native-histograms", "h"), ("exemplar-storage", "max(h)")] {
            assert_eq!(first_asked(version, features, "max(h)").await, asked);
        }
    }
}

#[tokio::test]
async fn histograms_that_an_old_server_leaves_out_are_read() {
    let server = Server::start(Arc::new(|asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info("3.5.3")),
        "/api/v1/status/flags" => Reply::Json(
            r#"{"status":"success","data":{"enable-feature":"native-histograms"}}"#.to_owned(),
        ),
        "/api/v1/query" => Reply::Json(
            r#"{"status":"success","data":{"resultType":"vector","result":[]},"warnings":[
                "PromQL warning: vector contains histograms with incompatible custom buckets for metric name \"h\" (1:5)"]}"#
                .to_owned(),
        ),
        _ => readable(asked, &histograms(1.0)),
    }))
    .await;
    let federation = federation(endpoints(&[(&server, "partition: {cluster: eu}")]));
    let reply = now(&federation, "sum(h)").await;
    assert_eq!(reply.warnings(), Vec::<String>::new());
    assert_eq!(shown(&reply.answer.output.value).len(), 1);
}

#[tokio::test]
async fn servers_that_compute_otherwise_with_histograms_are_not_asked_to() {
    let quantile = "histogram_quantile(0.9, sum by (cluster) (rate(h[5m])))";
    let window = "{__name__=\"h\"}[5m]";
    let pushed = "histogram_quantile(0.9, sum(rate(h[5m])))";
    for (version, features, query, asked) in [
        ("3.5.3", "native-histograms", quantile, window),
        ("3.5.3", "native-histograms", "max(h)", "max(h)"),
        ("3.5.3", "native-histograms", "resets(h[5m])", window),
        (
            "3.5.3",
            "native-histograms",
            "rate(x_total[5m])",
            "rate(x_total[5m])",
        ),
        ("3.5.3", "exemplar-storage", quantile, pushed),
        ("3.9.0", "native-histograms", quantile, window),
        ("3.10.0", "native-histograms", quantile, pushed),
    ] {
        let found = first_asked(version, features, query).await;
        assert_eq!(found, asked, "{version} {features}: {query}");
    }
}
