//! Queries against servers on this machine.

mod answers;
mod blame;
mod counted;
mod discovery;
mod faults;
mod guarded;
mod hanging;
mod learning;
mod lookups;
mod mixed;
mod ranges;
mod recurring;
mod secrets;
mod server;
mod shared;
mod stored;
mod together;

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;

use self::server::{OPTIONS, Server, series, value};
use super::{Federation, Query, QueryError, Reply};
use crate::{
    config::{LoadEnv, QueryConfig, load_query},
    io::{Clock, HttpClients},
    labels::LabelSet,
    promql::{
        Point, Series, Value,
        engine::Steps,
        parse::{Features, parse},
    },
};

const LONG: Duration = Duration::from_secs(30);

/// A time after the Unix epoch at which all series of the tests have samples.
const NOW: i64 = 600_000;

fn config(text: &str) -> QueryConfig {
    let env = LoadEnv::for_file("query.yml");
    load_query(text.as_bytes(), &env).unwrap_or_else(|errors| panic!("{errors}\n{text}"))
}

/// One endpoint for each server, with its partition and more keys.
fn endpoints(servers: &[(&Server, &str)]) -> QueryConfig {
    let lines: Vec<String> = servers
        .iter()
        .enumerate()
        .map(|(number, (server, keys))| {
            format!(
                "- {{name: e{number}, url: 'http://{}', {keys}}}",
                server.address
            )
        })
        .collect();
    config(&format!("endpoints:\n{}", lines.join("\n")))
}

fn federation(config: QueryConfig) -> Federation {
    let clock = Clock::start(SignedDuration::ZERO);
    Federation::new(Arc::new(HttpClients::new(clock)), clock, config)
}

async fn at(
    federation: &Federation,
    query: &str,
    steps: Steps,
    timeout: Duration,
) -> Result<Reply, QueryError> {
    let expr = parse(query, Features::all()).unwrap();
    federation
        .query(Query::new(&expr, steps, OPTIONS, timeout))
        .await
}

async fn now(federation: &Federation, query: &str) -> Reply {
    let reply = at(federation, query, Steps::instant(NOW), LONG).await;
    reply.unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// The elements of a vector as `labels value`, sorted.
fn shown(value: &Value) -> Vec<String> {
    let mut shown: Vec<String> = match value {
        Value::Vector(samples) => samples
            .iter()
            .map(|sample| match &sample.point {
                Point::Float(value) => format!("{} {} {value}", sample.labels, sample.time),
                Point::Histogram(value) => {
                    format!("{} {} {value:?}", sample.labels, sample.time)
                }
            })
            .collect(),
        Value::Matrix(series) => series
            .iter()
            .map(|one| {
                let mut shown = format!(
                    "{} {:?} {:?}",
                    one.labels, one.floats.times, one.floats.values
                );
                if !one.histograms.times.is_empty() {
                    shown.push_str(&format!(" {:?}", one.histograms));
                }
                shown
            })
            .collect(),
        Value::Scalar { time, value } => vec![format!("{time} {value}")],
        Value::String { value, .. } => vec![value.clone()],
    };
    shown.sort();
    shown
}

/// `x`, a counter of two jobs, and `up`: data of a cluster without the label that names it.
fn data(cluster: f64) -> Vec<Series> {
    let counter = |rate: f64| -> Vec<(i64, f64)> {
        (0_i32..60)
            .map(|step| {
                (
                    i64::from(step) * 10_000 + 5_000,
                    f64::from(step) * rate * cluster,
                )
            })
            .collect()
    };
    vec![
        series(&[("__name__", "x"), ("job", "a")], &counter(1.0)),
        series(&[("__name__", "x"), ("job", "b")], &counter(3.0)),
        series(&[("__name__", "up"), ("job", "a")], &counter(0.0)),
    ]
}

/// The data of clusters as one Prometheus would hold them.
fn union(clusters: &[(&str, f64)]) -> Vec<Series> {
    let mut all = Vec::new();
    for (name, cluster) in clusters {
        for mut one in data(*cluster) {
            one.labels = LabelSet::from_pairs(one.labels.iter().chain([("cluster", *name)]));
            all.push(one);
        }
    }
    all
}

fn expected(query: &str, steps: Steps, clusters: &[(&str, f64)]) -> Vec<String> {
    shown(&value(query, steps, &union(clusters)).unwrap())
}
