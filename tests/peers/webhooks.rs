//! One story of alerts told to Alertmanager 0.25 and to Watchfire: the same webhooks, byte for byte.

use std::{collections::BTreeMap, path::Path};

use regex::Regex;
use serde_json::{Value, json};

use crate::{
    node::{Node, Program, in_seconds, silence, subject_is_upstream},
    process::{SOON, wait_for},
    sink::Sink,
};

/// What one server was told and what it told.
struct Teller {
    node: Node,
    sink: Sink,
}

impl Teller {
    fn start(program: &Path, directory: &Path) -> Self {
        let sink = Sink::start();
        let url = sink.url();
        let config = format!(
            "
route:
  receiver: default
  group_by: [alertname]
  group_wait: 500ms
  group_interval: 1500ms
  repeat_interval: 1h
  routes:
  - {{match: {{team: db}}, receiver: db, group_by: ['...'], continue: true}}
  - {{match_re: {{team: 'db|web'}}, receiver: web.team, group_by: [team, nowhere]}}
inhibit_rules:
- source_matchers: [severity=critical]
  target_matchers: [severity=warning]
  equal: [cluster]
receivers:
- name: default
  webhook_configs: [{{url: '{url}'}}]
- name: db
  webhook_configs: [{{url: '{url}', send_resolved: false}}]
- name: web.team
  webhook_configs: [{{url: '{url}', max_alerts: 2}}]
"
        );
        let node = Node::start(
            program,
            directory,
            &config,
            &[
                "--web.external-url=http://alerts.example/am/",
                "--web.route-prefix=/",
            ],
        );
        Self { node, sink }
    }

    /// Bodies as they came, by receiver and group, in their order.
    fn told(&self) -> BTreeMap<(String, String), Vec<String>> {
        let mut told = BTreeMap::<_, Vec<_>>::new();
        for notification in self.sink.notifications() {
            let receiver = notification.body["receiver"].as_str().unwrap().to_owned();
            let group = notification.group_key().to_owned();
            told.entry((receiver, group))
                .or_default()
                .push(notification.text);
        }
        told
    }
}

/// Both servers, told the same.
struct Both([Teller; 2]);

impl Both {
    fn post(&self, alerts: &Value) {
        for teller in &self.0 {
            teller.node.post_alerts(alerts);
        }
    }

    /// Waits until both have sent so many webhooks for a group.
    fn wait(&self, what: &str, receiver: &str, group: &str, count: usize) {
        for (teller, name) in self.0.iter().zip(["Alertmanager", "Watchfire"]) {
            wait_for(&format!("{what} of {name}"), SOON, || {
                let told = teller.told();
                let sent = told
                    .iter()
                    .filter(|((to, key), _)| to == receiver && key.contains(group));
                (sent.map(|(_, bodies)| bodies.len()).sum::<usize>() >= count).then_some(())
            });
        }
    }
}

/// An alert that began a minute ago; `ends` in seconds from the present.
fn alert(labels: &Value, started: &str, ends: i64) -> Value {
    json!({
        "labels": labels,
        "annotations": {"summary": "<b>&'é\u{1F525}\" \\ \u{2028} \u{7f} \t"},
        "startsAt": started,
        "endsAt": in_seconds(ends),
        "generatorURL": "http://prometheus.example/graph?g0.expr=up%20%3E%200&g0.tab=1",
    })
}

