//! The deepest expressions that are taken need no more stack than any thread has, in builds that are not optimised too.

use std::{sync::Arc, thread};

use watchfire::{
    federation::{Dialect, Inquiry, Partition, PartitionMode, Pushdown, Recurring, Speech, World},
    labels::LabelSet,
    promql::{
        Samples, Series,
        ast::Expr,
        engine::{self, Options, Steps},
        parse::{Features, MAX_DEPTH, parse},
    },
};

use crate::subject::OPTIONS;

/// Half of what the threads of the runtime have.
const STACK: usize = 1024 * 1024;

const STEPS: Steps = Steps {
    start: 60_000,
    end: 180_000,
    step: 60_000,
};

/// What is repeated before and after the innermost expression, and by how many levels it is nested.
const NESTED: &[(&str, &str, &str, u32)] = &[
    ("(", "a", ")", 1),
    ("-", "a", "", 1),
    ("+", "a", "", 1),
    ("", "a", "+a", 1),
    ("", "a", " or a", 1),
    ("", "sort(a)", " > a", 1),
    ("a ^ ", "a", "", 1),
    ("a+(", "a", ")", 2),
    ("abs(", "a", ")", 1),
    ("sort(", "a", ")", 1),
    ("absent(", "a", ")", 1),
    ("info(", "a", ")", 1),
    ("sum(", "a", ")", 1),
    ("topk(1, ", "a", ")", 1),
    ("topk(scalar(", "a", "), a)", 2),
    ("count_values(\"x\", ", "a", ")", 1),
    ("label_replace(", "a", ", 'a', '$1', 'b', '(.*)')", 1),
    ("histogram_quantile(0.5, ", "a", ")", 1),
    ("vector(scalar(", "a", "))", 2),
    ("min_of(1, ", "1", ")", 1),
    ("max_over_time(", "a", "[1s:1s])", 2),
];

/// An expression of at most so many levels.
fn nested(&(before, inner, after, levels): &(&str, &str, &str, u32), most: u32) -> String {
    let count = (most.saturating_sub(3) / levels) as usize;
    format!("{}{inner}{}", before.repeat(count), after.repeat(count))
}

/// Durations that are computed, nested in one range.
fn duration(before: &str, inner: &str, after: &str, most: u32) -> String {
    let count = most.saturating_sub(3) as usize;
    format!(
        "rate(a[{}{inner}{}])",
        before.repeat(count),
        after.repeat(count)
    )
}

fn deepest() -> Vec<String> {
    let nested = NESTED.iter().map(|nest| nested(nest, MAX_DEPTH));
    let durations = [
        ("(", "5m", ")"),
        ("", "5m", " + 1"),
        ("1 ^ ", "1", ""),
        ("min_of(1, ", "1", ")"),
        ("-(", "-5m", ")"),
    ];
    let durations =
        durations.map(|(before, inner, after)| duration(before, inner, after, MAX_DEPTH / 2));
    nested.chain(durations).collect()
}

fn on_small_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let builder = thread::Builder::new().stack_size(STACK);
    builder.spawn(work).unwrap().join().unwrap()
}

fn world() -> World {
    let speech = Speech {
        dialect: Dialect::Prometheus3,
        mode: PartitionMode::Attach,
        pushdown: Pushdown::Aggregate,
    };
    let labels = |name: &str| LabelSet::from_pairs([("cluster", name)]);
    let partition = |name: &str| Partition::new(labels(name), speech);
    World {
        partitions: vec![partition("one"), partition("two")],
    }
}

fn evaluate(expr: &Expr, options: Options) {
    let prepared = engine::prepare(expr, STEPS, options).unwrap();
    let series = Series {
        labels: LabelSet::from_pairs([("__name__", "a"), ("job", "b")]),
        floats: Samples {
            times: (0..180).map(|second| second * 1000).collect(),
            values: vec![1.0; 180],
            starts: Vec::new(),
        },
        ..Series::default()
    };
    let data = vec![vec![series]; prepared.selections().len()];
    let outcome = prepared.evaluate(&data);
    assert!(outcome.is_ok(), "{:?}", outcome.err());
}

#[test]
fn the_deepest_expressions_need_little_stack() {
    let options = Options {
        delayed_name_removal: false,
        max_samples: 1_000_000,
        ..OPTIONS
    };
    for text in deepest() {
        on_small_stack(move || {
            let shown = &text[..text.len().min(30)];
            let expr =
                parse(&text, Features::all()).unwrap_or_else(|error| panic!("{shown}: {error}"));
            assert_eq!(expr, expr.clone());
            assert!(!expr.to_pretty().is_empty());
            assert!(parse(&expr.to_string(), Features::all()).is_ok(), "{shown}");
            evaluate(&expr, options);
            Inquiry::new(&expr, STEPS, options, &world()).unwrap();
            Inquiry::new(&expr, STEPS, options, &world().selectors_only()).unwrap();
            let recurring = Recurring::new(expr);
            let world = Arc::new(world());
            let plan = recurring.plan(Steps::instant(0), options, &world);
            assert!(plan.is_ok() && recurring.bytes() > 0, "{shown}");
        });
    }
}

#[test]
fn deeper_expressions_are_refused() {
    for nest in NESTED {
        let deeper = nested(nest, MAX_DEPTH + 2 * nest.3 + 3);
        on_small_stack(move || {
            let error = parse(&deeper, Features::all()).unwrap_err().to_string();
            let text = format!("the expression is nested deeper than {MAX_DEPTH} levels");
            assert!(error.contains(&text), "{error}");
        });
    }
}
