//! Files of tests of rules: what they mean and what is wrong with them.

use std::time::Duration;

use super::*;
use crate::config::OnPartial;

fn load(text: &str) -> Result<RuleTestFile, String> {
    load_rule_tests("/etc/rules/test.yml", text.as_bytes()).map_err(|errors| errors.to_string())
}

#[test]
fn defaults_are_those_of_promtool() {
    let file = load("tests: [{}, ~]").unwrap();
    assert_eq!(file.evaluation_interval, Duration::from_mins(1));
    assert_eq!(file.tests.len(), 2);
    assert!(!file.fuzzy_compare && !file.group_intervals);
    assert_eq!(
        (file.on_partial, file.hold_for),
        (OnPartial::Hold, Duration::from_hours(1))
    );
    assert_eq!(
        load("evaluation_interval: 0s").unwrap().evaluation_interval,
        Duration::from_mins(1)
    );
}

#[test]
fn every_key_has_its_meaning() {
    let file = load(
        "\
rule_files: [a.yml, ../b/*.yml, /c.yml]
evaluation_interval: 30s
group_eval_order: [a, b]
fuzzy_compare: true
group_intervals: true
on_partial: abort
hold_for: 5m
tests:
- name: one
  interval: 15s
  start_timestamp: 2024-01-01T00:00:00Z
  external_labels: {region: eu}
  external_url: http://here
  input_series: [{series: up, values: 1}]
  alert_rule_test: [{eval_time: 1m, alertname: A, exp_alerts: [{exp_labels: {a: b}, exp_annotations: {c: d}}]}]
  promql_expr_test: [{expr: up, eval_time: 0, exp_samples: [{labels: up, value: 1.5}, {histogram: '{{}}'}]}]
  endpoints: [{name: eu, labels: {cluster: eu}, outages: [{from: 1m, to: 2m}]}]
  restarts: [{from: 3m}]
- start_timestamp: 1609459200
",
    )
    .unwrap();
    assert_eq!(
        file.rule_files,
        ["/etc/rules/a.yml", "/etc/b/*.yml", "/c.yml"]
    );
    assert_eq!(file.on_partial, OnPartial::Abort);
    let [one, two] = &*file.tests else {
        panic!("{file:?}");
    };
    assert_eq!(one.start_timestamp, 1_704_067_200_000);
    assert_eq!(two.start_timestamp, 1_609_459_200_000);
    assert_eq!(one.input_series[0].values, "1");
    assert_eq!(one.promql_expr_test[0].exp_samples[0].value, 1.5);
    assert_eq!(one.endpoints[0].outages[0].to, Duration::from_mins(2));
    assert_eq!(one.restarts[0].to, Duration::from_mins(3));
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let said = load(
        "\
group_eval_order: [a, a]
tests:
- start_timestamp: yesterday
- unknown: 1
- endpoints: [{labels: {}}]
- endpoints: [{labels: {a: b}}, {labels: {a: b}}]
- restarts: [{from: 2m, to: 1m}]
- restarts: [{from: 2m, to: 4m}, {from: 3m}]
- alert_rule_test: [{eval_time: soon}]
",
    )
    .unwrap_err();
    for part in [
        "3:20: cannot parse \"yesterday\" to a valid timestamp",
        "4:3: field unknown not found in type main.testGroup",
        "an endpoint needs labels",
        "two endpoints have the same labels",
        "to must not be before from",
        "restarts must follow each other in time",
        "9:33: not a valid duration string: \"soon\"",
    ] {
        assert!(said.contains(part), "{part}\n{said}");
    }
    assert!(
        load("group_eval_order: [a, a]")
            .unwrap_err()
            .contains("group name repeated")
    );
}
