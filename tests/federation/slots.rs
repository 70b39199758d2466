//! The same rules over the same data, in one Prometheus 2.42 that has all of it and here over three that have a part each:
//! at every slot the same alerts in the same states, and the same recorded samples.
//!
//! The data are old; expressions look at them by an offset, so that a minute of history passes while the test runs. Both
//! evaluate at the same milliseconds: those of Prometheus are asked first and given to Watchfire as `eval_offset`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use serde_json::Value;
use watchfire::{io::Clock, labels::LabelSet};

use crate::{
    data::Line,
    http, needed,
    node::{Node, Program, webhook_config},
    process::{Process, SOON, wait_for},
    remote_write::{listening, receiver},
    servers::{self, Server},
};

/// When the history begins; Unix seconds.
const BEGIN: i64 = 1_700_000_000;

/// Samples lie this far after full seconds, off all slots and windows; milliseconds.
const OFF: i64 = 137;

/// The first second of the history at which something happens, and the end of what is compared.
const WINDOW: (i64, i64) = (8, 48);

/// Between the order to take the rules and the begin of the history; seconds.
const LEAD: i64 = 4;

/// How often the test is tried where a busy machine let slots pass.
const TRIES: usize = 3;

const GROUPS: [&str; 2] = ["records", "others"];

const CLUSTERS: [&str; 3] = ["eu", "us", "ap"];

/// What is the case in a cluster at a second: `name{job, instance}` and values.
fn values(cluster: &str, second: i64) -> Vec<(&'static str, &'static str, i64, f64)> {
    let within = |from: i64, to: i64| (from..to).contains(&second);
    let truth = |holds: bool| f64::from(u8::from(holds));
    let us = cluster == "us";
    let mut all = Vec::new();
    for (job, instance) in [("api", 0), ("api", 1), ("db", 0), ("db", 1)] {
        let down = match (cluster, job, instance) {
            ("eu", "api", 0) => within(12, 20),
            ("us", "api", 0) => within(14, 24),
            ("eu", "db", 1) => within(26, 42) && second % 4 == 0,
            ("ap", "db", 0) => within(30, 33) || within(35, 38),
            _ => false,
        };
        all.push(("up", job, instance, truth(!down)));
        let requests = second * 20 + instance;
        all.push(("requests_total", job, instance, requests as f64));
        // More errors for a while, and a counter that begins anew.
        let errors = match second {
            18.. if us => (second - 18) * 10,
            10.. if us => second * 10 - 90,
            _ => second,
        };
        all.push(("errors_total", job, instance, errors as f64));
        let slow = match (cluster, instance) {
            ("eu", 0) if within(16, 27) => 0.9,
            ("us", 1) if within(16, 22) => 0.6,
            ("us", 1) if within(22, 25) => f64::NAN,
            ("us", 1) if within(25, 30) => 0.85,
            _ => 0.1 + second as f64 / 1000.0,
        };
        all.push(("latency_seconds", job, instance, slow));
    }
    all.push(("heartbeat", "api", 0, truth(!within(15, 23))));
    all
}

fn lines(cluster: &str) -> Vec<Line> {
    let mut lines: BTreeMap<LabelSet, Vec<(i64, f64)>> = BTreeMap::new();
    for second in -40..WINDOW.1 + 30 {
        for (name, job, instance, value) in values(cluster, second.max(0)) {
            let labels = [
                ("__name__", name.to_owned()),
                ("instance", format!("{job}-{instance}")),
                ("job", job.to_owned()),
            ];
            let samples = lines.entry(LabelSet::from_pairs(labels)).or_default();
            // Counters go on before the history, too.
            let value = match name {
                "requests_total" | "errors_total" if second < 0 => {
                    value + (40 + second) as f64 / 64.0
                }
                _ => value,
            };
            samples.push(((BEGIN + second) * 1000 + OFF, value));
        }
    }
    let line = |(labels, samples)| Line { labels, samples };
    lines.into_iter().map(line).collect()
}

/// The rules, looking back by `ago` seconds. `eval_offset` is Watchfire's.
fn rules(ago: i64, offsets: Option<&BTreeMap<String, i64>>) -> String {
    let head = |group: &str| {
        let offset = offsets.map(|offsets| format!(", eval_offset: {}ms", offsets[group]));
        format!("name: {group}, interval: 1s{}", offset.unwrap_or_default())
    };
    format!(
        r#"groups:
- {{{records}, rules: [
  {{record: 'cluster:errors:rate5s', expr: 'sum by (cluster) (rate(errors_total[5s] offset {ago}s))'}},
  {{record: 'job:up:sum', expr: 'sum by (job) (up offset {ago}s)', labels: {{kind: count}}}},
  {{record: 'cluster:latency:max', expr: 'max by (cluster) (latency_seconds offset {ago}s)'}},
  {{record: 'latency:stddev', expr: 'stddev(latency_seconds offset {ago}s)'}},
  {{record: 'cluster:errors:ratio', expr: 'cluster:errors:rate5s / on (cluster) sum by (cluster) (rate(requests_total[5s] offset {ago}s))'}},
  {{alert: ErrorsHigh, expr: 'cluster:errors:rate5s > 5', for: 3s, labels: {{severity: page}}}},
  {{alert: Down, expr: 'up offset {ago}s == 0', for: 2s, keep_firing_for: 3s}},
  {{alert: DownInTwo, expr: 'count(count by (cluster) (up offset {ago}s == 0)) >= 2'}}]}}
- {{{others}, rules: [
  {{alert: Slow, expr: 'latency_seconds offset {ago}s > 0.5', for: 1s, labels: {{level: '{{{{ if gt $value 0.8 }}}}high{{{{ else }}}}low{{{{ end }}}}'}}}},
  {{alert: NoHeartbeat, expr: 'absent(heartbeat{{cluster="ap"}} offset {ago}s == 1)', for: 2s}},
  {{record: 'alerts:firing:count', expr: 'sum by (alertname, level) (ALERTS{{alertname=~"Slow|NoHeartbeat", alertstate="firing"}})'}}]}}
"#,
        records = head("records"),
        others = head("others"),
    )
}

