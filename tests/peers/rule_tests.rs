//! `watchfire test rules` beside Debian's `promtool test rules`: the same expectations fail. promtool 2.42 has windows that
//! include their start, so that samples lie beside the whole minutes here, and none at zero; it knows neither histograms,
//! `fuzzy_compare` nor `start_timestamp`, for which Prometheus's own files stand with the verdicts of 3.14.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

use crate::{
    needed::installed_or_skip,
    node::{Program, subject_is_upstream},
    skipped::skipped,
};

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/promtool");

/// Files of Prometheus 3.14 with options and exit codes.
const FILES: &[(&str, &[&str], i32)] = &[
    ("unittest.yml", &[], 0),
    ("long-period.yml", &[], 0),
    ("bad-input-series.yml", &[], 1),
    ("bad-promql.yml", &[], 1),
    ("bad-rules-syntax-test.yml", &[], 1),
    ("bad-rules-error-test.yml", &[], 1),
    ("failing.yml", &[], 1),
    ("failing.yml", &["--diff"], 1),
    ("at-modifier-test.yml", &[], 0),
    ("negative-offset-test.yml", &[], 0),
    ("no-test-group-interval.yml", &[], 0),
    ("start-time-test.yml", &[], 0),
    ("rules_run.yml", &[], 1),
    ("rules_run.yml", &["--run", "correct"], 0),
    ("rules_run.yml", &["--run", "wrong"], 1),
    ("rules_run.yml", &["--run=correct", "--run=wrong"], 1),
    ("rules_run.yml", &["--run=neither"], 0),
    ("rules_run_no_fuzzy.yml", &[], 1),
    ("rules_run_fuzzy.yml", &["--run", "correct"], 0),
    ("rules_run_fuzzy.yml", &["--run", "wrong"], 1),
    ("extra.yml", &[], 1),
    ("extra.yml", &["--ignore-unknown-fields"], 0),
];

/// Files that those read and that are not beside them.
const BESIDE: &[(&str, &str)] = &[
    (
        "bad-rules-syntax.yml",
        "groups: [{name: a, rules: [{record: r, expr: 'a +'}]}]",
    ),
    (
        "bad-rules-error.yml",
        "groups: [{name: a, rules: [{record: r, expr: join_1 + on (a) join_2}]}]",
    ),
    (
        "at-modifier.yml",
        "groups: [{name: a, rules: [{record: r, expr: requests @ start()}]}]",
    ),
    (
        "negative-offset.yml",
        "groups: [{name: a, rules: [{record: r, expr: requests offset -1m}]}]",
    ),
    (
        "extra.yml",
        "rule_files: [rules_extrafields.yml]\ntests: [{promql_expr_test: [{expr: fixed_data, eval_time: 0, exp_samples: [{labels: fixed_data, value: 1}]}]}]",
    ),
];

struct Verdict {
    code: Option<i32>,
    said: String,
}

fn tested(program: &Path, file: &Path, options: &[&str]) -> Verdict {
    let mut command = Command::new(program);
    command.args(["test", "rules"]).args(options).arg(file);
    let output = command.output().unwrap();
    Verdict {
        code: output.status.code(),
        said: String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned(),
    }
}

fn subject() -> Option<PathBuf> {
    if subject_is_upstream() {
        skipped("`test rules`: Alertmanager itself has no such command");
        return None;
    }
    Program::Subject.path()
}

#[test]
fn prometheus_own_files_get_its_verdicts() {
    let Some(subject) = subject() else {
        return;
    };
    if !Path::new(SHARED).is_dir() {
        skipped("files of promtool: ../shared/data/promtool is not here");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(SHARED).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), directory.path().join(entry.file_name())).unwrap();
    }
    for (name, text) in BESIDE {
        fs::write(directory.path().join(name), text).unwrap();
    }
    for (name, options, code) in FILES {
        let verdict = tested(&subject, &directory.path().join(name), options);
        assert_eq!(
            verdict.code,
            Some(*code),
            "{name} {options:?}\n{}",
            verdict.said
        );
    }
    let report = directory.path().join("report.xml");
    let verdict = tested(
        &subject,
        &directory.path().join("rules_run.yml"),
        &["--debug", "--junit", &report.to_string_lossy()],
    );
    assert!(verdict.said.contains("DEBUG: test correct test"));
    let report = fs::read_to_string(report).unwrap();
    assert!(report.contains("tests=\"2\" failures=\"1\""), "{report}");
}

/// The expectations that failed, and rules that could not be evaluated.
fn failed(said: &str) -> BTreeMap<String, usize> {
    let kinds = ["alertname: ", "expr: ", "rule: "];
    let lines = said.lines().map(str::trim);
    let lines = lines.filter(|line| kinds.iter().any(|kind| line.starts_with(kind)));
    let mut failed = BTreeMap::new();
    for line in lines {
        let line = line.trim_end_matches([',', ' ']);
        let line = line.split(", err:").next().unwrap_or(line);
        // Times of rules are written with all units.
        let line = match line.split_once(", time: ") {
            Some((rule, _)) if line.starts_with("rule: ") => rule,
            _ => line,
        };
        *failed.entry(line.to_owned()).or_default() += 1;
    }
    failed
}

