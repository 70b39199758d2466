//! The page against the one captured from Alertmanager 0.33.1.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use jiff::SignedDuration;

use crate::{
    api::{
        own_samples,
        prometheus::{RuleReader, Showing},
        router,
        testing::{api, api_over, config, get, now, post, rule_set, tenant},
    },
    config::{AlertmanagerConfig, RemoteWriteConfig},
    io::{Clock, HttpClients, alertmanagers::Alertmanagers, remote_write::RemoteWriter},
    labels::LabelSet,
    promql::{Point, Sample},
    ruler::{RuleSet, Ruler, States},
};

/// Families that this program does not have, with the reason.
const MISSING: [(&str, &str); 4] = [
    ("go_", "there is no Go runtime"),
    (
        "net_conntrack_",
        "the HTTP client hides its connections; notification_requests_total counts what is sent",
    ),
    (
        "alertmanager_cluster_pings_seconds",
        "watchfire_cluster_round_trip_seconds tells the time to each member",
    ),
    (
        "alertmanager_cluster_alive_messages_total",
        "memberlist's own; alertmanager_cluster_peer_info names the members",
    ),
];

/// Type, and the names of labels of each series, by family.
fn families(page: &str) -> BTreeMap<String, (String, BTreeSet<Vec<String>>)> {
    let mut families: BTreeMap<String, (String, BTreeSet<Vec<String>>)> = BTreeMap::new();
    for line in page.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            families.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        }
        if line.starts_with('#') || line.is_empty() {
            continue;
        }
        let name = line.split(['{', ' ']).next().unwrap();
        let base = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|suffix| name.strip_suffix(suffix))
            .find(|base| families.contains_key(*base))
            .unwrap_or(name);
        let labels = line.split_once('{').map_or("", |(_, rest)| rest);
        let labels = labels.split_once("\"} ").map_or("", |(labels, _)| labels);
        let names = labels
            .split("\",")
            .filter_map(|pair| Some(pair.split_once("=\"")?.0.to_owned()))
            .collect();
        let family = families.get_mut(base).unwrap_or_else(|| panic!("{line}"));
        family.1.insert(names);
    }
    families
}

#[tokio::test]
async fn every_family_of_upstream_is_there_or_named_as_missing() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/metrics.txt");
    let Ok(upstream) = std::fs::read_to_string(path) else {
        println!("skipped: ../shared/data is not here");
        return;
    };
    let api = api();
    let alerts = r#"[{"labels":{"alertname":"A"}}]"#;
    assert_eq!(post(&api, "/api/v2/alerts", alerts).await.status, 200);
    let page = get(&api, "/metrics").await;
    assert_eq!(page.status, 200, "{}", page.body);
    assert_eq!(
        page.headers["content-type"],
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let ours = families(&page.body);
    for (name, (kind, labels)) in families(&upstream) {
        if MISSING.iter().any(|(prefix, _)| name.starts_with(prefix)) {
            assert!(!ours.contains_key(&name), "{name} is not missing");
            continue;
        }
        let (our_kind, our_labels) = ours.get(&name).unwrap_or_else(|| panic!("{name}"));
        assert_eq!(*our_kind, kind, "{name}");
        assert_eq!(*our_labels, labels, "{name}");
    }
}

