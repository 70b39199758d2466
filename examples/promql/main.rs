//! The cases of Prometheus's `BenchmarkRangeQuery`, timed on this engine and, over the same data, on a real Prometheus.
//!
//! `cargo run --release --example promql` times ours; `-- --prometheus prometheus --promtool promtool` starts a Prometheus
//! on loopback with one core, and asks it each query with `stats`, of which its own time of evaluation counts: selecting,
//! decoding and evaluating, without HTTP and JSON. Ours reads series that are decoded already, as an endpoint's answer
//! is. Options: `--filter TEXT`, `--runs N`.
#![expect(clippy::print_stdout, reason = "the table is the outcome")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
#![expect(clippy::disallowed_types, reason = "a benchmark reads the clock")]
#![expect(clippy::unwrap_used, reason = "a program for developers")]

mod cases;
mod data;
mod peer;

use std::time::{Duration, Instant};

use cases::Case;
use data::{INTERVAL, INTERVALS};
use watchfire::promql::{
    Series,
    engine::{Options, Selection, Steps, prepare},
    parse::{Features, parse},
};

/// What the command line asks for.
#[derive(Default)]
struct Wishes {
    prometheus: Option<String>,
    promtool: Option<String>,
    filter: Option<String>,
    runs: Option<u32>,
}

fn wishes() -> Wishes {
    let mut wishes = Wishes::default();
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let value = args.next();
        match arg.as_str() {
            "--prometheus" => wishes.prometheus = value,
            "--promtool" => wishes.promtool = value,
            "--filter" => wishes.filter = value,
            "--runs" => wishes.runs = value.and_then(|text| text.parse().ok()),
            other => println!("unknown option {other}"),
        }
    }
    wishes
}

fn main() {
    let wishes = wishes();
    let all = data::series();
    println!("{} series of {INTERVALS} samples", all.len());
    let peer = wishes.prometheus.as_ref().map(|program| {
        let promtool = wishes.promtool.as_deref().unwrap_or("promtool");
        peer::Prometheus::start(program, promtool, &all)
    });
    println!(
        "{:<70} {:>6} {:>12} {:>12} {:>7}",
        "query", "steps", "ours", "prometheus", "ratio"
    );
    let runs = wishes.runs.unwrap_or(5);
    for case in cases::all() {
        if wishes
            .filter
            .as_ref()
            .is_some_and(|filter| !case.expr.contains(filter.as_str()))
        {
            continue;
        }
        let ours = least(runs, || ours(&case, &all));
        let theirs = peer
            .as_ref()
            .and_then(|peer| peer.time(&case.expr, steps(&case), runs));
        let ratio = theirs.map(|theirs| theirs.as_secs_f64() / ours.as_secs_f64());
        println!(
            "{:<70} {:>6} {:>9.1} us {:>9} us {:>7}",
            case.expr,
            case.steps,
            micros(ours),
            theirs.map_or_else(|| "-".to_owned(), |time| format!("{:.1}", micros(time))),
            ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.1}x")),
        );
    }
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

fn steps(case: &Case) -> Steps {
    let end = INTERVALS * INTERVAL;
    if case.steps == 1 {
        return Steps::instant(end - INTERVAL);
    }
    Steps {
        start: end - case.steps * INTERVAL,
        end: end - INTERVAL,
        step: INTERVAL,
    }
}

/// The shortest of some runs.
fn least(runs: u32, run: impl Fn() -> Duration) -> Duration {
    (0..runs).map(|_| run()).min().unwrap_or_default()
}

fn ours(case: &Case, all: &[Series]) -> Duration {
    let began = Instant::now();
    let expr = parse(&case.expr, Features::all()).unwrap();
    let prepared = prepare(&expr, steps(case), options()).unwrap();
    let fetched = prepared.selections().iter();
    let fetching = Instant::now();
    let data: Vec<Vec<Series>> = fetched.map(|selection| select(all, selection)).collect();
    let fetching = fetching.elapsed();
    let output = prepared.evaluate(&data).unwrap();
    let took = began.elapsed();
    drop(output);
    // Copying the samples out of the test data is no part of the evaluation.
    took.saturating_sub(fetching)
}

fn select(all: &[Series], selection: &Selection) -> Vec<Series> {
    let matches = |series: &&Series| {
        selection
            .matchers
            .iter()
            .all(|matcher| matcher.matches(&series.labels))
    };
    let cut = |series: &Series| {
        let times = &series.floats.times;
        let from = times.partition_point(|time| *time <= selection.from);
        let to = times.partition_point(|time| *time <= selection.to);
        let mut cut = Series {
            labels: series.labels.clone(),
            ..Series::default()
        };
        cut.floats.times = times.get(from..to).unwrap_or_default().to_vec();
        cut.floats.values = series
            .floats
            .values
            .get(from..to)
            .unwrap_or_default()
            .to_vec();
        cut
    };
    all.iter().filter(matches).map(cut).collect()
}

fn options() -> Options {
    Options {
        lookback: 300_000,
        subquery_step: 60_000,
        max_samples: 50_000_000,
        delayed_name_removal: false,
        use_start_timestamps: false,
        type_and_unit_labels: false,
    }
}
