//! `watchfire check rules` beside Debian's `promtool check rules`: the same verdicts, counts and exit codes, and among
//! our words promtool's own. promtool 2.42 knows neither group labels, `query_offset` nor names of UTF-8, and finds values of
//! the wrong type later than 3.14 does; files with these are in the unit tests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    needed::installed_or_skip,
    node::{Program, subject_is_upstream},
    skipped::skipped,
};

const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data");

/// Rules, each as the only group of a file would have them.
const RULES: &[&str] = &[
    "- {record: a, expr: 1}",
    "- {record: 'a:b', expr: up, labels: {a: b, c: 1}}",
    "- {alert: a, expr: up, for: 5m, keep_firing_for: 1m, labels: {a: '{{ $value }}'}, annotations: {b: c}}",
    "- {alert: 'Any name, really', expr: vector(1)}",
    "- {record: a, alert: b, expr: 1}",
    "- {expr: 1}",
    "- {record: a}",
    "- {alert: a, expr: ''}",
    "- {record: a, expr: 1, for: 1m}",
    "- {record: a, expr: 1, for: 0s}",
    "- {record: a, expr: 1, annotations: {a: b}}",
    "- {record: a, expr: 1, annotations: {}}",
    "- {record: a, expr: 1, labels: {__name__: b}}",
    "- {alert: a, expr: 1, labels: {__name__: b}}",
    "- {alert: a, expr: 1, for: 1.5m}",
    "- {alert: a, expr: 1, for: -1m}",
    "- {alert: a, expr: 1, for: ''}",
    "- {alert: a, expr: 1, for: 60}",
    "- {alert: a, expr: 1, for: 0}",
    "- {alert: a, expr: 1, for: 1d12h}",
    "- {alert: a, expr: 1, for: [1m]}",
    "- {alert: a, expr: 1, for: ~}",
    "- {alert: a, expr: 1, unknown: 1}",
    "- {alert: a, expr: 1, expr: 2}",
    "- {alert: a, expr: 1, labels: {a: b, a: c}}",
    "- {alert: a, expr: 1, labels: {a: [b]}}",
    "- {alert: a, expr: 1, labels: {a: ~}}",
    "- {alert: a, expr: 1, labels: [a]}",
    "- {alert: a, expr: 1, labels: ~}",
    "- {alert: a, expr: 1, labels: {true: yes, b: 2.0}}",
    "- {alert: yes, expr: 1}",
    "- {alert: 1, expr: 1}",
    "- {alert: a, expr: true}",
    "- {alert: a, expr: up{}}",
    "- {alert: a, expr: 'up{'}",
    "- {alert: a, expr: 'rate(up)'}",
    "- {alert: a, expr: 'sum(up) by (a) > 1 and on (b) c'}",
    "- {alert: a, expr: 'up[5m]'}",
    "- {alert: a, expr: '\"text\"'}",
    "- {alert: a, expr: up, annotations: {a: '{{ $labels.a }}', b: '{{ .Value | humanize }}'}}",
    "- {alert: a, expr: up, annotations: {a: '{{ $label.a }}'}}",
    "- {alert: a, expr: up, annotations: {a: '{{ nothing }}'}}",
    "- {alert: a, expr: up, annotations: {a: '{{ since now }}'}}",
    "- {alert: a, expr: up, annotations: {a: '{{ if }}'}}",
    "- {alert: a, expr: up, annotations: {a: '{{ range query \"up\" }}{{ .Value }}{{ end }}'}}",
    "- {alert: a, expr: up, annotations: {a: '{{ .Nothing }}'}}",
    "- {alert: a, expr: up, annotations: {a: '}} {'}}",
    "- {alert: a, expr: up, labels: {a: '{{ end }}'}}",
    "- {record: a, expr: up, labels: {a: '{{ end }}'}}",
    "- record: a\n  expr: |\n    sum(up)\n    by (a",
    "- record: a\n  expr: >-\n    sum(up)\n    by (a)",
    "- &a {record: a, expr: up}\n- *a\n- {<<: *a, record: b}",
    "- ~",
    "- a",
    "a: b",
    "[]",
    "~",
    "{}",
];

