//! What people run global rules for: a service that is down in most clusters, data older than any Prometheus keeps, and a
//! cluster whose targets are shared out among several Prometheus.

use std::{fs, path::Path};

use serde_json::Value;
use watchfire::{io::Clock, labels::LabelSet};

use crate::{
    data::Line,
    node::{Node, Program, webhook_config},
    process::{SOON, wait_for},
    servers::{self, Server},
};

const DAY: i64 = 86_400_000;

fn now() -> i64 {
    let clock = Clock::start(jiff::SignedDuration::ZERO);
    clock.now().wall.unix_millis()
}

/// A series with a sample every five seconds, for ten minutes before `around` and as long after it.
fn line(labels: &[(&str, &str)], around: i64, value: impl Fn(i64) -> f64) -> Line {
    let times = (-120..120).map(|step| (step, around + step * 5000));
    Line {
        labels: LabelSet::from_pairs(labels.iter().copied()),
        samples: times.map(|(step, time)| (time, value(step))).collect(),
    }
}

fn up(job: &str, instance: usize, value: f64) -> Line {
    let instance = format!("{job}-{instance}");
    let labels = [("__name__", "up"), ("instance", &*instance), ("job", job)];
    line(&labels, now(), |_| value)
}

/// A node with endpoints and rules that are evaluated every second.
struct World {
    node: Node,
}

impl World {
    fn start(place: &Path, endpoints: &str, rules: &str) -> Option<Self> {
        let program = Program::Subject.path()?;
        let directory = place.join("node");
        fs::create_dir_all(&directory).unwrap();
        let write = |file: &str, text: &str| fs::write(directory.join(file), text).unwrap();
        write("query.yml", &format!("endpoints:\n{endpoints}"));
        write(
            "ruler.yml",
            "rule_files: [rules.yml]\nevaluation_interval: 1s\n",
        );
        write(
            "rules.yml",
            &format!("groups:\n- name: practice\n  rules:\n{rules}"),
        );
        let flags = [
            "--query.config-file=query.yml",
            "--ruler.config-file=ruler.yml",
        ];
        let nowhere = webhook_config("http://127.0.0.1:9/");
        Some(Self {
            node: Node::start(&program, &directory, &nowhere, &flags),
        })
    }

    /// The alerts that fire, by name and cluster.
    fn firing(&self) -> Vec<String> {
        let answer = self
            .node
            .get("/prometheus/api/v1/alerts")
            .expect(200)
            .json();
        let alerts = answer["data"]["alerts"].as_array().unwrap().iter();
        let firing = alerts.filter(|alert| alert["state"] == "firing");
        let text = |alert: &Value| {
            let labels = &alert["labels"];
            let of = |name: &str| labels[name].as_str().unwrap_or_default().to_owned();
            format!("{} {}", of("alertname"), of("cluster"))
                .trim()
                .to_owned()
        };
        let mut firing: Vec<String> = firing.map(text).collect();
        firing.sort();
        firing
    }

    fn wait_until_firing(&self, expected: &[&str]) {
        wait_for("the alerts", SOON * 2, || {
            (self.firing() == expected).then_some(())
        });
    }

    fn rules(&self) -> Vec<Value> {
        let answer = self.node.get("/prometheus/api/v1/rules").expect(200).json();
        let groups = answer["data"]["groups"].as_array().unwrap().iter();
        groups
            .flat_map(|group| group["rules"].as_array().unwrap().clone())
            .collect()
    }

    /// Waits until every rule was evaluated some slots later than now, and gives what is said of them.
    fn some_slots_later(&self) -> Vec<Value> {
        let from = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(2);
        wait_for("some slots", SOON, || {
            let rules = self.rules();
            let late = |rule: &Value| {
                let last = rule["lastEvaluation"].as_str().unwrap();
                last.parse::<jiff::Timestamp>().unwrap() > from
            };
            rules.iter().all(late).then_some(rules)
        })
    }
}

fn endpoint(name: &str, server: &Server, more: &str) -> String {
    let url = server.url("");
    format!("- {{name: {name}, url: '{url}', partition_label_mode: attach, {more}}}\n")
}

