//! Replicas of different kinds in one partition: whoever fails is followed by another one, asked in its own words.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use jiff::SignedDuration;

use super::{
    LONG, NOW, at, data, endpoints, federation, now,
    server::{Asked, OPTIONS, Reply, Server, build_info, evaluate_expr, select, series},
    shown,
};
use crate::{
    federation::{Dialect, as_here},
    io::Clock,
    labels::LabelSet,
    promql::{
        Series, Value,
        ast::Expr,
        engine::{Steps, prepare},
        parse::{Features, parse},
    },
};

/// What a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Prometheus2,
    Prometheus3,
    Thanos,
    VictoriaMetrics,
}

const KINDS: [Kind; 4] = [
    Kind::Prometheus2,
    Kind::Prometheus3,
    Kind::Thanos,
    Kind::VictoriaMetrics,
];

impl Kind {
    fn keys(self) -> &'static str {
        match self {
            Self::Prometheus2 | Self::Prometheus3 => "kind: prometheus",
            Self::Thanos => "kind: thanos",
            Self::VictoriaMetrics => "kind: victoriametrics",
        }
    }

    fn version(self) -> &'static str {
        match self {
            Self::Prometheus2 => "2.42.0",
            Self::Prometheus3 => "3.5.0",
            Self::Thanos => "0.39.0",
            Self::VictoriaMetrics => "1.100.0",
        }
    }

    /// What a query means to such a server, as it is said here, and how far its selectors look back.
    fn means(self, text: &str, lookback: i64) -> (Expr, i64) {
        let text = match self {
            Self::VictoriaMetrics => text.replace("default_rollup(", "last_over_time("),
            Self::Prometheus2 | Self::Prometheus3 | Self::Thanos => text.to_owned(),
        };
        let read = parse(&text, Features::all());
        let expr = read.unwrap_or_else(|error| panic!("{self:?} is asked {text}: {error}"));
        match self {
            Self::Prometheus2 => as_here(Dialect::Prometheus2, &expr, lookback),
            Self::VictoriaMetrics => {
                assert!(
                    !text.contains("rate("),
                    "MetricsQL means something else: {text}"
                );
                (expr, lookback)
            }
            Self::Prometheus3 | Self::Thanos => (expr, lookback),
        }
    }
}

/// A server of a kind over series, or one that fails while `failing` is its number.
async fn server(kind: Kind, number: usize, failing: &Arc<AtomicUsize>, all: Vec<Series>) -> Server {
    let failing = Arc::clone(failing);
    let handler = move |asked: &Asked| match &*asked.path {
        "/api/v1/status/buildinfo" => Reply::Json(build_info(kind.version())),
        "/api/v1/status/flags" => Reply::Json(FLAGS.to_owned()),
        _ if failing.load(SeqCst) == number => Reply::Reset,
        _ => {
            let millis = |name: &str| asked.form.get(name).map(|text| seconds(text));
            let lookback = millis("lookback_delta").unwrap_or(OPTIONS.lookback);
            let (expr, lookback) = kind.means(&asked.form["query"], lookback);
            evaluate_expr(asked, &expr, lookback, &all)
        }
    };
    Server::start(Arc::new(handler)).await
}

#[expect(clippy::cast_possible_truncation, reason = "times of tests are small")]
fn seconds(text: &str) -> i64 {
    (text.parse::<f64>().unwrap() * 1000.0).round() as i64
}

/// What the engine makes of all series.
fn value(query: &str, steps: Steps, all: &[Series]) -> Value {
    let expr = parse(query, Features::all()).unwrap();
    let prepared = prepare(&expr, steps, OPTIONS).unwrap();
    let data = prepared.selections().iter();
    let data: Vec<_> = data.map(|selection| select(all, selection)).collect();
    prepared.evaluate(&data).unwrap().value
}

fn of_cluster(series: &[Series]) -> Vec<Series> {
    let of = |one: &Series| Series {
        labels: LabelSet::from_pairs(one.labels.iter().chain([("cluster", "eu")])),
        ..one.clone()
    };
    series.iter().map(of).collect()
}

const NOBODY: usize = 9;

/// Of a Prometheus without native histograms.
const FLAGS: &str = r#"{"status":"success","data":{"enable-feature":""}}"#;

const QUERIES: [&str; 9] = [
    "x",
    "sum(x)",
    "avg by (job) (x)",
    "sum by (cluster, job) (rate(x[5m]))",
    "max_over_time(x[4m]) > 1",
    "rate(x[5m]) / on (cluster, job) group_left () x",
    "quantile(0.5, x)",
    "count(x > 3) or vector(0)",
    "max_over_time(sum(x)[3m:20s])",
];