/// What stands before the rules.
const GROUPS: &[&str] = &[
    "groups:\n- name: a\n  rules:\n",
    "groups:\n- name: a\n  interval: 30s\n  limit: 5\n  rules:\n",
    "groups:\n- rules:\n",
    "groups:\n- name: ''\n  rules:\n",
    "groups:\n- name: a\n  interval: never\n  rules:\n",
    "groups:\n- name: a\n  limit: many\n  rules:\n",
    "groups:\n- name: a\n- name: a\n  rules:\n",
    "groups:\n- name: a\n- name: b\n  rules:\n",
    "other: 1\ngroups:\n- name: a\n  rules:\n",
    "groups:\n- name: a\n  name: b\n  rules:\n",
    "groups:\n- {name: a, rules: [{record: a, expr: 1}]}\n---\ngroups:\n- name: a\n  rules:\n",
];

/// Whole files.
const FILES: &[&str] = &[
    "",
    "# nothing",
    "groups:",
    "groups: []",
    "groups: ~",
    "groups: {}",
    "- a",
    "a",
    "groups: [",
    "groups: [~]",
    "\tgroups: []",
    "groups: [{name: a, rules: [{record: a, expr: 1}, {record: a, expr: 2}]}]",
];

struct Verdict {
    code: Option<i32>,
    out: String,
    err: String,
}

