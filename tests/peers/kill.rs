//! Killed again and again while clients write: nothing that was acknowledged is lost, and nobody is told twice.

use std::{
    collections::BTreeMap,
    env,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::{
    http,
    node::{Node, Program, in_seconds, silence, subject_is_upstream},
    process::{SOON, wait_for},
    sink::Sink,
};

const LIVES: usize = 8;

/// Alerts are written behind; whoever is killed this long after the acknowledgement has them.
const WRITTEN_BEHIND: Duration = Duration::from_secs(1);

/// From a receiver's answer until the notification log has it on disk, on a busy machine.
const A_MOMENT: Duration = Duration::from_millis(500);

/// A kill happened somewhere in between.
#[derive(Clone, Copy)]
struct Kill {
    /// When the disk is last known to have worked before.
    worked: Instant,
    ordered: Instant,
    done: Instant,
}

impl Kill {
    /// How long the disk worked before the kill, after something was; `None` when that came after the kill.
    fn age_of(self, at: Instant) -> Option<Duration> {
        (at <= self.done).then(|| self.worked.saturating_duration_since(at))
    }
}

/// What the clients know to be accepted.
#[derive(Default)]
struct Acknowledged {
    /// By their label `n`.
    alerts: BTreeMap<String, Instant>,
    /// By id.
    silences: BTreeMap<String, Value>,
    /// When the last silence was, which is on the disk then: what others do to the disk may keep it busy for seconds.
    on_disk: Option<Instant>,
}

fn config(url: &str) -> String {
    format!(
        "route: {{receiver: sink, group_by: ['...'], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}}\n\
         receivers: [{{name: sink, webhook_configs: [{{url: '{url}', send_resolved: true}}]}}]\n"
    )
}

/// Posts alerts and silences until the node is gone.
fn write(node: &Node, life: usize, stop: &AtomicBool, acknowledged: &mut Acknowledged) {
    let json = [("Content-Type", "application/json")];
    for i in 0.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let n = format!("{life}-{i}");
        let alert = json!([{"labels": {"alertname": "Kill", "n": n}, "endsAt": in_seconds(3600)}]);
        let body = alert.to_string().into_bytes();
        match http::try_request("POST", &node.url("/api/v2/alerts"), &json, Some(body)) {
            Ok(answer) => assert_eq!(answer.status, 200, "{answer:?}"),
            Err(_) => return,
        }
        acknowledged.alerts.insert(n.clone(), Instant::now());
        let silence = silence("n", &format!("no-{n}"), 7200, &format!("silence {n}"));
        let body = silence.to_string().into_bytes();
        match http::try_request("POST", &node.url("/api/v2/silences"), &json, Some(body)) {
            Ok(answer) => {
                let id = answer.expect(200).json()["silenceID"]
                    .as_str()
                    .unwrap()
                    .to_owned();
                acknowledged.silences.insert(id, silence);
                acknowledged.on_disk = Some(Instant::now());
            }
            Err(_) => return,
        }
        thread::sleep(Duration::from_millis(15));
    }
}

/// Lets a node live for a while under writes and ends it; returns when it was killed.
fn live_and_die(
    program: &Path,
    directory: &Path,
    config: &str,
    life: usize,
    lifetime: Duration,
    acknowledged: &mut Acknowledged,
    killed: &[Kill],
) -> Kill {
    let node = Node::start(program, directory, config, &[]);
    check(&node, acknowledged, killed);
    let stop = AtomicBool::new(false);
    let began = Instant::now();
    acknowledged.on_disk = None;
    let at = thread::scope(|scope| {
        let writer = scope.spawn(|| {
            write(&node, life, &stop, acknowledged);
            acknowledged.on_disk.unwrap_or(began)
        });
        thread::sleep(lifetime);
        if subject_is_upstream() {
            // Upstream keeps only what it writes when it is stopped in peace: enough to prove this test.
            stop.store(true, Ordering::Relaxed);
            return Kill {
                worked: writer.join().unwrap(),
                ordered: Instant::now(),
                done: Instant::now(),
            };
        }
        let ordered = Instant::now();
        node.process.signal("KILL");
        let done = Instant::now();
        stop.store(true, Ordering::Relaxed);
        let worked = writer.join().unwrap().min(ordered);
        Kill {
            worked,
            ordered,
            done,
        }
    });
    if subject_is_upstream() {
        assert!(node.terminate().success());
    }
    at
}

