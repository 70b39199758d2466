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
    federated::{Divided, STABLE},
    storage::Stored,
};

/// Milliseconds between samples.
const INTERVAL: i64 = 15_000;

/// Numbers that follow from the one they start with.
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }

    pub(crate) fn one_in(&mut self, many: u64) -> bool {
        self.below(many) == 0
    }

    pub(crate) fn of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    /// An expression whose value is an instant vector.
    fn vector(&mut self, depth: u32) -> String {
        if depth == 0 {
            return self.selector();
        }
        match self.below(12) {
            0 | 1 => self.selector(),
            2 | 3 => self.over_window(depth),
            4..=6 => self.aggregate(depth),
            7..=9 => self.binary(depth),
            _ => self.of_vector(depth),
        }
    }

    fn selector(&mut self) -> String {
        let name = self.of(&["a", "b", "c_total", "h_bucket", "up"]);
        let matchers = self.of(&[
            "",
            "",
            "",
            "",
            "{job=\"x\"}",
            "{job!=\"y\"}",
            "{instance=~\"1|2\"}",
            "{shard=\"s1\"}",
            "{shard!=\"s2\"}",
            "{shard=~\"s0|s1\",job=\"x\"}",
            "{le=\"1\"}",
            "{shard=\"none\"}",
            "{zone=\"z\"}",
            "{zone=\"\"}",
        ]);
        let shift = self.of(&[
            "",
            "",
            "",
            "",
            "",
            " offset 1m",
            " offset -30s",
            " @ 600",
            " @ start()",
        ]);
        format!("{name}{matchers}{shift}")
    }

    fn window(&mut self, depth: u32) -> String {
        if self.one_in(4) {
            let inner = self.vector(depth - 1);
            let step = self.of(&["", "30s", "1m", "45s"]);
            return format!("({inner})[5m:{step}]");
        }
        let name = self.of(&["a", "b", "c_total", "h_bucket"]);
        let matchers = self.of(&[
            "",
            "",
            "{job=\"x\"}",
            "{shard=\"s0\"}",
            "{shard=~\"s[12]\"}",
        ]);
        let range = self.of(&["1m", "2m", "5m", "15s"]);
        let shift = self.of(&["", "", "", " offset 1m", " @ 600"]);
        format!("{name}{matchers}[{range}]{shift}")
    }

    fn over_window(&mut self, depth: u32) -> String {
        let function = self.of(&[
            "rate",
            "rate",
            "increase",
            "delta",
            "irate",
            "idelta",
            "changes",
            "resets",
            "deriv",
            "sum_over_time",
            "avg_over_time",
            "max_over_time",
            "min_over_time",
            "count_over_time",
            "last_over_time",
            "present_over_time",
            "stddev_over_time",
            "absent_over_time",
            "first_over_time",
        ]);
        let window = self.window(depth);
        match self.below(12) {
            0 => format!("quantile_over_time(0.7, {window})"),
            1 => format!("predict_linear({window}, 60)"),
            _ => format!("{function}({window})"),
        }
    }

    fn labels(&mut self) -> &'static str {
        self.of(&[
            "",
            "job",
            "instance",
            "shard",
            "job, shard",
            "job, instance",
            "le",
            "le, shard",
            "zone",
            "zone, job",
            "zone, shard",
        ])
    }

    fn aggregate(&mut self, depth: u32) -> String {
        let inner = self.vector(depth - 1);
        let labels = self.labels();
        let grouping = match self.below(4) {
            0 => String::new(),
            1 => format!(" without ({labels})"),
            _ => format!(" by ({labels})"),
        };
        match self.below(14) {
            0 => format!("topk{grouping} (2, {inner})"),
            1 => format!("bottomk{grouping} (1, {inner})"),
            2 => format!("quantile{grouping} (0.3, {inner})"),
            3 => format!(
                "count_values{grouping} (\"{}\", ceil({inner}))",
                self.of(&["v", "job", "shard", "zone"])
            ),
            4 => format!("topk{grouping} (scalar({}), {inner})", self.selector()),
            5 => format!("stddev{grouping} ({inner})"),
            6 => format!("stdvar{grouping} ({inner})"),
            _ => {
                let op = self.of(&["sum", "sum", "min", "max", "count", "avg", "avg", "group"]);
                format!("{op}{grouping} ({inner})")
            }
        }
    }

    fn binary(&mut self, depth: u32) -> String {
        let lhs = self.vector(depth - 1);
        if self.one_in(3) {
            let op = self.of(&["+", "*", ">", "<= bool", "==", "%", "/"]);
            let scalar = self.of(&[
                "2",
                "0",
                "(1 + 1)",
                "time()",
                "scalar(a{job=\"x\"})",
                "scalar(sum(a{shard=\"s1\"}))",
                "1m",
            ]);
            return if self.one_in(2) {
                format!("({lhs}) {op} {scalar}")
            } else {
                format!("{scalar} {op} ({lhs})")
            };
        }
        let rhs = match self.below(6) {
            0 => "vector(1)".to_owned(),
            1 => "hour()".to_owned(),
            _ => self.vector(depth - 1),
        };
        let labels = self.labels();
        let on = match self.below(4) {
            0 => format!("on ({labels})"),
            1 => format!("ignoring ({labels})"),
            _ => String::new(),
        };
        let (op, group) = if self.one_in(2) {
            (self.of(&["and", "or", "unless"]), "")
        } else {
            let group = self.of(&["group_left", "group_right ()", "group_left (shard)"]);
            let grouped = !on.is_empty() && self.one_in(2);
            (
                self.of(&["+", "-", "/", ">", "== bool"]),
                if grouped { group } else { "" },
            )
        };
        format!("({lhs}) {op} {on} {group} ({rhs})")
    }

    fn of_vector(&mut self, depth: u32) -> String {
        let inner = self.vector(depth - 1);
        match self.below(14) {
            0 => format!("absent({inner})"),
            1 => format!("vector(scalar({inner}))"),
            2 => format!("label_replace({inner}, \"dst\", \"$1\", \"instance\", \"(.*)\")"),
            3 => format!("label_replace({inner}, \"shard\", \"$1\", \"job\", \"(.*)\")"),
            4 => format!("label_join({inner}, \"dst\", \"-\", \"shard\", \"job\")"),
            5 => format!("histogram_quantile(0.9, {inner})"),
            6 => format!("sort({inner})"),
            7 => format!("-({inner})"),
            8 => format!("clamp({inner}, 1, 20)"),
            9 => format!("timestamp({})", self.selector()),
            10 => "histogram_quantile(0.5, sum by (le) (rate(h_bucket[2m])))".to_owned(),
            11 => format!("absent({})", self.selector()),
            _ => format!(
                "{}({inner})",
                self.of(&["abs", "ceil", "sgn", "exp", "timestamp", "hour"])
            ),
        }
    }

    /// Samples every [`INTERVAL`], with gaps, stale markers, resets and values that are no numbers.
    fn samples(&mut self, counter: bool) -> Vec<Stored> {
        let mut value = 0.0;
        let mut samples = Vec::new();
        for at in 0..80 {
            if self.one_in(9) {
                continue;
            }
            let next = self.below(20);
            value = match (counter, next) {
                (true, 0) => 0.0,
                (true, next) => value + next as f64,
                // No two are the same, so that it is clear which are the largest.
                (false, next) => next as f64 + self.below(1 << 40) as f64 / (1_u64 << 40) as f64,
            };
            let late = i64::from(self.one_in(6)) * 3;
            let point = match self.below(40) {
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

    fn histograms(&mut self) -> Vec<Stored> {
        let mut counts = [1.0, 2.0];
        let mut sum = 3.0;
        let mut samples = Vec::new();
        for at in 0..80 {
            for count in &mut counts {
                *count += self.below(4) as f64;
            }
            sum += self.below(9) as f64;
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
}

fn load(divided: &mut Divided, chance: &mut Chance) {
    let mut add = |name: &str, pairs: &[(&str, &str)], samples: Vec<Stored>| {
        let pairs = pairs.iter().copied().chain([("__name__", name)]);
        divided
            .append(&LabelSet::from_pairs(pairs), samples)
            .unwrap();
    };
    for job in ["x", "y"] {
        for instance in ["1", "2", "3"] {
            for name in ["a", "b", "up"] {
                let samples = chance.samples(false);
                add(name, &[("job", job), ("instance", instance)], samples);
            }
            let samples = chance.samples(true);
            add("c_total", &[("job", job), ("instance", instance)], samples);
            for le in ["1", "5", "+Inf"] {
                let samples = chance.samples(true);
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
        chance.samples(false),
    );
    for instance in ["4", "5"] {
        let samples = chance.histograms();
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
    let mut chance = Chance(seed);
    let mut worlds = worlds();
    for world in &mut worlds {
        load(world, &mut Chance(seed));
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
