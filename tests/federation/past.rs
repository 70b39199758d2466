//! Rules over times that are past, over two Prometheus 2.42: alerts at the times at which their conditions held, the same by
//! queries over ranges as slot by slot, and recorded values that promtool and a receiver of remote write take.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use watchfire::labels::LabelSet;

use crate::{
    api::{self, When},
    data::Line,
    process::{self, SOON, wait_for},
    servers::{self, Server},
};

/// How long the data are.
const MINUTES: i64 = 50;

/// When they begin: long enough ago for all to be over; Unix seconds.
fn start() -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = i64::try_from(now.unwrap().as_secs()).unwrap();
    (now - 70 * 60) / 60 * 60
}

/// A sample each 15 s, seven milliseconds off the second.
fn line(pairs: &[(&str, &str)], start: i64, value: impl Fn(i64) -> f64) -> Line {
    let samples = (0..MINUTES * 4).map(|number| {
        let at = number * 15;
        ((start + at) * 1000 + 7, value(at))
    });
    Line {
        labels: LabelSet::from_pairs(pairs.iter().copied()),
        samples: samples.collect(),
    }
}

/// Down from the tenth to the twentieth minute, if anything is.
fn lines(start: i64, goes_down: bool) -> Vec<Line> {
    let down = move |at: i64| goes_down && (600..1200).contains(&at);
    vec![
        line(&[("__name__", "up"), ("job", "api")], start, move |at| {
            f64::from(u8::from(!down(at)))
        }),
        line(
            &[("__name__", "errors_total"), ("job", "api")],
            start,
            |at| f64::from(u32::try_from(at * if goes_down { 2 } else { 1 }).unwrap()),
        ),
    ]
}

const RULES: &str = "
groups:
- name: g
  interval: 1m
  rules:
  - {record: 'job:errors:rate5m', expr: 'sum by (cluster, job) (rate(errors_total[5m]))'}
  - {record: 'errors:rate5m', expr: 'sum(job:errors:rate5m)'}
  - {alert: Down, expr: 'up == 0', for: 2m, labels: {severity: page}, annotations: {text: '{{ $labels.cluster }} {{ $value }}'}}
  - {alert: ErrorsEverywhere, expr: 'errors:rate5m > 2.5'}
";

struct World {
    eu: Server,
    _us: Server,
    start: i64,
    /// After the servers, whose logs are in it.
    directory: tempfile::TempDir,
}

impl World {
    fn new() -> Option<Self> {
        servers::installed()?;
        let directory = tempfile::tempdir().unwrap();
        let start = start();
        let server = |name: &str, down| {
            Server::prometheus(&directory.path().join(name), &lines(start, down))
        };
        let (eu, us) = (server("eu", true), server("us", false));
        let query = format!(
            "endpoints:\n- {{name: eu, url: '{}', partition: {{cluster: eu}}, partition_label_mode: attach}}\n- {{name: us, url: '{}', partition: {{cluster: us}}, partition_label_mode: attach}}\n",
            eu.url(""),
            us.url("")
        );
        let world = Self {
            directory,
            eu,
            _us: us,
            start,
        };
        world.file("query.yml", &query);
        world.file("rules.yml", RULES);
        Some(world)
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, command: &str, rest: &[&str]) -> (Option<i32>, String, String) {
        let (from, to) = (self.start + 60, self.start + (MINUTES - 1) * 60);
        let output = Command::new(env!("CARGO_BIN_EXE_watchfire"))
            .current_dir(self.directory.path())
            .args(["rules", command, "--query.config-file=query.yml"])
            .args([format!("--from={from}"), format!("--to={to}")])
            .args(rest)
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (
            output.status.code(),
            text(output.stdout),
            text(output.stderr),
        )
    }

    fn replay(&self, rules: &str) -> Value {
        let (code, out, err) = self.run("replay", &["--output=json", rules]);
        assert_eq!((code, &*err), (Some(0), ""), "{out}");
        serde_json::from_str(&out).unwrap()
    }
}

fn seconds(value: &Value) -> i64 {
    let time: jiff::Timestamp = value.as_str().unwrap().parse().unwrap();
    time.as_second()
}

