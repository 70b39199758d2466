//! Rates of a Prometheus 2, whose windows include their start: they travel as aggregates where that makes no difference, and
//! where it does, what comes out is that of windows without it.

use std::{fs, path::Path};

use watchfire::labels::LabelSet;

use crate::{
    api::{self, Answer, When},
    data::Line,
    expressions::Chance,
    http,
    node::Node,
    over::node_over,
    proxy::Proxy,
    servers::{self, NO_LOOKS, Server},
};

/// Unix seconds.
const NOW: i64 = 1_700_000_400;

/// Two clusters, and a node that asks them as most are asked beside one that asks them for samples only.
struct World {
    servers: Vec<Server>,
    proxies: Vec<Proxy>,
    node: Node,
    samples: Node,
}

impl World {
    fn start(place: &Path, lines: [Vec<Line>; 2]) -> Self {
        let servers: Vec<Server> = lines
            .iter()
            .enumerate()
            .map(|(at, lines)| Server::prometheus(&place.join(format!("server-{at}")), lines))
            .collect();
        let before = |server: &Server| Proxy::before(server.address());
        let proxies: Vec<Proxy> = servers.iter().map(before).collect();
        let node = |name: &str, pushdown: &str| {
            let directory = place.join(name);
            fs::create_dir_all(&directory).unwrap();
            let mut text = "endpoints:\n".to_owned();
            for (at, (proxy, server)) in proxies.iter().zip(&servers).enumerate() {
                let address = match pushdown {
                    "selector" => server.address(),
                    _ => proxy.address(),
                };
                text.push_str(&format!(
                    "- {{name: c{at}, url: 'http://{address}', partition: {{cluster: c{at}}}, pushdown: {pushdown}, {NO_LOOKS}}}\n"
                ));
            }
            node_over(&directory, &text, &[])
        };
        let world = Self {
            node: node("node", "aggregate"),
            samples: node("samples", "selector"),
            servers,
            proxies,
        };
        // What endpoints are is asked once, and is no part of any query.
        world.ask("count(x_total)", When::At(NOW));
        world
    }

    fn ask(&self, query: &str, when: When) -> Answer {
        let answer = api::ask(&self.node.url("/prometheus"), query, when);
        let answer = answer.unwrap_or_else(|why| panic!("{query}: {why}"));
        assert_eq!(answer.warnings, Vec::<String>::new(), "{query}");
        answer
    }

    /// What the samples of all of them give.
    fn truth(&self, query: &str, when: When) -> Answer {
        api::ask(&self.samples.url("/prometheus"), query, when).unwrap()
    }

    /// The bytes and requests of both with which the node answers, which must be what the samples give.
    fn measured(&self, query: &str, when: When) -> (u64, u64) {
        let before: Vec<_> = self.proxies.iter().map(Proxy::passed).collect();
        let found = self.ask(query, when);
        let pairs = self.proxies.iter().zip(before);
        let passed: Vec<_> = pairs
            .map(|(proxy, one)| proxy.passed().since(one))
            .collect();
        let different = api::difference(&self.truth(query, when), &found);
        assert_eq!(different, None, "{query} {when:?}");
        let answered = passed.iter().map(|one| one.answered).sum();
        (answered, passed.iter().map(|one| one.requests).sum())
    }

    /// The bytes with which both answer a question themselves.
    fn alone(&self, query: &str, when: When) -> u64 {
        let (path, form) = api::parameters(query, when);
        let before: Vec<_> = self.proxies.iter().map(Proxy::passed).collect();
        for proxy in &self.proxies {
            http::get(&format!("http://{}/api/v1/{path}?{form}", proxy.address())).expect(200);
        }
        let pairs = self.proxies.iter().zip(before);
        pairs
            .map(|(proxy, one)| proxy.passed().since(one).answered)
            .sum()
    }
}

