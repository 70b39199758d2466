//! Queries of many times that are asked again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Instant, SystemTime},
};

use jiff::SignedDuration;

use super::{
    LONG, Query, at, config,
    server::{OPTIONS, Reply, Server, evaluate, series, value},
    shown,
};
use crate::{
    config::QueryConfig,
    io::{
        Clock, HttpClients,
        federation::{Federation, QueryError, Request},
    },
    labels::LabelSet,
    promql::{
        Series,
        engine::Steps,
        parse::{Features, parse},
    },
};

const STEP: i64 = 15_000;

/// The end of the data: eight hours after a midnight.
const END: i64 = (24 + 8) * 3_600_000;

const CLUSTERS: [(&str, f64); 2] = [("eu", 1.0), ("us", 2.0)];

/// A federation for which it is this time; Unix milliseconds.
fn federation_at(millis: i64, config: QueryConfig) -> Federation {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = i64::try_from(now.unwrap().as_millis()).unwrap();
    let clock = Clock::start(SignedDuration::from_millis(millis - now));
    Federation::new(Arc::new(HttpClients::new(clock)), clock, config)
}

/// `x` of ten jobs over eight hours, a sample a minute.
fn data(cluster: f64) -> Vec<Series> {
    let of_job = |job: u32| {
        let samples: Vec<(i64, f64)> = (0_i32..480)
            .map(|minute| {
                let time = END - i64::from(480 - minute) * 60_000 + 1_000;
                (time, f64::from(minute) * cluster * f64::from(job + 1))
            })
            .collect();
        series(&[("__name__", "x"), ("job", &job.to_string())], &samples)
    };
    (0..10).map(of_job).collect()
}

fn expected(query: &str, steps: Steps) -> Vec<String> {
    let mut all = Vec::new();
    for (name, cluster) in CLUSTERS {
        for mut one in data(cluster) {
            one.labels = LabelSet::from_pairs(one.labels.iter().chain([("cluster", name)]));
            all.push(one);
        }
    }
    shown(&value(query, steps, &all).unwrap())
}

fn text(servers: &[Server], more: &str) -> String {
    let lines = servers.iter().zip(CLUSTERS).map(|(server, (cluster, _))| {
        format!(
            "- {{name: {cluster}, url: 'http://{}', kind: prometheus, partition: {{cluster: {cluster}}}}}\n",
            server.address
        )
    });
    format!("endpoints:\n{}{more}", lines.collect::<String>())
}

/// The last six hours.
fn six_hours(end: i64) -> Steps {
    Steps {
        start: end - 6 * 3_600_000,
        end,
        step: STEP,
    }
}

fn bytes(requests: &[Request]) -> usize {
    requests.iter().map(|request| request.bytes).sum()
}

#[tokio::test]
async fn the_repeat_of_a_dashboard_costs_almost_nothing() {
    let servers = [
        Server::prometheus(data(1.0)).await,
        Server::prometheus(data(2.0)).await,
    ];
    let federation = federation_at(END, config(&text(&servers, "")));
    let query = "sum by (job) (rate(x[5m]))";
    let began = Instant::now();
    let first = at(&federation, query, six_hours(END), LONG).await.unwrap();
    let first_took = began.elapsed();
    assert_eq!(
        shown(&first.answer.output.value),
        expected(query, six_hours(END))
    );
    assert_eq!((first.explain.steps, first.explain.known_steps), (1441, 0));
    assert_eq!(first.explain.requests.len(), 2);

    // A step later, as a dashboard does it.
    let later = six_hours(END + STEP);
    let began = Instant::now();
    let again = at(&federation, query, later, LONG).await.unwrap();
    let took = began.elapsed();
    assert_eq!(shown(&again.answer.output.value), expected(query, later));
    // Ten minutes may still change, and a step is new.
    assert_eq!(
        (again.explain.steps, again.explain.known_steps),
        (1441, 1400)
    );
    assert_eq!(again.explain.requests.len(), 2);
    for server in &servers {
        let asked = server.asked();
        assert_eq!(asked.len(), 2);
        let start: f64 = asked[1].form["start"].parse().unwrap();
        let end: f64 = asked[1].form["end"].parse().unwrap();
        assert!((end - start - 600.0).abs() < 1e-6, "{start} {end}");
    }
    let (all, rest) = (
        bytes(&first.explain.requests),
        bytes(&again.explain.requests),
    );
    assert!(rest * 25 < all, "{rest} of {all} bytes");
    println!("{all} bytes in {first_took:?}, again {rest} bytes in {took:?}");

    // What is old altogether is not asked at all.
    let old = six_hours(END - 3_600_000);
    let old = Steps {
        start: old.start + 3_600_000,
        ..old
    };
    let known = at(&federation, query, old, LONG).await.unwrap();
    assert_eq!(shown(&known.answer.output.value), expected(query, old));
    assert!(known.explain.requests.is_empty());
    assert_eq!(known.warnings(), Vec::<String>::new());
    let counts = federation.status().cache;
    assert_eq!(counts.known, 1400 + known.explain.steps);
    assert!(counts.bytes > 0 && counts.blocks > 0);

    // An explanation is about what endpoints do.
    let expr = parse(query, Features::none()).unwrap();
    let afresh = federation
        .query(Query::new(&expr, old, OPTIONS, LONG).afresh())
        .await;
    assert_eq!(afresh.unwrap().explain.requests.len(), 2);
}