/// Samples by series and time.
type Found = BTreeMap<LabelSet, BTreeMap<i64, f64>>;

/// What rules wrote in the last minutes.
fn written(base: &str) -> Option<Found> {
    let query = r#"{__name__=~"ALERTS|ALERTS_FOR_STATE|job:.+|cluster:.+|latency:.+|alerts:.+|probe:.+"}[3m]"#;
    let query: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let url = format!("http://{base}/api/v1/query?query={query}");
    let answer = http::try_request("GET", &url, &[], None).ok()?;
    let answer: Value = serde_json::from_str(&answer.body).ok()?;
    let mut found = Found::new();
    for series in answer["data"]["result"].as_array()? {
        let labels = series["metric"].as_object()?.iter();
        let labels =
            labels.map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()));
        let samples = series["values"].as_array()?.iter().map(|sample| {
            let time = (sample[0].as_f64().unwrap() * 1000.0).round();
            #[expect(
                clippy::cast_possible_truncation,
                reason = "milliseconds of this century"
            )]
            let time = time as i64;
            (time, sample[1].as_str().unwrap().parse().unwrap())
        });
        found.insert(LabelSet::from_pairs(labels), samples.collect());
    }
    Some(found)
}

fn times(found: &Found, name: &str) -> BTreeSet<i64> {
    let of_name = found
        .iter()
        .filter(|(labels, _)| labels.value("__name__") == name);
    of_name
        .flat_map(|(_, samples)| samples.keys().copied())
        .collect()
}

/// Both, with the same data.
struct Both {
    whole: Server,
    node: Node,
    sink: (Process, String),
    _parts: Vec<Server>,
    /// When the groups of the Prometheus are evaluated, after full seconds; milliseconds.
    offsets: BTreeMap<String, i64>,
}

impl Both {
    fn start(place: &Path) -> Option<Self> {
        let program = Program::Subject.path()?;
        let receiver_program = needed::installed_or_skip("prometheus")?;
        let directory = |name: &str| {
            let directory = place.join(name);
            fs::create_dir_all(&directory).unwrap();
            directory
        };
        let parts: Vec<Server> = CLUSTERS
            .iter()
            .map(|name| Server::prometheus(&directory(name), &lines(name)))
            .collect();
        let all = CLUSTERS.iter().flat_map(|name| {
            let cluster = LabelSet::from_pairs([("cluster", *name)]);
            let lines = lines(name).into_iter();
            lines
                .map(move |line| line.with(&cluster))
                .collect::<Vec<_>>()
        });
        let all: Vec<Line> = all.collect();
        fs::write(directory("whole").join("rules.yml"), probe()).unwrap();
        let whole = Server::prometheus_with(&directory("whole"), &all, "rule_files: [rules.yml]\n");
        let sink = receiver(&receiver_program, &directory("sink"));
        let address = listening(&sink);
        let subject = directory("node");
        let endpoint = |(name, server): (&&str, &Server)| {
            let url = server.url("");
            format!(
                "- {{name: {name}, url: '{url}', partition: {{cluster: {name}}}, partition_label_mode: attach}}\n"
            )
        };
        let endpoints: String = CLUSTERS.iter().zip(&parts).map(endpoint).collect();
        fs::write(
            subject.join("query.yml"),
            format!("endpoints:\n{endpoints}"),
        )
        .unwrap();
        fs::write(subject.join("rules.yml"), "groups: []\n").unwrap();
        let ruler = format!(
            "rule_files: [rules.yml]\nremote_write: [{{url: 'http://{address}/api/v1/write', queue_config: {{batch_send_deadline: 200ms}}}}]\n"
        );
        fs::write(subject.join("ruler.yml"), ruler).unwrap();
        let flags = [
            "--query.config-file=query.yml",
            "--ruler.config-file=ruler.yml",
        ];
        let nowhere = webhook_config("http://127.0.0.1:9/");
        let node = Node::start(&program, &subject, &nowhere, &flags);
        let mut both = Self {
            whole,
            node,
            sink: (sink, address),
            _parts: parts,
            offsets: BTreeMap::new(),
        };
        both.learn_offsets();
        Some(both)
    }

