//! What tests of rules find and what they do not.

use super::*;
use crate::{
    config::{RuleOptions, load_rule_tests, load_rules},
    promql::{engine::Options, parse::Features},
};

/// What the first test of a file finds, line by line.
fn found(rules: &str, test: &str) -> Vec<String> {
    tested(rules, test)
        .failures
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn tested(rules: &str, test: &str) -> Tested {
    let rules = load_rules("rules.yml", rules.as_bytes(), &RuleOptions::default());
    let rules = [rules.unwrap_or_else(|errors| panic!("{errors}"))];
    let file = load_rule_tests("test.yml", test.as_bytes());
    let file = file.unwrap_or_else(|errors| panic!("{errors}"));
    let setting = Setting {
        file: &file,
        rules: &rules,
        options: Options {
            lookback: 300_000,
            subquery_step: 60_000,
            max_samples: 1_000_000,
            delayed_name_removal: false,
            use_start_timestamps: false,
            type_and_unit_labels: false,
        },
        features: Features::none(),
        debug: true,
    };
    run(&file.tests[0], setting)
}

fn passes(rules: &str, test: &str) {
    assert_eq!(found(rules, test), Vec::<String>::new());
}

const DOWN: &str = "
groups:
- name: g
  rules:
  - {record: job:up:sum, expr: sum by (job) (up)}
  - alert: Down
    expr: job:up:sum == 0
    for: 2m
    labels: {severity: page}
    annotations: {text: '{{ $labels.job }} in {{ $externalLabels.region }} at {{ $externalURL }}: {{ $value }}'}
";

#[test]
fn alerts_fire_when_the_ruler_would_fire_them() {
    passes(
        DOWN,
        "
tests:
- interval: 1m
  external_labels: {region: eu}
  external_url: http://here
  input_series: [{series: 'up{job=\"a\"}', values: '1 0x5 1x3'}]
  alert_rule_test:
  - {eval_time: 2m59s, alertname: Down}
  - eval_time: 3m
    alertname: Down
    exp_alerts:
    - exp_labels: {job: a, severity: page}
      exp_annotations: {text: 'a in eu at http://here: 0'}
  - eval_time: 6m59s
    alertname: Down
    exp_alerts:
    - exp_labels: {job: a, severity: page}
      exp_annotations: {text: 'a in eu at http://here: 0'}
  - {eval_time: 7m, alertname: Down}
  promql_expr_test:
  - expr: ALERTS
    eval_time: 2m
    exp_samples: [{labels: 'ALERTS{alertname=\"Down\",alertstate=\"pending\",job=\"a\",severity=\"page\"}', value: 1}]
  - expr: 'job:up:sum'
    eval_time: 0
    exp_samples: [{labels: 'job:up:sum{job=\"a\"}', value: 1}]
",
    );
}

#[test]
fn what_is_not_as_expected_is_told_in_the_order_of_time() {
    let tested = tested(
        DOWN,
        "
tests:
- interval: 1m
  input_series: [{series: 'up{job=\"a\"}', values: '0x9'}]
  alert_rule_test:
  - {eval_time: 5m, alertname: Down}
  - {eval_time: 1m, alertname: Down, exp_alerts: [{exp_labels: {job: a}}]}
  promql_expr_test:
  - {expr: up, eval_time: 1m, exp_samples: [{labels: 'up{job=\"a\"}', value: 1}]}
  - {expr: 'up +', eval_time: 1m}
  - {expr: '\"text\"', eval_time: 1m}
  - {expr: up, eval_time: 1m, exp_samples: [{labels: 'up{', value: 1}]}
",
    );
    let texts: Vec<String> = tested.failures.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts[0],
        "    alertname: Down, time: 1m,\n        exp:\n          - labels: {alertname=\"Down\", job=\"a\"}\n            annotations: {},\n        got: nothing"
    );
    assert!(
        texts[1]
            .starts_with("    alertname: Down, time: 5m,\n        exp: nothing,\n        got:\n")
    );
    assert_eq!(
        texts[2],
        "    expr: \"up\", time: 1m,\n        exp:\n          - {__name__=\"up\", job=\"a\"} 1,\n        got:\n          - {__name__=\"up\", job=\"a\"} 0"
    );
    assert_eq!(
        tested.failures[2].diff(),
        "    expr: \"up\", time: 1m,\n      - expected\n      + got\n      - {__name__=\"up\", job=\"a\"} 1\n      + {__name__=\"up\", job=\"a\"} 0"
    );
    assert!(texts[3].starts_with("    expr: \"up +\", time: 1m, err: 1:5: parse error"));
    assert!(texts[4].ends_with("err: rule result is not a vector or scalar"));
    assert!(texts[5].contains("labels \"up{\": "));
    assert_eq!(texts.len(), 6);
    assert!(
        tested
            .story
            .iter()
            .any(|line| line.starts_with("2m {__name__=\"ALERTS\""))
    );
}

