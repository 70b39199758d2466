//! One aggregation over all series of three endpoints.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{Node, ask, servers::Server};

const QUERIES: [&str; 4] = [
    "sum by (job) (rate(x_total[5m]))",
    "sum by (job) (x_total)",
    "sum(x_total)",
    "sum by (job) (max_over_time(x_total[5m]))",
];

/// Times each query over all endpoints by the node, in turn with all endpoints asked at once without it: what counts is the
/// slowest of these, since they share the machine.
pub(crate) fn measure(node: &Node, endpoints: &[Server], pushdown: &str, runs: usize) {
    println!("\n## pushdown: {pushdown}\n");
    println!(
        "| query | slowest of three asked at once | by the node | more | bytes from the endpoints | of the same asked directly |"
    );
    println!("|---|--:|--:|--:|--:|--:|");
    for query in QUERIES {
        // How much an answer has decides how it is asked for the next time.
        ask(&node.base, "query", query);
        let explained: Value =
            serde_json::from_str(&ask(&node.base, "query/explain", query)).unwrap();
        let requests = explained["data"]["requests"].as_array().unwrap();
        let bytes: u64 = requests
            .iter()
            .map(|one| one["bytes"].as_u64().unwrap())
            .sum();
        let travels = requests.iter().all(|one| {
            let query = one["query"].as_str().unwrap();
            // A window of samples.
            !query.ends_with(']')
        });
        let runs = if travels { runs } else { runs.min(3) };
        let (mut alone, mut together, mut direct) = (Vec::new(), Vec::new(), 0);
        for _ in 0..runs {
            let asked = at_once(endpoints, query);
            alone.push(asked.iter().map(|(took, _)| *took).max().unwrap());
            direct = asked.iter().map(|(_, bytes)| *bytes).sum();
            let began = Instant::now();
            ask(&node.base, "query", query);
            together.push(began.elapsed());
        }
        let (alone, together) = (median(alone), median(together));
        println!(
            "| `{query}` | {:.1} ms | {:.1} ms | {:+.1} ms | {bytes} | {direct} |",
            millis(alone),
            millis(together),
            millis(together) - millis(alone)
        );
    }
}

/// How long each endpoint took, and the bytes of its answer.
fn at_once(endpoints: &[Server], query: &str) -> Vec<(Duration, usize)> {
    thread::scope(|scope| {
        let asking: Vec<_> = endpoints
            .iter()
            .map(|server| {
                scope.spawn(move || {
                    let began = Instant::now();
                    let bytes = ask(&server.url(""), "query", query).len();
                    (began.elapsed(), bytes)
                })
            })
            .collect();
        asking.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