#[tokio::test]
async fn whoever_fails_is_followed_by_one_of_another_kind() {
    let steps = [
        Steps::instant(NOW),
        Steps {
            start: NOW - 100_000,
            end: NOW,
            step: 20_000,
        },
    ];
    let whole = of_cluster(&data(2.0));
    for first in KINDS {
        for second in KINDS.into_iter().filter(|kind| *kind != first) {
            let failing = Arc::new(AtomicUsize::new(NOBODY));
            let (a, b) = (
                server(first, 0, &failing, data(2.0)).await,
                server(second, 1, &failing, data(2.0)).await,
            );
            let of = |kind: Kind, replica: &str| {
                let keys = kind.keys();
                format!("partition: {{cluster: eu}}, replica: {replica}, {keys}")
            };
            let (of_a, of_b) = (of(first, "a"), of(second, "b"));
            for fails in [NOBODY, 0, 1] {
                failing.store(fails, SeqCst);
                for query in QUERIES {
                    for steps in steps {
                        // Anew, so that the first is asked first.
                        let federation = federation(endpoints(&[(&a, &of_a), (&b, &of_b)]));
                        let name = format!("{first:?}, {second:?}, {fails} fails, {query}");
                        let reply = at(&federation, query, steps, LONG).await;
                        let reply = reply.unwrap_or_else(|error| panic!("{name}: {error}"));
                        assert_eq!(reply.warnings(), Vec::<String>::new(), "{name}");
                        let found = shown(&reply.answer.output.value);
                        assert_eq!(found, shown(&value(query, steps, &whole)), "{name}");
                        let mut answered = reply.explain.requests.iter();
                        let used = usize::from(fails == 0);
                        let wanted = format!("e{used}");
                        assert!(
                            answered.all(|one| one.error.is_some() || *one.endpoint == *wanted),
                            "{name}: {:?}",
                            reply.explain
                        );
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn whoever_takes_over_is_asked_first_from_then_on() {
    let failing = Arc::new(AtomicUsize::new(0));
    let (a, b) = (
        server(Kind::Prometheus3, 0, &failing, data(2.0)).await,
        server(Kind::VictoriaMetrics, 1, &failing, data(2.0)).await,
    );
    let federation = federation(endpoints(&[
        (&a, "replica: a, kind: prometheus"),
        (&b, "replica: b, kind: victoriametrics"),
    ]));
    let mut failed = None;
    for query in ["sum(rate(x[5m]))", "sum(x)", "sum(rate(x[5m]))"] {
        let reply = now(&federation, query).await;
        assert_eq!(reply.warnings(), Vec::<String>::new());
        let found = shown(&reply.answer.output.value);
        let wanted = shown(&value(query, Steps::instant(NOW), &data(2.0)));
        assert_eq!(found, wanted, "{query}");
        let failed = failed.get_or_insert_with(|| a.asked().len());
        assert_eq!(a.asked().len(), *failed, "it failed at the first question");
    }
    failing.store(1, SeqCst);
    let reply = now(&federation, "sum(rate(x[5m]))").await;
    assert_eq!(reply.warnings(), Vec::<String>::new());
}

#[tokio::test]
async fn where_nobody_answers_the_partition_is_missing() {
    let failing = Arc::new(AtomicUsize::new(0));
    let (a, b) = (
        server(Kind::Prometheus3, 0, &failing, data(2.0)).await,
        server(Kind::VictoriaMetrics, 0, &failing, data(2.0)).await,
    );
    let federation = federation(endpoints(&[
        (&a, "replica: a, kind: prometheus"),
        (&b, "replica: b, kind: victoriametrics"),
    ]));
    for query in ["sum(rate(x[5m]))", "sum(x)"] {
        let reply = now(&federation, query).await;
        assert_eq!(reply.warnings().len(), 1, "{query}");
        assert_eq!(shown(&reply.answer.output.value), Vec::<String>::new());
    }
}

#[tokio::test]
async fn replicas_may_show_the_labels_of_their_partition_or_not() {
    let failing = Arc::new(AtomicUsize::new(NOBODY));
    let others = data(7.0).into_iter().map(|one| Series {
        labels: LabelSet::from_pairs(one.labels.iter().chain([("cluster", "us")])),
        ..one
    });
    let all: Vec<Series> = of_cluster(&data(2.0)).into_iter().chain(others).collect();
    let (a, b) = (
        server(Kind::Prometheus2, 0, &failing, data(2.0)).await,
        server(Kind::Thanos, 1, &failing, all).await,
    );
    let keys = ["attach", "present"].map(|mode| {
        format!("partition: {{cluster: eu}}, replica: {mode}, partition_label_mode: {mode}")
    });
    let (of_a, of_b) = (
        format!("{}, {}", keys[0], Kind::Prometheus2.keys()),
        format!("{}, {}", keys[1], Kind::Thanos.keys()),
    );
    let whole = of_cluster(&data(2.0));
    for order in [[(&a, &*of_a), (&b, &*of_b)], [(&b, &*of_b), (&a, &*of_a)]] {
        for fails in [NOBODY, 0, 1] {
            failing.store(fails, SeqCst);
            let more = [
                "sum without (job) (x)",
                "count by (cluster) (x{cluster=~\"e.\"})",
                "x{cluster!=\"us\"} * ignoring (job) group_left () max by (cluster) (x)",
                "label_replace(x, \"to\", \"$1\", \"cluster\", \"(.*)\")",
                "absent(x{cluster=\"eu\", job=\"none\"})",
                "topk(1, x)",
            ];
            for query in QUERIES.into_iter().chain(more) {
                let federation = federation(endpoints(&order));
                let reply = now(&federation, query).await;
                let name = format!("{fails} fails, {query}");
                assert_eq!(reply.warnings(), Vec::<String>::new(), "{name}");
                let found = shown(&reply.answer.output.value);
                let wanted = shown(&value(query, Steps::instant(NOW), &whole));
                assert_eq!(found, wanted, "{name}");
            }
        }
    }
}

const DAY: i64 = 86_400_000;

/// A counter with a sample every ten seconds in the ten minutes before each of some times.
fn counter(times: &[i64]) -> Vec<Series> {
    let near = |time: &i64| {
        let time = *time;
        (0..60).map(move |step| (time - 595_000 + step * 10_000, step))
    };
    let samples = times.iter().enumerate().flat_map(|(at, time)| {
        let rate = i64::try_from(at + 1).unwrap();
        near(time).map(move |(time, step)| (time, rate * (1_000 + step)))
    });
    #[expect(clippy::cast_precision_loss, reason = "values of tests are small")]
    let samples: Vec<(i64, f64)> = samples.map(|(time, value)| (time, value as f64)).collect();
    vec![series(&[("__name__", "x"), ("job", "a")], &samples)]
}

fn wall() -> i64 {
    let clock = Clock::start(SignedDuration::ZERO);
    clock.now().wall.unix_millis() / 1000 * 1000
}

/// Which of two servers were asked how often since they were asked so often.
fn asked(servers: [&Server; 2], before: [usize; 2]) -> [usize; 2] {
    [0, 1].map(|at| servers[at].asked().len() - before[at])
}

#[tokio::test]
async fn what_is_older_than_a_prometheus_keeps_comes_from_the_store_behind_it() {
    let now = wall();
    let all = counter(&[now - 30 * DAY, now]);
    let mut young = all.clone();
    young[0].floats.times.drain(..60);
    young[0].floats.values.drain(..60);
    for store in KINDS {
        let failing = Arc::new(AtomicUsize::new(NOBODY));
        let (a, b) = (
            server(Kind::Prometheus3, 0, &failing, young.clone()).await,
            server(store, 1, &failing, all.clone()).await,
        );
        let keys = format!("replica: b, {}", store.keys());
        let federation = federation(endpoints(&[
            (
                &a,
                "replica: a, kind: prometheus, time_range: {max_age: 1d}",
            ),
            (&b, &keys),
        ]));
        let rate = "sum(rate(x[5m]))";
        let then = now - 30 * DAY;
        for (query, time, wanted) in [
            (rate.to_owned(), now, [true, false]),
            ("sum(x)".to_owned(), now, [true, false]),
            (rate.to_owned(), then, [false, true]),
            ("sum(rate(x[5m] offset 30d))".to_owned(), now, [false, true]),
            (format!("sum(x @ {})", then / 1000), now, [false, true]),
            (
                "max_over_time(x[2m] offset 30d)".to_owned(),
                now,
                [false, true],
            ),
        ] {
            let before = asked([&a, &b], [0, 0]);
            let steps = Steps::instant(time);
            let reply = at(&federation, &query, steps, LONG).await.unwrap();
            let name = format!("{store:?}, {query} at {time}");
            assert_eq!(reply.warnings(), Vec::<String>::new(), "{name}");
            let source = if wanted[0] { &young } else { &all };
            let found = shown(&reply.answer.output.value);
            assert_eq!(found, shown(&value(&query, steps, source)), "{name}");
            assert!(!found.is_empty(), "{name}");
            let used = asked([&a, &b], before).map(|many| many > 0);
            assert_eq!(used, wanted, "{name}");
        }
        // Of both, whatever is asked of whom.
        let both = "sum(rate(x[5m])) / sum(rate(x[5m] offset 30d))";
        let wanted = shown(&value(both, Steps::instant(now), &all));
        let reply = at(&federation, both, Steps::instant(now), LONG)
            .await
            .unwrap();
        assert_eq!(shown(&reply.answer.output.value), wanted);
        // The store has what is young as well, and the Prometheus nothing that is old.
        failing.store(0, SeqCst);
        let reply = at(&federation, rate, Steps::instant(now), LONG)
            .await
            .unwrap();
        assert_eq!(reply.warnings(), Vec::<String>::new(), "{store:?}");
        failing.store(1, SeqCst);
        let reply = at(&federation, both, Steps::instant(now), LONG)
            .await
            .unwrap();
        assert_eq!(reply.warnings().len(), 1, "{store:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_behind_is_asked_only_for_what_is_old() {
    let now = wall();
    let (young, old) = (counter(&[now]), counter(&[now - 30 * DAY]));
    let mut whole = old.clone();
    whole[0].floats.times.extend(&young[0].floats.times);
    whole[0].floats.values.extend(&young[0].floats.values);
    let scraped = |age: f64| {
        move |asked: &Asked| {
            let newest = seconds(&asked.form["time"]) - seconds(&age.to_string());
            let values = [("0", newest / 1000), ("1", 15)];
            let values = values.map(|(part, value)| {
                let time = &asked.form["time"];
                format!(r#"{{"metric":{{"__q__":"{part}"}},"value":[{time},"{value}"]}}"#)
            });
            Reply::Json(format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[{}]}}}}"#,
                values.join(",")
            ))
        }
    };
    let server = |kind: Kind, age: f64, all: Vec<Series>| {
        let scraped = scraped(age);
        Server::start(Arc::new(move |asked: &Asked| match &*asked.path {
            "/api/v1/status/buildinfo" => Reply::Json(build_info(kind.version())),
            _ if asked.is_about_freshness() => scraped(asked),
            _ => {
                let (expr, lookback) = kind.means(&asked.form["query"], OPTIONS.lookback);
                evaluate_expr(asked, &expr, lookback, &all)
            }
        }))
    };
    let a = server(Kind::Prometheus3, 1.0, young).await;
    let b = server(Kind::Thanos, 7200.0, old).await;
    let federation = federation(endpoints(&[
        (
            &a,
            "replica: a, kind: prometheus, time_range: {max_age: 1d}",
        ),
        (&b, "replica: b, kind: thanos"),
    ]));
    let both = "sum(rate(x[5m])) / sum(rate(x[5m] offset 30d))";
    let steps = Steps::instant(now);
    let wanted = shown(&value(both, steps, &whole));
    // Until it is known that it is behind.
    let known = async {
        loop {
            let reply = at(&federation, both, steps, LONG).await.unwrap();
            let used = reply.explain.requests.iter().map(|one| &*one.endpoint);
            let mut used: Vec<&str> = used.collect();
            used.sort_unstable();
            used.dedup();
            if used == ["e0", "e1"] {
                return reply;
            }
            tokio::task::yield_now().await;
        }
    };
    let reply = tokio::time::timeout(LONG, known).await.unwrap();
    assert_eq!(reply.warnings(), Vec::<String>::new());
    assert_eq!(shown(&reply.answer.output.value), wanted);
    for (query, time) in [
        ("sum(rate(x[5m]))", now),
        ("sum(rate(x[5m]))", now - 30 * DAY),
        ("sum(x offset 30d)", now),
    ] {
        let steps = Steps::instant(time);
        let reply = at(&federation, query, steps, LONG).await.unwrap();
        assert_eq!(reply.warnings(), Vec::<String>::new(), "{query}");
        let wanted = shown(&value(query, steps, &whole));
        assert_eq!(shown(&reply.answer.output.value), wanted, "{query}");
    }
    // Nobody has all of it.
    let reply = at(&federation, "max_over_time(x[31d])", steps, LONG).await;
    let warnings = reply.unwrap().warnings();
    assert!(
        warnings[0].contains("e1 is behind, and e0 does not hold samples that are as old"),
        "{warnings:?}"
    );
}