#[test]
fn alerts_that_would_have_fired_are_told_with_their_times() {
    let Some(world) = World::new() else { return };
    let told = world.replay("rules.yml");
    let alerts = told["alerts"].as_array().unwrap();
    let names: Vec<&str> = alerts
        .iter()
        .map(|alert| alert["labels"]["alertname"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["ErrorsEverywhere", "Down"], "{told:#}");
    let everywhere = &alerts[0];
    // Two a second and one, of which five sixths are 2.5: until the end.
    let fired = seconds(&everywhere["firedAt"]) - world.start;
    assert!((240..=330).contains(&fired), "{everywhere:#}");
    assert_eq!(everywhere["endedAt"], Value::Null);
    let down = &alerts[1];
    assert_eq!(down["labels"]["cluster"], "eu");
    assert_eq!(down["labels"]["severity"], "page");
    assert_eq!(down["annotations"]["text"], "eu 0");
    let since = |key: &str| seconds(&down[key]) - world.start;
    assert!((600..=660).contains(&since("activeAt")), "{down:#}");
    assert!((120..=121).contains(&(since("firedAt") - since("activeAt"))));
    assert!((1200..=1260).contains(&since("endedAt")), "{down:#}");
    // Each of them slot by slot.
    let one_by_one = RULES
        .replace("up == 0", "up @ end() == 0")
        .replace("errors_total[5m]", "errors_total[5m] @ end()");
    world.file("slow.yml", &one_by_one);
    let slow = world.replay("slow.yml");
    let times = |told: &Value| -> Vec<(Option<i64>, i64)> {
        let alerts = told["alerts"].as_array().unwrap().iter();
        let duration = |alert: &Value| {
            let ended = &alert["endedAt"];
            (!ended.is_null()).then(|| seconds(ended) - seconds(&alert["firedAt"]))
        };
        alerts
            .map(|alert| {
                (
                    duration(alert),
                    seconds(&alert["firedAt"]) - seconds(&alert["activeAt"]),
                )
            })
            .collect()
    };
    assert_eq!(times(&told), times(&slow), "{told:#}\n{slow:#}");
    assert_eq!(told["evaluations"], slow["evaluations"]);

    let (code, out, err) = world.run("replay", &["rules.yml"]);
    assert_eq!((code, &*err), (Some(0), ""));
    assert!(out.contains("2 alerts would have fired in 19"), "{out}");
    assert!(
        out.contains("{cluster=\"eu\", job=\"api\", severity=\"page\"}"),
        "{out}"
    );
}

const QUICK: &str = "
groups:
- name: g
  interval: 5s
  rules:
  - {alert: Even, expr: 'errors_total % 60 == 0', annotations: {value: '{{ $value }}'}}
  - {alert: EvenAsWell, expr: 'errors_total % 60 == 0', for: 15s}
  - {alert: Down, expr: 'up == 0'}
";

/// More slots than are asked for at once.
#[test]
fn answers_to_many_slots_are_those_to_each() {
    let Some(world) = World::new() else { return };
    // The same file, since the place of slots in their interval depends on its name.
    world.file("quick.yml", QUICK);
    let told = world.replay("quick.yml");
    world.file("quick.yml", &QUICK.replace("_total %", "_total @ end() %"));
    let slow = world.replay("quick.yml");
    assert!(told["alerts"].as_array().unwrap().len() > 100, "{told:#}");
    assert_eq!(told, slow);
    // More than a query may hold, where it is about more than 240 slots.
    let endpoints = fs::read_to_string(world.directory.path().join("query.yml")).unwrap();
    world.file(
        "query.yml",
        &format!("{endpoints}limits: {{max_samples: 250}}\n"),
    );
    world.file("quick.yml", QUICK);
    assert_eq!(world.replay("quick.yml"), told);
}

#[test]
fn what_cannot_be_asked_is_told() {
    let Some(world) = World::new() else { return };
    world.file(
        "bad.yml",
        "groups: [{name: g, rules: [{alert: A, expr: 'up + on () group_left () up'}]}]",
    );
    let (code, out, err) = world.run("replay", &["bad.yml"]);
    assert_eq!(code, Some(0));
    assert!(out.starts_with("0 alerts would have fired"), "{out}");
    assert!(
        err.contains("evaluations failed: found duplicate series"),
        "{err}"
    );
    for (arguments, words) in [
        (&["none.yml"][..], "no file of rules matches \"none.yml\""),
        (&[], "there are no rules to evaluate"),
        (
            &["--openmetrics=x.om", "--ruler.config-file=none.yml"],
            "none.yml",
        ),
    ] {
        let (code, _, err) = world.run("backfill", arguments);
        assert!(code == Some(1) && err.contains(words), "{err}");
    }
    let (code, _, err) = world.run("backfill", &["rules.yml"]);
    assert!(
        code == Some(1) && err.contains("has no remote_write"),
        "{err}"
    );
}

/// The values of an expression in the minutes of the second half, by a server.
fn values(base: &str, query: &str, start: i64) -> Vec<(f64, f64)> {
    let when = When::Range {
        start: start + 1500,
        end: start + 2700,
        step: 60,
    };
    let answer = api::ask(base, query, when).unwrap();
    answer.elements.into_values().next().unwrap_or_default()
}

#[test]
fn what_is_backfilled_is_what_was() {
    let Some(world) = World::new() else { return };
    let (code, out, err) = world.run("backfill", &["--openmetrics=past.om", "rules.yml"]);
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    let directory = world.directory.path().join("recorded");
    fs::create_dir(&directory).unwrap();
    let made = Command::new(process::installed("promtool").unwrap())
        .current_dir(&directory)
        .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"])
        .args(["../past.om", "data"])
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let recorded = Server::prometheus_with_blocks(&directory);
    check(&world, recorded.address(), "from a file");

    // The same by remote write, labels of the ruler's file included, into a database that is empty.
    let receiver = receiver(world.directory.path());
    world.file(
        "ruler.yml",
        &format!(
            "rule_files: [rules.yml]\nexternal_labels: {{ruler: one}}\nremote_write: [{{url: 'http://{receiver}/api/v1/write'}}]\n",
            receiver = receiver.1
        ),
    );
    let (code, out, err) = world.run("backfill", &["--ruler.config-file=ruler.yml", "--alerts"]);
    assert_eq!((code, &*err), (Some(0), ""), "{out}");
    check(&world, &receiver.1, "by remote write");
    let base = format!("http://{}", receiver.1);
    let own = values(&base, "count(errors:rate5m{ruler=\"one\"})", world.start);
    assert_eq!(own.len(), 21);
    let firing = "count_over_time(ALERTS{alertname=\"Down\", alertstate=\"firing\"}[1h])";
    let end = When::At(world.start + MINUTES * 60);
    let answer = api::ask(&base, firing, end).unwrap();
    let count = answer.elements.into_values().next().unwrap()[0].1;
    assert!((7.0..=9.0).contains(&count), "{count}");
}

fn check(world: &World, address: &str, how: &str) {
    let base = format!("http://{address}");
    let recorded = values(&base, "job:errors:rate5m{cluster=\"eu\"}", world.start);
    let measured = values(
        &world.eu.url(""),
        "sum(rate(errors_total[5m]))",
        world.start,
    );
    assert_eq!(recorded.len(), measured.len(), "{how}");
    assert!(recorded.len() > 20);
    for ((_, one), (_, other)) in recorded.iter().zip(&measured) {
        assert!(
            (one - other).abs() < 1e-6,
            "{how}: {recorded:?} {measured:?}"
        );
    }
    let all = values(&base, "errors:rate5m", world.start);
    assert!(
        all.iter().all(|(_, value)| (value - 3.0).abs() < 1e-6),
        "{all:?}"
    );
    let slots = format!("count_over_time(errors:rate5m[{MINUTES}m])");
    let answer = api::ask(&base, &slots, When::At(world.start + MINUTES * 60)).unwrap();
    let count = answer.elements.into_values().next().unwrap()[0].1;
    assert!((46.0..=48.0).contains(&count), "{how}: {count}");
}

/// A Prometheus that takes samples, and its address.
fn receiver(directory: &Path) -> (process::Process, String) {
    let directory = directory.join("receiver");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("prometheus.yml"), "{}").unwrap();
    let mut command = Command::new(process::installed("prometheus").unwrap());
    command.current_dir(&directory).args([
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb",
        "--web.listen-address=127.0.0.1:0",
        "--web.enable-remote-write-receiver",
    ]);
    let mut process = process::Process::spawn(&mut command, &directory.join("log"));
    let address = process.listening_on();
    wait_for("a receiver of remote write", SOON, || {
        let ready =
            crate::http::try_request("GET", &format!("http://{address}/-/ready"), &[], None);
        ready.is_ok_and(|answer| answer.status == 200).then_some(())
    });
    (process, address)
}
