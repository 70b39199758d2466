//! Queries of many times in parts, of which some are kept, and the same queries at once.

use std::collections::BTreeSet;

use watchfire::{
    federation::{Gap, Part, Planned, RangeCache, RangeQuery, assemble, cut},
    labels::LabelSet,
    promql::{
        Point, Series, Severity, Together,
        ast::Expr,
        engine::{Options, Output, Steps, prepare},
        parse::{Features, parse},
    },
};

use crate::{
    chance::load,
    expressions::Chance,
    storage::{Storage, Stored},
};

/// Milliseconds that a sample may be late.
const LATEST: u64 = 90_000;

/// Values of samples that may be late no longer are kept.
const MIN_AGE: i64 = 90_000;

const OPTIONS: Options = Options {
    lookback: 5 * 60 * 1000,
    subquery_step: 60 * 1000,
    max_samples: 1_000_000,
    delayed_name_removal: false,
    use_start_timestamps: false,
    type_and_unit_labels: false,
};

/// Samples that arrive late, in the order in which they were taken.
struct Arriving {
    series: Vec<(LabelSet, Vec<(i64, Stored)>)>,
}

impl Arriving {
    fn new(seed: u64) -> Self {
        let mut series = Vec::new();
        let mut late = Chance::new(seed ^ 0xface);
        load(&mut Chance::new(seed), |labels, samples| {
            let arrive = |sample: Stored| {
                let late = i64::try_from(late.below(LATEST)).unwrap();
                (sample.time + late, sample)
            };
            series.push((labels.clone(), samples.into_iter().map(arrive).collect()));
        });
        Self { series }
    }

    /// What is there at a time.
    fn at(&self, now: i64) -> Storage {
        let mut storage = Storage::default();
        for (labels, samples) in &self.series {
            let there = samples.iter().filter(|(arrival, _)| *arrival < now);
            let there = there.map(|(_, sample)| sample.clone()).collect();
            storage.append(labels, there).unwrap();
        }
        storage
    }
}

fn evaluate(storage: &Storage, expr: &Expr, steps: Steps) -> Result<Output, String> {
    let prepared = prepare(expr, steps, OPTIONS).map_err(|error| error.to_string())?;
    let selections = prepared.selections().iter();
    let data: Vec<Vec<Series>> = selections.map(|one| storage.select(one)).collect();
    prepared.evaluate(&data).map_err(|error| error.to_string())
}

/// What was asked, in steps.
#[derive(Default)]
struct Cost {
    asked: u64,
    all: u64,
}

/// Answers a query in parts, as the shell does.
fn in_parts(
    cache: &mut RangeCache,
    storage: &Storage,
    expr: &Expr,
    query: &RangeQuery,
    (now, split): (i64, i64),
    cost: &mut Cost,
) -> Result<Output, String> {
    let mut parts = Vec::new();
    let mut asked: Vec<(Gap, Output)> = Vec::new();
    for part in cache.plan(query, split) {
        parts.push(match part {
            Planned::Kept(block, gap) => Part::Kept(block, gap),
            Planned::Asked(gap) => {
                cost.asked += gap.count();
                let output = evaluate(storage, expr, query.steps(gap))?;
                asked.push((gap, output.clone()));
                Part::Asked(output)
            }
        });
    }
    cost.all += query.count();
    for (gap, output) in asked {
        let blocks = cut(query, gap, &output, now - MIN_AGE);
        cache.keep(query, cache.epoch(), blocks);
    }
    Ok(assemble(query, parts))
}

/// Warnings and what counts steps, and other remarks: what is only worth a look may be about a neighbouring step. The
/// counts are left out, since windows of values reach into the part before and count there as well.
fn remarks(output: &Output, text: &str) -> (Vec<String>, BTreeSet<String>) {
    let of = |severity: Severity| {
        let all = output.annotations.iter();
        all.filter(move |note| note.severity == severity)
    };
    let exact = of(Severity::Info).filter(|note| note.together != Together::Nothing);
    let exact = of(Severity::Warning).chain(exact);
    (
        exact
            .map(|note| format!("{} {:?}", note.text, note.span))
            .collect(),
        of(Severity::Info)
            .filter(|note| note.together == Together::Nothing)
            .map(|note| note.to_text(text))
            .collect(),
    )
}

