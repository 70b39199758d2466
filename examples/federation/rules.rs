//! Ten thousand light rules every half minute: what each costs here, in vmalert and in Prometheus itself.

use std::{fs, net::TcpListener, path::Path, process::Command, thread, time::Duration};

use crate::{
    Node, cpu, http,
    light::KINDS,
    process::{self, Process},
    series,
    servers::Server,
};

/// Seconds between evaluations.
const INTERVAL: u64 = 30;

/// Intervals that are measured.
const RUNS: u32 = 3;

/// Rules of each group.
const PER_GROUP: usize = 50;

/// Counters of a program's `/metrics`.
struct Counters<'c> {
    evaluations: &'c str,
    missed: &'c str,
}

const OF_PROMETHEUS: Counters<'static> = Counters {
    evaluations: "prometheus_rule_evaluations_total",
    missed: "prometheus_rule_group_iterations_missed_total",
};

const OF_VMALERT: Counters<'static> = Counters {
    evaluations: "vmalert_execution_total",
    missed: "vmalert_iteration_missed_total",
};

/// A file of rules whose alerts never fire, over the data of `series::NOW`.
fn file(count: usize) -> String {
    let ago = jiff::Timestamp::now().as_second() - series::NOW;
    let mut text = "groups:\n".to_owned();
    for number in 0..count {
        if number % PER_GROUP == 0 {
            let group = number / PER_GROUP;
            text.push_str(&format!(
                "- name: g{group}\n  interval: {INTERVAL}s\n  rules:\n"
            ));
        }
        let (_, query) = KINDS[number % KINDS.len()];
        let query = query.replace("HOST", &series::host(number / KINDS.len()));
        let query = if query.contains("[5m]") {
            query.replace("[5m]", &format!("[5m] offset {ago}s"))
        } else {
            query.replacen('}', &format!("}} offset {ago}s"), 1)
        };
        text.push_str(&format!("  - {{alert: a{number}, expr: '{query}'}}\n"));
    }
    text
}

/// Measures the node over all endpoints, and the others over the first one.
pub(crate) fn measure(
    program: &Path,
    place: &Path,
    endpoints: &[Server],
    (count, of_each): (usize, usize),
) {
    println!("\n## {count} rules every {INTERVAL} s\n");
    println!("| | CPU per evaluation | evaluations | missed slots | memory | without rules |");
    println!("|---|--:|--:|--:|--:|--:|");
    let rules = file(count);
    for pushdown in ["aggregate", "full"] {
        measure_node(program, place, endpoints, pushdown, (&rules, count));
    }
    measure_prometheus(place, of_each, (&rules, count));
    measure_vmalert(place, &endpoints[0], (&rules, count));
}

fn measure_node(
    program: &Path,
    place: &Path,
    endpoints: &[Server],
    pushdown: &str,
    rules: (&str, usize),
) {
    let idle = Node::start(program, place, endpoints, pushdown, &[]);
    thread::sleep(Duration::from_secs(2));
    let without = idle.process.resident_bytes();
    drop(idle);
    let directory = place.join(format!("node-{pushdown}"));
    fs::write(directory.join("rules.yml"), rules.0).unwrap();
    fs::write(directory.join("ruler.yml"), "rule_files: [rules.yml]\n").unwrap();
    let flags = ["--ruler.config-file=ruler.yml"];
    let node = Node::start(program, place, endpoints, pushdown, &flags);
    let url = format!("{}/metrics", node.base.trim_end_matches("/prometheus"));
    let name = format!("Watchfire, three endpoints, pushdown: {pushdown}");
    run(
        &name,
        &node.process,
        &url,
        &OF_PROMETHEUS,
        (rules.1, without),
    );
}

/// A Prometheus with the data of one endpoint, which evaluates in its own process.
fn measure_prometheus(place: &Path, count: usize, rules: (&str, usize)) {
    let directory = place.join("ruling");
    let server = Server::prometheus(&directory, &series::lines("eu", count));
    let dead = server.kill();
    fs::write(directory.join("rules.yml"), rules.0).unwrap();
    let config = "global: {}\nrule_files: [rules.yml]\n";
    fs::write(directory.join("prometheus.yml"), config).unwrap();
    let server = dead.rise();
    let url = server.url("/metrics");
    run(
        "Prometheus, in process",
        server.process(),
        &url,
        &OF_PROMETHEUS,
        (rules.1, 0),
    );
}

fn measure_vmalert(place: &Path, endpoint: &Server, rules: (&str, usize)) {
    let Some(program) = process::installed("vmalert") else {
        println!("| vmalert is not installed | | | | | |");
        return;
    };
    let directory = place.join("vmalert-rules");
    fs::create_dir_all(&directory).unwrap();
    fs::write(directory.join("rules.yml"), rules.0).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut command = Command::new(&program);
    command.current_dir(&directory).args([
        "-rule=rules.yml",
        "-notifier.url=http://127.0.0.1:9",
        &format!("-datasource.url={}", endpoint.url("")),
        "-datasource.maxIdleConnections=100",
        &format!("-httpListenAddr={address}"),
    ]);
    let process = Process::spawn(&mut command, &directory.join("log"));
    let url = format!("http://{address}/metrics");
    run(
        "vmalert, one endpoint",
        &process,
        &url,
        &OF_VMALERT,
        (rules.1, 0),
    );
}

/// Waits for the first two rounds, after which it is known which questions are light, and prints a line about those after
/// them.
fn run(
    name: &str,
    process: &Process,
    url: &str,
    counters: &Counters<'_>,
    (count, without): (usize, u64),
) {
    let evaluations = || sum(url, counters.evaluations);
    let patience = Duration::from_secs(4 * INTERVAL);
    let first = process::wait_for("two rounds", patience, || {
        evaluations().filter(|done| *done >= 2.0 * count as f64)
    });
    let (before, missed) = (
        cpu::used(process.id()),
        sum(url, counters.missed).unwrap_or(0.0),
    );
    thread::sleep(Duration::from_secs(INTERVAL) * RUNS);
    let used = cpu::used(process.id()).saturating_sub(before);
    let done = evaluations().unwrap() - first;
    let missed = sum(url, counters.missed).unwrap_or(0.0) - missed;
    let megabytes = |bytes: u64| match bytes {
        0 => String::new(),
        bytes => format!("{} MB", bytes / 1_000_000),
    };
    println!(
        "| {name} | {:.3} ms | {done} | {missed} | {} | {} |",
        used.as_secs_f64() * 1000.0 / done,
        megabytes(process.resident_bytes()),
        megabytes(without)
    );
}

/// The sum of all series of a metric.
fn sum(url: &str, metric: &str) -> Option<f64> {
    let answer = http::try_request("GET", url, &[], None).ok()?;
    let lines = answer.body.lines();
    let of_metric = |line: &&str| {
        let rest = line.strip_prefix(metric);
        rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
    };
    let value = |line: &str| -> Option<f64> { line.rsplit(' ').next()?.parse().ok() };
    let values = lines.filter(of_metric).filter_map(value);
    Some(values.sum())
}
