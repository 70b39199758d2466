//! A dashboard that asks the same again: what its queries of many times cost once their values are known.

use std::time::{Duration, Instant};

use crate::{Node, cpu, http, servers::Server};

/// The steps of a query: one a second over all samples.
const STEPS: i64 = 300;

/// How often each query is asked again.
const REPEATS: u32 = 500;

/// How often it moves on.
const MOVES: u32 = 20;

const QUERIES: [&str; 3] = [
    "sum by (job) (rate(x_total[1m]))",
    "sum(x_total)",
    "x_total{host=\"h1\"}",
];

/// What queries cost.
struct Cost {
    took: Duration,
    cpu: Duration,
    /// Of the answers of endpoints.
    bytes: f64,
}

/// Asks each query once, and then as dashboards do: the same again, and the same one step later.
pub(crate) fn measure(node: &Node, endpoints: &[Server], pushdown: &str) {
    println!("\n## {STEPS} steps again and again, pushdown: {pushdown}\n");
    println!("| query | | took | CPU | bytes from the endpoints |");
    println!("|---|---|--:|--:|--:|");
    for query in QUERIES {
        let direct = endpoints.iter().map(|server| {
            let began = Instant::now();
            ask(&server.url(""), query, 0);
            began.elapsed()
        });
        let direct = direct.max().unwrap();
        println!(
            "| `{query}` | the slowest endpoint asked directly | {:.1} ms | | |",
            millis(direct)
        );
        let first = cost(node, 1, || ask(&node.base, query, -1));
        let again = cost(node, REPEATS, || ask(&node.base, query, -1));
        let mut moved = -1;
        let next = cost(node, MOVES, || {
            moved += 1;
            ask(&node.base, query, moved);
        });
        for (name, cost) in [("first", first), ("again", again), ("one step later", next)] {
            println!(
                "| | {name} | {:.1} ms | {:.2} ms | {} |",
                millis(cost.took),
                millis(cost.cpu),
                cost.bytes
            );
        }
    }
}

/// What each of so many costs.
fn cost(node: &Node, times: u32, mut ask: impl FnMut()) -> Cost {
    let before = bytes(node);
    let (used, began) = (cpu::used(node.process.id()), Instant::now());
    for _ in 0..times {
        ask();
    }
    Cost {
        took: began.elapsed() / times,
        cpu: cpu::used(node.process.id()).saturating_sub(used) / times,
        bytes: (bytes(node) - before) / f64::from(times),
    }
}

/// A query of [`STEPS`] steps, the last of which is so many after the last one of the data.
fn ask(base: &str, query: &str, later: i64) {
    let end = crate::series::NOW + later;
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", query);
    form.append_pair("start", &(end - STEPS).to_string());
    form.append_pair("end", &end.to_string());
    form.append_pair("step", "1");
    let url = format!("{base}/api/v1/query_range?{}", form.finish());
    let answer = http::get(&url).expect(200).body;
    assert!(!answer.contains("\"warnings\""), "{answer}");
}

fn bytes(node: &Node) -> f64 {
    let url = format!("{}/metrics", node.base.trim_end_matches("/prometheus"));
    let answer = http::get(&url).expect(200).body;
    let lines = answer.lines();
    let of_endpoint =
        lines.filter_map(|line| line.strip_prefix("watchfire_endpoint_response_bytes_total"));
    of_endpoint
        .filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