#[test]
fn a_rule_that_fails_ends_the_test() {
    let found = found(
        "groups: [{name: g, rules: [{record: r, expr: a * on (x) b}, {alert: A, expr: 'vector(1)'}]}]",
        "
tests:
- input_series:
  - {series: 'a{x=\"1\"}', values: '_ 1'}
  - {series: 'b{x=\"1\", y=\"1\"}', values: '_ 1'}
  - {series: 'b{x=\"1\", y=\"2\"}', values: '_ 1'}
  alert_rule_test: [{eval_time: 0, alertname: A}, {eval_time: 5m, alertname: A}]
  promql_expr_test: [{expr: vector(1), eval_time: 0}]
",
    );
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("    alertname: A, time: 0s"));
    assert!(found[1].starts_with("    rule: r, time: 1m, err: found duplicate series"));
}

#[test]
fn numbers_are_compared_exactly_or_as_neighbours() {
    let test = |fuzzy: bool| {
        format!(
            "
fuzzy_compare: {fuzzy}
tests:
- input_series: [{{series: low, values: 2.9999999999999996}}, {{series: high, values: 3.0000000000000004}}]
  promql_expr_test:
  - {{expr: low, eval_time: 0, exp_samples: [{{labels: low, value: 3}}]}}
  - {{expr: high, eval_time: 0, exp_samples: [{{labels: high, value: 3}}]}}
  - {{expr: high + 1e-14, eval_time: 0, exp_samples: [{{value: 3}}]}}
"
        )
    };
    assert_eq!(found("groups: []", &test(false)).len(), 3);
    assert_eq!(found("groups: []", &test(true)).len(), 1);
}

#[test]
fn a_series_that_cannot_be_read_or_contradicts_a_rule_is_a_mistake_of_the_test() {
    let of = |series: &str| {
        let test = format!(
            "tests: [{{interval: 30s, input_series: [{series}], promql_expr_test: [{{expr: r, eval_time: 1m, exp_samples: [{{labels: r, value: 7}}]}}]}}]"
        );
        found("groups: [{name: g, rules: [{record: r, expr: 7}]}]", &test)
    };
    assert!(of("{series: 'x{', values: 1}")[0].contains("parse error"));
    assert!(of("{series: x, values: 1 2 a}")[0].contains("unexpected identifier"));
    // What the file says of a moment goes before what the rule writes.
    assert_eq!(of("{series: r, values: '_ 5 6'}").len(), 1);
    assert_eq!(of("{series: r, values: '_ 5'}").len(), 0);
}

#[test]
fn groups_keep_their_intervals_if_the_file_says_so() {
    let rules =
        "groups: [{name: slow, interval: 5m, query_offset: 1m, rules: [{record: r, expr: x}]}]";
    let test = |own: bool, value: i32| {
        format!(
            "
group_intervals: {own}
tests:
- start_timestamp: 7
  input_series: [{{series: x, values: '0+1x20'}}]
  promql_expr_test: [{{expr: r, eval_time: 8m, exp_samples: [{{labels: r, value: {value}}}]}}]
"
        )
    };
    // A minute behind in both cases.
    passes(rules, &test(false, 7));
    passes(rules, &test(true, 4));
}

