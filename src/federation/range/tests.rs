//! What is kept, what is asked, and what goes first.

use super::*;
use crate::{
    labels::LabelSet,
    promql::{
        Annotations, Samples, Series, Span, Value,
        engine::{Options, Output, Steps},
        parse::{Features, parse},
    },
};

const OPTIONS: Options = Options {
    lookback: 300_000,
    subquery_step: 60_000,
    max_samples: 1000,
    delayed_name_removal: false,
    use_start_timestamps: false,
    type_and_unit_labels: false,
};

const STEP: i64 = 15_000;

/// All values are settled.
const LATER: i64 = i64::MAX / 4;

fn query_at(text: &str, start: i64, count: i64) -> RangeQuery {
    let steps = Steps {
        start,
        end: start + (count - 1) * STEP,
        step: STEP,
    };
    RangeQuery::new(&parse(text, Features::all()).unwrap(), steps, OPTIONS).unwrap()
}

/// `x` at these steps.
fn query(first: i64, count: i64) -> RangeQuery {
    query_at("x", first * STEP, count)
}

fn gap(first: i64, last: i64) -> Gap {
    Gap { first, last }
}

/// A result whose value at each step is the number of the step.
fn output(first: i64, last: i64, labels: &[&str]) -> Output {
    let series = labels.iter().map(|value| Series {
        labels: LabelSet::from_pairs([("a", value)]),
        floats: Samples {
            times: (first..=last).map(|step| step * STEP).collect(),
            values: (first..=last).map(|step| step as f64).collect(),
            starts: Vec::new(),
        },
        ..Series::default()
    });
    Output {
        value: Value::Matrix(series.collect()),
        annotations: Annotations::default(),
    }
}

