//! The files `nflog` and `silences` of an Alertmanager 0.25, taken over and given back: the same silences, and nobody
//! is told twice.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::{
    node::{Node, Program, in_seconds, silence, webhook_config},
    process::{SOON, wait_for},
    sink::Sink,
};

/// What one Alertmanager knows before another takes over.
struct Before {
    alerts: Value,
    silences: Vec<Value>,
}

fn alert(name: &str) -> Value {
    json!({
        "labels": {"alertname": name, "severity": "page", "path": "C:\\x \"y\""},
        "annotations": {"summary": "s"},
        "startsAt": in_seconds(-30),
        "endsAt": in_seconds(3600),
    })
}

/// The silences of a node, in the order of their ids, without what only one of the versions shows.
fn silences_of(node: &Node) -> Vec<Value> {
    let mut silences = node
        .get("/api/v2/silences")
        .expect(200)
        .json()
        .as_array()
        .unwrap()
        .clone();
    for silence in &mut silences {
        silence.as_object_mut().unwrap().remove("annotations");
    }
    silences.sort_by_key(|silence| silence["id"].as_str().unwrap().to_owned());
    silences
}

/// Notifies three groups, resolves one of them, silences a fourth, and leaves silences of every state and matcher.
fn live(node: &Node, sink: &Sink) -> Before {
    node.post_silence(&silence(
        "alertname",
        "Silenced",
        7200,
        "active: ünï \u{1F525}",
    ));
    let expired = node.post_silence(&silence("alertname", "Expired", 7200, "expired"));
    let url = node.url(&format!("/api/v2/silence/{expired}"));
    crate::http::try_request("DELETE", &url, &[], None)
        .unwrap()
        .expect(200);
    node.post_silence(&json!({
        "matchers": [
            {"name": "a", "value": "x\n\"\\", "isRegex": false, "isEqual": true},
            {"name": "b", "value": "y.*|z", "isRegex": true, "isEqual": true},
            {"name": "c", "value": "", "isRegex": false, "isEqual": false},
            {"name": "d", "value": "[ab]+", "isRegex": true, "isEqual": false},
        ],
        "startsAt": in_seconds(3600),
        "endsAt": in_seconds(7200),
        "createdBy": "peers <p@example.org>",
        "comment": "pending",
    }));
    let mut alerts = json!([
        alert("One"),
        alert("Two"),
        alert("Three"),
        alert("Silenced")
    ]);
    node.post_alerts(&alerts);
    for name in ["One", "Two", "Three"] {
        sink.wait(name, SOON, |n| n.group_key().contains(name));
    }
    // The resolve of one group is in the log too.
    alerts[2]["endsAt"] = json!(in_seconds(0));
    node.post_alerts(&alerts);
    sink.wait("the resolve", SOON, |n| {
        n.group_key().contains("Three") && n.status() == "resolved"
    });
    // Whoever finds this last group in a file finds everything above there.
    node.post_alerts(&json!([alert("Last")]));
    sink.wait("the last group", SOON, |n| n.group_key().contains("Last"));
    alerts.as_array_mut().unwrap().push(alert("Last"));
    Before {
        alerts,
        silences: silences_of(node),
    }
}

/// The successor has the silences, and of the same alerts it tells nobody again.
fn takes_over(node: &Node, sink: &Sink, before: &Before) {
    assert_eq!(silences_of(node), before.silences);
    let told = sink.notifications().len();
    node.post_alerts(&before.alerts);
    // Three flushes of another group: every group above had its turn meanwhile.
    for instance in ["1", "2", "3"] {
        node.post_alerts(&json!([{"labels": {"alertname": "Marker", "instance": instance}, "endsAt": in_seconds(3600)}]));
        sink.wait("the marker", SOON, |n| {
            let alerts = n.body["alerts"].as_array().unwrap();
            n.at.elapsed() < SOON
                && alerts
                    .iter()
                    .any(|alert| alert["labels"]["instance"] == instance)
        });
    }
    for notification in &sink.notifications()[told..] {
        assert!(
            notification.group_key().contains("Marker"),
            "told again: {:#}",
            notification.body
        );
    }
    assert_eq!(
        node.get("/api/v2/alerts?silenced=true&active=false")
            .json()
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

/// Waits until both files hold what [`live`] left last.
fn wait_for_files(directory: &Path, silence: &str) {
    wait_for("the files in Alertmanager's format", SOON, || {
        let silences = fs::read(directory.join("data/silences")).ok()?;
        let nflog = fs::read(directory.join("data/nflog")).ok()?;
        let has = |bytes: &[u8], part: &str| {
            bytes
                .windows(part.len())
                .any(|window| window == part.as_bytes())
        };
        (has(&silences, silence) && has(&nflog, "{}:{alertname=\"Last\"}")).then_some(())
    });
}

#[test]
fn watchfire_takes_over_from_alertmanager() {
    let Some(upstream) = Program::Upstream.path() else {
        return;
    };
    let Some(subject) = Program::Subject.path() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let config = webhook_config(&sink.url());
    let node = Node::start(&upstream, directory.path(), &config, &[]);
    let before = live(&node, &sink);
    assert!(node.terminate().success());

    let node = Node::start(&subject, directory.path(), &config, &[]);
    takes_over(&node, &sink, &before);
}

#[test]
fn alertmanager_takes_over_from_watchfire() {
    let Some(upstream) = Program::Upstream.path() else {
        return;
    };
    let Some(subject) = Program::Subject.path() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let config = webhook_config(&sink.url());
    let node = Node::start(
        &subject,
        directory.path(),
        &config,
        &["--data.maintenance-interval=1s"],
    );
    let before = live(&node, &sink);
    let pending = before
        .silences
        .iter()
        .find(|silence| silence["status"]["state"] == "pending")
        .unwrap();
    wait_for_files(directory.path(), pending["id"].as_str().unwrap());
    // Killed, not stopped: what the maintenance interval wrote is what counts.
    node.process.kill();

    let node = Node::start(&upstream, directory.path(), &config, &[]);
    takes_over(&node, &sink, &before);
}

#[test]
fn there_and_back_again() {
    let Some(upstream) = Program::Upstream.path() else {
        return;
    };
    let Some(subject) = Program::Subject.path() else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let config = webhook_config(&sink.url());
    let node = Node::start(&upstream, directory.path(), &config, &[]);
    let before = live(&node, &sink);
    assert!(node.terminate().success());
    let node = Node::start(&subject, directory.path(), &config, &[]);
    assert_eq!(silences_of(&node), before.silences);
    // Changed here, it is changed there; and what changes there is imported again here.
    let here = node.post_silence(&silence("alertname", "Here", 7200, "from Watchfire"));
    assert!(node.terminate().success());
    let node = Node::start(&upstream, directory.path(), &config, &[]);
    assert!(
        silences_of(&node)
            .iter()
            .any(|silence| silence["id"] == here.as_str())
    );
    let url = node.url(&format!("/api/v2/silence/{here}"));
    crate::http::try_request("DELETE", &url, &[], None)
        .unwrap()
        .expect(200);
    let there = node.post_silence(&silence("alertname", "There", 7200, "from Alertmanager"));
    let silences = silences_of(&node);
    assert!(node.terminate().success());
    let node = Node::start(&subject, directory.path(), &config, &[]);
    assert_eq!(silences_of(&node), silences);
    assert!(
        silences
            .iter()
            .any(|silence| silence["id"] == there.as_str())
    );
    takes_over(
        &node,
        &sink,
        &Before {
            alerts: before.alerts,
            silences,
        },
    );
}