#[test]
fn receivers_cannot_tell_the_servers_apart() {
    let Some(upstream) = Program::Upstream.path() else {
        return;
    };
    let Some(subject) = Program::Subject.path() else {
        return;
    };
    let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let both = Both([
        Teller::start(&upstream, directories[0].path()),
        Teller::start(&subject, directories[1].path()),
    ]);
    for teller in &both.0 {
        teller
            .node
            .post_silence(&silence("alertname", "Silenced", 3600, "quiet"));
    }
    let started = in_seconds(-1);
    let alert = |labels: Value, ends: i64| alert(&labels, &started, ends);
    let many = |instance: &str, job: &str, ends| {
        alert(
            json!({"alertname": "Many", "instance": instance, "job": job, "zone": "z"}),
            ends,
        )
    };
    let database = |instance: &str, ends| {
        alert(
            json!({"alertname": "Slow", "team": "db", "instance": instance}),
            ends,
        )
    };
    let source = |ends| {
        alert(
            json!({"alertname": "Source", "severity": "critical", "cluster": "c"}),
            ends,
        )
    };

    both.post(&json!([
        many("b", "1", 3600),
        many("a", "2", 3600),
        alert(json!({"alertname": "Many", "zone": "z"}), 3600),
        database("d1", 3600),
        database("d3", 3600),
        database("d2", 3600),
        source(3600),
        alert(
            json!({"alertname": "Target", "severity": "warning", "cluster": "c"}),
            3600
        ),
        alert(json!({"alertname": "Silenced"}), 3600),
        alert(
            json!({"alertname": "Odd \"name\" \\ <é>", "x": "line\nbreak"}),
            3600
        ),
        alert(json!({"noname": "1"}), 3600),
    ]));
    both.wait("the first page", "default", "Many", 1);
    both.wait("the first page", "default", "Source", 1);
    both.wait("the first page", "default", "Odd", 1);
    both.wait("the first page", "default", "{}:{}", 1);
    both.wait("the first pages", "db", "Slow", 3);
    both.wait("the first page", "web\\.team", "team", 1);

    both.post(&json!([many("c", "1", 3600), database("d4", 3600)]));
    both.wait("a new alert", "default", "Many", 2);
    both.wait("a new alert", "web\\.team", "team", 2);
    both.wait("a new alert", "db", "Slow", 4);

    both.post(&json!([many("b", "1", 0), source(0)]));
    both.wait("a resolve", "default", "Many", 3);
    both.wait("a resolve", "default", "Source", 2);
    both.wait("what is inhibited no longer", "default", "Target", 1);

    both.post(&json!([
        many("c", "1", 0),
        many("a", "2", 0),
        alert(json!({"alertname": "Many", "zone": "z"}), 0),
        database("d1", 0),
        database("d2", 0),
        database("d3", 0),
        database("d4", 0),
    ]));
    both.wait("the end", "default", "Many", 4);
    both.wait("the end", "web\\.team", "team", 3);

    // After a resolve the same alert is a new incident.
    both.post(&json!([many("b", "1", 3600)]));
    both.wait("a new incident", "default", "Many", 5);

    compare(&both);
}

/// Compares everything that was sent, group by group.
fn compare(both: &Both) {
    // The reason came with 0.32 and the labels of routes with 0.34.
    let newer = Regex::new(r#""notification_reason":"[^"]*",|"routeLabels":\{\},"#).unwrap();
    let [theirs, ours] = [both.0[0].told(), both.0[1].told()];
    assert_eq!(
        theirs.keys().collect::<Vec<_>>(),
        ours.keys().collect::<Vec<_>>()
    );
    let mut wrong = Vec::new();
    for (group, theirs) in &theirs {
        let ours = ours[group]
            .iter()
            .map(|body| newer.replace_all(body, "").into_owned())
            .collect::<Vec<_>>();
        if *theirs != ours {
            wrong.push(format!(
                "{group:?}\n  Alertmanager {theirs:#?}\n  Watchfire    {ours:#?}"
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "{} groups differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    if subject_is_upstream() {
        return;
    }
    let notifications = both.0[1].sink.notifications();
    let reasons = notifications
        .iter()
        .map(|n| n.body["notification_reason"].as_str().unwrap());
    let reasons = reasons.collect::<std::collections::BTreeSet<_>>();
    let expected = [
        "all alerts resolved",
        "first notification",
        "new alerts added",
        "some alerts resolved",
    ];
    assert_eq!(reasons.into_iter().collect::<Vec<_>>(), expected);
    for notification in notifications {
        assert_eq!(notification.headers["content-type"], "application/json");
        assert_eq!(notification.headers["user-agent"], "Alertmanager/0.34.0");
        assert!(
            notification.headers.contains_key("idempotency-key"),
            "{:?}",
            notification.headers
        );
    }
}
