//! Endpoints that come and go with a file, and the limits of queries, in a process of its own.

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use serde_json::Value;

use crate::{
    api::{self, Answer, When},
    fake::{Fake, Gate, Told},
    http,
    node::{Node, Program},
    process::{SOON, wait_for},
};

const NOW: When = When::At(1_700_000_400);

/// A server whose series all have this value; what is slow waits for the gate.
fn server(value: f64, gate: &Gate) -> Fake {
    let gate = gate.clone();
    Fake::prometheus("3.5.0", move |asked| {
        if asked.query().contains("slow") {
            gate.pass();
        }
        Told::vector(asked, &[("{}", value)])
    })
}

/// A node over the endpoints that a file tells.
struct World {
    directory: PathBuf,
    node: Node,
}

impl World {
    fn start(directory: &Path) -> Self {
        fs::write(directory.join("targets.json"), "[]").unwrap();
        write_limit(directory, 20);
        let config = "route: {receiver: nobody}\nreceivers: [{name: nobody}]\n";
        let program = Program::Subject.path().unwrap();
        let node = Node::start(
            &program,
            directory,
            config,
            &["--query.config-file=query.yml"],
        );
        Self {
            directory: directory.to_owned(),
            node,
        }
    }

    /// Makes this server the only target, and waits until it is the only endpoint.
    fn retarget(&self, cluster: &str, server: &Fake) {
        let address = server.address();
        let targets =
            format!(r#"[{{"targets": ["{address}"], "labels": {{"cluster": "{cluster}"}}}}]"#);
        // As Prometheus's documentation says: a file that is half written may be read.
        let file = self.directory.join("targets.json");
        fs::write(file.with_extension("new"), targets).unwrap();
        fs::rename(file.with_extension("new"), &file).unwrap();
        let expected = [format!("sites/{address}")];
        wait_for("the endpoints of the file", SOON, || {
            (self.endpoints() == expected).then_some(())
        });
    }

    fn endpoints(&self) -> Vec<String> {
        let status = self.node.get("/api/v2/endpoints").expect(200).json();
        let partitions = status["partitions"].as_array().unwrap();
        let endpoints = partitions
            .iter()
            .flat_map(|one| one["endpoints"].as_array().unwrap());
        endpoints
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    }

    fn ask(&self, query: &str) -> Answer {
        api::ask(&self.node.url("/prometheus"), query, NOW).unwrap()
    }

    /// Asks beside the test.
    fn asking(&self, query: &'static str) -> thread::JoinHandle<Answer> {
        let base = self.node.url("/prometheus");
        thread::spawn(move || api::ask(&base, query, NOW).unwrap())
    }

    fn metric(&self, name: &str) -> Option<String> {
        let page = self.node.get("/metrics").body;
        let mut lines = page.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(str::to_owned)
    }
}

fn write_limit(directory: &Path, most: u32) {
    let text = format!(
        "limits: {{max_concurrent_queries: {most}}}\n\
         endpoints:\n- {{name: sites, url: 'http://unused:1', discovery: {{files: [targets.json]}}}}\n"
    );
    fs::write(directory.join("query.yml"), text).unwrap();
}

fn value(answer: &Answer) -> f64 {
    assert!(answer.warnings.is_empty(), "{:?}", answer.warnings);
    assert_eq!(answer.elements.len(), 1, "{answer:?}");
    answer.elements.values().next().unwrap()[0].1
}

#[test]
fn endpoints_come_and_go_with_a_file_and_no_query_is_lost() {
    let place = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    let (eu, us) = (server(1.0, &gate), server(2.0, &gate));
    let world = World::start(place.path());
    world.retarget("eu", &eu);
    assert!((value(&world.ask("sum(x)")) - 1.0).abs() < 1e-9);

    let running = world.asking("sum(slow)");
    wait_for("the slow question", SOON, || {
        (eu.count("slow") > 0).then_some(())
    });
    world.retarget("us", &us);
    assert!((value(&world.ask("sum(x)")) - 2.0).abs() < 1e-9);
    assert_eq!(us.count("slow"), 0);
    let up = world.metric("watchfire_partition_up{cluster=\"us\"}");
    assert_eq!(up.as_deref(), Some("1"));
    assert_eq!(world.metric("watchfire_partition_up{cluster=\"eu\"}"), None);
    gate.open();
    let late = running.join().unwrap();
    assert!(
        (value(&late) - 1.0).abs() < 1e-9,
        "it ends with the endpoints with which it began"
    );

    // What cannot be read changes nothing, and is told.
    fs::write(place.path().join("targets.json"), "[{").unwrap();
    let problem = wait_for("what is wrong", SOON, || {
        let status = world.node.get("/api/v2/endpoints").json();
        status["problems"][0].as_str().map(str::to_owned)
    });
    assert!(
        problem.starts_with("the endpoints of sites cannot be found, 1 that were known stay: "),
        "{problem}"
    );
    assert!((value(&world.ask("sum(x)")) - 2.0).abs() < 1e-9);
}

#[test]
fn a_query_too_many_waits_for_its_turn_and_ends_with_503_when_its_time_is_over() {
    let place = tempfile::tempdir().unwrap();
    let gate = Gate::default();
    let server = server(1.0, &gate);
    let world = World::start(place.path());
    world.retarget("eu", &server);
    assert!((value(&world.ask("sum(x)")) - 1.0).abs() < 1e-9);
    write_limit(place.path(), 1);
    http::post(&world.node.url("/-/reload"), "").expect(200);
    wait_for("the endpoints after the reload", SOON, || {
        world.ask("sum(x)").warnings.is_empty().then_some(())
    });

    let running = world.asking("sum(slow)");
    wait_for("the slow question", SOON, || {
        (server.count("slow") > 0).then_some(())
    });
    let path = "/prometheus/api/v1/query?query=sum(y)&time=1700000400&timeout=500ms";
    let refused = world.node.get(path).expect(503).json();
    assert_eq!(refused["errorType"], Value::from("timeout"));
    assert_eq!(
        refused["error"],
        Value::from("query timed out in query queue: max_concurrent_queries is 1")
    );
    assert_eq!(server.count("sum(y)"), 0, "it was not asked");

    let waiting = world.asking("sum(z)");
    wait_for("a query that waits", SOON, || {
        (world.metric("watchfire_queries_waiting")? == "1").then_some(())
    });
    assert_eq!(
        world.metric("watchfire_queries_running").as_deref(),
        Some("1")
    );
    assert_eq!(server.count("sum(z)"), 0);
    gate.open();
    for asked in [running, waiting] {
        assert!((value(&asked.join().unwrap()) - 1.0).abs() < 1e-9);
    }
    let errors = world.metric("watchfire_query_errors_total{reason=\"queue\"}");
    assert_eq!(errors.as_deref(), Some("1"));
}