const TWO_OF_THREE: &str = "
groups:
- name: g
  rules:
  - {alert: Down, expr: 'up == 0', for: 1m}
  - {alert: Gone, expr: 'count(up) < 3', for: 1m}
";

#[test]
fn an_endpoint_that_does_not_answer_ends_no_alert_and_begins_none() {
    let test = |partial: &str, down: &str, gone: &str| {
        format!(
            "
{partial}
tests:
- endpoints:
  - {{labels: {{cluster: a}}, outages: [{{from: 4m, to: 8m}}]}}
  - {{labels: {{cluster: b}}}}
  - {{labels: {{cluster: c}}}}
  input_series:
  - {{series: 'up{{cluster=\"a\"}}', values: '0x6 1x9'}}
  - {{series: 'up{{cluster=\"b\"}}', values: '1x2 0x2 1x9'}}
  - {{series: 'up{{cluster=\"c\"}}', values: '1x20'}}
  alert_rule_test:
  - {{eval_time: 3m, alertname: Down, exp_alerts: [{{exp_labels: {{cluster: a}}}}]}}
  - {{eval_time: 7m, alertname: Down, exp_alerts: {down}}}
  - {{eval_time: 7m, alertname: Gone, exp_alerts: {gone}}}
  - {{eval_time: 8m, alertname: Down}}
"
        )
    };
    let still = "[{exp_labels: {cluster: a}}]";
    passes(TWO_OF_THREE, &test("", still, "[]"));
    passes(TWO_OF_THREE, &test("on_partial: abort", still, "[]"));
    passes(TWO_OF_THREE, &test("on_partial: accept", "[]", "[{}]"));
    // What fires and is unknown for too long ends, and what is there then begins.
    passes(TWO_OF_THREE, &test("hold_for: 1m", "[]", "[{}]"));
}

#[test]
fn alerts_over_what_rules_recorded_neither_end_nor_begin_without_a_partition() {
    passes(
        "
groups:
- name: g
  rules:
  - {record: 'x:sum', expr: sum(x)}
  - {record: 'cluster:x:sum', expr: sum by (cluster) (x)}
  - {alert: Now, expr: 'x:sum > 1'}
  - {alert: Mean, expr: 'avg_over_time(x:sum[10m]) > 1'}
  - {alert: Often, expr: 'count_over_time(x:sum[10m]) > 8'}
  - {alert: Seldom, expr: 'count_over_time(x:sum[10m]) < 8'}
  - {alert: Gone, expr: 'absent(x:sum)'}
  - {alert: Few, expr: 'count(cluster:x:sum) < 2'}
  - {alert: Low, expr: 'count(cluster:x:sum == 0) >= 1'}
",
        "
tests:
- endpoints:
  - {labels: {cluster: a}, outages: [{from: 20m, to: 60m}]}
  - {labels: {cluster: b}}
  input_series:
  - {series: 'x{cluster=\"a\"}', values: '1x90'}
  - {series: 'x{cluster=\"b\"}', values: '1x49 0x5 1x90'}
  alert_rule_test:
  # What holds on a part holds on the whole.
  - {eval_time: 50m, alertname: Low, exp_alerts: [{}]}
  promql_expr_test:
  - &active {expr: 'ALERTS', eval_time: 19m, exp_samples: [
      {labels: 'ALERTS{alertname=\"Now\", alertstate=\"firing\"}', value: 1},
      {labels: 'ALERTS{alertname=\"Mean\", alertstate=\"firing\"}', value: 1},
      {labels: 'ALERTS{alertname=\"Often\", alertstate=\"firing\"}', value: 1}]}
  - {<<: *active, eval_time: 22m}
  - {<<: *active, eval_time: 26m}
  - {<<: *active, eval_time: 40m}
  - {<<: *active, eval_time: 49m}
  - {<<: *active, eval_time: 60m}
  - {<<: *active, eval_time: 62m}
  - {<<: *active, eval_time: 75m}
",
    );
}