/// What a query is planned to be: `k` for what is known, `a` for what is to be asked.
fn plan(cache: &mut RangeCache, query: &RangeQuery, split: i64) -> String {
    let parts = cache.plan(query, split);
    let shown = parts.iter().map(|part| match part {
        Planned::Kept(_, gap) => format!("k{}-{}", gap.first, gap.last),
        Planned::Asked(gap) => format!("a{}-{}", gap.first, gap.last),
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn keep(cache: &mut RangeCache, query: &RangeQuery, settled: i64) {
    let whole = gap(query.first, query.last);
    let blocks = cut(
        query,
        whole,
        &output(whole.first, whole.last, &["1"]),
        settled,
    );
    cache.keep(query, cache.epoch(), blocks);
}

#[test]
fn what_looks_ahead_settles_later_and_what_looks_around_never() {
    let settled = |text: &str| {
        let expr = parse(text, Features::all()).unwrap();
        Horizon::of(&expr).map(|horizon| horizon.settled(100_000))
    };
    for (text, expect) in [
        ("x", Some(Some(100_000))),
        ("rate(x[5m]) + sum(y)", Some(Some(100_000))),
        ("x offset 1m", Some(Some(100_000))),
        ("x offset -1m", Some(Some(40_000))),
        ("x offset -10s + y offset -30s", Some(Some(70_000))),
        ("sum_over_time(x[5m:1m] offset -1m)", Some(Some(40_000))),
        (
            "sum_over_time((x offset -10s)[5m:1m] offset -1m)",
            Some(Some(30_000)),
        ),
        (
            "sum_over_time((x offset -1m)[5m:1m] offset 1m)",
            Some(Some(100_000)),
        ),
        ("x @ 100", Some(Some(100_000))),
        ("x @ 100.001", Some(None)),
        ("x @ 130 offset 30s", Some(Some(100_000))),
        ("x @ 90 offset -11s", Some(None)),
        ("y + x @ 101", Some(None)),
        ("max_over_time((x offset -1m)[5m:1m] @ 50)", Some(None)),
        (
            "max_over_time((x offset -1m)[5m:1m] @ 40)",
            Some(Some(100_000)),
        ),
        ("timestamp(x) - time()", Some(Some(100_000))),
        ("scalar(x)", Some(Some(100_000))),
        ("x @ start()", None),
        ("rate(x[5m] @ end())", None),
        ("x + sum_over_time(y[5m:1m] @ end())", None),
        ("x * step()", None),
        ("x - start()", None),
        ("x / range()", None),
        ("rate(x[step()])", None),
        ("rate(x[5m:step()])", None),
        ("x offset step()", None),
        ("rate(x[5m] smoothed)", None),
        ("sort(x)", None),
        ("time()", None),
        ("vector(1)", None),
        ("x[5m]", None),
        ("\"x\"", None),
    ] {
        assert_eq!(settled(text), expect, "{text}");
    }
}

#[test]
fn queries_of_one_step_are_not_divided() {
    let expr = parse("x", Features::none()).unwrap();
    let new = |steps| RangeQuery::new(&expr, steps, OPTIONS).map(|query| query.count());
    assert_eq!(new(Steps::instant(0)), None);
    let steps = |end, step| Steps {
        start: 0,
        end,
        step,
    };
    assert_eq!(new(steps(10, 15)), None);
    assert_eq!(new(steps(30, 15)), Some(3));
}

#[test]
fn what_is_known_is_not_asked() {
    let mut cache = RangeCache::new(1 << 20);
    assert_eq!(plan(&mut cache, &query(100, 200), 0), "a100-299");
    keep(&mut cache, &query(100, 200), LATER);
    assert_eq!(
        plan(&mut cache, &query(100, 200), 0),
        "k100-119 k120-239 k240-299"
    );
    assert_eq!(
        plan(&mut cache, &query(110, 200), 0),
        "k110-119 k120-239 k240-299 a300-309"
    );
    assert_eq!(
        plan(&mut cache, &query(90, 60), 0),
        "a90-99 k100-119 k120-149"
    );
    // Other expressions, steps, phases, and places of the same expression are other queries.
    for other in [
        query_at("y", 100 * STEP, 200),
        query_at(" x", 100 * STEP, 200),
        query_at("x", 100 * STEP + 1, 200),
    ] {
        assert!(plan(&mut cache, &other, 0).starts_with('a'));
    }
    let counts = cache.counts();
    assert_eq!(
        (counts.known, counts.asked),
        (200 + 190 + 50, 200 + 10 + 10 + 600)
    );
    assert_eq!((counts.blocks, counts.evicted), (3, 0));
}

#[test]
fn only_what_is_settled_is_kept_and_grows() {
    let mut cache = RangeCache::new(1 << 20);
    keep(&mut cache, &query(0, 100), 50 * STEP + 1);
    assert_eq!(plan(&mut cache, &query(0, 100), 0), "k0-50 a51-99");
    keep(&mut cache, &query(51, 49), 60 * STEP);
    assert_eq!(plan(&mut cache, &query(0, 100), 0), "k0-60 a61-99");
    assert_eq!(cache.counts().blocks, 1);
    // Nothing is settled yet.
    keep(&mut cache, &query(61, 39), 60 * STEP);
    assert_eq!(plan(&mut cache, &query(0, 100), 0), "k0-60 a61-99");
    // What does not touch is another stretch, of which the last one stays.
    keep(&mut cache, &query(90, 10), LATER);
    assert_eq!(plan(&mut cache, &query(0, 100), 0), "a0-89 k90-99");
}

#[test]
fn warnings_and_counts_are_not_kept_and_remarks_are() {
    let query = query(0, 10);
    let mut warned = output(0, 9, &["1"]);
    warned.annotations.warn(Span::default(), "odd");
    assert!(cut(&query, gap(0, 9), &warned, LATER).is_empty());
    let mut noted = output(0, 9, &["1"]);
    noted.annotations.info(Span::new(1, 2), "perhaps");
    let blocks = cut(&query, gap(0, 9), &noted, LATER);
    let mut cache = RangeCache::new(1 << 20);
    cache.keep(&query, 0, blocks);
    let parts = cache.plan(&query, 0);
    let parts = parts.into_iter().map(|part| match part {
        Planned::Kept(block, gap) => Part::Kept(block, gap),
        Planned::Asked(_) => panic!("it is known"),
    });
    assert_eq!(assemble(&query, parts.collect()), noted);
}

#[test]
fn long_ones_are_split_where_the_time_says() {
    let mut cache = RangeCache::new(1 << 20);
    // Ten steps: 150 s.
    let split = 10 * STEP;
    assert_eq!(
        plan(&mut cache, &query(3, 30), split),
        "a3-9 a10-19 a20-29 a30-32"
    );
    assert_eq!(plan(&mut cache, &query(0, 10), split), "a0-9");
    // Steps that are further apart than the pieces are not cut finer.
    assert_eq!(plan(&mut cache, &query(0, 3), STEP / 2), "a0-0 a1-1 a2-2");
    assert_eq!(plan(&mut cache, &query(-15, 10), split), "a-15--11 a-10--6");
}

#[test]
fn what_was_not_used_for_longest_goes_first() {
    let mut cache = RangeCache::new(1 << 20);
    keep(&mut cache, &query(0, 120), LATER);
    let one = usize::try_from(cache.counts().bytes).unwrap();
    cache.reset(one * 3 + one / 2);
    for block in 0..3 {
        keep(&mut cache, &query(block * 120, 120), LATER);
    }
    plan(&mut cache, &query(0, 120), 0);
    keep(&mut cache, &query(360, 120), LATER);
    assert_eq!(
        plan(&mut cache, &query(0, 480), 0),
        "k0-119 a120-239 k240-359 k360-479"
    );
    assert_eq!(cache.counts().evicted, 1);
    // One that would need all the room is not kept.
    keep(&mut cache, &query(1200, 240), LATER);
    assert_eq!(cache.counts().blocks, 3);
    cache.reset(0);
    keep(&mut cache, &query(0, 120), LATER);
    assert_eq!((cache.counts().blocks, cache.counts().bytes), (0, 0));
}

#[test]
fn what_was_asked_before_a_change_is_not_kept_after_it() {
    let mut cache = RangeCache::new(1 << 20);
    let query = query(0, 10);
    let epoch = cache.epoch();
    let blocks = cut(&query, gap(0, 9), &output(0, 9, &["1"]), LATER);
    cache.reset(1 << 20);
    cache.keep(&query, epoch, blocks);
    assert_eq!(cache.counts().blocks, 0);
}

#[test]
fn many_holes_are_asked_as_few() {
    let mut cache = RangeCache::new(1 << 20);
    for block in 0..8 {
        // Longer and longer ones.
        keep(&mut cache, &query(block * 120, 20 + block * 10), LATER);
    }
    assert_eq!(
        plan(&mut cache, &query(0, 960), 0),
        "a0-599 k600-669 a670-719 k720-799 a800-839 k840-929 a930-959"
    );
}

#[test]
fn series_that_come_and_go_are_put_together() {
    let query = query(0, 300);
    let mut cache = RangeCache::new(1 << 20);
    let early = cut(&query, gap(0, 99), &output(0, 99, &["1", "3"]), LATER);
    cache.keep(&query, 0, early);
    let late = cut(&query, gap(100, 199), &output(100, 199, &["2", "3"]), LATER);
    cache.keep(&query, 0, late);
    let mut parts = Vec::new();
    for part in cache.plan(&query, 0) {
        parts.push(match part {
            Planned::Kept(block, gap) => Part::Kept(block, gap),
            Planned::Asked(gap) => Part::Asked(output(gap.first, gap.last, &["0", "3"])),
        });
    }
    let Value::Matrix(series) = assemble(&query, parts).value else {
        panic!("a matrix")
    };
    let shown: Vec<_> = series
        .iter()
        .map(|one| {
            let times = &one.floats.times;
            let ends = (times[0] / STEP, times[times.len() - 1] / STEP);
            (one.labels.value("a").to_owned(), times.len(), ends)
        })
        .collect();
    let expect = [
        ("0", 100, (200, 299)),
        ("1", 100, (0, 99)),
        ("2", 100, (100, 199)),
        ("3", 300, (0, 299)),
    ];
    assert_eq!(
        shown,
        expect.map(|(name, count, ends)| (name.to_owned(), count, ends))
    );
    let third = &series[3].floats.values;
    assert!(third.is_sorted() && third.len() == 300);
}
