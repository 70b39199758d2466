//! The runner must notice: files with one wrong expectation each, and what it has to say of them.

use crate::{run, subject::Local};

/// The data of all files below.
const DATA: &str = r#"
load 1m
  oak 1 2 3
  elm{side="left"} 10+10x2
  elm{side="right"} 5x2
  level 1x9
  size_of {{schema:0 sum:5 count:4 buckets:[1 2 1]}}x2
"#;

/// Files that are right, so that a mistake is the only reason to complain.
const RIGHT: &[&str] = &[
    "eval instant at 1m oak\n oak 2",
    "eval instant at 1m 2\n 2",
    "eval instant at 1m \"a\"\n expect string \"a\"",
    "eval range from 0 to 2m step 1m oak\n oak 1 2 3",
    "eval instant at 1m oak[2m]\n expect range vector from 0 to 1m step 1m\n oak 1 2",
    "eval instant at 1m sort(elm)\n expect ordered\n elm{side=\"right\"} 5\n elm{side=\"left\"} 20",
    "eval instant at 1m size_of\n size_of {{schema:0 sum:5 count:4 buckets:[1 2 1]}}",
    "eval instant at 5m rate(level[2m])\n expect info\n expect no_warn\n {} 0",
];

/// Files with a mistake, and a part of what must be said.
const WRONG: &[(&str, &str)] = &[
    // Values.
    (
        "eval instant at 1m oak\n oak 2.00001",
        "expected 2.00001 but got 2",
    ),
    (
        "eval instant at 1m oak\n oak{a=\"b\"} 2",
        "unexpected metric",
    ),
    (
        "eval instant at 1m oak\n oak 2\n ash 2",
        "expected metric {__name__=\"ash\"} not found",
    ),
    ("eval instant at 1m oak", "unexpected metric"),
    ("eval instant at 1m ash\n ash 2", "not found"),
    ("eval instant at 1m oak\n 2", "expected scalar result"),
    ("eval instant at 1m 2\n 3", "expected scalar 3 but got 2"),
    ("eval instant at 1m 2\n {} 2", "but got scalar"),
    ("eval instant at 1m 2", "but got scalar"),
    (
        "eval instant at 1m \"a\"\n expect string \"b\"",
        "expected string \"b\"",
    ),
    ("eval instant at 1m oak\n oak {{}}", "expected {{schema:0"),
    // Ranges.
    (
        "eval range from 0 to 2m step 1m oak\n oak 1 2 4",
        "t=120000: expected 4 but got 3",
    ),
    (
        "eval range from 0 to 2m step 1m oak\n oak 1 2",
        "expected 2 float points",
    ),
    (
        "eval range from 0 to 2m step 1m oak\n oak 1 2 3 4",
        "cannot return this many points",
    ),
    (
        "eval range from 0 to 2m step 1m oak\n oak 1 2 _",
        "expected 2 float points",
    ),
    (
        "eval range from 0 to 2m step 1m oak\n oak 1 2 {{}}",
        "1 histogram points",
    ),
    (
        "eval range from 0 to 2m step 1m oak\n expect ordered\n oak 1 2 3",
        "expected ordered result",
    ),
    ("eval range from 0 to 2m step 1m ash\n ash 1", "not found"),
    (
        "eval instant at 1m oak[2m]\n expect range vector from 0 to 1m step 1m\n oak 1 3",
        "expected 3 but got 2",
    ),
    (
        "eval instant at 1m oak[2m]\n expect range vector from 30s to 1m step 30s\n oak 1 2",
        "expected a value at timestamp 30000",
    ),
    (
        "eval instant at 1m oak[2m]\n oak 1",
        "cannot return this many points",
    ),
    // Order.
    (
        "eval instant at 1m sort(elm)\n expect ordered\n elm{side=\"left\"} 20\n elm{side=\"right\"} 5",
        "at position 2 but was at 1",
    ),
    (
        "eval_ordered instant at 1m sort(elm)\n elm{side=\"left\"} 20\n elm{side=\"right\"} 5",
        "at position 2 but was at 1",
    ),
    // Histograms.
    (
        "eval instant at 1m size_of\n size_of {{schema:0 sum:6 count:4 buckets:[1 2 1]}}",
        "sum:6",
    ),
    (
        "eval instant at 1m size_of\n size_of {{schema:0 sum:5 count:4 offset:1 buckets:[1 2 1]}}",
        "pos:{1: 1.0",
    ),
    (
        "eval instant at 1m size_of\n size_of {{schema:1 sum:5 count:4 buckets:[1 2 1]}}",
        "schema:1",
    ),
    (
        "eval instant at 1m size_of\n size_of {{schema:0 sum:5 count:4 buckets:[1 2 1] counter_reset_hint:gauge}}",
        "hint:Gauge",
    ),
    // Failures.
    (
        "eval instant at 1m oak\n expect fail",
        "expected an error but got none",
    ),
    (
        "eval_fail instant at 1m oak",
        "expected an error but got none",
    ),
    (
        "eval range from 0 to 2m step 1m oak\n expect fail",
        "expected an error but got none",
    ),
    (
        "eval instant at 1m oak + on() elm\n {} 2",
        "error evaluating: found duplicate series",
    ),
    (
        "eval range from 0 to 1m step 1m oak + on() elm\n {} 2",
        "error evaluating: found duplicate series",
    ),
    (
        "eval instant at 1m oak + on() elm\n expect fail msg: no",
        "expected error \"no\"",
    ),
    (
        "eval instant at 1m oak + on() elm\n expect fail regex: ^many",
        "expected error /^many/",
    ),
    (
        "eval_fail instant at 1m oak + on() elm\n expected_fail_message no",
        "expected error \"no\"",
    ),
    (
        "eval_fail instant at 1m oak + on() elm\n expected_fail_regexp ^many",
        "expected error /^many/",
    ),
    // Warnings and remarks.
    (
        "eval instant at 1m oak\n expect warn\n oak 2",
        "expected warn annotations",
    ),
    (
        "eval instant at 1m oak\n expect info\n oak 2",
        "expected info annotations",
    ),
    (
        "eval_warn instant at 1m oak\n oak 2",
        "expected warn annotations",
    ),
    (
        "eval_info instant at 1m oak\n oak 2",
        "expected info annotations",
    ),
    (
        "eval instant at 1m quantile(2, oak)\n expect no_warn\n {} Inf",
        "unexpected warn annotations",
    ),
    (
        "eval instant at 5m rate(level[2m])\n expect no_info\n {} 0",
        "unexpected info annotations",
    ),
    (
        "eval instant at 5m rate(level[2m])\n expect info msg: PromQL info: no\n {} 0",
        "expected info annotation \"PromQL info: no\"",
    ),
    (
        "eval instant at 5m rate(level[2m])\n expect info regex: ^no\n {} 0",
        "expected info annotation /^no/",
    ),
    (
        "eval instant at 1m quantile(3, oak) + quantile(2, oak)\n expect warn regex: got 2\n {} Inf",
        "unexpected warn annotation",
    ),
    (
        "eval instant at 5m rate(level[2m])\n expect info regex: counter.*\\(1:1\\)\n {} 0",
        "expected info annotation",
    ),
    // The repetitions of an instant evaluation: at other times, and as one step of a range.
    (
        "eval instant at 1m vector(time())\n {} 61",
        "expected 61 but got 60",
    ),
    // What is no notation.
    ("evaluate oak", "invalid evaluation command"),
    (
        "eval range from 1m to 0 step 1m oak\n oak 1",
        "is before start",
    ),
    ("eval instant at 1x oak\n oak 1", "not a valid duration"),
    ("eval instant at 1m oak +\n oak 1", "parse error"),
    (
        "eval instant at 1m oak\n oak 1 2",
        "multiple values in instant evaluation",
    ),
    ("eval instant at 1m oak\n oak {{what:1}}", "parse error"),
    (
        "eval instant at 1m oak\n expect what\n oak 2",
        "invalid expect statement",
    ),
    (
        "eval instant at 1m oak\n expect warn regex: (\n oak 2",
        "invalid regex",
    ),
    (
        "eval instant at 1m oak\n expect warn\n expect no_warn\n oak 2",
        "cannot be used together",
    ),
    (
        "eval instant at 1m oak\n expect info\n expect no_info\n oak 2",
        "cannot be used together",
    ),
    (
        "eval instant at 1m oak\n expect fail\n expect fail",
        "multiple expect fail",
    ),
    (
        "eval instant at 1m \"a\"\n expect string a",
        "string literal not valid",
    ),
    (
        "eval instant at 1m oak[2m]\n expect range vector from 0\n oak 1 2",
        "invalid range vector",
    ),
    ("store 1m\n oak 1", "invalid command"),
    ("load often\n oak 1", "not a valid duration"),
    ("load", "invalid load command"),
    ("load 1m\n oak one", "parse error"),
    ("load 1m\n oak 7 8 9", "out of order sample"),
    ("load 1m\n oak _x2 9", "duplicate sample"),
    ("load 1m\n ash@st -1s\n oak 1", "does not match"),
    (
        "load 1m\n ash@st -1s -1s\n ash 1",
        "2 values but sample line has 1",
    ),
    ("load 1m\n ash@st -1s", "no following sample line"),
    (
        "load 1m\n ash@st -1s\n ash@st -1s\n ash 1",
        "no following sample line",
    ),
    ("load 1m\n ash@st soon\n ash 1", "invalid ST item"),
    (
        "load_with_nhcb 1m\n ash_bucket{le=\"1\"} 2\n ash_bucket{le=\"2\"} 1",
        "not cumulative",
    ),
    ("load_with_nhcb 1m\n ash_bucket 2", "expected bucket label"),
];