#[tokio::test]
async fn counters_begin_at_zero_for_every_integration_and_reason() {
    let page = get(&api(), "/metrics").await.body;
    let count = |prefix: &str| page.lines().filter(|line| line.starts_with(prefix)).count();
    assert_eq!(count("alertmanager_notifications_total{"), 18);
    assert_eq!(count("alertmanager_notifications_failed_total{"), 18 * 7);
    for line in [
        "alertmanager_notifications_failed_total{integration=\"webhook\",reason=\"rateLimited\"} 0",
        "alertmanager_notification_latency_seconds_bucket{integration=\"webhook\",le=\"+Inf\"} 0",
        "alertmanager_alerts{state=\"unprocessed\"} 0",
        "alertmanager_cluster_members 1",
        "alertmanager_config_last_reload_successful 1",
    ] {
        assert!(page.lines().any(|other| other == line), "{line}");
    }
    assert!(page.contains("version=\"0.34.0\"} 1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn remote_write_has_prometheus_names() {
    let directory = tempfile::tempdir().unwrap();
    let target = RemoteWriteConfig {
        url: "http://user:secret@127.0.0.1:9/write".into(),
        ..RemoteWriteConfig::default()
    };
    let clock = Clock::start(SignedDuration::ZERO);
    let writer = RemoteWriter::open(
        &[target],
        &BTreeMap::new(),
        directory.path(),
        Arc::new(HttpClients::new(clock)),
        clock,
        tokio::runtime::Handle::current(),
    )
    .unwrap();
    let sample = |time| Sample {
        labels: LabelSet::from_pairs([("__name__", "up")]),
        time,
        point: Point::Float(1.0),
    };
    let now = clock.now().wall.unix_millis();
    writer.append(vec![sample(now), sample(now + 1000)]);
    assert!(writer.sync().await);
    let (state, _) = api_over(tenant(config()));
    let api = router(state.with_remote_write(writer.stats()));
    let page = get(&api, "/metrics").await.body;
    assert!(!page.contains("secret"), "{page}");
    let names = families(&page);
    let labels = ["remote_name".to_owned(), "url".to_owned()];
    for (name, kind) in [
        ("samples_total", "counter"),
        ("samples_failed_total", "counter"),
        ("samples_retried_total", "counter"),
        ("bytes_total", "counter"),
        ("samples_pending", "gauge"),
        ("shards", "gauge"),
        ("queue_highest_sent_timestamp_seconds", "gauge"),
    ] {
        let name = format!("prometheus_remote_storage_{name}");
        let (found, series) = &names[&name];
        assert_eq!((found.as_str(), series.len()), (kind, 1), "{name}");
        assert!(series.contains(&labels[..]), "{name}");
    }
    let highest = (now + 1000).div_euclid(1000);
    for line in [
        "prometheus_remote_storage_samples_in_total 2".to_owned(),
        format!("prometheus_remote_storage_highest_timestamp_in_seconds {highest}"),
    ] {
        assert!(page.lines().any(|other| other == line), "{line} in {page}");
    }
    assert!(
        page.contains("samples_dropped_total{reason=\"too_old\",remote_name=\"http://user:xxxxx@")
    );
    writer.close(Duration::ZERO).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_other_alertmanagers_are_told_has_prometheus_names() {
    let clock = Clock::start(SignedDuration::ZERO);
    let http = Arc::new(HttpClients::new(clock));
    let others = Alertmanagers::new(http, clock, tokio::runtime::Handle::current());
    others.take(&[AlertmanagerConfig {
        url: "http://user:secret@127.0.0.1:9".into(),
        ..AlertmanagerConfig::default()
    }]);
    let (state, _) = api_over(tenant(config()));
    let api = router(state.with_alertmanagers(others.stats()));
    let page = get(&api, "/metrics").await.body;
    assert!(!page.contains("secret"), "{page}");
    let names = families(&page);
    for (name, kind) in [
        ("sent_total", "counter"),
        ("errors_total", "counter"),
        ("dropped_total", "counter"),
        ("queue_length", "gauge"),
        ("latency_histogram_seconds", "histogram"),
        ("latency_seconds", "summary"),
    ] {
        let name = format!("prometheus_notifications_{name}");
        assert_eq!(names[&name].0, kind, "{name}");
    }
    for line in [
        "prometheus_notifications_alertmanagers_discovered 1",
        "prometheus_notifications_queue_capacity 10000",
        "prometheus_notifications_latency_seconds{alertmanager=\"http://user@127.0.0.1:9/api/v2/alerts\",quantile=\"0.9\"} NaN",
        "prometheus_notifications_latency_seconds_count{alertmanager=\"http://user@127.0.0.1:9/api/v2/alerts\"} 0",
    ] {
        assert!(page.lines().any(|other| other == line), "{line} in {page}");
    }
}

/// A ruler that shows rules, or hangs.
struct Shows(Option<(Arc<RuleSet>, States)>);

impl RuleReader for Shows {
    fn show(&self) -> Showing<'_> {
        Box::pin(async { self.0.clone() })
    }

    fn hangs(&self) -> (u64, bool) {
        (3, self.0.is_none())
    }
}

/// A ruler of the shipped rules.
fn of_shipped_rules() -> Shows {
    let set = rule_set(SHIPPED);
    let ruler = Ruler::new(Arc::clone(&set), now());
    Shows(Some((set, ruler.states().clone())))
}

const SHIPPED: &str = include_str!("../../../config/rules/watchfire.yml");

#[tokio::test]
async fn what_the_shipped_rules_read_of_the_node_is_measured_for_them() {
    let (state, _) = api_over(tenant(config()));
    let state = state.with_rules(Arc::new(of_shipped_rules()));
    let (_, meanings) = own_samples(&state).await.unwrap();
    let measured: BTreeSet<&str> = meanings.iter().map(|one| one.name.as_str()).collect();
    let read = SHIPPED.split("{watchfire=\"self\"").filter_map(|text| {
        let name = text.rsplit(|one: char| !(one.is_alphanumeric() || one == '_'));
        name.into_iter().next()
    });
    let read: Vec<&str> = read.filter(|name| !name.is_empty()).collect();
    assert!(read.len() > 8, "{read:?}");
    for name in read {
        // What is about peers is there when there are some.
        let of_peers = name.starts_with("watchfire_cluster_");
        assert!(of_peers || measured.contains(name), "{name}");
    }
    // Groups may be thousands.
    assert!(!measured.contains("prometheus_rule_group_rules"));
}

#[tokio::test]
async fn a_ruler_that_hangs_is_seen_though_it_shows_nothing() {
    let page = |ruler: Shows| async {
        let (state, _) = api_over(tenant(config()));
        get(&router(state.with_rules(Arc::new(ruler))), "/metrics")
            .await
            .body
    };
    let hangs = page(Shows(None)).await;
    assert!(hangs.contains("watchfire_ruler_hangs_total 3\n"));
    assert!(hangs.contains("watchfire_ruler_hanging 1\n"));
    assert!(!hangs.contains("watchfire_ruler_bugs_total"));
    let runs = page(of_shipped_rules()).await;
    assert!(runs.contains("watchfire_ruler_hanging 0\n"));
    assert!(runs.contains("watchfire_ruler_bugs_total 0\n"));
    let missed = "watchfire_rule_group_evaluations_missed_total{rule_group=\"rules.yml;watchfire\",type=\"recording\"} 0";
    assert!(runs.lines().any(|line| line == missed), "{runs}");
    assert!(
        runs.contains("prometheus_rule_group_rules{rule_group=\"rules.yml;watchfire-nodes\"} 8\n")
    );
}