/// A window of a dashboard that moves on, is made longer, is looked at again.
fn steps(chance: &mut Chance, now: i64) -> Steps {
    let step = if chance.one_in(6) { 40_000 } else { 15_000 };
    let below = |chance: &mut Chance, limit: i64| {
        i64::try_from(chance.below(u64::try_from(limit).unwrap())).unwrap()
    };
    let phase = if chance.one_in(8) { 7_000 } else { 0 };
    let end = if chance.one_in(3) {
        below(chance, now + 60_000)
    } else {
        now
    };
    let start = end - below(chance, 900_000);
    let align = |time: i64| (time - phase).div_euclid(step) * step + phase;
    Steps {
        start: align(start),
        end: align(end),
        step,
    }
}

#[test]
fn random_queries_in_parts_are_the_same_as_at_once() {
    let number = |name: &str, default: u64| {
        let text = std::env::var(name).ok();
        text.map_or(default, |text| text.parse().unwrap())
    };
    let (seed, many) = (number("RANGES_SEED", 1), number("RANGES_QUERIES", 150));
    let mut chance = Chance::new(seed);
    let arriving = Arriving::new(seed);
    let (mut checked, mut failed, mut cost) = (0, 0, Cost::default());
    let mut wrong = Vec::new();
    let mut evicted = 0;
    for _ in 0..many {
        let depth = u32::try_from(chance.below(4)).unwrap();
        let text = chance.vector(depth);
        let Ok(expr) = parse(&text, Features::all()) else {
            continue;
        };
        let room = if chance.one_in(3) { 4_000 } else { 1 << 20 };
        let mut cache = RangeCache::new(room);
        let mut seen = BTreeSet::new();
        let mut now = 300_000;
        for _ in 0..16 {
            now += i64::try_from(chance.below(60_000)).unwrap();
            let storage = arriving.at(now);
            let steps = steps(&mut chance, now);
            let Some(query) = RangeQuery::new(&expr, steps, OPTIONS) else {
                continue;
            };
            let split = [0, 0, 300_000][usize::try_from(chance.below(3)).unwrap()];
            let expect = evaluate(&storage, &expr, steps);
            let found = in_parts(&mut cache, &storage, &expr, &query, (now, split), &mut cost);
            checked += 1;
            let same = match (&expect, &found) {
                (Ok(expect), Ok(found)) => {
                    let (warnings, infos) = remarks(expect, &text);
                    let (found_warnings, found_infos) = remarks(found, &text);
                    seen.extend(infos.iter().cloned());
                    // Numbers that are none are equal as well.
                    format!("{:?}", expect.value) == format!("{:?}", found.value)
                        && warnings == found_warnings
                        && infos.is_subset(&found_infos)
                        && found_infos.is_subset(&seen)
                }
                // What is wrong at one step is wrong in its part.
                (Err(_), Err(_)) => {
                    failed += 1;
                    true
                }
                (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
            };
            if !same {
                let shown = |result: &Result<Output, String>| {
                    format!("{result:?}").chars().take(2000).collect::<String>()
                };
                wrong.push(format!(
                    "{text} at {steps:?} now {now}:\n  {}\n  {}",
                    shown(&expect),
                    shown(&found)
                ));
            }
        }
        evicted += cache.counts().evicted;
    }
    println!(
        "{checked} queries, {failed} without a value, {} of {} steps asked, {evicted} blocks evicted",
        cost.asked, cost.all
    );
    let shown: Vec<_> = wrong.iter().take(3).cloned().collect();
    assert!(
        wrong.is_empty(),
        "{} of {checked}:\n{}",
        wrong.len(),
        shown.join("\n\n")
    );
    assert!(cost.asked * 3 < cost.all * 2 && evicted > 0);
}

/// What is stored is what is counted: numbers take nine bytes, labels are there once per block.
#[test]
fn a_block_of_one_series_takes_little() {
    let expr = parse("a", Features::none()).unwrap();
    let mut storage = Storage::default();
    let samples = (0..480).map(|at| Stored {
        time: at * 15_000,
        start: 0,
        point: Point::Float(1.0),
    });
    let labels = LabelSet::from_pairs([("__name__", "a"), ("job", "x")]);
    storage.append(&labels, samples.collect()).unwrap();
    let steps = Steps {
        start: 0,
        end: 479 * 15_000,
        step: 15_000,
    };
    let query = RangeQuery::new(&expr, steps, OPTIONS).unwrap();
    let mut cache = RangeCache::new(1 << 20);
    let parts = (i64::MAX / 4, 0);
    in_parts(
        &mut cache,
        &storage,
        &expr,
        &query,
        parts,
        &mut Cost::default(),
    )
    .unwrap();
    let bytes = cache.counts().bytes;
    assert!((480 * 9..480 * 16).contains(&bytes), "{bytes}");
}
