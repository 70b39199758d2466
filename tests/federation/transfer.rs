//! What goes over the wire: aggregations travel as aggregates.

use watchfire::labels::LabelSet;

use crate::{
    api::{self, When},
    data::Line,
    http,
    proxy::{Passed, Proxy},
    servers,
    side_by_side::{Plan, SideBySide},
};

/// The last sample; Unix seconds.
const NOW: i64 = 1_700_000_400;

/// The jobs, and how many series each has in a partition.
const JOBS: i64 = 10;
const INSTANCES: i64 = 100;

fn lines() -> Vec<Line> {
    let mut lines = Vec::new();
    for series in 0..JOBS * INSTANCES {
        let (job, instance) = (format!("job-{}", series % JOBS), series / JOBS);
        let instance = format!("host-{instance}.example.org:9100");
        let pairs = [
            ("__name__", "x_total"),
            ("job", &job),
            ("instance", &instance),
        ];
        let times = (0..24).map(|at| (NOW - 345 + at * 15) * 1000 + 7);
        lines.push(Line {
            labels: LabelSet::from_pairs(pairs),
            samples: times
                .map(|time| (time, (time / 15_000 * (series + 1)) as f64))
                .collect(),
        });
    }
    lines
}

/// What passes when `ask` is run, without what replicas are asked beside it every 15 seconds.
fn passed(proxies: &[Proxy], mut ask: impl FnMut()) -> Vec<Passed> {
    loop {
        let before: Vec<_> = proxies.iter().map(Proxy::passed).collect();
        ask();
        let pairs = proxies.iter().zip(before);
        let passed = pairs.map(|(proxy, before)| proxy.passed().since(before));
        let passed: Vec<_> = passed.collect();
        if passed.iter().all(|passed| passed.probes == 0) {
            return passed;
        }
    }
}

/// Asks the node; each partition must answer with at most twice what it answers when it is asked for `part` alone.
fn expect_parts(world: &SideBySide, query: &str, part: &str, when: When) {
    let expected = world.expect(query, when).unwrap();
    let mut found = api::Answer::default();
    let asked = passed(&world.proxies, || found = world.ask(query, when).unwrap());
    assert!(!expected.elements.is_empty(), "{query}");
    let close = api::difference(&expected, &found);
    if !query.contains("rate") {
        assert_eq!(close, None, "{query}");
    }
    for (at, (proxy, asked)) in world.proxies.iter().zip(&asked).enumerate() {
        if at == 1 {
            assert_eq!(asked.requests, 0, "a replica was asked as well: {query}");
            continue;
        }
        let (path, form) = api::parameters(part, when);
        let url = format!("http://{}/api/v1/{path}?{form}", proxy.address());
        let alone = passed(std::slice::from_ref(proxy), || {
            http::get(&url).expect(200);
        });
        println!(
            "{query}: {} requests, {} bytes, of {part} alone {}",
            asked.requests, asked.answered, alone[0].answered
        );
        assert!(asked.requests <= 2, "{query}: {asked:?}");
        assert!(
            asked.answered <= 2 * alone[0].answered,
            "{query}: {} bytes came from {at}, and {part} has {}",
            asked.answered,
            alone[0].answered
        );
    }
}

fn world(place: &std::path::Path, pushdown: &str) -> SideBySide {
    let plan = Plan {
        label: "cluster",
        parts: ["eu", "us", "ap"].map(|name| (name, lines())),
        gap: ((NOW - 120) * 1000, (NOW - 60) * 1000),
        pushdown,
    };
    let world = SideBySide::start(place, &plan);
    // What endpoints are is asked once, and is no part of any query.
    world.ask("x_total", When::At(NOW)).unwrap();
    world
}

#[test]
fn aggregations_travel_as_aggregates() {
    let Some(()) = servers::installed() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let world = world(place.path(), "aggregate");
    let at = When::At(NOW);
    let range = When::Range {
        start: NOW - 120,
        end: NOW,
        step: 15,
    };
    for when in [at, range] {
        for query in [
            "sum by (job) (x_total)",
            "sum(x_total)",
            "max by (job, cluster) (x_total)",
            "count without (instance) (x_total)",
            "topk(3, x_total)",
        ] {
            let part = query.replace(", cluster", "");
            expect_parts(&world, query, &part, when);
        }
        expect_parts(
            &world,
            "avg by (job) (x_total)",
            "sum by (job) (x_total)",
            when,
        );
        expect_parts(
            &world,
            "sum by (job) (x_total) / count by (job) (x_total) > 5",
            "sum by (job) (x_total)",
            when,
        );
    }
    let one = "sum by (job) (x_total{cluster=\"us\"})";
    let asked = passed(&world.proxies, || {
        world.ask(one, at).unwrap();
    });
    let requests: Vec<_> = asked.iter().map(|passed| passed.requests).collect();
    assert_eq!(requests, [0, 0, 1, 0], "only the partition that has it");
}

#[test]
fn rates_travel_as_aggregates_where_that_is_allowed() {
    let Some(()) = servers::installed() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let world = world(place.path(), "full");
    // The rate of `VictoriaMetrics` stays at home.
    let query = "sum by (job) (rate(x_total{cluster!=\"ap\"}[5m]))";
    let part = "sum by (job) (rate(x_total[5m]))";
    let asked = passed(&world.proxies, || {
        world.ask(query, When::At(NOW)).unwrap();
    });
    assert_eq!(asked[3], Passed::default());
    for at in [0, 2] {
        let (path, form) = api::parameters(part, When::At(NOW));
        let url = format!(
            "http://{}/api/v1/{path}?{form}",
            world.proxies[at].address()
        );
        let alone = passed(&world.proxies[at..=at], || {
            http::get(&url).expect(200);
        });
        assert_eq!(asked[at].requests, 1);
        assert!(
            asked[at].answered <= 2 * alone[0].answered,
            "{asked:?} {alone:?}"
        );
    }
}
