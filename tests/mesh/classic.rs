//! The classic exercise: three nodes, a Prometheus that finds its targets in a file, mails to one mailbox. One mail
//! per alert; a node is stopped: still one mail; another is stopped: still one.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::{
    faults::{given, possible, run_enclosed, subject},
    harness::{
        Program,
        cluster::Cluster,
        network::{Network, OUTSIDE},
    },
    mailbox::Mailbox,
    skipped::skipped,
};

const RULES: &str = "
groups:
- name: classic
  rules:
  - alert: InstanceDown
    expr: up == 0
    labels: {severity: page}
    annotations: {summary: '{{ $labels.instance }} is down'}
";

/// Ends with the test.
struct Prometheus {
    child: Child,
}

impl Prometheus {
    fn start(program: &Program, directory: &Path, nodes: &[String]) -> Self {
        fs::write(directory.join("rules.yml"), RULES).unwrap();
        let nodes: Vec<&str> = nodes
            .iter()
            .map(|url| url.trim_start_matches("http://"))
            .collect();
        let config = format!(
            "global: {{scrape_interval: 500ms, evaluation_interval: 500ms, scrape_timeout: 500ms}}\n\
             rule_files: [rules.yml]\n\
             scrape_configs: [{{job_name: hosts, file_sd_configs: [{{files: [targets.json], refresh_interval: 1s}}]}}]\n\
             alerting: {{alertmanagers: [{{static_configs: [{{targets: {nodes:?}}}]}}]}}\n"
        );
        fs::write(directory.join("prometheus.yml"), config).unwrap();
        let log = fs::File::create(directory.join("prometheus.log")).unwrap();
        let child = Command::new(program.path())
            .args([
                "--config.file=prometheus.yml",
                "--storage.tsdb.path=tsdb",
                "--web.listen-address=127.0.0.1:9090",
                "--rules.alert.resend-delay=1s",
            ])
            .current_dir(directory)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // Both fail harmlessly when the process ended before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nothing listens on any of them: each is an alert.
fn add_target(directory: &Path, ports: &[u16]) {
    let targets: Vec<String> = ports
        .iter()
        .map(|port| format!("{OUTSIDE}:{port}"))
        .collect();
    let text = serde_json::json!([{"targets": targets}]).to_string();
    fs::write(directory.join("targets.new"), text).unwrap();
    fs::rename(
        directory.join("targets.new"),
        directory.join("targets.json"),
    )
    .unwrap();
}

/// One mail about this port comes, and no other for as long as the others' watchdogs take.
fn one_mail(mailbox: &Mailbox, port: u16, told: usize, patience: Duration) {
    let about = format!("{OUTSIDE}:{port}");
    let started = Instant::now();
    while mailbox.mails().len() <= told {
        assert!(
            started.elapsed() < Duration::from_secs(70),
            "no mail about {about}"
        );
        thread::sleep(Duration::from_millis(20));
    }
    println!("a mail about {about} after {:?}", started.elapsed());
    thread::sleep(patience);
    let mails = mailbox.mails();
    assert_eq!(mails.len(), told + 1, "{:#?}", &mails[told..]);
    assert!(mails[told].contains(&about), "{}", mails[told]);
}

#[test]
fn one_mail_per_alert_with_three_two_and_one_node() {
    if !possible() {
        return;
    }
    if Program::find("prometheus").is_err() {
        skipped("the classic exercise: prometheus is not installed");
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let value = directory.path().display().to_string();
    let output = run_enclosed("classic::inside", &value, Duration::from_secs(240));
    if let Err(error) = output {
        panic!("{error:#}: logs are in {}", directory.keep().display());
    }
}

#[test]
#[ignore = "runs in an enclosure that another test makes"]
fn inside() {
    let Some(directory) = given() else { return };
    let directory = Path::new(&directory);
    let _network = Network::build(3).unwrap();
    let mailbox = Mailbox::open();
    let config = format!(
        "global: {{smtp_from: am@example.org, smtp_smarthost: '{}', smtp_require_tls: false}}\n\
         route: {{receiver: mail, group_by: [alertname, instance], group_wait: 1s, group_interval: 5m, repeat_interval: 4h}}\n\
         receivers: [{{name: mail, email_configs: [{{to: on-call@example.org}}]}}]\n",
        mailbox.address()
    );
    let subject = subject();
    // Alertmanager's positions wait for 15 s each.
    let patience = Duration::from_secs(if subject.is_watchfire() { 8 } else { 40 });
    let mut cluster = Cluster::prepare(&subject, directory, 3, &config, &[]).unwrap();
    cluster.start_all().unwrap();
    cluster.form().unwrap();
    add_target(directory, &[]);
    let nodes: Vec<String> = (0..3).map(|node| cluster.url(node)).collect();
    let prometheus = Program::find("prometheus").unwrap();
    let _prometheus = Prometheus::start(&prometheus, directory, &nodes);

    add_target(directory, &[1]);
    one_mail(&mailbox, 1, 0, patience);
    cluster.terminate(&[0]).unwrap();
    add_target(directory, &[1, 2]);
    one_mail(&mailbox, 2, 1, patience);
    cluster.terminate(&[1]).unwrap();
    add_target(directory, &[1, 2, 3]);
    one_mail(&mailbox, 3, 2, patience);
}
