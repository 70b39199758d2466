//! Light queries, as most rules are: one series of each partition.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::{
    Node, ask, cpu, http,
    process::{self, Process},
    series,
    servers::Server,
};

/// Hosts that queries are about.
const HOSTS: usize = 1000;

/// How long vmalert evaluates.
const RUN: Duration = Duration::from_secs(20);

/// The kinds of queries, about a host.
pub(crate) const KINDS: [(&str, &str); 4] = [
    ("one series", "x_total{host=\"HOST\",code=\"3\"} > 1e15"),
    (
        "a sum of ten series",
        "sum by (job) (x_total{host=\"HOST\"}) > 1e15",
    ),
    (
        "a rate of one series",
        "rate(x_total{host=\"HOST\",code=\"3\"}[5m]) > 1e15",
    ),
    (
        "a sum of a rate of one series",
        "sum by (job) (rate(x_total{host=\"HOST\",code=\"3\"}[5m])) > 1e15",
    ),
];

fn about(query: &str, number: usize) -> String {
    query.replace("HOST", &series::host(number % HOSTS))
}

/// Each node is measured so often, one after the other, so that what else the machine does is the same for all.
const TURNS: usize = 5;

/// The CPU time of each node for each query, HTTP included: the least of all turns.
pub(crate) fn measure(nodes: &[&Node], pushdown: &str, queries: usize, at_once: usize) {
    println!(
        "\n## Light queries over three endpoints, pushdown: {pushdown}, {at_once} at a time\n"
    );
    println!("| query | node | CPU | took, mean |");
    println!("|---|--:|--:|--:|");
    let part = queries / TURNS;
    for (name, query) in KINDS {
        let mut least = vec![(Duration::MAX, Duration::MAX); nodes.len()];
        for node in nodes {
            run(node, query, queries / 10, at_once);
        }
        for _ in 0..TURNS {
            for (node, least) in nodes.iter().zip(&mut least) {
                let (before, began) = (cpu::used(node.process.id()), Instant::now());
                run(node, query, part, at_once);
                let took = began.elapsed();
                let used = cpu::used(node.process.id()).saturating_sub(before);
                *least = (least.0.min(used), least.1.min(took));
            }
        }
        for (number, (used, took)) in least.into_iter().enumerate() {
            println!(
                "| {name} | {number} | {:.3} ms | {:.2} ms |",
                each(used, part),
                each(took, part) * at_once as f64
            );
        }
    }
    for node in nodes {
        println!("\nmemory: {} MB", node.process.resident_bytes() / 1_000_000);
    }
}

fn run(node: &Node, query: &str, queries: usize, at_once: usize) {
    let next = AtomicUsize::new(0);
    let worker = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= queries {
                return;
            }
            let answer = ask(&node.base, "query", &about(query, number));
            assert!(!answer.contains("\"warnings\""), "{answer}");
        }
    };
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(worker);
        }
    });
}

fn each(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1000.0 / count as f64
}

/// The CPU time of vmalert for each evaluation of the same queries as alerts, over one endpoint.
pub(crate) fn measure_vmalert(place: &Path, endpoint: &Server) {
    let Some(program) = process::installed("vmalert") else {
        eprintln!("vmalert is not installed");
        return;
    };
    println!("\n## vmalert over one endpoint\n");
    println!("| query | CPU | evaluations |");
    println!("|---|--:|--:|");
    for (at, (name, query)) in KINDS.into_iter().enumerate() {
        let mut rules = "groups:\n".to_owned();
        for group in 0..20 {
            rules.push_str(&format!("- name: g{group}\n  interval: 2s\n  rules:\n"));
            for rule in 0..HOSTS / 20 {
                let number = group * (HOSTS / 20) + rule;
                rules.push_str(&format!(
                    "  - {{alert: a{number}, expr: '{}'}}\n",
                    about(query, number)
                ));
            }
        }
        let directory = place.join(format!("vmalert-{at}"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("rules.yml"), rules).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let now = jiff::Timestamp::now().as_second();
        let mut command = Command::new(&program);
        command.current_dir(&directory).args([
            "-rule=rules.yml",
            "-notifier.url=http://127.0.0.1:9",
            &format!("-datasource.url={}", endpoint.url("")),
            // Evaluations are so long before the clock.
            &format!("-datasource.lookback={}s", now - series::NOW),
            "-datasource.maxIdleConnections=100",
            &format!("-httpListenAddr={address}"),
        ]);
        let process = Process::spawn(&mut command, &directory.join("log"));
        let evaluations = || {
            let url = format!("http://{address}/metrics");
            let answer = http::try_request("GET", &url, &[], None).ok()?;
            let lines = answer.body.lines();
            let line = lines.filter_map(|line| line.strip_prefix("vmalert_execution_total "));
            line.map(|count| count.trim().parse::<usize>().ok())
                .next()?
        };
        let first = process::wait_for("evaluations", process::SOON, || {
            evaluations().filter(|count| *count >= HOSTS)
        });
        let before = cpu::used(process.id());
        thread::sleep(RUN);
        let used = cpu::used(process.id()).saturating_sub(before);
        let count = evaluations().unwrap() - first;
        println!("| {name} | {:.3} ms | {count} |", each(used, count));
    }
}
