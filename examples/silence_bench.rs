use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use watchfire::{labels::*, rng::Rng, silence::*, time::*};
fn rss() -> u64 {
    std::fs::read_to_string("/proc/self/statm")
        .unwrap()
        .split(' ')
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 4
}
fn main() {
    let kind = std::env::args().nth(1).unwrap_or("a".into());
    let n: usize = std::env::args().nth(2).map_or(1000, |s| s.parse().unwrap());
    let now = Timestamp::from_unix(1_795_286_611, 0);
    let mut rng = Rng::from_seed(1);
    let mut s = Silences::new(Duration::from_secs(3600 * 120));
    let r0 = rss();
    let t = Instant::now();
    for i in 0..n {
        let m = match kind.as_str() {
            "a" => vec![("instance", format!("host-{i}[0-9]*:9100"))],
            "b" => vec![("instance", format!(".*host-{i}:.*"))],
            "c" => vec![
                ("alertname", format!("Alert{}", i % 50)),
                ("instance", format!("host-[0-9]*{}:9100", i % 100)),
            ],
            "d" => vec![("instance", format!("host-[0-9]+{}[0-9]*:9[0-9]+", i))],
            "e" => vec![("instance", format!("[a-z]+-(1|2){}[0-9]+:[0-9]+", i))],
            _ => vec![
                ("alertname", format!("Alert({}|{}).*", i, i + 1)),
                ("pod", ".+".into()),
            ],
        };
        let texts: Vec<_> = m
            .into_iter()
            .map(|(n, v)| MatcherText {
                name: n.into(),
                op: MatchOp::Regex,
                value: v,
            })
            .collect();
        let sets = check_matcher_sets(&[texts], MatcherMode::Fallback).unwrap();
        s.set(
            SilenceDraft {
                id: None,
                matcher_sets: sets,
                starts_at: now,
                ends_at: now.plus(Duration::from_secs(7200)),
                created_by: "x".into(),
                comment: "y".into(),
                annotations: Default::default(),
            },
            now,
            SilenceLimits::default(),
            &mut rng,
        )
        .unwrap();
    }
    println!("set {n}: {:?}, rss +{} KiB", t.elapsed(), rss() - r0);
    let alerts: Vec<LabelSet> = (0..100_000)
        .map(|i| {
            LabelSet::from_pairs([
                ("alertname", format!("Alert{}", i % 200)),
                ("instance", format!("host-{}:9100", i)),
                ("job", "node".into()),
                ("severity", "warning".into()),
                ("cluster", format!("c{}", i % 5)),
                ("namespace", format!("ns{}", i % 30)),
                ("pod", format!("pod-{i}-abcdef")),
                ("team", format!("t{}", i % 20)),
            ])
        })
        .collect();
    let r0 = rss();
    let t = Instant::now();
    let mut m = s.matcher();
    println!("matcher {:?}", t.elapsed());
    let t = Instant::now();
    let mut hits = 0;
    for a in &alerts {
        hits += m.mutes(a, now).len();
    }
    println!(
        "100k: {:?}, hits {hits}, stats {:?}, rss +{} KiB",
        t.elapsed(),
        m.stats(),
        rss() - r0
    );
    let t = Instant::now();
    for a in &alerts {
        hits += m.mutes(a, now).len();
    }
    println!("again: {:?}", t.elapsed());
    let t = Instant::now();
    let mut naive = 0;
    for a in alerts.iter().take(1000) {
        naive += s.mutes(a, now).len();
    }
    println!("naive 1k: {:?} {naive}", t.elapsed());
}