fn complaints(file: &str) -> Vec<String> {
    let report = run::run(&format!("{DATA}\n{file}\n"), &mut Local::default(), None);
    report
        .failures
        .into_iter()
        .map(|failure| failure.why)
        .collect()
}

#[test]
fn what_is_right_is_not_complained_about() {
    for file in RIGHT {
        assert_eq!(complaints(file), Vec::<String>::new(), "{file}");
    }
}

#[test]
fn each_mistake_is_noticed() {
    let mut missed = Vec::new();
    for (file, part) in WRONG {
        let found = complaints(file);
        if found.len() != 1 || !found[0].contains(part) {
            missed.push(format!(
                "{file}\n  must complain: {part}\n  complains: {found:?}"
            ));
        }
    }
    assert!(missed.is_empty(), "{}", missed.join("\n\n"));
}

#[test]
fn a_failure_counts_once_and_says_where_it_is() {
    let file = "load 1m\n oak 1 2\n\neval instant at 0 oak\n oak 1\n\neval instant at 0 oak\n oak 2\n\neval oak\n";
    let report = run::run(file, &mut Local::default(), None);
    assert_eq!((report.evaluations, report.passed()), (3, 1));
    let lines: Vec<_> = report.failures.iter().map(|failure| failure.line).collect();
    assert_eq!(lines, [7, 10]);
    let report = run::run(file, &mut Local::default(), Some(4));
    assert_eq!(
        (report.evaluations, report.failed),
        (2, 1),
        "the unreadable one is always counted"
    );
}