/// Counters of ten jobs in sixty instances, with a sample each 15 s for twelve minutes: at these milliseconds, of this value.
fn lines(late: impl Fn(i64) -> i64, value: impl Fn(i64, i64) -> Option<f64>) -> Vec<Line> {
    let series = |number: i64| {
        let (job, instance) = (format!("job-{}", number % 10), format!("host-{number}"));
        let pairs = [
            ("__name__", "x_total"),
            ("job", &*job),
            ("instance", &*instance),
        ];
        let samples = (0..48).filter_map(|at| {
            let time = (NOW - 705 + at * 15) * 1000 + late(number);
            Some((time, value(number, at)?))
        });
        Line {
            labels: LabelSet::from_pairs(pairs),
            samples: samples.collect(),
        }
    };
    (0..600).map(series).collect()
}

fn steady(number: i64, at: i64) -> Option<f64> {
    Some((1_000_000 + at * at * (number + 1)) as f64)
}

const RATE: &str = "sum by (job) (rate(x_total[5m]))";

const RANGE: When = When::Range {
    start: NOW - 120,
    end: NOW,
    step: 15,
};

#[test]
fn rates_of_many_samples_travel_as_aggregates() {
    let Some(()) = servers::installed() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let both = [lines(|_| 7, steady), lines(|_| 7, steady)];
    let world = World::start(place.path(), both);
    for when in [When::At(NOW), RANGE] {
        let (bytes, requests) = world.measured(RATE, when);
        assert!(bytes > 400_000 && requests == 2, "{bytes} {requests}");
        for query in [
            // Another one, since what is known of a query is not asked again.
            "sum by (job) (rate(x_total[5m])) + 0",
            "sum by (job) (delta(x_total[5m]))",
            "max without (instance) (increase(x_total[5m]))",
            "topk by (cluster) (10, rate(x_total[5m]))",
        ] {
            let (bytes, requests) = world.measured(query, when);
            let alone = world.alone(&query.replace("by (cluster) ", ""), when);
            println!("{query} {when:?}: {requests} requests, {bytes} bytes, of {alone} alone");
            // What tells whether they can be used is asked with them.
            assert_eq!(requests, 2, "{query} {when:?}");
            assert!(
                bytes <= 2 * alone,
                "{query}: {bytes} bytes instead of {alone}"
            );
        }
    }
    // Where the windows are inside of others, and what an average is made of.
    for query in [
        "max_over_time(rate(x_total[5m])[1m:15s])",
        "avg(rate(x_total[5m]))",
    ] {
        world.measured(query, When::At(NOW));
    }
    drop(world.servers);
}

#[test]
fn what_lies_on_the_start_of_a_window_is_no_part_of_it() {
    let Some(()) = servers::installed() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    // One of all series.
    let both = [
        lines(|number| i64::from(number != 77) * 7, steady),
        lines(|_| 7, steady),
    ];
    let world = World::start(place.path(), both);
    let (bytes, _) = world.measured(RATE, When::At(NOW));
    let (guarded, requests) = world.measured(RATE, When::At(NOW));
    assert!(guarded > bytes && requests == 4, "{guarded} {requests}");
    // For a while nobody tries.
    let (again, requests) = world.measured(RATE, When::At(NOW));
    assert_eq!((again, requests), (bytes, 2));
    let closed = api::ask(&world.servers[0].url(""), RATE, When::At(NOW)).unwrap();
    let open = world.truth(
        "sum by (job) (rate(x_total{cluster=\"c0\"}[5m]))",
        When::At(NOW),
    );
    assert!(
        api::difference(&closed, &open).is_some(),
        "it makes no difference"
    );
}