    fn learn_offsets(&mut self) {
        for group in GROUPS {
            let times = wait_for("a slot of Prometheus", SOON, || {
                let times = times(&written(self.whole.address())?, &format!("probe:{group}"));
                times.first().copied()
            });
            self.offsets.insert(group.to_owned(), times % 1000);
        }
    }

    /// Lets the history pass; true if no slot was missed.
    fn play(&self, place: &Path) -> (bool, i64) {
        let now = Clock::start(jiff::SignedDuration::ZERO)
            .now()
            .wall
            .unix_millis()
            / 1000;
        let ago = now + LEAD - BEGIN;
        let (whole, node) = (place.join("whole/rules.yml"), place.join("node/rules.yml"));
        fs::write(whole, rules(ago, None)).unwrap();
        fs::write(node, rules(ago, Some(&self.offsets))).unwrap();
        self.whole.process().signal("HUP");
        http::post(&self.node.url("/-/reload"), "").expect(200);
        // What later rules wrote in the last slot is there when slots after it are.
        let last = (BEGIN + ago + WINDOW.1 + 2) * 1000;
        wait_for("the end of the history", SOON * 6, || {
            let ends = |base: &str| Some(*times(&written(base)?, "job:up:sum").last()? >= last);
            (ends(self.whole.address())? && ends(&self.sink.1)?).then_some(())
        });
        (self.is_whole(ago), ago)
    }

    /// Whether each second of the history was evaluated by both.
    fn is_whole(&self, ago: i64) -> bool {
        let seconds = |base: &str, name: &str| {
            let times = times(&written(base).unwrap(), name);
            let times = times.iter().map(|time| time / 1000 - BEGIN - ago);
            times
                .filter(|second| (0..WINDOW.1).contains(second))
                .count()
        };
        let wanted = usize::try_from(WINDOW.1).unwrap();
        let counts = [self.whole.address(), &self.sink.1].map(|base| seconds(base, "job:up:sum"));
        println!("slots of {wanted} that were evaluated, in one Prometheus and here: {counts:?}");
        counts == [wanted; 2]
    }
}

fn probe() -> String {
    let group = |name: &str| {
        format!(
            "- {{name: {name}, interval: 1s, rules: [{{record: 'probe:{name}', expr: vector(1)}}]}}\n"
        )
    };
    format!("groups:\n{}", GROUPS.map(group).concat())
}

/// What is said otherwise, or not at all.
fn differences(expected: &Found, found: &Found, window: (i64, i64)) -> Vec<String> {
    let mut differences = Vec::new();
    let names: BTreeSet<&LabelSet> = expected.keys().chain(found.keys()).collect();
    for labels in names {
        if labels.value("__name__").starts_with("probe:") {
            continue;
        }
        let within = |all: &Found| -> BTreeMap<i64, f64> {
            let samples = all.get(labels).cloned().unwrap_or_default();
            let samples = samples.into_iter();
            samples
                .filter(|(time, _)| (window.0..window.1).contains(time))
                .collect()
        };
        let (expected, found) = (within(expected), within(found));
        let times: BTreeSet<i64> = expected.keys().chain(found.keys()).copied().collect();
        for time in times {
            let (expected, found) = (expected.get(&time), found.get(&time));
            let same = match (expected, found) {
                (Some(expected), Some(found)) => {
                    expected.is_nan() && found.is_nan()
                        || expected == found
                        || (expected - found).abs() <= expected.abs() * 1e-9
                }
                _ => false,
            };
            if !same {
                let second = (time - window.0) as f64 / 1000.0 + WINDOW.0 as f64;
                differences.push(format!(
                    "{second:.3} s {labels}: {expected:?}, here {found:?}"
                ));
            }
        }
    }
    differences
}

#[test]
fn alerts_and_recorded_samples_are_those_of_one_prometheus_at_every_slot() {
    let Some(()) = servers::installed() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let Some(both) = Both::start(place.path()) else {
        return;
    };
    let ago = (0..TRIES)
        .map(|_| both.play(place.path()))
        .find_map(|(is_whole, ago)| is_whole.then_some(ago));
    let ago = ago.expect("no try without slots that passed: the machine is too busy");
    let window = WINDOW.0 + BEGIN + ago;
    let window = (window * 1000, (WINDOW.1 + BEGIN + ago) * 1000);
    let expected = written(both.whole.address()).unwrap();
    let found = written(&both.sink.1).unwrap();
    let differences = differences(&expected, &found, window);
    let samples: usize = expected.values().map(BTreeMap::len).sum();
    let states: BTreeSet<String> = expected
        .keys()
        .filter(|labels| labels.value("__name__") == "ALERTS")
        .map(|labels| {
            format!(
                "{} {}",
                labels.value("alertname"),
                labels.value("alertstate")
            )
        })
        .collect();
    println!(
        "{} series, {samples} samples; alerts: {states:?}",
        expected.len()
    );
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences
            .iter()
            .take(40)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
    // Each alert was pending, but for the one without `for`, and fired.
    assert_eq!(states.len(), 9, "{states:?}");
}
