//! Alertmanagers that take, fail, hang, and come and go.

use std::{
    sync::{Arc, Mutex, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use axum::{Router, extract::State, http::StatusCode, routing::post};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::net::TcpListener;

use super::*;
use crate::{
    alert::Alert,
    config::{AlertmanagerConfig, LoadEnv, load_ruler},
    io::{Clock, HttpClients},
    labels::LabelSet,
};

/// What a server does with a request: the status that it answers, or nothing at all.
type Decide = Arc<dyn Fn(usize) -> Option<u16> + Send + Sync>;

/// A server that notes what it is told.
struct Server {
    address: String,
    /// The alerts of each request that came.
    came: Arc<Mutex<Vec<Vec<Value>>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Noted(Arc<Mutex<Vec<Vec<Value>>>>, Decide);

async fn take(State(Noted(came, decide)): State<Noted>, body: String) -> StatusCode {
    let alerts: Vec<Value> = serde_json::from_str(&body).unwrap();
    let count = {
        let mut came = came.lock().unwrap();
        came.push(alerts);
        came.len()
    };
    match decide(count) {
        Some(status) => StatusCode::from_u16(status).unwrap(),
        None => std::future::pending().await,
    }
}

impl Server {
    async fn start(decide: impl Fn(usize) -> Option<u16> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let came: Arc<Mutex<Vec<Vec<Value>>>> = Arc::default();
        let noted = Noted(Arc::clone(&came), Arc::new(decide));
        let router = Router::new()
            .route("/am/api/v2/alerts", post(take))
            .with_state(noted);
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self {
            address,
            came,
            task,
        }
    }

    /// The value of a label in each alert of each request.
    fn told(&self, label: &str) -> Vec<Vec<String>> {
        let came = self.came.lock().unwrap();
        let text = |alert: &Value| alert["labels"][label].as_str().unwrap_or("").to_owned();
        came.iter()
            .map(|alerts| alerts.iter().map(text).collect())
            .collect()
    }
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn configs(text: &str) -> Vec<AlertmanagerConfig> {
    let config = load_ruler(text.as_bytes(), &LoadEnv::for_file("ruler.yml"));
    config
        .unwrap_or_else(|errors| panic!("{errors}"))
        .alertmanagers
}

fn alertmanagers(text: &str) -> Arc<Alertmanagers> {
    let clock = Clock::start(SignedDuration::ZERO);
    let http = Arc::new(HttpClients::new(clock));
    let all = Alertmanagers::new(http, clock, tokio::runtime::Handle::current());
    all.take(&configs(text));
    all
}

/// An alert that began a minute ago and fires for `lasts` more seconds.
fn alert(name: &str, value: &str, lasts: u64) -> Alert {
    let now = Clock::start(SignedDuration::ZERO).now().wall;
    let labels = LabelSet::from_pairs([("alertname", name), ("replica", "a")]);
    Alert {
        fingerprint: labels.fingerprint(),
        labels,
        annotations: LabelSet::from_pairs([("value", value)]),
        generator_url: "http://here/graph".into(),
        starts_at: now.minus(Duration::from_secs(60)),
        ends_at: now.plus(Duration::from_secs(lasts)),
        updated_at: now,
        timeout: false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_is_told_by_itself_and_as_its_rules_say() {
    let good = Server::start(|_| Some(200)).await;
    let hangs = Server::start(|_| None).await;
    let all = alertmanagers(&format!(
        "alertmanagers:\n\
         - {{url: 'http://{}/am', timeout: 1m}}\n\
         - {{static_configs: [{{targets: ['{}']}}], path_prefix: /am, alert_relabel_configs: [{{regex: replica, action: labeldrop}}]}}\n\
         - {{url: 'http://127.0.0.1:1/am'}}\n",
        hangs.address, good.address
    ));
    all.tell(&[alert("A", "1", 60)]);
    until("the second is told", || !good.told("alertname").is_empty()).await;
    all.tell(&[alert("B", "1", 60)]);
    until("it is told again", || good.told("alertname").len() == 2).await;
    assert_eq!(good.told("alertname"), [["A"], ["B"]]);
    assert_eq!(good.told("replica"), [[""], [""]]);
    until("the first is asked", || !hangs.told("replica").is_empty()).await;
    assert_eq!(hangs.told("replica"), [["a"]]);
    let told = good.came.lock().unwrap()[0][0].clone();
    assert_eq!(told["annotations"]["value"], "1");
    assert_eq!(told["generatorURL"], "http://here/graph");
    assert!(told["startsAt"].as_str() < told["endsAt"].as_str());
    let stats = all.stats().all();
    assert_eq!(stats.len(), 3);
    // What waits behind a request that hangs.
    until("B waits", || stats[0].queue_length() == 1).await;
    assert_eq!(stats[1].sent.load(Relaxed), 2);
    until("nobody is there", || stats[2].errors.load(Relaxed) > 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_not_be_told_is_told_as_it_is_now() {
    let server = Server::start(|count| Some(if count < 2 { 503 } else { 200 })).await;
    let all = alertmanagers(&format!(
        "alertmanagers: [{{url: 'http://{}/am'}}]",
        server.address
    ));
    all.tell(&[alert("A", "old", 60), alert("B", "old", 60)]);
    until("it was refused", || server.came.lock().unwrap().len() == 1).await;
    all.tell(&[alert("A", "new", 60)]);
    until("it was told", || server.came.lock().unwrap().len() == 2).await;
    let came = server.came.lock().unwrap()[1].clone();
    let values: Vec<&str> = came
        .iter()
        .map(|alert| alert["annotations"]["value"].as_str().unwrap())
        .collect();
    // Once each, and not what was.
    assert_eq!(values, ["new", "old"]);
    let stats = all.stats().all();
    assert_eq!(stats[0].errors.load(Relaxed), 2);
    assert_eq!(stats[0].dropped.load(Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_for_good_is_dropped_and_the_next_is_told() {
    let server = Server::start(|count| Some(if count < 2 { 400 } else { 200 })).await;
    let all = alertmanagers(&format!(
        "alertmanagers: [{{url: 'http://{}/am'}}]",
        server.address
    ));
    all.tell(&[alert("A", "1", 60)]);
    let stats = all.stats().all();
    until("it was dropped", || stats[0].dropped.load(Relaxed) == 1).await;
    all.tell(&[alert("B", "1", 60)]);
    until("the next was told", || {
        server.came.lock().unwrap().len() == 2
    })
    .await;
    assert_eq!(server.told("alertname"), [["A"], ["B"]]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_of_targets_are_read_again_and_a_broken_one_changes_nothing() {
    let (one, other) = (
        Server::start(|_| Some(200)).await,
        Server::start(|_| Some(200)).await,
    );
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("targets.yml");
    let write = |text: &str| std::fs::write(&file, text).unwrap();
    let other_file = directory.path().join("other.json");
    let write_other = |text: &str| std::fs::write(&other_file, text).unwrap();
    write(&format!(
        "- targets: ['{}']\n  labels: {{any: thing}}\n",
        one.address
    ));
    let all = alertmanagers(&format!(
        "alertmanagers: [{{path_prefix: am/, file_sd_configs: [{{files: ['{0}/*.yml'], refresh_interval: 20ms}}]}}, \
         {{file_sd_configs: [{{files: ['{0}/other.json'], refresh_interval: 20ms}}]}}]",
        directory.path().display()
    ));
    all.tell(&[alert("A", "1", 60)]);
    until("the first is told", || !one.told("alertname").is_empty()).await;
    write(&format!(
        "[{{\"targets\": [\"{}\", \"{}\"]}}]",
        one.address, other.address
    ));
    until("both are known", || all.stats().all().len() == 2).await;
    write("targets: [");
    // Whoever has seen two changes of the other file has read this one between them.
    write_other(r#"[{"targets": ["127.0.0.1:1"]}]"#);
    until("all are known", || all.stats().all().len() == 3).await;
    write_other("[]");
    until("one is gone", || all.stats().all().len() == 2).await;
    all.tell(&[alert("B", "1", 60)]);
    let knows = |server: &Server| server.told("alertname").concat().contains(&"B".to_owned());
    until("both are told", || knows(&one) && knows(&other)).await;
    write(&format!("- targets: ['{}']\n", other.address));
    until("the first is gone", || all.stats().all().len() == 1).await;
    all.take(&[]);
    assert_eq!(all.stats().all().len(), 0);
}
