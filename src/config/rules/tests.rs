//! Files of rules that load, and what is said of those that do not.

use std::{fs, path::PathBuf, time::Duration};

use super::*;

fn load(text: &str) -> Result<RuleFile, String> {
    load_rules("r.yml", text.as_bytes(), &RuleOptions::default()).map_err(|e| e.to_string())
}

fn shared(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../shared/data")
        .join(path);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: ../shared/data is not here");
    None
}

#[test]
fn a_file_with_everything() {
    let file = load(
        "\
groups:
- name: a
  interval: 30s
  query_offset: 0s
  eval_offset: 5s
  limit: 10
  labels: {team: a, env: prod}
  concurrency: 2
  params: {nocache: ['1'], extra_label: [a=b, c=d]}
  partial_response_strategy: warn
  rules:
  - record: job:up:sum
    expr: sum by (job) (up)
    labels: {env: test}
  - alert: Down
    expr: up == 0
    for: 5m
    keep_firing_for: 1m
    on_partial: abort
    labels: {severity: page}
    annotations: {summary: 'down: {{ $labels.instance }}'}
- name: b
",
    )
    .unwrap();
    let [a, b] = &file.groups[..] else {
        panic!("{file:?}")
    };
    assert_eq!(a.interval, Some(Duration::from_secs(30)));
    assert_eq!(a.query_offset, Some(Duration::ZERO));
    assert_eq!(a.eval_offset, Some(Duration::from_secs(5)));
    assert_eq!((a.limit, a.concurrency), (10, Some(2)));
    assert_eq!(a.on_partial, Some(OnPartial::Accept));
    let params: Vec<String> = a.params.iter().map(|(n, v)| format!("{n}:{v}")).collect();
    assert_eq!(params, ["extra_label:a=b", "extra_label:c=d", "nocache:1"]);
    let [record, alert] = &a.rules[..] else {
        panic!("{a:?}")
    };
    assert_eq!(
        (record.name(), record.labels["env"].as_str()),
        ("job:up:sum", "test")
    );
    assert_eq!(record.place.to_string(), "12:5");
    assert_eq!(alert.labels.len(), 3);
    assert_eq!(alert.on_partial, Some(OnPartial::Abort));
    let RuleKind::Alerting {
        hold,
        keep_firing_for,
        annotations,
        ..
    } = &alert.kind
    else {
        panic!("{alert:?}")
    };
    assert_eq!((hold.as_secs(), keep_firing_for.as_secs()), (300, 60));
    assert_eq!(annotations.len(), 1);
    assert_eq!((b.interval, b.limit, b.rules.len()), (None, 0, 0));
}

#[test]
fn real_rules_load() {
    let Some(directory) = shared("rules") else {
        return;
    };
    let mut rules = 0;
    for mixin in fs::read_dir(directory).unwrap() {
        for file in fs::read_dir(mixin.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            let path = path.to_str().unwrap();
            let loaded = load_rules(path, &fs::read(path).unwrap(), &RuleOptions::default());
            let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}"));
            rules += loaded.groups.iter().map(|g| g.rules.len()).sum::<usize>();
        }
    }
    assert_eq!(rules, 288);
}
