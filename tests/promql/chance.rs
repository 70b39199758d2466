//! Random expressions over random series, in federations and over all data at once.

use std::sync::Arc;

use watchfire::{
    federation::{Dialect, PartitionMode, Pushdown},
    labels::LabelSet,
    promql::{
        FloatHistogram, Point, STALE,
        engine::Steps,
        histogram::{BucketSpan, Buckets, CounterResetHint},
        parse::{Features, parse},
    },
};

use crate::{
    expressions::Chance,
    federated::{Divided, STABLE},
    storage::Stored,
};

/// Milliseconds between samples.
const INTERVAL: i64 = 15_000;

/// Samples every [`INTERVAL`], with gaps, stale markers, resets and values that are no numbers.
fn floats(chance: &mut Chance, counter: bool) -> Vec<Stored> {
    let mut value = 0.0;
    let mut samples = Vec::new();
    for at in 0..80 {
        if chance.one_in(9) {
            continue;
        }
        let next = chance.below(20);
        value = match (counter, next) {
            (true, 0) => 0.0,
            (true, next) => value + next as f64,
            // No two are the same, so that it is clear which are the largest.
            (false, next) => next as f64 + chance.below(1 << 40) as f64 / (1_u64 << 40) as f64,
        };
        let late = i64::from(chance.one_in(6)) * 3;
        let point = match chance.below(40) {
            0 => STALE,
            1 if !counter => f64::NAN,
            _ => value,
        };
        samples.push(Stored {
            time: at * INTERVAL + late,
            start: 0,
            point: Point::Float(point),
        });
    }
    samples
}

fn histograms(chance: &mut Chance) -> Vec<Stored> {
    let mut counts = [1.0, 2.0];
    let mut sum = 3.0;
    let mut samples = Vec::new();
    for at in 0..80 {
        for count in &mut counts {
            *count += chance.below(4) as f64;
        }
        sum += chance.below(9) as f64;
        let histogram = FloatHistogram {
            counter_reset_hint: CounterResetHint::Unknown,
            count: counts.iter().sum(),
            sum,
            positive: Buckets {
                spans: vec![BucketSpan {
                    offset: 0,
                    length: 2,
                }],
                counts: counts.to_vec(),
            },
            ..FloatHistogram::default()
        };
        samples.push(Stored {
            time: at * INTERVAL,
            start: 0,
            point: Point::Histogram(Arc::new(histogram)),
        });
    }
    samples
}

/// Makes series of random samples and adds them.
pub(crate) fn load(chance: &mut Chance, mut append: impl FnMut(&LabelSet, Vec<Stored>)) {
    let mut add = |name: &str, pairs: &[(&str, &str)], samples: Vec<Stored>| {
        let pairs = pairs.iter().copied().chain([("__name__", name)]);
        append(&LabelSet::from_pairs(pairs), samples);
    };
    for job in ["x", "y"] {
        for instance in ["1", "2", "3"] {
            for name in ["a", "b", "up"] {
                let samples = floats(chance, false);
                add(name, &[("job", job), ("instance", instance)], samples);
            }
            let samples = floats(chance, true);
            add("c_total", &[("job", job), ("instance", instance)], samples);
            for le in ["1", "5", "+Inf"] {
                let samples = floats(chance, true);
                add(
                    "h_bucket",
                    &[("job", job), ("instance", instance), ("le", le)],
                    samples,
                );
            }
        }
    }
    // A label that would hide that of the partition.
    add(
        "a",
        &[("job", "x"), ("shard", "own"), ("zone", "own")],
        floats(chance, false),
    );
    for instance in ["4", "5"] {
        let samples = histograms(chance);
        add("c_total", &[("job", "x"), ("instance", instance)], samples);
    }
}

fn worlds() -> Vec<Divided> {
    use Dialect::{Prometheus2, Prometheus3, VictoriaMetrics};
    use PartitionMode::{Attach, Present};
    use Pushdown::{Aggregate, Selector};
    let three = [Prometheus3; 3];
    let mixed = [Prometheus3, Prometheus2, VictoriaMetrics];
    vec![
        Divided::new("bare", three, Present, Aggregate, false).with(STABLE),
        Divided::new("attached", three, Attach, Aggregate, true),
        Divided::new("present", three, Present, Aggregate, true),
        Divided::new("zoned", three, Attach, Aggregate, true).zoned(),
        Divided::new("zoned and present", three, Present, Aggregate, true).zoned(),
        Divided::new("old", [Prometheus2; 3], Attach, Aggregate, true),
        Divided::new("mixed", mixed, Attach, Aggregate, true),
        Divided::new("selectors", mixed, Present, Selector, true),
        Divided::new("replicas", three, Attach, Aggregate, true).with_replicas(),
        Divided::new("zoned replicas", three, Attach, Aggregate, true)
            .zoned()
            .with_replicas(),
    ]
}

#[test]
fn random_expressions_are_the_same_in_federations() {
    let number = |name: &str, default: u64| {
        let text = std::env::var(name).ok();
        text.map_or(default, |text| text.parse().unwrap())
    };
    let (seed, many) = (
        number("FEDERATION_SEED", 1),
        number("FEDERATION_QUERIES", 300),
    );
    let mut chance = Chance::new(seed).naming(600);
    let mut worlds = worlds();
    for world in &mut worlds {
        load(&mut Chance::new(seed), |labels, samples| {
            world.append(labels, samples).unwrap();
        });
    }
    let (mut checked, mut wrong) = (0, Vec::new());
    for _ in 0..many {
        let depth = u32::try_from(chance.below(4)).unwrap();
        let query = chance.vector(depth);
        // Durations as numbers and the like are as the parser takes them; what it refuses is not asked.
        let Ok(expr) = parse(&query, Features::all()) else {
            continue;
        };
        let steps = if chance.one_in(2) {
            Steps::instant(600_000 + i64::try_from(chance.below(5)).unwrap() * INTERVAL)
        } else {
            Steps {
                start: 300_000,
                end: 900_000,
                step: 60_000,
            }
        };
        for world in &worlds {
            checked += 1;
            if let Err(why) = world.check(&expr, steps) {
                wrong.push(format!(
                    "{query} in the world {} at {steps:?}: {why}",
                    world.name()
                ));
            }
        }
    }
    for world in &worlds {
        println!("{}: {:?}", world.name(), world.counts());
    }
    println!("{} of {checked} are the same", checked - wrong.len());
    let shown: Vec<_> = wrong.iter().take(10).cloned().collect();
    assert!(
        wrong.is_empty(),
        "{} of {checked}:\n{}",
        wrong.len(),
        shown.join("\n\n")
    );
}
