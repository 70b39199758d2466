//! Files of the ruler: what they mean and what is wrong with them.

use std::time::Duration;

use super::*;
use crate::config::{LoadEnv, OnPartial};

fn load(text: &str) -> Result<RulerConfig, String> {
    let env = LoadEnv::for_file("/etc/watchfire/ruler.yml");
    load_ruler(text.as_bytes(), &env).map_err(|errors| errors.to_string())
}

#[test]
fn an_empty_file_has_the_defaults() {
    let config = load("").unwrap();
    assert_eq!(config, RulerConfig::default());
    assert_eq!(config.evaluation_interval, Duration::from_mins(1));
    assert_eq!(config.hold_for, Duration::from_hours(1));
    assert_eq!(config.resend_delay, Duration::from_mins(1));
    assert_eq!(config.on_partial, OnPartial::Hold);
    assert!(config.rule_query_offset.is_zero() && config.rule_files.is_empty());
    assert!(config.look_back);
}

#[test]
fn every_key_has_its_meaning() {
    let config = load(
        "\
rule_files: [rules/*.yml, /abs/one.yml]
external_labels: {region: eu, replica: ''}
evaluation_interval: 15s
rule_query_offset: 1m
on_partial: accept
hold_for: 2h
look_back: false
resend_delay: 30s
alert_relabel_configs:
- {regex: replica, action: LabelDrop}
alertmanagers:
- url: https://am.example.org/prefix
  timeout: 5s
  api_version: v2
  http_config: {basic_auth: {username: u, password_file: p}}
  alert_relabel_configs: [{target_label: a, replacement: b}]
remote_write:
- url: http://mimir/api/v1/push
  name: mimir
  headers: {X-Scope-OrgID: team}
  remote_timeout: 1s
  protobuf_message: io.prometheus.write.v2.Request
  write_relabel_configs: [{source_labels: [__name__], regex: 'ALERTS.*', action: drop}]
  queue_config: {max_bytes: 1000, sample_age_limit: 5m, max_samples_per_send: 10, batch_send_deadline: 1s, max_shards: 1, min_backoff: 1s, max_backoff: 2s}
- url: http://b/write
",
    )
    .unwrap();
    assert_eq!(
        config.rule_files,
        ["/etc/watchfire/rules/*.yml", "/abs/one.yml"]
    );
    assert_eq!(config.external_labels["region"], "eu");
    assert_eq!(config.evaluation_interval, Duration::from_secs(15));
    assert_eq!(config.rule_query_offset, Duration::from_mins(1));
    assert_eq!(config.on_partial, OnPartial::Accept);
    assert_eq!(config.hold_for, Duration::from_hours(2));
    assert!(!config.look_back);
    assert_eq!(config.resend_delay, Duration::from_secs(30));
    assert_eq!(config.alert_relabel_configs.len(), 1);
    let am = &config.alertmanagers[0];
    assert_eq!(
        (am.url.as_str(), am.timeout.as_secs()),
        ("https://am.example.org/prefix", 5)
    );
    assert_eq!(
        am.http.basic_auth.as_ref().unwrap().password_file,
        "/etc/watchfire/p"
    );
    assert_eq!(am.alert_relabel_configs[0].target_label, "a");
    let [mimir, plain] = &config.remote_write[..] else {
        panic!("{config:?}")
    };
    assert_eq!(mimir.protobuf_message, RemoteWriteMessage::V2);
    assert_eq!(
        mimir.http.headers["X-Scope-OrgID"].secrets[0].reveal(),
        "team"
    );
    assert!(!format!("{config:?}").contains("team"));
    assert_eq!(mimir.queue.max_bytes, 1000);
    assert_eq!(mimir.queue.max_backoff, Duration::from_secs(2));
    assert_eq!(plain.protobuf_message, RemoteWriteMessage::V1);
    assert_eq!(plain.queue, RemoteWriteQueue::default());
    assert_eq!(plain.queue.sample_age_limit, Duration::from_hours(1));
}

