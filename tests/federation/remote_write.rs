//! Recorded samples arrive in Prometheus 2.42 and in `VictoriaMetrics`, marks of ended series included.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use jiff::SignedDuration;
use serde_json::Value;
use watchfire::{
    config::RemoteWriteConfig,
    io::{Clock, HttpClients, remote_write::RemoteWriter},
    labels::LabelSet,
    promql::{Point, STALE, Sample},
};

use crate::{
    http::{self, RUNTIME},
    needed,
    process::{Process, SOON, wait_for},
};

/// The address on which a process listens, as the kernel knows it.
pub(crate) fn listening(process: &Process) -> String {
    wait_for("a listening socket", SOON, || {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", process.id())).ok()?;
        let sockets: BTreeSet<String> = descriptors
            .filter_map(|one| fs::read_link(one.ok()?.path()).ok())
            .filter_map(|link| {
                let link = link.to_str()?;
                Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
            })
            .collect();
        let table = fs::read_to_string("/proc/net/tcp").ok()?;
        table.lines().skip(1).find_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (_, port) = fields.get(1)?.split_once(':')?;
            let is_ours = *fields.get(3)? == "0A" && sockets.contains(*fields.get(9)?);
            let port = u16::from_str_radix(port, 16).ok()?;
            is_ours.then(|| format!("127.0.0.1:{port}"))
        })
    })
}

/// A Prometheus that takes what is written to it.
pub(crate) fn receiver(program: &Path, directory: &Path) -> Process {
    fs::write(directory.join("prometheus.yml"), "{}").unwrap();
    let mut command = Command::new(program);
    command.current_dir(directory).args([
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=tsdb",
        "--web.listen-address=127.0.0.1:0",
        "--web.enable-remote-write-receiver",
    ]);
    Process::spawn(&mut command, &directory.join("prometheus.log"))
}

pub(crate) fn victoria_metrics(program: &Path, directory: &Path) -> Process {
    let mut command = Command::new(program);
    command.current_dir(directory).args([
        "-storageDataPath=victoria",
        "-httpListenAddr=127.0.0.1:0",
        "-search.latencyOffset=0s",
    ]);
    Process::spawn(&mut command, &directory.join("victoria.log"))
}

pub(crate) fn writer(url: &str, directory: &Path) -> RemoteWriter {
    let mut target = RemoteWriteConfig {
        url: url.into(),
        ..RemoteWriteConfig::default()
    };
    target.queue.batch_send_deadline = Duration::from_millis(100);
    let clock = Clock::start(SignedDuration::ZERO);
    let external = BTreeMap::from([("cluster".to_owned(), "eu".to_owned())]);
    RemoteWriter::open(
        &[target],
        &external,
        &directory.join("remote-write"),
        Arc::new(HttpClients::new(clock)),
        clock,
        RUNTIME.handle().clone(),
    )
    .unwrap()
}

fn sample(name: &str, time: i64, value: f64) -> Sample {
    Sample {
        labels: LabelSet::from_pairs([("__name__", name), ("job", "node")]),
        time,
        point: Point::Float(value),
    }
}

pub(crate) fn now() -> i64 {
    Clock::start(SignedDuration::ZERO).now().wall.unix_millis()
}

/// What an instant query finds: the values of `name` by cluster, at a time.
fn found(base: &str, query: &str, time: i64) -> Option<Vec<(String, String)>> {
    let query: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let time = format!("{}.{:03}", time / 1000, time % 1000);
    let url = format!("http://{base}/api/v1/query?query={query}&time={time}");
    let answer = http::try_request("GET", &url, &[], None).ok()?;
    let answer: Value = serde_json::from_str(&answer.body).ok()?;
    let result = answer["data"]["result"].as_array()?.iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Some(
        result
            .map(|one| (text(&one["metric"]["cluster"]), text(&one["value"][1])))
            .collect(),
    )
}

/// Ten slots of two series, of which one ends; a slot later only the other is there.
fn samples_arrive_and_series_end(base: &str, directory: &Path) {
    let writer = writer(&format!("http://{base}/api/v1/write"), directory);
    // The server may still be starting: the queue has time.
    let start = now() - 60_000;
    for slot in 0..10 {
        let time = start + slot * 1000;
        let value = f64::from(i32::try_from(slot).unwrap());
        let ended = if slot == 9 { STALE } else { value };
        writer.append(vec![
            sample("job:up:sum", time, value),
            sample("job:gone:sum", time, ended),
        ]);
    }
    let eu = |value: &str| Some(vec![("eu".to_owned(), value.to_owned())]);
    let at = |slot: i64| start + slot * 1000;
    wait_for("the last sample", SOON, || {
        (found(base, "job:up:sum", at(9)) == eu("9")).then_some(())
    });
    assert_eq!(found(base, "job:up:sum", at(3)), eu("3"));
    assert_eq!(found(base, "job:gone:sum", at(8)), eu("8"));
    assert_eq!(found(base, "job:gone:sum", at(9)), Some(Vec::new()));
    assert_eq!(
        found(base, "count_over_time(job:up:sum[30s])", at(9)),
        eu("10")
    );
    let stats = Arc::clone(&writer.stats().targets()[0]);
    wait_for("an empty queue", SOON, || {
        (stats.pending.load(Relaxed) == 0).then_some(())
    });
    assert_eq!(stats.failed.numbers.load(Relaxed), 0);
    RUNTIME.block_on(writer.close(Duration::from_secs(5)));
}

#[test]
fn prometheus_takes_samples_and_marks_of_ended_series() {
    let Some(program) = needed::installed_or_skip("prometheus") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let server = receiver(&program, directory.path());
    samples_arrive_and_series_end(&listening(&server), directory.path());
}

#[test]
fn victoria_metrics_takes_samples_and_marks_of_ended_series() {
    let Some(program) = needed::installed_or_skip("victoria-metrics") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let server = victoria_metrics(&program, directory.path());
    samples_arrive_and_series_end(&listening(&server), directory.path());
}

/// Two replicas wrote the same series: Prometheus refuses a batch with one other value for a time as a whole.
#[test]
fn a_sample_that_prometheus_has_otherwise_does_not_cost_the_batch() {
    let Some(program) = needed::installed_or_skip("prometheus") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let server = receiver(&program, directory.path());
    let base = listening(&server);
    let writer = writer(&format!("http://{base}/api/v1/write"), directory.path());
    let time = now() - 10_000;
    writer.append(vec![sample("m7", time, 1.0)]);
    wait_for("the first", SOON, || {
        (found(&base, "m7", time)?.len() == 1).then_some(())
    });
    let batch = (0..50).map(|number| sample(&format!("m{number}"), time, 2.0));
    writer.append(batch.collect());
    let stats = Arc::clone(&writer.stats().targets()[0]);
    wait_for("the refusal", SOON, || {
        (stats.failed.numbers.load(Relaxed) > 0).then_some(())
    });
    wait_for("an empty queue", SOON, || {
        (stats.pending.load(Relaxed) == 0).then_some(())
    });
    let eu = |value: &str| vec![("eu".to_owned(), value.to_owned())];
    assert_eq!(
        found(&base, "count by (cluster) ({__name__=~'m.+'} == 2)", time),
        Some(eu("49"))
    );
    assert_eq!(found(&base, "m7", time), Some(eu("1")));
    assert_eq!(stats.failed.numbers.load(Relaxed), 1);
    RUNTIME.block_on(writer.close(Duration::from_secs(5)));
}
