//! Replicas of one partition: one that is behind is left alone, and gaps of one are filled with samples of the other.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use watchfire::labels::LabelSet;

use crate::{
    api::{self, When},
    data::Line,
    fake::{Asked, Fake, Told},
    node::Node,
    over::node_over,
    process::{SOON, wait_for},
    servers::{self, Server},
};

/// Unix seconds.
const NOW: i64 = 1_700_000_400;

fn start(place: &Path, (a, b): (&str, &str)) -> Node {
    let endpoint = |replica: &str, address: &str| {
        format!(
            "- {{name: {replica}, replica: {replica}, url: 'http://{address}', partition: {{cluster: eu}}}}\n"
        )
    };
    let text = format!("endpoints:\n{}{}", endpoint("a", a), endpoint("b", b));
    node_over(place, &text, &[])
}

/// A server whose newest sample is so old; seconds.
fn replica(value: f64, age: f64, dead: &Arc<AtomicBool>) -> Fake {
    let dead = Arc::clone(dead);
    Fake::prometheus("3.5.0", move |asked: &Asked| {
        if dead.load(SeqCst) {
            return Told::json(r#"{"status":"error","errorType":"internal","error":"dead"}"#);
        }
        if asked.query().contains("max(timestamp(up))") {
            let newest = asked.form["time"].parse::<f64>().unwrap() - age;
            let series = [(r#"{"__q__":"0"}"#, newest), (r#"{"__q__":"1"}"#, 15.0)];
            return Told::vector(asked, &series);
        }
        Told::vector(asked, &[("{}", value)])
    })
}

#[test]
fn a_replica_that_is_behind_is_asked_only_about_what_it_has() {
    let place = tempfile::tempdir().unwrap();
    let dead = Arc::<AtomicBool>::default();
    let a = replica(1.0, 300.0, &Arc::default());
    let b = replica(2.0, 1.0, &dead);
    let node = start(place.path(), (a.address(), b.address()));
    let base = node.url("/prometheus");
    let now = jiff::Timestamp::now().as_second();
    let ask = |time: i64| {
        let answer = api::ask(&base, "sum(x)", When::At(time)).unwrap();
        let value = answer.elements.values().next().map(|values| values[0].1);
        (value, answer.warnings)
    };
    // The first in the file, until it is known to be behind.
    wait_for("the replica that is not behind", SOON, || {
        (ask(now).0 == Some(2.0)).then_some(())
    });
    let before = a.count("sum(x)");
    assert_eq!(ask(now), (Some(2.0), Vec::new()));
    assert_eq!(a.count("sum(x)"), before);

    dead.store(true, SeqCst);
    let (value, warnings) = ask(now);
    assert_eq!(value, None, "the other one has no samples of now");
    assert!(warnings[0].contains("internal: dead"), "{warnings:?}");
    assert_eq!(ask(now - 600), (Some(1.0), Vec::new()));
}

fn line(without: impl Fn(i64) -> bool) -> Line {
    let times = (0..60).map(|at| (NOW - 885 + at * 15) * 1000 + 7);
    Line {
        labels: LabelSet::from_pairs([("__name__", "x_total"), ("job", "a")]),
        samples: times
            .filter(|time| !without(*time))
            .map(|time| (time, (time / 15_000 * 7) as f64))
            .collect(),
    }
}

#[test]
fn gaps_of_a_replica_are_filled_with_samples_of_the_other() {
    let Some(()) = servers::installed() else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let gap = |from: i64, to: i64| {
        move |time: i64| time > (NOW - from) * 1000 && time < (NOW - to) * 1000
    };
    let prometheus = |name: &str, line: Line| Server::prometheus(&place.path().join(name), &[line]);
    let a = prometheus("a", line(gap(200, 140)));
    let b = prometheus("b", line(gap(100, 60)));
    let whole = prometheus("whole", line(|_| false));
    let node = start(place.path(), (a.address(), b.address()));
    for query in ["rate(x_total[5m])", "sum(increase(x_total[4m]))"] {
        let expected = api::ask(&whole.url(""), query, When::At(NOW)).unwrap();
        let found = api::ask(&node.url("/prometheus"), query, When::At(NOW)).unwrap();
        assert_eq!(found.warnings, Vec::<String>::new(), "{query}");
        let values = |answer: &api::Answer| -> Vec<f64> {
            let values = answer.elements.values();
            values.map(|values| values[0].1).collect()
        };
        let (expected, found) = (values(&expected), values(&found));
        assert_eq!((expected.len(), found.len()), (1, 1), "{query}");
        let difference = (expected[0] - found[0]).abs();
        assert!(
            difference < 1e-9 * expected[0],
            "{query}: {expected:?} {found:?}"
        );
    }
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("query", "rate(x_total[5m])");
    form.append_pair("time", &NOW.to_string());
    let path = format!("/prometheus/api/v1/query/explain?{}", form.finish());
    let explained = node.get(&path).expect(200).json();
    let requests = explained["data"]["requests"].as_array().unwrap();
    let filled: Vec<_> = requests
        .iter()
        .filter(|one| one["filled"].as_u64() > Some(0))
        .map(|one| one["endpoint"].as_str().unwrap())
        .collect();
    assert_eq!(filled, ["b"], "{explained}");
}
