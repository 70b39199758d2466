//! What a process asks for that evaluates rules anew: one that reads ten minutes of what another rule recorded is worth the
//! same after a kill, and what endpoints do not answer decides nothing.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::Value;
use watchfire::promql::{
    ast::{Duration, ExprKind},
    parse::{Features, parse},
};

use crate::{
    fake::{Asked, Fake, Told},
    node::{Node, Program, webhook_config},
    process::{SOON, wait_for},
};

const RULES: &str = "
groups:
- name: g
  interval: 1s
  rules:
  - {record: r, expr: sum by (job) (x)}
  - {alert: Whole, expr: 'count_over_time(r[10m]) >= 590'}
  - {alert: Short, expr: 'count_over_time(r[10m]) < 590'}
";

/// `x` is 1 at all times, but about several at once nobody is told anything while `refuses` says so.
fn server(refuses: Arc<AtomicBool>) -> Fake {
    Fake::prometheus("3.5.0", move |asked| {
        let is_range = asked.path == "query_range";
        if is_range && refuses.load(Ordering::SeqCst) {
            return Told::json(r#"{"status":"error","errorType":"execution","error":"too much"}"#);
        }
        let query = asked.query();
        // Of what rules recorded it has nothing.
        let is_of_x = query.starts_with('x') || query.contains("(x)");
        match asked.path.as_str() {
            "query_range" if !is_of_x => nothing("matrix"),
            "query" if !is_of_x => nothing(if query.ends_with(']') {
                "matrix"
            } else {
                "vector"
            }),
            "query_range" => matrix(asked),
            "query" if query.contains('[') => window(asked),
            "query" => Told::vector(asked, &[(r#"{"job":"api"}"#, 1.0)]),
            _ => Told::json(r#"{"status":"success","data":[]}"#),
        }
    })
}

fn nothing(kind: &str) -> Told {
    Told::json(&format!(
        r#"{{"status":"success","data":{{"resultType":"{kind}","result":[]}}}}"#
    ))
}

fn seconds(asked: &Asked, name: &str) -> f64 {
    asked.form[name].parse().unwrap()
}

/// A sample at each step of a range.
fn matrix(asked: &Asked) -> Told {
    let [start, end, step] = ["start", "end", "step"].map(|name| seconds(asked, name));
    samples(start, end, step)
}

/// A sample in each second of a window.
fn window(asked: &Asked) -> Told {
    let expr = parse(asked.query(), Features::none()).unwrap();
    let ExprKind::Matrix(of) = &expr.kind else {
        return Told::json(r#"{"status":"error","errorType":"execution","error":"no window"}"#);
    };
    let at = seconds(asked, "time").floor();
    let Duration::Fixed(long) = &of.range else {
        return Told::json(r#"{"status":"error","errorType":"execution","error":"no length"}"#);
    };
    let long = f64::from(u32::try_from(long / 1000).unwrap());
    samples(at - long + 1.0, at, 1.0)
}

fn samples(start: f64, end: f64, step: f64) -> Told {
    let mut values = Vec::new();
    let mut number = 0.0;
    while start + number * step <= end + 0.0005 {
        values.push(format!(r#"[{:.3},"1"]"#, start + number * step));
        number += 1.0;
    }
    Told::json(&format!(
        r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{"job":"api"}},"values":[{}]}}]}}}}"#,
        values.join(",")
    ))
}

fn start(directory: &Path, server: &Fake) -> Node {
    let program = Program::Subject.path().unwrap();
    let query = format!(
        "endpoints:\n- {{name: one, url: 'http://{}'}}\n",
        server.address()
    );
    fs::write(directory.join("query.yml"), query).unwrap();
    fs::write(directory.join("ruler.yml"), "rule_files: [rules.yml]\n").unwrap();
    fs::write(directory.join("rules.yml"), RULES).unwrap();
    let flags = [
        "--query.config-file=query.yml",
        "--ruler.config-file=ruler.yml",
    ];
    let nowhere = webhook_config("http://127.0.0.1:9/");
    Node::start(&program, directory, &nowhere, &flags)
}

/// The rules, once the last was evaluated in this process.
fn rules(node: &Node) -> Vec<Value> {
    let began = jiff::Timestamp::now();
    wait_for("a slot", SOON, || {
        let answer = node.get("/prometheus/api/v1/rules").expect(200).json();
        let rules = answer["data"]["groups"][0]["rules"].as_array()?.clone();
        let last = rules.last()?["lastEvaluation"]
            .as_str()?
            .parse::<jiff::Timestamp>();
        (last.ok()? > began).then_some(rules)
    })
}

fn fires(rule: &Value) -> bool {
    rule["state"] == "firing"
}

#[test]
fn a_process_that_is_killed_knows_afterwards_what_its_rules_had_recorded() {
    let place = tempfile::tempdir().unwrap();
    let refuses = Arc::new(AtomicBool::new(false));
    let server = server(Arc::clone(&refuses));
    let node = start(place.path(), &server);
    let first = rules(&node);
    assert!(fires(&first[1]) && !fires(&first[2]), "{first:?}");
    // By then it is on the disk.
    rules(&node);
    rules(&node);
    node.process.kill();
    let node = start(place.path(), &server);
    let again = rules(&node);
    assert!(fires(&again[1]) && !fires(&again[2]), "{again:?}");
    let since = |rules: &[Value]| rules[1]["alerts"][0]["activeAt"].clone();
    assert_eq!(since(&again), since(&first));
    node.process.kill();
    refuses.store(true, Ordering::SeqCst);
    let node = start(place.path(), &server);
    let said = "r, which it reads, is not known here as far back as it is read: ";
    wait_for("the reason", SOON, || {
        let held = rules(&node);
        assert!(fires(&held[1]) && !fires(&held[2]), "{held:?}");
        let missing = held[2]["partitionsMissing"][0].as_str()?;
        // At first they are asked still.
        (missing.starts_with(said) && missing.contains("too much")).then_some(())
    });
    assert!(node.process.printed().contains("is not known yet"));
    // As soon as it is told, all is decided.
    refuses.store(false, Ordering::SeqCst);
    wait_for("what was recorded", SOON, || {
        let rules = rules(&node);
        rules[2]
            .get("partitionsMissing")?
            .as_array()?
            .is_empty()
            .then_some(())
    });
    let whole = rules(&node);
    assert!(fires(&whole[1]) && !fires(&whole[2]), "{whole:?}");
}
