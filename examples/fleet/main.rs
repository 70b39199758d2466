//! What one round of a large fleet's rules costs: the rules of kubernetes-mixin over clusters with thousands of pods each.
//!
//! `cargo run --release --example fleet -- --program target/release/watchfire --rules ../shared/data/rules/kubernetes`. The
//! clusters are servers in this program that compute what a Prometheus with so many series would answer, once, and then
//! repeat it. Nothing but 127.0.0.1 is contacted; all processes end with the program.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a command-line program that measures real time"
)]

mod cluster;
mod series;

#[path = "../federation/cpu.rs"]
mod cpu;
#[path = "../../tests/federation/data.rs"]
#[expect(dead_code, reason = "tests ask for more than this program")]
mod data;
#[path = "../../tests/federation/guess.rs"]
mod guess;
#[path = "../../tests/peers/http.rs"]
#[expect(dead_code, reason = "tests ask for more than this program")]
mod http;
#[path = "../../tests/peers/process.rs"]
#[expect(dead_code, reason = "tests ask for more than this program")]
mod process;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    thread,
    time::Duration,
};

use clap::Parser;
use guess::Guess;
use process::Process;
use serde_json::Value;
use series::Fleet;
use watchfire::promql::{
    ast::Expr,
    parse::{Features, parse},
};

/// What one round of a large fleet's rules costs.
#[derive(Debug, Parser)]
struct Options {
    /// What the node runs.
    #[arg(long, default_value = "target/release/watchfire")]
    program: PathBuf,
    /// A directory with files of rules.
    #[arg(long)]
    rules: PathBuf,
    /// Clusters.
    #[arg(long, default_value_t = 10)]
    clusters: usize,
    /// Pods of each cluster.
    #[arg(long, default_value_t = 8_000)]
    pods: usize,
    /// Nodes of each cluster.
    #[arg(long, default_value_t = 320)]
    nodes: usize,
    /// Series of each pod that no rule reads.
    #[arg(long, default_value_t = 84)]
    unread: usize,
    /// Seconds between evaluations.
    #[arg(long, default_value_t = 60)]
    interval: u64,
    /// Rounds that are measured.
    #[arg(long, default_value_t = 2)]
    rounds: u32,
}

fn main() {
    let options = Options::parse();
    let program = fs::canonicalize(&options.program).unwrap();
    let files = rule_files(&options.rules);
    let expressions = expressions(&files);
    let now = jiff::Timestamp::now().as_millisecond();
    let guess = Guess::of(&expressions);
    let mut fleet = Fleet::new(guess.lines("eu", now), (options.pods, options.nodes));
    let read = fleet.count() * options.clusters;
    fleet.add_unread(options.unread, now);
    println!(
        "{} clusters of {} pods and {} nodes; {} series, of which the rules read {read}; {} rules",
        options.clusters,
        options.pods,
        options.nodes,
        fleet.count() * options.clusters,
        expressions.len()
    );
    let fleet = Arc::new(fleet);
    let clusters: Vec<String> = (0..options.clusters)
        .map(|_| cluster::serve(&fleet, now))
        .collect();
    let place = tempfile::tempdir().unwrap();
    let node = start(&program, place.path(), &files, &clusters, options.interval);
    measure(&node, &options, expressions.len());
}

fn rule_files(directory: &Path) -> Vec<PathBuf> {
    let files = fs::read_dir(directory).unwrap();
    let files = files.map(|file| fs::canonicalize(file.unwrap().path()).unwrap());
    let mut files: Vec<PathBuf> = files.collect();
    files.sort();
    files
}

fn expressions(files: &[PathBuf]) -> Vec<Expr> {
    let mut expressions = Vec::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let text: serde_yaml::Value = serde_yaml::from_str(&text).unwrap();
        for group in text["groups"].as_sequence().into_iter().flatten() {
            for rule in group["rules"].as_sequence().into_iter().flatten() {
                let expression = rule["expr"].as_str().unwrap();
                expressions.push(parse(expression, Features::none()).unwrap());
            }
        }
    }
    expressions
}

/// A node with these rules over these clusters.
struct Node {
    process: Process,
    address: String,
}