struct Chance(ChaCha8Rng);

impl Chance {
    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.0.next_u64() % u64::try_from(count).unwrap()).unwrap()
    }

    fn of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        words[self.below(words.len())]
    }

    /// Rules that read each other within their group.
    fn rules(&mut self) -> String {
        let interval = self.of(&["", "  interval: 2m\n"]);
        let mut text = format!("groups:\n- name: g\n{interval}  rules:\n");
        for number in 0..2 {
            let expr = self.of(&[
                "sum by (job) (up)",
                "sum by (job) (rate(load[97s]))",
                "up",
                "max_over_time(load[10m])",
                "count(up) without (instance)",
                "absent(nothing)",
                "load / on (job, instance) up",
                "count_over_time(r0[90s])",
                "predict_linear(load[7m], 600)",
                "up * on (job) group_left () load",
                "up * on (job) group_left () sum by (job) (load)",
                "vector(1)",
            ]);
            let labels = self.of(&["", "", ", labels: {extra: x}", ", labels: {zone: one}"]);
            text.push_str(&format!(
                "  - {{record: r{number}, expr: '{expr}'{labels}}}\n"
            ));
        }
        for number in 0..2 {
            let expr = self.of(&[
                "up == 0",
                "r0 > 1",
                "r1 < 2",
                "absent(up)",
                "absent(r1)",
                "load > bool 5",
                "sum(up) < 2",
                "vector(1)",
                "ALERTS == 1",
                "rate(load[5m]) > 0.01",
            ]);
            let hold = self.of(&["", ", for: 1m", ", for: 2m", ", for: 150s"]);
            let keep = self.of(&["", "", ", keep_firing_for: 2m"]);
            let labels = self.of(&[
                "",
                ", labels: {severity: page}",
                ", labels: {job: '{{ $labels.instance }}', value: '{{ $value }}'}",
                ", labels: {region: '{{ $externalLabels.region }}'}",
            ]);
            let annotations = self.of(&[
                "",
                ", annotations: {text: '{{ $labels.job }} {{ $value | humanize }}', none: ''}",
                ", annotations: {text: '{{ range query \"count(up)\" }}{{ .Value }}{{ end }}'}",
                ", annotations: {text: '{{ printf \"%.3f\" $value }}'}",
            ]);
            text.push_str(&format!(
                "  - {{alert: A{number}, expr: '{expr}'{hold}{keep}{labels}{annotations}}}\n"
            ));
        }
        text
    }

    fn test(&mut self) -> String {
        let interval = self.of(&["61s", "31s", "17s"]);
        let mut text =
            format!("- interval: {interval}\n  external_labels: {{region: eu}}\n  input_series:\n");
        for (metric, shapes) in [
            (
                "up",
                &[
                    "1x40",
                    "1x5 0x9 1x30",
                    "0x30",
                    "1x9 stale 1x9",
                    "1x3 _x6 0x20",
                ][..],
            ),
            (
                "load",
                &[
                    "0+1x40",
                    "10-1x20",
                    "5 7 9 2 4 6 8x20",
                    "0+30x9 0+30x9",
                    "1 NaN Inf -1 2x9",
                ],
            ),
        ] {
            for (job, instance) in [("a", "1"), ("a", "2"), ("b", "1")] {
                if self.below(4) > 0 {
                    let values = self.of(shapes);
                    text.push_str(&format!(
                        "  - {{series: '{metric}{{job=\"{job}\", instance=\"{instance}\"}}', values: '_ {values}'}}\n"
                    ));
                }
            }
        }
        text.push_str("  alert_rule_test:\n");
        for alertname in ["A0", "A1"] {
            for time in ["0", "1m", "3m", "5m7s", "9m", "14m59s"] {
                let expected = self.of(&[
                    "[]",
                    "[]",
                    "[{}]",
                    "[{exp_labels: {job: a, instance: '1'}}]",
                    "[{exp_labels: {job: a}}, {exp_labels: {job: b}}]",
                    "[{exp_labels: {severity: page}}]",
                    "[{exp_labels: {region: eu}}]",
                    "[{exp_annotations: {text: '3'}}]",
                ]);
                text.push_str(&format!(
                    "  - {{eval_time: {time}, alertname: {alertname}, exp_alerts: {expected}}}\n"
                ));
            }
        }
        text.push_str("  promql_expr_test:\n");
        for expr in [
            "count(up)",
            "count(r0)",
            "sum(r1)",
            "count(ALERTS)",
            "count_over_time(ALERTS_FOR_STATE[90s])",
            "sum(load)",
            "time()",
        ] {
            for time in ["1m", "4m", "11m3s"] {
                let expected = self.of(&[
                    "[]",
                    "[{value: 1}]",
                    "[{value: 2}]",
                    "[{value: 3}]",
                    "[{value: 4}]",
                    "[{value: 60}]",
                ]);
                text.push_str(&format!(
                    "  - {{expr: '{expr}', eval_time: {time}, exp_samples: {expected}}}\n"
                ));
            }
        }
        text
    }
}