#[tokio::test]
async fn what_lacks_a_partition_or_was_reloaded_is_asked_again() {
    let broken = Arc::new(AtomicBool::new(true));
    let is_broken = Arc::clone(&broken);
    let us = data(2.0);
    let servers = [
        Server::prometheus(data(1.0)).await,
        Server::start(Arc::new(move |asked| {
            if is_broken.load(SeqCst) {
                Reply::Reset
            } else {
                evaluate(asked, &us)
            }
        }))
        .await,
    ];
    let text = text(&servers, "");
    let federation = federation_at(END, config(&text));
    let query = "sum(x)";
    let partial = at(&federation, query, six_hours(END), LONG).await.unwrap();
    assert_eq!(partial.answer.missing.len(), 1);
    assert!(!partial.answer.certainty.is_complete());
    assert_eq!(federation.status().cache.blocks, 0);

    broken.store(false, SeqCst);
    let whole = at(&federation, query, six_hours(END), LONG).await.unwrap();
    assert_eq!(
        shown(&whole.answer.output.value),
        expected(query, six_hours(END))
    );
    assert_eq!(whole.explain.known_steps, 0);

    // Now the past is known and the rest lacks a partition: the answer says so.
    broken.store(true, SeqCst);
    let late = at(&federation, query, six_hours(END), LONG).await.unwrap();
    assert_eq!(late.explain.known_steps, 1401);
    assert_eq!(late.answer.missing.len(), 1);
    assert!(late.warnings()[0].starts_with("partition {cluster=\"us\"} is missing: us: "));

    broken.store(false, SeqCst);
    federation.reload(config(&text));
    let reloaded = at(&federation, query, six_hours(END), LONG).await.unwrap();
    assert_eq!(reloaded.explain.known_steps, 0);
    assert_eq!(
        shown(&reloaded.answer.output.value),
        expected(query, six_hours(END))
    );
}

#[tokio::test]
async fn long_queries_are_asked_in_parts_and_short_ones_and_some_others_are_not() {
    let servers = [
        Server::prometheus(data(1.0)).await,
        Server::prometheus(data(2.0)).await,
    ];
    let more = "cache: {split_interval: 1h, min_age: 2h}";
    let federation = federation_at(END, config(&text(&servers, more)));
    let query = "max by (job) (x)";
    let steps = Steps {
        start: END - 6 * 3_600_000 + 30_000,
        ..six_hours(END)
    };
    let reply = at(&federation, query, steps, LONG).await.unwrap();
    assert_eq!(shown(&reply.answer.output.value), expected(query, steps));
    // Six hours, each until the next begins; the seventh begins with the last step.
    assert_eq!(servers[0].asked().len(), 7);
    let again = at(&federation, query, steps, LONG).await.unwrap();
    assert_eq!(shown(&again.answer.output.value), expected(query, steps));
    assert_eq!(servers[0].asked().len(), 7 + 3);

    // What is asked for its range is asked at once.
    for (query, steps) in [("x @ end()", steps), ("sum(x)", Steps::instant(END))] {
        let before = servers[0].asked().len();
        let reply = at(&federation, query, steps, LONG).await.unwrap();
        assert_eq!(shown(&reply.answer.output.value), expected(query, steps));
        assert_eq!(reply.explain.steps, 0);
        assert_eq!(servers[0].asked().len(), before + 1);
    }

    let off = federation_at(END, config(&text(&servers, "cache: {max_bytes: 0}")));
    for _ in 0..2 {
        let reply = at(&off, query, steps, LONG).await.unwrap();
        assert_eq!((reply.explain.steps, reply.explain.requests.len()), (0, 2));
    }
}