fn start(
    program: &Path,
    place: &Path,
    files: &[PathBuf],
    clusters: &[String],
    interval: u64,
) -> Node {
    let write = |file: &str, text: &str| fs::write(place.join(file), text).unwrap();
    let endpoints = clusters.iter().enumerate().map(|(number, address)| {
        format!(
            "- {{name: c{number}, url: 'http://{address}', partition: {{cluster: c{number}}}, \
             partition_label_mode: attach, max_concurrency: 4}}\n"
        )
    });
    let endpoints: String = endpoints.collect();
    write("query.yml", &format!("endpoints:\n{endpoints}"));
    let files: Vec<String> = files
        .iter()
        .map(|file| format!("'{}'", file.display()))
        .collect();
    write(
        "ruler.yml",
        &format!(
            "rule_files: [{}]\nevaluation_interval: {interval}s\n",
            files.join(", ")
        ),
    );
    write(
        "alertmanager.yml",
        "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n",
    );
    let mut command = Command::new(program);
    command.current_dir(place).args([
        "--query.config-file=query.yml",
        "--ruler.config-file=ruler.yml",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ]);
    let mut process = Process::spawn(&mut command, &place.join("log"));
    let address = process.listening_on();
    Node { process, address }
}

/// What is known of the rules.
struct Round {
    evaluated: usize,
    failed: Vec<String>,
    missed: u64,
    longest: f64,
    alerts: usize,
}

fn round(node: &Node, with_alerts: bool) -> Round {
    let url = format!(
        "http://{}/prometheus/api/v1/rules?exclude_alerts={}",
        node.address, !with_alerts
    );
    let answer = http::get(&url).expect(200).json();
    let mut round = Round {
        evaluated: 0,
        failed: Vec::new(),
        missed: 0,
        longest: 0.0,
        alerts: 0,
    };
    for group in answer["data"]["groups"].as_array().unwrap() {
        round.missed += group["missedSlots"].as_u64().unwrap();
        round.longest = round.longest.max(group["evaluationTime"].as_f64().unwrap());
        for rule in group["rules"].as_array().unwrap() {
            round.evaluated += usize::from(rule["health"] == "ok");
            round.alerts += rule["alerts"].as_array().map_or(0, Vec::len);
            if let Some(why) = rule["partitionsMissing"]
                .as_array()
                .and_then(|all| all.first())
            {
                round.failed.push(format!("{} lacks {why}", rule["name"]));
            }
            if rule["health"] == "err" {
                round
                    .failed
                    .push(format!("{}: {}", rule["name"], rule["lastError"]));
            }
        }
    }
    round
}

/// The sum of all series of a metric.
fn sum(node: &Node, metric: &str) -> f64 {
    let page = http::get(&format!("http://{}/metrics", node.address)).body;
    let lines = page.lines().filter(|line| {
        let rest = line.strip_prefix(metric);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
    });
    let value = |line: &str| -> f64 { line.rsplit(' ').next().unwrap().parse().unwrap() };
    lines.map(value).sum()
}

fn measure(node: &Node, options: &Options, rules: usize) {
    let interval = Duration::from_secs(options.interval);
    // The clusters compute each answer once.
    process::wait_for("the first round", interval * 15, || {
        let round = round(node, false);
        (round.evaluated + round.failed.len() >= rules).then_some(())
    });
    thread::sleep(interval * 2);
    let missed = round(node, false).missed;
    let counters = [
        "prometheus_rule_evaluations_total",
        "watchfire_endpoint_response_bytes_total",
        "watchfire_query_fetched_samples_total",
    ];
    let before = counters.map(|name| sum(node, name));
    let used = cpu::used(node.process.id());
    thread::sleep(interval * options.rounds);
    let used = cpu::used(node.process.id()).saturating_sub(used);
    let after = counters.map(|name| sum(node, name));
    let rounds = f64::from(options.rounds);
    let each = |at: usize| (after[at] - before[at]) / rounds;
    let memory = node.process.resident_bytes() / 1_000_000;
    let end = round(node, true);
    println!("\n| each round | |\n|---|--:|");
    println!("| evaluations | {:.0} |", each(0));
    println!("| CPU | {:.2} s |", used.as_secs_f64() / rounds);
    println!(
        "| CPU per evaluation | {:.2} ms |",
        used.as_secs_f64() * 1000.0 / rounds / each(0)
    );
    println!("| bytes from endpoints | {:.1} MB |", each(1) / 1e6);
    println!("| samples from endpoints | {:.0} |", each(2));
    println!("| slots missed in all rounds | {} |", end.missed - missed);
    println!("| the slowest group took | {:.2} s |", end.longest);
    println!("| alerts pending or firing | {} |", end.alerts);
    println!("| memory | {memory} MB |");
    println!(
        "| after the rules were shown with all alerts | {} MB |",
        node.process.resident_bytes() / 1_000_000
    );
    println!(
        "\n{} of {rules} rules are evaluated; errors:",
        end.evaluated
    );
    for error in &end.failed {
        println!("* {error}");
    }
}

/// A value of JSON as text.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