#[test]
fn every_mistake_is_told_at_its_place() {
    let found = load(
        "\
rule_files: [a/*/b.yml, '']
external_labels: {__name__: x}
evaluation_interval: 0s
on_partial: maybe
alert_relabel_configs:
- {action: hashmod, target_label: a}
- {action: labeldrop, regex: a, target_label: b}
- {action: labeldrop, regex: a, separator: ;}
- {action: keepequal, regex: (.*), target_label: b}
- {action: uppercase, replacement: b, target_label: b}
- {action: sideways}
- {regex: '(', target_label: b}
- {}
alertmanagers:
- {}
- {url: 'http://a', api_version: v1, basic_auth: {}}
remote_write:
- {url: 'http://a', headers: {Host: a}}
- {url: 'http://a', queue_config: {max_backoff: 1ms, max_bytes: 0}}
- {url: 'http://a', protobuf_message: v3}
- {url: 'http://b', headers: {authorization: a}}
- {url: 'http://b'}
",
    )
    .unwrap_err();
    expect_test::expect![[r#"
        /etc/watchfire/ruler.yml:1:14: invalid rule file path "a/*/b.yml" (only the last part of a path may be a pattern)
        /etc/watchfire/ruler.yml:1:25: invalid rule file path "" (only the last part of a path may be a pattern)
        /etc/watchfire/ruler.yml:4:13: on_partial must be hold, abort or accept, not "maybe"
        /etc/watchfire/ruler.yml:6:3: relabel configuration for hashmod requires non-zero modulus
        /etc/watchfire/ruler.yml:7:33: labeldrop action requires only 'regex', and no other fields
        /etc/watchfire/ruler.yml:9:23: keepequal action requires only 'source_labels' and `target_label`, and no other fields
        /etc/watchfire/ruler.yml:10:23: 'replacement' can not be set for uppercase action
        /etc/watchfire/ruler.yml:11:12: unknown relabel action "sideways"
        /etc/watchfire/ruler.yml:12:11: error parsing regexp: missing closing ): `^(?s:()$`
        /etc/watchfire/ruler.yml:13:3: relabel configuration for replace action requires 'target_label' value
        /etc/watchfire/ruler.yml:15:3: missing url of an Alertmanager
        /etc/watchfire/ruler.yml:16:34: expected Alertmanager api version to be v2 but got "v1"
        /etc/watchfire/ruler.yml:18:21: "Host" is a reserved header. It must not be changed
        /etc/watchfire/ruler.yml:19:54: max_bytes must be greater than zero
        /etc/watchfire/ruler.yml:19:36: max_backoff must not be less than min_backoff
        /etc/watchfire/ruler.yml:20:39: unknown type for remote write protobuf message "v3", supported: prometheus.WriteRequest, io.prometheus.write.v2.Request
        /etc/watchfire/ruler.yml:21:21: authorization header must be changed via http_config
        /etc/watchfire/ruler.yml:16:38: field basic_auth not found in type ruler.Alertmanager (write basic_auth under http_config)
        /etc/watchfire/ruler.yml:2:29: "__name__" is not a valid label name
        /etc/watchfire/ruler.yml:3:1: evaluation_interval must be greater than zero
        /etc/watchfire/ruler.yml:19:3: found multiple remote write configs with the same name or url (give them different names)
        /etc/watchfire/ruler.yml:20:3: found multiple remote write configs with the same name or url (give them different names)
        /etc/watchfire/ruler.yml:22:3: found multiple remote write configs with the same name or url (give them different names)"#]].assert_eq(&found);
}

const EXAMPLE: &str = include_str!("../../../config/ruler.yml");

#[test]
fn the_example_loads_with_all_that_it_shows() {
    let plain = load(EXAMPLE).unwrap();
    let defaults = RulerConfig {
        rule_files: vec!["/etc/watchfire/rules/*.yml".into()],
        ..RulerConfig::default()
    };
    assert_eq!(plain, defaults);
    let shown: Vec<&str> = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') || rest.starts_with("  ") => rest,
            _ => line,
        })
        .collect();
    let full = load(&shown.join("\n")).unwrap();
    assert_eq!((full.alertmanagers.len(), full.remote_write.len()), (1, 1));
    let queue = &full.remote_write[0].queue;
    assert_eq!(*queue, RemoteWriteQueue::default());
    assert_eq!(full.external_labels["region"], "eu");
}

#[test]
fn external_labels_take_variables_of_the_environment() {
    let text = "external_labels: {a: '$POD', b: 'x-${POD}-$$y', c: '${NONE}', d: plain}";
    let mut config = load(text).unwrap();
    let variable = |name: &str| (name == "POD").then(|| "pod-1".to_owned());
    let unknown = config.expand_external_labels(variable);
    assert_eq!(unknown.into_iter().collect::<Vec<_>>(), ["NONE"]);
    let values: Vec<&str> = config
        .external_labels
        .values()
        .map(String::as_str)
        .collect();
    assert_eq!(values, ["pod-1", "x-pod-1-$y", "", "plain"]);
}

#[test]
fn alertmanagers_may_be_named_by_lists_and_files() {
    let config = load(
        "\
alertmanagers:
- scheme: https
  path_prefix: /am
  static_configs: [{targets: ['a:9093', 'b:9093']}]
  file_sd_configs: [{files: [am/*.yml], refresh_interval: 5s}]
",
    )
    .unwrap();
    let one = &config.alertmanagers[0];
    assert_eq!(one.scheme, TargetScheme::Https);
    assert_eq!(one.static_configs[0].targets, ["a:9093", "b:9093"]);
    let files = &one.file_sd_configs[0];
    assert_eq!(files.files, ["/etc/watchfire/am/*.yml"]);
    assert_eq!(files.refresh_interval, Duration::from_secs(5));
    for (wrong, words) in [
        ("{}", "missing url of an Alertmanager"),
        (
            "{static_configs: [{targets: ['http://a']}]}",
            "\"http://a\" is not a valid hostname",
        ),
        (
            "{file_sd_configs: [{}]}",
            "must contain at least one path name",
        ),
        (
            "{file_sd_configs: [{files: [a], refresh_interval: 0s}]}",
            "refresh_interval must be",
        ),
        (
            "{url: 'http://a', scheme: ftp}",
            "scheme must be http or https",
        ),
    ] {
        let said = load(&format!("alertmanagers: [{wrong}]")).unwrap_err();
        assert!(said.contains(words), "{said}");
    }
}
