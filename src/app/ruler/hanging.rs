//! The ruler between endpoints of which one hangs once it is known.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::tests::{Files, Setting};
use crate::{
    api::prometheus::RuleReader as _,
    ruler::{GroupState, RuleSet},
    time::Timestamp,
};

/// Groups of four rules each: so many more than places that whoever waited for one would miss slots.
const GROUPS: usize = 80;

/// Slots of the group that needs no endpoint, while one hangs: longer than alerts last.
const SLOTS: u64 = 7;

/// A Prometheus that has `y`, and hangs when it is told to.
async fn endpoint(hangs: Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&hangs)));
        }
    });
    format!("http://{address}")
}

async fn serve(mut stream: TcpStream, hangs: Arc<AtomicBool>) {
    let mut chunk = [0; 4096];
    // Requests are short, and come one after another.
    while let Ok(read) = stream.read(&mut chunk).await
        && read > 0
    {
        if hangs.load(Relaxed) {
            let _ = stream.read(&mut chunk).await;
            return;
        }
        let head = String::from_utf8_lossy(&chunk[..read]);
        let body = answer(head.split(' ').nth(1).unwrap_or_default());
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        if stream.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

fn answer(target: &str) -> String {
    if !target.contains("/query?") {
        // One that does not say that it has no histograms is asked one by one.
        return r#"{"status":"success","data":{"version":"2.45.0","revision":"r"}}"#.to_owned();
    }
    let time = target
        .split('&')
        .find_map(|part| part.strip_prefix("time="));
    let time = time.unwrap_or_default();
    format!(
        r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{"__name__":"y","job":"j"}},"value":[{time},"1"]}}]}}}}"#
    )
}

fn files(healthy: &str, other: &str) -> Files {
    let mut rules =
        "groups:\n- {name: watchdog, interval: 2s, rules: [{alert: Watchdog, expr: vector(1)}]}\n"
            .to_owned();
    for group in 0..GROUPS {
        let rule = |at| format!("{{alert: A{group}x{at}, expr: y > 0}}");
        let all = [0, 1, 2, 3].map(rule).join(", ");
        rules.push_str(&format!(
            "- {{name: g{group}, interval: 2s, rules: [{all}]}}\n"
        ));
    }
    Files {
        rules,
        ruler: "{rule_files: [rules.yml], resend_delay: 1s}".to_owned(),
        query: format!(
            "endpoints:\n\
             - {{name: a, url: '{healthy}', partition: {{cluster: a}}, kind: prometheus}}\n\
             - {{name: b, url: '{other}', partition: {{cluster: b}}, kind: prometheus}}\n"
        ),
    }
}

/// The group that needs no endpoint.
fn watchdog<'a>(set: &RuleSet, groups: &'a [GroupState]) -> &'a GroupState {
    let mut all = set.groups.iter().zip(groups);
    all.find(|(group, _)| &*group.key.name == "watchdog")
        .unwrap()
        .1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_hangs_neither_ends_nor_delays_what_others_answer() {
    let hangs = Arc::new(AtomicBool::new(false));
    let healthy = endpoint(Arc::default()).await;
    let other = endpoint(Arc::clone(&hangs)).await;
    let setting = Setting::of(&files(&healthy, &other));
    setting
        .until(|_, groups| groups.iter().all(|group| group.iterations > 1))
        .await;
    hangs.store(true, Relaxed);
    let (set, states) = setting.rules.show().await.unwrap();
    let before = watchdog(&set, &states.groups).iterations;
    setting
        .until(|set, groups| watchdog(set, groups).iterations >= before + SLOTS)
        .await;
    let (set, states) = setting.rules.show().await.unwrap();
    assert_eq!(watchdog(&set, &states.groups).missed, 0);
    let mut last: BTreeMap<String, Timestamp> = BTreeMap::new();
    let told = setting.alerts.lock().unwrap();
    for alert in told.iter().filter(|one| one.labels.value("cluster") == "a") {
        if let Some(until) = last.insert(alert.labels.to_string(), alert.ends_at) {
            assert!(alert.updated_at < until, "{} ran out", alert.labels);
        }
        assert!(alert.ends_at > alert.updated_at, "{} ended", alert.labels);
    }
    assert_eq!(last.len(), GROUPS * 4);
    let now = told.iter().map(|alert| alert.updated_at).max().unwrap();
    assert!(last.values().all(|until| *until > now), "{last:?}");
}
