//! Measures queries over three Prometheus with many series each: how long aggregations take beside the slowest endpoint
//! alone, what a light query, a light rule and a dashboard that asks the same again cost, and what travels.
//!
//! `cargo run --release --example federation -- --program target/release/watchfire` needs `prometheus` and `promtool`, and
//! for the comparison `vmalert`. Nothing but 127.0.0.1 is contacted; all processes end with the program.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a command-line program that measures real time"
)]

mod cpu;
mod dashboard;
mod light;
mod rules;
mod series;
mod wide;

#[path = "../../tests/federation/data.rs"]
#[expect(dead_code, reason = "tests ask for more than this program")]
mod data;
#[path = "../../tests/peers/http.rs"]
#[expect(dead_code, reason = "tests ask for more than this program")]
mod http;
#[path = "../../tests/peers/process.rs"]
#[expect(dead_code, reason = "tests ask for more than this program")]
mod process;
#[path = "../../tests/federation/servers.rs"]
#[expect(dead_code, reason = "tests ask for more than this program")]
mod servers;
#[path = "../../tests/skipped/mod.rs"]
mod skipped;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use clap::Parser;
use process::Process;
use servers::Server;

/// Measures queries over three Prometheus with many series each.
#[derive(Debug, Parser)]
struct Options {
    /// What the node runs.
    #[arg(long, default_value = "target/release/watchfire")]
    program: PathBuf,
    /// Another program whose light queries are measured beside, in turns.
    #[arg(long)]
    beside: Option<PathBuf>,
    /// Series of each Prometheus.
    #[arg(long, default_value_t = 50_000)]
    series: usize,
    /// How often each wide query is asked.
    #[arg(long, default_value_t = 15)]
    runs: usize,
    /// Light queries.
    #[arg(long, default_value_t = 6000)]
    queries: usize,
    /// Light queries at a time.
    #[arg(long, default_value_t = 4)]
    at_once: usize,
    /// Rules.
    #[arg(long, default_value_t = 10_000)]
    rules: usize,
    /// What is measured; all without.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "wide,dashboard,light,vmalert,rules"
    )]
    parts: Vec<String>,
}

/// The partitions.
const NAMES: [&str; 3] = ["eu", "us", "ap"];

/// A node over the endpoints.
struct Node {
    process: Process,
    /// Before `/api/v1`.
    base: String,
}

fn main() {
    let options = Options::parse();
    let program = fs::canonicalize(&options.program).unwrap();
    let place = tempfile::tempdir().unwrap();
    let endpoints: Vec<Server> = thread::scope(|scope| {
        let start = |name: &'static str| {
            let directory = place.path().join(name);
            Server::prometheus(&directory, &series::lines(name, options.series))
        };
        let started = NAMES.map(|name| scope.spawn(move || start(name)));
        started.map(|one| one.join().unwrap()).into()
    });
    println!(
        "three Prometheus with {} series of {} samples each",
        options.series,
        series::SAMPLES
    );
    let has = |part: &str| options.parts.iter().any(|one| one == part);
    for pushdown in ["aggregate", "full"] {
        if !has("wide") && !has("dashboard") && !has("light") {
            break;
        }
        let node = Node::start(&program, place.path(), &endpoints, pushdown, &[]);
        if has("wide") {
            wide::measure(&node, &endpoints, pushdown, options.runs);
        }
        if has("dashboard") {
            dashboard::measure(&node, &endpoints, pushdown);
        }
        if has("light") {
            let other = options.beside.as_ref().map(|other| {
                let other = fs::canonicalize(other).unwrap();
                let place = place.path().join("beside");
                Node::start(&other, &place, &endpoints, pushdown, &[])
            });
            let nodes: Vec<&Node> = [&node].into_iter().chain(&other).collect();
            light::measure(&nodes, pushdown, options.queries, options.at_once);
        }
    }
    if has("vmalert") {
        light::measure_vmalert(place.path(), &endpoints[0]);
    }
    if has("rules") {
        let counts = (options.rules, options.series);
        rules::measure(&program, place.path(), &endpoints, counts);
    }
}

impl Node {
    fn start(
        program: &Path,
        place: &Path,
        endpoints: &[Server],
        pushdown: &str,
        flags: &[&str],
    ) -> Self {
        let directory = place.join(format!("node-{pushdown}"));
        fs::create_dir_all(&directory).unwrap();
        let mut text = "endpoints:\n".to_owned();
        for (name, server) in NAMES.iter().zip(endpoints) {
            text.push_str(&format!(
                "- {{name: {name}, url: 'http://{}', partition: {{cluster: {name}}}, \
                 partition_label_mode: attach, pushdown: {pushdown}}}\n",
                server.address()
            ));
        }
        fs::write(directory.join("query.yml"), text).unwrap();
        let alertmanager = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";
        fs::write(directory.join("alertmanager.yml"), alertmanager).unwrap();
        let mut command = Command::new(program);
        command.current_dir(&directory).args([
            "--query.config-file=query.yml",
            "--web.listen-address=127.0.0.1:0",
            "--cluster.listen-address=",
        ]);
        command.args(flags);
        let mut process = Process::spawn(&mut command, &directory.join("log"));
        let address = process.listening_on();
        let base = format!("http://{address}/prometheus");
        process::wait_for("the first answer", process::SOON, || {
            let answer = ask(&base, "query", "sum(x_total)");
            (!answer.contains("\"warnings\"")).then_some(())
        });
        Self { process, base }
    }
}

/// The whole answer to a query at the time of the data.
fn ask(base: &str, path: &str, query: &str) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", query);
    form.append_pair("time", &series::NOW.to_string());
    let url = format!("{base}/api/v1/{path}?{}", form.finish());
    http::get(&url).expect(200).body
}