#[test]
fn counters_that_begin_near_zero_are_extrapolated_as_they_are_now() {
    let Some(()) = servers::installed() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let young = |number: i64, at: i64| match number {
        // From its first increase on, in the middle of the window.
        77 if at >= 38 => Some((at - 37) as f64 * 10.0),
        77 => None,
        _ => steady(number, at),
    };
    let world = World::start(place.path(), [lines(|_| 7, young), lines(|_| 7, steady)]);
    let (bytes, _) = world.measured(RATE, When::At(NOW));
    let (guarded, requests) = world.measured(RATE, When::At(NOW));
    assert!(guarded > bytes && requests == 4, "{guarded} {requests}");
    let one = "rate(x_total{instance=\"host-77\"}[5m])";
    let old = api::ask(&world.servers[0].url(""), one, When::At(NOW)).unwrap();
    let new = world.truth(
        "rate(x_total{instance=\"host-77\",cluster=\"c0\"}[5m])",
        When::At(NOW),
    );
    let value = |answer: &Answer| answer.elements.values().next().unwrap()[0].1;
    assert!(value(&old) > value(&new) * 1.01, "it makes no difference");
}

#[test]
fn random_rates_are_those_of_all_samples() {
    let Some(()) = servers::installed() else {
        return;
    };
    let seed = servers::number("FEDERATION_SEED", 1);
    let many = servers::number("FEDERATION_RATES", 80);
    let mut chance = Chance::new(seed);
    let mut random = |strange: u64| {
        let mut lines = lines(|_| 0, steady);
        for line in &mut lines {
            let late = i64::try_from(chance.below(15_000)).unwrap();
            let odd = chance.below(600) < strange;
            let from = usize::try_from(chance.below(40)).unwrap();
            for (at, (time, value)) in line.samples.iter_mut().enumerate() {
                *time += if odd { 0 } else { late };
                if odd && at >= from {
                    // It began anew, or it began.
                    *value = (at - from + 1) as f64 * 3.0;
                }
            }
            if odd && late % 2 == 0 {
                line.samples.drain(..from);
            }
            let lost = usize::try_from(chance.below(48)).unwrap();
            if lost < line.samples.len() && late % 3 == 0 {
                line.samples.remove(lost);
            }
        }
        lines
    };
    let both = [random(0), random(1)];
    let place = tempfile::tempdir().unwrap();
    let world = World::start(place.path(), both);
    let mut counts = [0_u32; 2];
    for _ in 0..many {
        let function = chance.of(&["rate", "increase", "delta"]);
        let window = chance.of(&["1m", "2m", "5m", "5m", "5m"]);
        let shift = chance.of(&[
            "",
            "",
            "",
            " offset 30s",
            " @ 1700000300 offset 10s",
            " @ end()",
        ]);
        let only = chance.of(&[
            "",
            "{cluster=\"c0\"}",
            "{cluster=\"c0\"}",
            "{cluster=\"c0\"}",
            "{job=~\"job-[0-6]\"}",
        ]);
        let rate = format!("{function}(x_total{only}[{window}]{shift})");
        let query = match chance.below(7) {
            0 => format!("sum by (job) ({rate})"),
            1 => format!("max without (instance) ({rate})"),
            2 => format!("avg by (cluster) ({rate})"),
            3 => format!("count({rate} > 0.5)"),
            4 => format!("sum({rate}) / sum(rate(x_total[5m]))"),
            5 => format!("topk(3, {rate} * 2)"),
            _ => {
                format!("sum by (job) ({rate}) > 10 or sum by (job) (last_over_time(x_total[1m]))")
            }
        };
        let odd = i64::try_from(chance.below(5)).unwrap();
        let when = match chance.below(2) {
            0 => When::At(NOW - odd * 15),
            _ => When::Range {
                start: NOW - 60 - odd * 15,
                end: NOW,
                step: 15,
            },
        };
        let (bytes, _) = world.measured(&query, when);
        counts[usize::from(bytes > 60_000)] += 1;
    }
    println!("seed {seed}: {counts:?} were answered by aggregates and by samples");
    assert!(counts[0] > 5 && counts[1] > 5, "{counts:?}");
}