fn missing(rule: &Value) -> Vec<String> {
    let missing = rule["partitionsMissing"].as_array().unwrap().iter();
    missing
        .map(|text| text.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_service_that_is_down_in_most_clusters_is_told_though_one_of_them_is_out_of_sight() {
    let (Some(()), place) = (servers::installed(), tempfile::tempdir().unwrap()) else {
        return;
    };
    let cluster = |name: &str, values: [f64; 2]| {
        let lines: Vec<Line> = (0..2).map(|at| up("api", at, values[at])).collect();
        Server::prometheus(&place.path().join(name), &lines)
    };
    let (eu, us, ap) = (
        cluster("eu", [0.0, 0.0]),
        cluster("us", [0.0, 1.0]),
        cluster("ap", [1.0, 1.0]),
    );
    let endpoints: String = [("eu", &eu), ("us", &us), ("ap", &ap)]
        .map(|(name, server)| endpoint(name, server, &format!("partition: {{cluster: {name}}}")))
        .concat();
    let down = "count by (cluster) (up{job=\"api\"} == 0)";
    let rules = format!(
        "  - {{alert: Down, expr: '{down}'}}\n\
         \x20 - {{alert: DownInMost, expr: 'count({down} or watchfire_partition_up == 0) > 2'}}\n"
    );
    let world = World::start(place.path(), &endpoints, &rules).unwrap();
    world.wait_until_firing(&["Down eu", "Down us"]);
    drop(ap.kill());
    world.wait_until_firing(&["Down eu", "Down us", "DownInMost"]);
    let missed: Vec<String> = world.some_slots_later().iter().flat_map(missing).collect();
    assert!(
        !missed.is_empty() && missed.iter().all(|text| text.contains("cluster=\"ap\"")),
        "{missed:?}"
    );
    // Nobody sees eu any more: what was down there stays down.
    drop(eu.kill());
    world.some_slots_later();
    assert_eq!(world.firing(), ["Down eu", "Down us", "DownInMost"]);
}

#[test]
fn rules_look_back_further_than_any_prometheus_keeps() {
    let (Some(()), place) = (servers::installed(), tempfile::tempdir().unwrap()) else {
        return;
    };
    let labels = [("__name__", "requests_total"), ("job", "shop")];
    let young = line(&labels, now(), |step| (step + 120) as f64 * 10.0);
    let old = line(&labels, now() - 30 * DAY, |step| (step + 120) as f64 * 30.0);
    let prometheus = Server::prometheus(
        &place.path().join("prometheus"),
        std::slice::from_ref(&young),
    );
    let all = Line {
        samples: old.samples.iter().chain(&young.samples).copied().collect(),
        ..young
    };
    let store = Server::prometheus(&place.path().join("store"), &[all]);
    let endpoints = [
        endpoint("store", &store, "partition: {cluster: eu}, kind: thanos"),
        endpoint(
            "us",
            &prometheus,
            "partition: {cluster: us}, time_range: {max_age: 1d}",
        ),
    ];
    let rate = "sum by (cluster) (rate(requests_total[2m]))";
    let before = rate.replace("[2m]", "[2m] offset 30d");
    let rules = format!(
        "  - {{alert: FewerThanAMonthAgo, expr: '{rate} < 0.5 * {before}'}}\n\
         \x20 - {{alert: MoreThanAMonthAgo, expr: '{rate} > {before}'}}\n"
    );
    let world = World::start(place.path(), &endpoints.concat(), &rules).unwrap();
    world.wait_until_firing(&["FewerThanAMonthAgo eu"]);
    // A Prometheus alone cannot tell what was a month ago, and says so.
    for rule in world.some_slots_later() {
        let missing = missing(&rule).concat();
        assert!(
            missing.contains("cluster=\"us\"") && missing.contains("older than its max_age"),
            "{missing}"
        );
    }
    // Without the store the comparison cannot be made: nothing begins and nothing ends.
    drop(store.kill());
    let rules = world.some_slots_later();
    assert_eq!(world.firing(), ["FewerThanAMonthAgo eu"]);
    let missing: Vec<String> = rules.iter().flat_map(missing).collect();
    assert!(
        missing.iter().any(|text| text.contains("cluster=\"eu\"")),
        "{missing:?}"
    );
}

#[test]
fn a_prometheus_and_the_store_behind_it_are_one_cluster() {
    let (Some(()), place) = (servers::installed(), tempfile::tempdir().unwrap()) else {
        return;
    };
    let labels = [("__name__", "requests_total"), ("job", "shop")];
    let young = line(&labels, now(), |step| (step + 120) as f64 * 10.0);
    let old = line(&labels, now() - 30 * DAY, |step| (step + 120) as f64 * 30.0);
    let clusters = ["eu", "us"];
    let prometheus = clusters.map(|name| {
        let lines = std::slice::from_ref(&young);
        Server::prometheus(&place.path().join(name), lines)
    });
    // It shows the labels of the clusters, and has all of them.
    let all = clusters.map(|name| {
        let whole = Line {
            samples: old.samples.iter().chain(&young.samples).copied().collect(),
            ..young.clone()
        };
        whole.with(&LabelSet::from_pairs([("cluster", name)]))
    });
    let store = Server::prometheus(&place.path().join("store"), &all);
    let endpoints: String = clusters
        .iter()
        .zip(&prometheus)
        .map(|(name, server)| {
            let partition = format!("partition: {{cluster: {name}}}");
            let own = format!("{partition}, replica: a, time_range: {{max_age: 1d}}");
            let url = store.url("");
            endpoint(name, server, &own)
                + &format!(
                    "- {{name: {name}-store, url: '{url}', partition_label_mode: present, {partition}, replica: b, kind: thanos}}\n"
                )
        })
        .collect();
    let rate = "sum by (cluster) (rate(requests_total[2m]))";
    let before = rate.replace("[2m]", "[2m] offset 30d");
    let rules = format!(
        "  - {{alert: FewerThanAMonthAgo, expr: '{rate} < 0.5 * {before}'}}\n\
         \x20 - {{alert: AsManyAMonthAgo, expr: '{before} > 5 < 7'}}\n\
         \x20 - {{alert: Busy, expr: '{rate} > 1 < 3'}}\n\
         \x20 - {{alert: Two, expr: 'count(count by (cluster, job) (requests_total)) == 2'}}\n"
    );
    let world = World::start(place.path(), &endpoints, &rules).unwrap();
    let firing = [
        "AsManyAMonthAgo eu",
        "AsManyAMonthAgo us",
        "Busy eu",
        "Busy us",
        "FewerThanAMonthAgo eu",
        "FewerThanAMonthAgo us",
        "Two",
    ];
    world.wait_until_firing(&firing);
    let missed = |world: &World| -> Vec<String> {
        world.some_slots_later().iter().flat_map(missing).collect()
    };
    assert_eq!(missed(&world), Vec::<String>::new());
    // The store has what is young as well.
    let [eu, us] = prometheus;
    let eu = eu.kill();
    world.some_slots_later();
    assert_eq!(missed(&world), Vec::<String>::new());
    assert_eq!(world.firing(), firing);
    // And without it there is still what a Prometheus keeps.
    let eu = eu.rise();
    drop(store.kill());
    world.some_slots_later();
    let rules = world.some_slots_later();
    let names = rules.iter().filter(|rule| !missing(rule).is_empty());
    let names: Vec<&str> = names.map(|rule| rule["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        ["FewerThanAMonthAgo", "AsManyAMonthAgo"],
        "{rules:#?}"
    );
    assert_eq!(world.firing(), firing);
    drop((eu, us));
}

#[test]
fn a_cluster_that_several_prometheus_share_is_one() {
    let (Some(()), place) = (servers::installed(), tempfile::tempdir().unwrap()) else {
        return;
    };
    let share = |name: &str, instances: [usize; 3]| {
        let lines = instances.map(|at| up("api", at, 1.0));
        Server::prometheus(&place.path().join(name), &lines)
    };
    let (first, second) = (share("first", [0, 2, 4]), share("second", [1, 3, 5]));
    let endpoints: String = [("first", &first), ("second", &second)]
        .map(|(name, server)| {
            endpoint(
                name,
                server,
                &format!("partition: {{cluster: eu, slave: {name}}}"),
            )
        })
        .concat();
    let rules = "  - {record: 'job:up:sum', expr: 'sum by (cluster, job) (up)'}\n\
         \x20 - {alert: AllUp, expr: 'job:up:sum == 6'}\n\
         \x20 - {alert: TooFew, expr: 'sum by (cluster, job) (up) < 5'}\n\
         \x20 - {alert: Half, expr: 'avg by (cluster, job) (up) < 0.9'}\n";
    let world = World::start(place.path(), &endpoints, rules).unwrap();
    world.wait_until_firing(&["AllUp eu"]);
    // Half of the targets are out of sight, which says nothing about them.
    drop(second.kill());
    let rules = world.some_slots_later();
    assert_eq!(world.firing(), ["AllUp eu"]);
    let short = rules
        .iter()
        .filter(|rule| !missing(rule).is_empty())
        .count();
    assert!(short >= 3, "{rules:#?}");
}