#[tokio::test]
async fn samples_of_all_parts_together_are_bounded() {
    let servers = [Server::prometheus(data(1.0)).await];
    let parts = "cache: {split_interval: 1h}";
    let limited = format!("{parts}\nlimits: {{max_samples: 10000}}");
    for (more, max_samples) in [(parts, 10_000), (&*limited, usize::MAX)] {
        let federation = federation_at(END, config(&text(&servers, more)));
        let expr = parse("x", Features::none()).unwrap();
        let options = crate::promql::engine::Options {
            max_samples,
            ..OPTIONS
        };
        let asked = federation.query(Query::new(&expr, six_hours(END), options, LONG));
        let error = asked.await.unwrap_err();
        assert_eq!(error, QueryError::TooManySamples { most: 10_000 });
    }
}

#[tokio::test]
async fn what_a_query_finds_that_began_before_a_reload_is_not_kept() {
    let permits = Arc::new(tokio::sync::Semaphore::new(0));
    let gate = Arc::clone(&permits);
    let old = Server::start(Arc::new(move |asked| {
        let what = asked.path.ends_with("/buildinfo");
        evaluate(asked, &data(1.0)).map(|body| match what {
            true => Reply::Later(Arc::clone(&gate), body),
            false => Reply::Json(body),
        })
    }))
    .await;
    let new = Server::prometheus(data(2.0)).await;
    let of = |server: &Server| {
        config(&format!(
            "endpoints: [{{name: a, url: 'http://{}', kind: prometheus, partition: {{cluster: eu}}}}]",
            server.address
        ))
    };
    let federation = federation_at(END + 3_600_000, of(&new));
    let steps = Steps {
        start: END - 3_600_000,
        end: END - 1_800_000,
        step: STEP,
    };
    // What is known is about this world.
    assert!(at(&federation, "max(x)", steps, LONG).await.is_ok());
    federation.reload(of(&old));
    let reload = async {
        old.until(|seen| seen.of("/api/v1/status/buildinfo").count() > 0)
            .await;
        federation.reload(of(&new));
        permits.add_permits(100);
    };
    let (first, ()) = tokio::join!(at(&federation, "sum(x)", steps, LONG), reload);
    let wanted = |cluster: f64| {
        let all = data(cluster);
        shown(&value("sum(x)", steps, &all).unwrap())
    };
    assert_eq!(shown(&first.unwrap().answer.output.value), wanted(1.0));
    let second = at(&federation, "sum(x)", steps, LONG).await.unwrap();
    assert_eq!(second.explain.known_steps, 0);
    assert_eq!(shown(&second.answer.output.value), wanted(2.0));
}

#[tokio::test]
async fn an_error_names_the_limit_of_places_for_samples() {
    let servers = [Server::prometheus(data(1.0)).await];
    let limits = "limits: {max_samples: 400}";
    let federation = federation_at(END, config(&text(&servers, limits)));
    // Nothing is asked for it, so that no samples come that would be too many.
    let query = "max_over_time(vector(1)[1y:1ms])";
    let asked = at(&federation, query, Steps::instant(END), LONG).await;
    let error = asked.unwrap_err().to_string();
    assert!(error.contains("1 series at 31536000000 steps"), "{error}");
    assert!(error.ends_with("; max_samples is 400"), "{error}");
}