#[test]
fn rules_see_which_partitions_answer() {
    passes(
        "groups: [{name: g, rules: [{alert: Down, expr: 'count(up == 0 or watchfire_partition_up == 0) > 2'}]}]",
        "
tests:
- endpoints:
  - {labels: {cluster: a}, outages: [{from: 2m, to: 5m}]}
  - {labels: {cluster: b}}
  - {labels: {cluster: c}, outages: [{from: 3m, to: 4m}]}
  input_series:
  - {series: 'up{cluster=\"a\"}', values: '1x20'}
  - {series: 'up{cluster=\"b\"}', values: '0x20'}
  - {series: 'up{cluster=\"c\"}', values: '1x20'}
  alert_rule_test:
  - {eval_time: 2m, alertname: Down}
  - {eval_time: 3m, alertname: Down, exp_alerts: [{}]}
  # As long as one is not there it may be down.
  - {eval_time: 4m, alertname: Down, exp_alerts: [{}]}
  - {eval_time: 5m, alertname: Down}
",
    );
}

#[test]
fn a_series_of_no_endpoint_is_a_mistake() {
    let found = found(
        TWO_OF_THREE,
        "tests: [{endpoints: [{labels: {cluster: a}}], input_series: [{series: 'up{cluster=\"b\"}', values: 1}]}]",
    );
    assert_eq!(
        found,
        ["    the series {__name__=\"up\", cluster=\"b\"} has the labels of no endpoint"]
    );
}

#[test]
fn rules_read_what_rules_wrote_though_no_endpoint_has_it() {
    passes(
        "
groups:
- {name: reads, rules: [{alert: Few, expr: 'clusters:up:count < 2'}]}
- {name: writes, rules: [{record: 'clusters:up:count', expr: count(up)}]}
",
        "
tests:
- endpoints: [{labels: {cluster: a}}, {labels: {cluster: b}}]
  input_series:
  - {series: 'up{cluster=\"a\"}', values: '1x9'}
  - {series: 'up{cluster=\"b\"}', values: '1x2 stale'}
  alert_rule_test:
  - {eval_time: 2m, alertname: Few}
  - {eval_time: 3m, alertname: Few, exp_alerts: [{}]}
  promql_expr_test: [{expr: 'clusters:up:count', eval_time: 3m, exp_samples: [{labels: 'clusters:up:count', value: 1}]}]
",
    );
}

#[test]
fn after_a_short_restart_what_was_missed_is_recorded_and_after_a_long_one_it_is_not() {
    passes(
        "groups: [{name: g, rules: [{record: r, expr: x}, {alert: A, expr: 'x > 0', for: 3m}]}]",
        "
tests:
- name: two slots are made up for
  input_series: [{series: x, values: '0+1x20'}]
  restarts: [{from: 2m, to: 4m30s}]
  promql_expr_test:
  - {expr: 'count_over_time(r[11m])', eval_time: 10m, exp_samples: [{value: 11}]}
- name: no more than ten are
  input_series: [{series: x, values: '0+1x40'}]
  restarts: [{from: 2m, to: 24m30s}]
  promql_expr_test:
  - {expr: 'count_over_time(r[31m])', eval_time: 30m, exp_samples: [{value: 19}]}
",
    );
}

#[test]
fn windows_over_what_is_recorded_are_whole_after_a_restart() {
    passes(
        "
groups:
- name: g
  rules:
  - {record: r, expr: x}
  - {record: n, expr: 'count_over_time(r[5m])'}
  - {alert: Few, expr: 'count_over_time(r[5m]) < 5'}
",
        "
tests:
- input_series: [{series: x, values: '0+1x60'}]
  restarts: [{from: 10m10s, to: 10m20s}, {from: 20m, to: 50m}]
  alert_rule_test:
  - {eval_time: 11m, alertname: Few}
  - {eval_time: 50m, alertname: Few}
  - {eval_time: 51m, alertname: Few}
  promql_expr_test:
  - {expr: n, eval_time: 10m, exp_samples: [{labels: n, value: 5}]}
  - {expr: n, eval_time: 11m, exp_samples: [{labels: n, value: 5}]}
  - {expr: n, eval_time: 51m, exp_samples: [{labels: n, value: 5}]}
",
    );
}
