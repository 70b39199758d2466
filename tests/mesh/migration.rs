//! From a cluster of Alertmanager 0.25 to Watchfire and back, as `docs/ha.md` describes it: all nodes are stopped, the
//! others start on the same storage with the same flags, and nobody is told twice or not at all.

use std::{path::Path, thread, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::{
    faults::{given, possible, run_enclosed, subject},
    harness::{
        Program, Run, cluster::Cluster, network::Network, receiver::Receiver, source::Source, web,
    },
    skipped::skipped,
};

const UPSTREAM: &str = "prometheus-alertmanager";

#[test]
fn from_alertmanager_to_watchfire_and_back() {
    if !possible() {
        return;
    }
    if Program::find(UPSTREAM).is_err() {
        skipped(&format!(
            "moving between programs: {UPSTREAM} is not installed"
        ));
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let value = directory.path().display().to_string();
    let output = run_enclosed("migration::inside", &value, Duration::from_secs(240));
    if let Err(error) = output {
        panic!("{error:#}: logs are in {}", directory.keep().display());
    }
}

/// A cluster, who fires at it and who is told.
struct Site {
    cluster: Cluster,
    receiver: Receiver,
    source: Source,
    told: usize,
}

impl Site {
    /// Waits until so many more were told.
    fn more_told(&mut self, count: usize, what: &str) {
        self.told += count;
        let told = self.receiver.wait(Duration::from_secs(60), |requests| {
            requests.len() >= self.told
        });
        let requests = self.receiver.requests();
        assert!(told, "{what}: {} of {}", requests.len(), self.told);
    }

    /// Stops every node and starts the other program in its place.
    fn replace_by(&mut self, program: &Program, meanwhile: impl FnOnce(&Source)) {
        self.cluster.terminate(&[0, 1, 2]).unwrap();
        meanwhile(&self.source);
        self.cluster.program = program.clone();
        self.cluster.start_all().unwrap();
        self.cluster.form().unwrap();
    }

    /// The silence that [`Site::silence`] made is in force on every node.
    fn is_silenced(&self, id: &str) {
        for node in 0..self.cluster.len() {
            let url = format!("{}/api/v2/silence/{id}", self.cluster.url(node));
            let silence = web::get_json(&url).unwrap();
            assert_eq!(silence["status"]["state"], "active", "{silence}");
        }
    }

    fn silence(&self, name: &str) -> String {
        let now = Timestamp::now();
        let body = json!({
            "matchers": [{"name": "alertname", "value": name, "isRegex": false, "isEqual": true}],
            "startsAt": now.to_string(),
            "endsAt": (now + SignedDuration::from_hours(1)).to_string(),
            "createdBy": "migration",
            "comment": "known",
        });
        let url = format!("{}/api/v2/silences", self.cluster.url(0));
        let answer = web::post_json(&url, &body).unwrap();
        answer["silenceID"].as_str().unwrap().to_owned()
    }
}

fn names(prefix: &str, count: usize) -> impl Iterator<Item = String> {
    (0..count).map(move |index| format!("{prefix}{index}"))
}

#[test]
#[ignore = "runs in an enclosure that another test makes"]
fn inside() {
    let Some(directory) = given() else { return };
    let directory = Path::new(&directory);
    let _network = Network::build(3).unwrap();
    let receiver = Receiver::start().unwrap();
    let config = format!(
        "route: {{receiver: hook, group_by: [alertname], group_wait: 1s, group_interval: 10s, repeat_interval: 4h}}\n\
         receivers: [{{name: hook, webhook_configs: [{{url: '{}', send_resolved: true}}]}}]\n",
        receiver.url()
    );
    let (alertmanager, watchfire) = (Program::find(UPSTREAM).unwrap(), subject());
    // With Alertmanager's 15 s an alert that ends while the third position waits is told twice, by itself.
    let flags = ["--cluster.peer-timeout=2s".to_owned()];
    let mut cluster = Cluster::prepare(&alertmanager, directory, 3, &config, &flags).unwrap();
    cluster.start_all().unwrap();
    cluster.form().unwrap();
    let targets = (0..3).map(|node| cluster.url(node)).collect();
    let mut site = Site {
        cluster,
        receiver,
        source: Source::start(targets),
        told: 0,
    };

    let silence = site.silence("Silent");
    // Who is second and third looks into the log of the first when its position comes.
    site.source.fire(["Silent".to_owned()]);
    site.source.fire(names("Before", 4));
    site.more_told(4, "alerts at Alertmanager");
    thread::sleep(Duration::from_secs(5));

    site.replace_by(&watchfire, |source| {
        source.fire(names("Between", 2));
        source.resolve("Before0");
    });
    site.is_silenced(&silence);
    site.more_told(3, "what happened during the stop, at Watchfire");
    site.source.fire(names("After", 3));
    site.more_told(3, "alerts at Watchfire");
    site.source.resolve("Before1");
    site.more_told(1, "the end of an alert of Alertmanager's, at Watchfire");
    let late = site.silence("Late");

    site.replace_by(&alertmanager, |source| {
        source.fire(names("Back", 2));
        source.resolve("After0");
    });
    site.is_silenced(&silence);
    site.is_silenced(&late);
    site.more_told(3, "what happened during the stop, at Alertmanager");
    site.source.resolve("Before2");
    site.source.resolve("Back0");
    site.more_told(2, "the end of alerts, at Alertmanager");
    // A flush and all positions after it.
    thread::sleep(Duration::from_secs(16));
    let mut changes = site.source.changes();
    changes.retain(|(name, _, _), _| name != "Silent");
    let requests = site.receiver.requests();
    let run = Run::count(&changes, &requests);
    let told: Vec<String> = requests
        .iter()
        .map(|request| {
            let alert = &request.body["alerts"][0];
            format!(
                "{:?} node{} {} {} {}",
                request.at,
                request.node,
                alert["labels"]["alertname"],
                alert["status"],
                alert["startsAt"]
            )
        })
        .collect();
    assert!(run.is_exact(), "{run:#?}\n{told:#?}");
}
