//! What claims cost: the same groups fire at one node without a mesh and at three that agree who tells.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    disk::{millis, percentiles},
    nodes::{Node, Place},
    sink::Sink,
    web::{RUNTIME, request},
};

/// Groups of the burst are due this long after their alerts.
const BURST_WAIT: Duration = Duration::from_secs(2);

/// From the alert, or from when the group is due, to the webhook.
struct Times {
    singles: [Duration; 2],
    burst: [Duration; 2],
}

pub(crate) fn measure(program: &Path, storage: &Path, singles: usize, burst: usize) -> Result<()> {
    let alone = run(program, storage, 1, singles, burst)?;
    let three = run(program, storage, 3, singles, burst)?;
    println!(
        "\nfrom the POST of an alert (group_wait 0s), or from when the group is due, to the webhook, in ms"
    );
    println!("| | one node, p50 / p99 | three nodes, p50 / p99 | added, p50 / p99 |");
    println!("|---|--:|--:|--:|");
    for (what, one, other) in [
        (
            format!("{singles} groups one by one"),
            alone.singles,
            three.singles,
        ),
        (
            format!("{burst} groups at the same moment"),
            alone.burst,
            three.burst,
        ),
    ] {
        let pair = |[half, most]: [Duration; 2]| format!("{} / {}", millis(half), millis(most));
        let added = [0, 1].map(|at| other[at].saturating_sub(one[at]));
        println!(
            "| {what} | {} | {} | {} |",
            pair(one),
            pair(other),
            pair(added)
        );
    }
    Ok(())
}

fn config(url: &str) -> String {
    let wait = BURST_WAIT.as_secs();
    format!(
        "route:\n  receiver: sink\n  group_by: [alertname]\n  group_wait: 0s\n  group_interval: 5m\n  \
         repeat_interval: 4h\n  routes:\n  - matchers: [kind=\"burst\"]\n    group_wait: {wait}s\n\
         receivers:\n- name: sink\n  webhook_configs:\n  - url: {url}\n"
    )
}

fn run(
    program: &Path,
    storage: &Path,
    count: usize,
    singles: usize,
    burst: usize,
) -> Result<Times> {
    let directory = tempfile::tempdir_in(storage)?;
    let sink = Sink::start()?;
    let places: Vec<Place> = (0..count).map(|_| Place::find()).collect::<Result<_>>()?;
    let mut nodes = Vec::new();
    for own in 0..count {
        let directory = directory.path().join(own.to_string());
        let config = config(&sink.url);
        nodes.push(Node::start(program, &directory, &config, &places, own)?);
    }
    for node in &mut nodes {
        node.until_ready(count)?;
    }
    // What is begun by the first is not what is measured.
    one_by_one(&nodes, &sink, "warm", 20)?;
    let before = claims(&nodes)?;
    let mut times = one_by_one(&nodes, &sink, "single", singles)?;
    let between = claims(&nodes)?;
    print_claims(count, "one by one", &before, &between);
    let mut at_once = at_once(&nodes, &sink, burst)?;
    print_claims(count, "at once", &between, &claims(&nodes)?);
    println!(
        "{count} nodes: {} notifications told more than once",
        sink.repeated()
    );
    Ok(Times {
        singles: percentiles(&mut times),
        burst: percentiles(&mut at_once),
    })
}

fn post(node: &Node, alerts: &[Value]) -> Result<()> {
    let url = format!("{}/api/v2/alerts", node.url);
    RUNTIME.block_on(request(Method::POST, &url, Some(&json!(alerts))))?;
    Ok(())
}

fn one_by_one(nodes: &[Node], sink: &Sink, prefix: &str, count: usize) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(count);
    for index in 0..count {
        let name = format!("{prefix}{index}");
        let alert = json!({"labels": {"alertname": name, "severity": "page"}});
        let posted = Instant::now();
        post(&nodes[index % nodes.len()], &[alert])?;
        let told = sink.wait(&[name])?;
        times.push(told[0] - posted);
    }
    Ok(times)
}

fn at_once(nodes: &[Node], sink: &Sink, count: usize) -> Result<Vec<Duration>> {
    let names: Vec<String> = (0..count).map(|index| format!("burst{index}")).collect();
    let alerts = names
        .iter()
        .map(|name| json!({"labels": {"alertname": name, "kind": "burst"}}));
    let alerts: Vec<Value> = alerts.collect();
    let due = Instant::now() + BURST_WAIT;
    post(&nodes[0], &alerts)?;
    let told = sink.wait(&names)?;
    Ok(told
        .into_iter()
        .map(|at| at.saturating_duration_since(due))
        .collect())
}

/// `watchfire_claim_seconds` of all nodes together, by bound in seconds; counts are cumulative.
#[derive(Default)]
struct Claims {
    buckets: BTreeMap<String, f64>,
    sum: f64,
    count: f64,
}

fn claims(nodes: &[Node]) -> Result<Claims> {
    let mut all = Claims::default();
    for node in nodes {
        for (labels, value) in node.metrics("watchfire_claim_seconds_bucket")? {
            *all.buckets.entry(labels).or_default() += value;
        }
        all.sum += node.metric("watchfire_claim_seconds_sum")?;
        all.count += node.metric("watchfire_claim_seconds_count")?;
    }
    Ok(all)
}

fn print_claims(nodes: usize, what: &str, before: &Claims, after: &Claims) {
    let count = after.count - before.count;
    if nodes < 2 || count < 1.0 {
        return;
    }
    let mean = (after.sum - before.sum) / count * 1e3;
    let mut shares: Vec<(f64, f64)> = Vec::new();
    for (labels, value) in &after.buckets {
        let bound = labels.trim_start_matches("{le=\"").trim_end_matches("\"}");
        let value = value - before.buckets.get(labels).copied().unwrap_or_default();
        if let Ok(bound) = bound.parse::<f64>() {
            shares.push((bound * 1e3, value / count * 100.0));
        }
    }
    shares.sort_by(|one, other| one.0.total_cmp(&other.0));
    let shares: Vec<String> = shares
        .iter()
        .filter(|(bound, _)| *bound <= 100.0)
        .map(|(bound, share)| format!("{share:.1} % in {bound:.0} ms"))
        .collect();
    println!(
        "watchfire_claim_seconds, {what}: {count} claims, mean {mean:.2} ms; {}",
        shares.join(", ")
    );
}
