//! Expressions as people write them, in several lines as Prometheus 2.42 writes them: a second opinion on what is one, too.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use regex::Regex;
use serde_json::Value;

use crate::{
    http::{self, Answer},
    needed,
    node::{Node, Program, webhook_config},
    process::{self, Process, wait_for},
    skipped::skipped,
};

/// An evaluation of a `.test` file.
static EVALUATION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?m)^\s*eval(?:_\w+)?\s+(?:instant(?:\s+at\s+\S+)?|range\s+from\s+\S+\s+to\s+\S+\s+step\s+\S+)\s+(.+)$").unwrap()
});

/// Numbers as Prometheus 2 writes them, with an exponent.
static EXPONENT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d(\.\d+)?e[+-]\d\d+").unwrap());

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let below = paths.flat_map(|path| {
        if path.is_dir() {
            files_below(&path)
        } else {
            vec![path]
        }
    });
    below.collect()
}

fn expressions_of(value: &serde_yaml::Value, all: &mut BTreeSet<String>) {
    for (key, value) in value.as_mapping().into_iter().flatten() {
        if let (Some("expr"), Some(expr)) = (key.as_str(), value.as_str()) {
            all.insert(expr.to_owned());
        }
        expressions_of(value, all);
    }
    for item in value.as_sequence().into_iter().flatten() {
        expressions_of(item, all);
    }
}

fn expressions() -> BTreeSet<String> {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let mut all = BTreeSet::new();
    for file in files_below(&data.join("promqltest")) {
        let text = fs::read_to_string(file).unwrap();
        all.extend(
            EVALUATION
                .captures_iter(&text)
                .map(|found| found[1].to_owned()),
        );
    }
    for file in files_below(&data.join("rules")) {
        let text = fs::read_to_string(file).unwrap();
        if let Ok(value) = serde_yaml::from_str(&text) {
            expressions_of(&value, &mut all);
        }
    }
    all
}

fn asked(base: &str, path: &str, query: &str) -> Answer {
    let query: String = url::form_urlencoded::byte_serialize(query.as_bytes()).collect();
    let body = Some(format!("query={query}").into_bytes());
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let address = format!("{base}/api/v1/{path}");
    http::try_request("POST", &address, &form, body).unwrap()
}

/// What is wrong with a query over a range, without the name of the parameter, which only Prometheus 3 tells.
fn range(base: &str, query: &str) -> (u16, String) {
    let answer = asked(base, "query_range?start=0&end=10&step=1", query);
    let error = answer.json()["error"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let error = error.replace("invalid parameter \"query\": ", "");
    (answer.status, error)
}

/// What `format_query` answers, with numbers in one form.
fn formatted(base: &str, query: &str) -> Option<String> {
    let answer = asked(base, "format_query", query);
    let Value::String(text) = &answer.json()["data"] else {
        return None;
    };
    let plain = |found: &regex::Captures<'_>| found[0].parse::<f64>().unwrap().to_string();
    Some(EXPONENT.replace_all(text, plain).into_owned())
}

#[test]
fn queries_are_formatted_as_prometheus_formats_them() {
    let Some(prometheus) = needed::installed_or_skip("prometheus") else {
        return;
    };
    let Some(subject) = Program::Subject.path() else {
        return;
    };
    let expressions = expressions();
    if expressions.is_empty() {
        skipped("rules of others: ../shared/data is not here");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let node = Node::start(
        &subject,
        directory.path(),
        &webhook_config("http://127.0.0.1:1/"),
        &[],
    );
    fs::write(directory.path().join("prometheus.yml"), "global: {}\n").unwrap();
    let mut command = Command::new(prometheus);
    command.current_dir(directory.path()).args([
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb",
        "--web.listen-address=127.0.0.1:0",
    ]);
    let mut peer = Process::spawn(&mut command, &directory.path().join("prometheus.log"));
    let theirs = format!("http://{}", peer.listening_on());
    let ours = format!("http://{}/prometheus", node.address());
    wait_for("Prometheus to be ready", process::SOON, || {
        let answer = http::get(&format!("{theirs}/-/ready"));
        (answer.status == 200).then_some(())
    });
    for query in ["up[5m]", "\"text\"", "up +"] {
        assert_eq!(range(&ours, query), range(&theirs, query), "{query}");
    }
    let deep = format!("{}up{}", "abs(".repeat(990), ")".repeat(990));
    let tree = asked(&ours, "parse_query", &deep).expect(200).body;
    assert_eq!(tree.matches("\"name\":\"abs\"").count(), 990);
    let (mut same, mut lines, mut wrong) = (0, 0, Vec::new());
    for query in &expressions {
        // What it does not know is younger than it.
        let Some(expected) = formatted(&theirs, query) else {
            continue;
        };
        let found = formatted(&ours, query);
        same += 1;
        lines += usize::from(expected.contains('\n'));
        if found.as_deref() != Some(expected.as_str()) {
            wrong.push(format!(
                "{query}\nis for Prometheus\n{expected}\nand here\n{found:?}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {same}:\n{}",
        wrong.len(),
        wrong.join("\n\n")
    );
    assert!(
        same > 1_000 && lines > 100,
        "only {same} were compared, {lines} of several lines"
    );
}
