//! Prometheus 2.42 with a rule that fires and resolves: its notifications arrive at the webhook.

use std::{fs, path::Path, process::Command, time::Duration};

use crate::{
    needed,
    node::{Node, Program, webhook_config},
    process::Process,
    sink::Sink,
};

const RULES: &str = "
groups:
- name: peers
  rules:
  - alert: ValueTooHigh
    expr: peers_test_value > 5
    labels: {severity: page}
    annotations: {summary: 'value is {{ $value }} on {{ $labels.instance }} <&>'}
";

fn start_prometheus(program: &Path, directory: &Path, target: &str, alertmanager: &str) -> Process {
    fs::write(directory.join("rules.yml"), RULES).unwrap();
    let config = format!(
        "global: {{scrape_interval: 200ms, evaluation_interval: 200ms, scrape_timeout: 200ms}}\n\
         rule_files: [rules.yml]\n\
         scrape_configs: [{{job_name: peers, static_configs: [{{targets: ['{target}']}}]}}]\n\
         alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{alertmanager}']}}]}}]}}\n"
    );
    fs::write(directory.join("prometheus.yml"), config).unwrap();
    let mut command = Command::new(program);
    command.current_dir(directory).args([
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb",
        "--web.listen-address=127.0.0.1:0",
        "--rules.alert.resend-delay=500ms",
    ]);
    Process::spawn(&mut command, &directory.join("prometheus.log"))
}

#[test]
fn a_rule_of_prometheus_pages_and_resolves() {
    let Some(prometheus) = needed::installed_or_skip("prometheus") else {
        return;
    };
    let Some(subject) = Program::Subject.path() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let node = Node::start(
        &subject,
        directory.path(),
        &webhook_config(&sink.url()),
        &[],
    );
    sink.set_metric(7.5);
    let _prometheus = start_prometheus(
        &prometheus,
        directory.path(),
        sink.address(),
        node.address(),
    );

    let firing = sink.wait("the firing notification", Duration::from_secs(40), |n| {
        n.status() == "firing"
    });
    assert_eq!(firing.headers["content-type"], "application/json");
    assert!(
        firing.headers["user-agent"]
            .to_str()
            .unwrap()
            .starts_with("Alertmanager/"),
        "{:?}",
        firing.headers
    );
    let body = &firing.body;
    assert_eq!(body["version"], "4");
    assert_eq!(body["receiver"], "sink");
    assert_eq!(body["groupKey"], "{}:{alertname=\"ValueTooHigh\"}");
    assert_eq!(body["truncatedAlerts"], 0);
    let alert = &body["alerts"][0];
    assert_eq!(alert["status"], "firing");
    assert_eq!(alert["endsAt"], "0001-01-01T00:00:00Z");
    assert_eq!(alert["labels"]["severity"], "page");
    assert_eq!(
        alert["annotations"]["summary"],
        format!("value is 7.5 on {} <&>", sink.address())
    );
    assert!(
        alert["generatorURL"]
            .as_str()
            .unwrap()
            .contains("/graph?g0.expr="),
        "{alert}"
    );

    let alerts = node.get("/api/v2/alerts").json();
    assert_eq!(alerts[0]["status"]["state"], "active", "{alerts}");
    assert_eq!(alerts[0]["fingerprint"], alert["fingerprint"]);

    sink.set_metric(1.0);
    let resolved = sink.wait("the resolved notification", Duration::from_secs(40), |n| {
        n.status() == "resolved"
    });
    let ended = &resolved.body["alerts"][0];
    assert_eq!(ended["startsAt"], alert["startsAt"]);
    assert!(
        ended["endsAt"].as_str().unwrap() > alert["startsAt"].as_str().unwrap(),
        "{ended}"
    );
    assert_eq!(sink.notifications().len(), 2, "{:#?}", sink.notifications());
    assert_eq!(node.get("/api/v2/alerts").json(), serde_json::json!([]));
}