fn check(program: &Path, file: &Path, options: &[&str]) -> Verdict {
    let mut command = Command::new(program);
    command.args(["check", "rules"]).args(options).arg(file);
    let output = command.output().unwrap();
    Verdict {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// What of promtool's words is not among ours; its words on the syntax of YAML are another library's.
fn missing_words(theirs: &str, ours: &str) -> Vec<String> {
    let words = theirs.lines().filter_map(|line| {
        let about = line.find("group \"").and_then(|at| line.get(at..));
        let field = line.find("field ").and_then(|at| line.get(at..));
        about.or(field).filter(|_| !line.contains("groupname"))
    });
    // 2.42 reads files into a type of another name.
    let words = words.map(|text| text.replace("rulefmt.RuleNode", "rulefmt.Rule"));
    // A position in PromQL and the text after it are those of a parser of 2023.
    let words = words.map(
        |text| match text.split_once("could not parse expression: ") {
            Some((before, _)) => format!("{before}could not parse expression: "),
            None => text.to_owned(),
        },
    );
    let missing = words.filter(|text| !ours.contains(text.trim_end()));
    missing.collect()
}

fn difference(theirs: &Verdict, ours: &Verdict) -> Option<String> {
    let count = |verdict: &Verdict| verdict.out.lines().nth(1).map(str::to_owned);
    let missing = missing_words(&theirs.err, &ours.err);
    if theirs.code == ours.code && count(theirs) == count(ours) && missing.is_empty() {
        return None;
    }
    Some(format!(
        "promtool {:?} {}{}\nours {:?} {}{}\nmissing {missing:?}",
        theirs.code, theirs.out, theirs.err, ours.code, ours.out, ours.err
    ))
}

fn programs() -> Option<(PathBuf, PathBuf)> {
    if subject_is_upstream() {
        skipped("`check rules`: Alertmanager itself has no such command");
        return None;
    }
    Some((installed_or_skip("promtool")?, Program::Subject.path()?))
}

#[test]
fn rules_get_promtools_verdicts() {
    let Some((promtool, subject)) = programs() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rules.yml");
    let indented = |rules: &str| format!("  {}\n", rules.replace('\n', "\n  "));
    let usual = GROUPS.first().unwrap();
    let mut texts: Vec<String> = FILES.iter().map(|text| (*text).to_owned()).collect();
    texts.extend(
        RULES
            .iter()
            .map(|rules| format!("{usual}{}", indented(rules))),
    );
    let first = indented(RULES.first().unwrap());
    texts.extend(GROUPS.iter().map(|group| format!("{group}{first}")));
    let mut wrong = Vec::new();
    for text in &texts {
        fs::write(&path, text).unwrap();
        let difference = difference(&check(&promtool, &path, &[]), &check(&subject, &path, &[]));
        wrong.extend(difference.map(|difference| format!("{text}\n{difference}")));
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        texts.len(),
        wrong.join("\n\n")
    );
}

#[test]
fn real_files_get_promtools_verdicts_and_exit_codes() {
    let Some((promtool, subject)) = programs() else {
        return;
    };
    if !Path::new(SHARED).is_dir() {
        skipped("rules of others: ../shared/data is not here");
        return;
    }
    let own = [
        "rules.yml",
        "rules-bad.yml",
        "rules_duplicates.yml",
        "rules_extrafields.yml",
        "prometheus-rules.lint.yml",
    ];
    let mut files: Vec<PathBuf> = own
        .iter()
        .map(|name| Path::new(SHARED).join("promtool").join(name))
        .collect();
    for mixin in fs::read_dir(Path::new(SHARED).join("rules")).unwrap() {
        let entries = fs::read_dir(mixin.unwrap().path()).unwrap();
        files.extend(entries.map(|entry| entry.unwrap().path()));
    }
    assert!(files.len() > 10);
    for file in &files {
        for options in [&[][..], &["--lint-fatal"], &["--lint=none", "--lint-fatal"]] {
            let difference = difference(
                &check(&promtool, file, options),
                &check(&subject, file, options),
            );
            assert_eq!(difference, None, "{} {options:?}", file.display());
        }
    }
    let extra = Path::new(SHARED).join("promtool/rules_extrafields.yml");
    let verdict = check(&subject, &extra, &["--ignore-unknown-fields"]);
    assert_eq!(verdict.code, Some(0), "{}", verdict.err);
    let pattern = Path::new(SHARED).join("rules/*/*.yaml");
    let verdict = check(&subject, &pattern, &[]);
    assert_eq!(verdict.code, Some(0), "{}", verdict.err);
    assert_eq!(verdict.out.matches("Checking ").count(), 12);
}

#[test]
fn a_file_of_endpoints_is_checked() {
    if subject_is_upstream() {
        skipped("`check query-config`: Alertmanager itself has no such command");
        return;
    }
    let subject = Program::Subject.path().unwrap();
    let check = |file: &Path| {
        let mut command = Command::new(&subject);
        let output = command.args(["check", "query-config"]).arg(file).output();
        let output = output.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/query.yml");
    let (code, said) = check(&shipped);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("SUCCESS: 1 entries"), "{said}");
    let directory = tempfile::tempdir().unwrap();
    let wrong = directory.path().join("query.yml");
    fs::write(&wrong, "endpoints:\n- {name: a}\n- {url: 'http://a'}\n").unwrap();
    let (code, said) = check(&wrong);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("query.yml:2:3: missing url of endpoint"),
        "{said}"
    );
    assert!(
        said.contains("query.yml:3:3: missing name of endpoint"),
        "{said}"
    );
}

#[test]
fn a_file_of_the_ruler_is_checked_with_all_that_it_names() {
    if subject_is_upstream() {
        skipped("`check rules`: Alertmanager itself has no such command");
        return;
    }
    let subject = Program::Subject.path().unwrap();
    let check = |file: &Path| {
        let mut command = Command::new(&subject);
        let output = command.args(["check", "ruler-config"]).arg(file).output();
        let output = output.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/ruler.yml");
    let (code, said) = check(&shipped);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("1 rule files found") && said.contains("10 rules found"),
        "{said}"
    );

    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
    write("ruler.yml", "rule_files: ['*.rules', none.yml]\n");
    write(
        "a.rules",
        "groups: [{name: a, rules: [{record: a, expr: 1}]}]\n",
    );
    write(
        "b.rules",
        "groups:\n- name: b\n  rules:\n  - {record: b, expr: 'sum('}\n",
    );
    let (code, said) = check(&directory.path().join("ruler.yml"));
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("2 rule files found") && said.contains("1 rules found"),
        "{said}"
    );
    assert!(
        said.contains("no file matches") && said.contains("b.rules:4:28: group"),
        "{said}"
    );
    write("ruler.yml", "rule_files: []\nunknown: 1\n");
    let (code, said) = check(&directory.path().join("ruler.yml"));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("ruler.yml:2:1: field unknown"), "{said}");
}