#[test]
fn the_same_expectations_fail_as_with_promtool() {
    const CASES: u64 = 150;
    let Some(subject) = subject() else {
        return;
    };
    let Some(promtool) = installed_or_skip("promtool") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.yml");
    let (mut kinds, mut passed) = (BTreeSet::new(), 0);
    for seed in 0..CASES {
        let mut chance = Chance(ChaCha8Rng::seed_from_u64(seed));
        let rules = chance.rules();
        let test = format!("rule_files: [rules.yml]\ntests:\n{}", chance.test());
        fs::write(directory.path().join("rules.yml"), &rules).unwrap();
        fs::write(&path, &test).unwrap();
        let (theirs, ours) = (tested(&promtool, &path, &[]), tested(&subject, &path, &[]));
        let (wrong_there, wrong_here) = (failed(&theirs.said), failed(&ours.said));
        assert!(
            theirs.code == ours.code && wrong_there == wrong_here,
            "seed {seed}\n{rules}{test}\npromtool {:?}\n{}\nours {:?}\n{}",
            theirs.code,
            theirs.said,
            ours.code,
            ours.said
        );
        if !wrong_there.keys().any(|line| line.starts_with("rule: ")) {
            passed += test.matches("eval_time").count() - wrong_there.len();
        }
        kinds.extend(wrong_there.into_keys().filter_map(|line| {
            let kind = line.split(':').next();
            kind.map(str::to_owned)
        }));
    }
    // Both verdicts must have come about, of each kind.
    assert!(passed > 300, "{passed}");
    assert_eq!(kinds.len(), 3, "{kinds:?}");
}

/// Templates that ask queries: one for each element, one in another, those that fail, several in a text, the same twice.
const ASKING: &str = r#"
groups:
- name: g
  rules:
  - alert: Each
    expr: x > 0
    labels: {sev: '{{ with query "sev" }}{{ . | first | value }}{{ else }}none{{ end }}'}
    annotations:
      a: '{{ range query (printf "up{i=\"%s\"}" $labels.i) }}{{ .Labels.i }}={{ .Value }};{{ end }}'
      b: '{{ range query "up" | sortByLabel "i" }}{{ .Labels.i }}:{{ range query (printf "y{i=%q}" .Labels.i) }}{{ .Value | humanize }}{{ end }} {{ end }}'
      c: '{{ query "up{" }}'
      d: '{{ query (printf "up{i=\"%s\\d\"}" $labels.i) }}'
      e: '{{ query "nothing" | first | value }}'
      f: '{{ query "sum(up)" | first | value }} of {{ query "count(up)" | first | value }}'
      g: '{{ query "up == 5" | len }} {{ query "scalar(sum(up))" | first | value }}'
      h: '{{ query "up" | len }}{{ query "up" | len }}'
      i: '{{ query "label_replace(up, \"__value__\", \"v\", \"\", \"\")" | first | strvalue }}'
      j: '{{ query "x + on(i) group_left() (up or y)" | len }}'
      k: 'plain'
"#;

/// The labels and the annotations that alerts have where none is expected.
fn texts(said: &str) -> Vec<&str> {
    let lines = said.lines().map(|line| line.trim().trim_end_matches(','));
    let lines = lines.filter_map(|line| line.trim_start_matches("- ").split_once(':'));
    let texts = lines.filter(|(kind, _)| {
        let kinds = ["labels", "annotations"];
        kinds.iter().any(|one| kind.eq_ignore_ascii_case(one))
    });
    texts.map(|(_, text)| text.trim()).collect()
}

#[test]
fn templates_that_ask_queries_make_the_texts_of_promtool() {
    let Some(subject) = subject() else {
        return;
    };
    let Some(promtool) = installed_or_skip("promtool") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("test.yml");
    let mut test = "rule_files: [rules.yml]\ntests:\n- interval: 1m\n  input_series:\n".to_owned();
    for number in 0..40 {
        for (name, value) in [("x", 1), ("up", number), ("y", number * 700)] {
            test.push_str(&format!(
                "  - {{series: '{name}{{i=\"{number}\"}}', values: '{value} {value}'}}\n"
            ));
        }
    }
    test.push_str("  alert_rule_test: [{eval_time: 1m, alertname: Each, exp_alerts: []}]\n");
    fs::write(directory.path().join("rules.yml"), ASKING).unwrap();
    fs::write(&path, &test).unwrap();
    let (theirs, ours) = (tested(&promtool, &path, &[]), tested(&subject, &path, &[]));
    assert_eq!(texts(&theirs.said).len(), 80, "{}", theirs.said);
    assert_eq!(texts(&theirs.said), texts(&ours.said));
}
