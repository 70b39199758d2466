//! Servers that are killed: a replica takes over in silence, a partition that is gone is named.

use watchfire::labels::LabelSet;

use crate::{
    api::{self, Answer, When},
    data::Line,
    servers,
    side_by_side::{Plan, SideBySide},
};

/// The last sample; Unix seconds.
const NOW: i64 = 1_700_000_400;

fn lines(rate: i64) -> Vec<Line> {
    let line = |job: &str, rate: i64| {
        let times = (0..60).map(|at| (NOW - 900 + at * 15) * 1000 + 7);
        Line {
            labels: LabelSet::from_pairs([("__name__", "x_total"), ("job", job)]),
            samples: times
                .map(|time| (time, (time / 15_000 * rate) as f64))
                .collect(),
        }
    };
    vec![line("a", rate), line("b", rate * 3)]
}

#[track_caller]
fn same(expected: &Answer, found: &Answer, warnings: &[&str]) {
    assert_eq!(api::difference(expected, found), None);
    assert_eq!(found.warnings.len(), warnings.len(), "{:?}", found.warnings);
    for (found, wanted) in found.warnings.iter().zip(warnings) {
        assert!(found.contains(wanted), "{found}");
    }
}

#[test]
fn a_replica_takes_over_and_a_partition_that_is_gone_is_named() {
    let Some(()) = servers::installed() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let plan = Plan {
        label: "cluster",
        parts: [("eu", lines(1)), ("us", lines(5)), ("ap", lines(25))],
        gap: ((NOW - 800) * 1000, (NOW - 700) * 1000),
        pushdown: "aggregate",
    };
    let mut world = SideBySide::start(place.path(), &plan);
    let query = |matcher: &str| {
        format!("sum by (job) (rate(x_total{matcher}[5m])) / count by (job) (x_total{matcher})")
    };
    let when = When::At(NOW - 30);
    let all = world.expect(&query(""), when).unwrap();
    let without = |matcher: &str| world.expect(&query(matcher), when).unwrap();
    let without_us = without("{cluster!=\"us\"}");
    let without_eu = without("{cluster!=\"eu\"}");
    let gone = r#"partition {cluster="us"} is missing: us: "#;
    same(&all, &world.ask(&query(""), when).unwrap(), &[]);
    assert_eq!(all.elements.len(), 2);

    // The replica that was asked until now.
    let replica = world.parts[0].take().unwrap().kill();
    let before = world.proxies[1].passed();
    same(&all, &world.ask(&query(""), when).unwrap(), &[]);
    assert!(world.proxies[1].passed().since(before).requests > 0);

    let partition = world.parts[2].take().unwrap().kill();
    same(&without_us, &world.ask(&query(""), when).unwrap(), &[gone]);
    // It is not asked for what it cannot have.
    let others = query("{cluster!=\"us\"}");
    same(&without_us, &world.ask(&others, when).unwrap(), &[]);

    world.parts[2] = Some(partition.rise());
    same(&all, &world.ask(&query(""), when).unwrap(), &[]);

    drop(world.parts[1].take());
    let gone = r#"partition {cluster="eu"} is missing: eu"#;
    same(&without_eu, &world.ask(&query(""), when).unwrap(), &[gone]);

    world.parts[0] = Some(replica.rise());
    same(&all, &world.ask(&query(""), when).unwrap(), &[]);
}