/// Everything acknowledged before is there: silences at once, alerts when they were written before the kill.
fn check(node: &Node, acknowledged: &Acknowledged, killed: &[Kill]) {
    let silences = node.get("/api/v2/silences").expect(200).json();
    let present = silences
        .as_array()
        .unwrap()
        .iter()
        .map(|silence| (silence["id"].as_str().unwrap(), silence))
        .collect::<BTreeMap<_, _>>();
    for (id, expected) in &acknowledged.silences {
        let silence = present
            .get(id.as_str())
            .unwrap_or_else(|| panic!("silence {id} is lost: {expected}"));
        for member in ["matchers", "endsAt", "createdBy", "comment"] {
            assert_eq!(silence[member], expected[member], "{silence}");
        }
    }
    if subject_is_upstream() {
        return;
    }
    let alerts = node.get("/api/v2/alerts").expect(200).json();
    let present = alerts
        .as_array()
        .unwrap()
        .iter()
        .map(|alert| alert["labels"]["n"].as_str().unwrap())
        .collect::<Vec<_>>();
    let lost = acknowledged
        .alerts
        .iter()
        .filter(|(n, _)| !present.contains(&n.as_str()))
        .filter_map(|(n, at)| Some((n, killed.iter().find_map(|kill| kill.age_of(*at))?)))
        .filter(|(_, age)| *age >= WRITTEN_BEHIND)
        .collect::<Vec<_>>();
    assert!(
        lost.is_empty(),
        "{} of {} alerts are lost, acknowledged this long before a kill: {lost:?}",
        lost.len(),
        acknowledged.alerts.len()
    );
}

#[test]
fn a_killed_node_loses_nothing_acknowledged() {
    let Some(subject) = Program::Subject.path() else {
        return;
    };
    let seed = env::var("SEED").map_or_else(|_| any_seed(), |seed| seed.parse().unwrap());
    eprintln!("SEED={seed}");
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let directory = tempfile::tempdir().unwrap();
    let sink = Sink::start();
    let config = config(&sink.url());
    let mut acknowledged = Acknowledged::default();
    let mut killed = Vec::new();
    for life in 0..LIVES {
        let lifetime = Duration::from_millis(random.random_range(100..2500));
        let at = live_and_die(
            &subject,
            directory.path(),
            &config,
            life,
            lifetime,
            &mut acknowledged,
            &killed,
        );
        killed.push(at);
    }

    let node = Node::start(&subject, directory.path(), &config, &[]);
    check(&node, &acknowledged, &killed);
    if !subject_is_upstream() {
        let safe = acknowledged.alerts.iter().filter(|(_, at)| {
            let age = killed.iter().find_map(|kill| kill.age_of(**at));
            age.is_none_or(|age| age >= WRITTEN_BEHIND)
        });
        for (n, _) in safe {
            wait_for(&format!("the notification of {n}"), SOON, || {
                sink.notifications()
                    .iter()
                    .any(|notification| notification.body["groupLabels"]["n"] == n.as_str())
                    .then_some(())
            });
        }
    }
    // Two turns of a group: all others had theirs.
    for turn in ["1", "2"] {
        node.post_alerts(
            &json!([{"labels": {"alertname": "Marker", "n": turn}, "endsAt": in_seconds(3600)}]),
        );
        sink.wait("the marker", SOON, |n| n.body["groupLabels"]["n"] == turn);
        thread::sleep(Duration::from_secs(1));
    }
    nobody_was_told_twice(&sink, &killed);
}

fn nobody_was_told_twice(sink: &Sink, killed: &[Kill]) {
    let mut told = BTreeMap::<String, Vec<Instant>>::new();
    for notification in sink.notifications() {
        assert_eq!(
            notification.status(),
            "firing",
            "an invented resolve: {:#}",
            notification.body
        );
        told.entry(notification.group_key().to_owned())
            .or_default()
            .push(notification.at);
    }
    assert!(told.len() > LIVES, "only {} groups were told", told.len());
    for (group, times) in told {
        for (first, second) in times.iter().zip(&times[1..]) {
            let excused = killed.iter().any(|kill| {
                kill.age_of(*first).is_some_and(|age| age < A_MOMENT) && kill.ordered < *second
            });
            assert!(
                excused,
                "{group} was told twice, {:?} apart, and no kill in between excuses it",
                *second - *first
            );
        }
    }
}

fn any_seed() -> u64 {
    u64::from(jiff::Timestamp::now().subsec_nanosecond().unsigned_abs())
}
