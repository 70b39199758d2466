//! Queries that would take all memory or all time end with an error that says of what they take too much.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering::Relaxed},
};

use watchfire::{
    labels::LabelSet,
    promql::{
        Samples, Series, Value,
        engine::{EvalError, Options, Output, Steps, Stop, prepare},
        parse::{Features, parse},
    },
};

use crate::federated::STABLE;

const STEPS: &str = "in memory: ask for fewer series, a shorter range or a longer step";
const TEXT: &str = "too much text in the labels";
const LABEL: &str = "a label of more than";
const SAMPLES: &str = "too many samples";

/// A hundred minutes.
const RANGE: Steps = Steps {
    start: 0,
    end: 6_000_000,
    step: 60_000,
};

/// So many series of a sample a minute, each with values of its own.
fn series(name: &str, many: usize, minutes: std::ops::Range<i64>) -> Vec<Series> {
    let one = |number: usize| Series {
        labels: LabelSet::from_pairs([
            ("__name__", name),
            ("group", "g"),
            ("number", &number.to_string()),
        ]),
        floats: Samples {
            times: minutes.clone().map(|minute| minute * 60_000).collect(),
            values: minutes
                .clone()
                .map(|minute| (number as f64).mul_add(1e4, minute as f64))
                .collect(),
            starts: Vec::new(),
        },
        ..Series::default()
    };
    (0..many).map(one).collect()
}

fn run(
    query: &str,
    steps: Steps,
    max_samples: usize,
    data: &[Series],
) -> Result<Output, EvalError> {
    let options = Options {
        max_samples,
        ..STABLE
    };
    let expr = parse(query, Features::all()).unwrap_or_else(|error| panic!("{query}: {error}"));
    let prepared = prepare(&expr, steps, options)?;
    let selections = prepared.selections().iter();
    let data: Vec<Vec<Series>> = selections
        .map(|selection| {
            let matches = |series: &&Series| {
                selection
                    .matchers
                    .iter()
                    .all(|matcher| matcher.matches(&series.labels))
            };
            data.iter().filter(matches).cloned().collect()
        })
        .collect();
    prepared.evaluate(&data)
}

#[track_caller]
fn refused(query: &str, steps: Steps, why: &str) {
    let data = series("x", 200, 0..100);
    match run(query, steps, 10_000, &data) {
        Ok(output) => panic!("{query} yields {:?}", output.annotations),
        Err(error) => assert!(error.to_string().contains(why), "{query}: {error}"),
    }
}

#[test]
fn too_many_steps_are_refused_before_they_are_made() {
    let now = Steps::instant(6_000_000);
    refused("max_over_time(vector(1)[100y:1ms])", now, STEPS);
    refused("vector(1)[100y:1ms]", now, STEPS);
    refused("sum(rate(x[5m])) + max_over_time(x[1h:1ms])", now, STEPS);
    let endless = Steps {
        start: 0,
        end: i64::MAX / 2,
        step: 1,
    };
    for query in [
        "1",
        "vector(1)",
        "x",
        "hour()",
        "x @ 0",
        "absent(x)",
        "rate(x[5m])",
        "timestamp(x)",
    ] {
        refused(query, endless, STEPS);
    }
}

#[test]
fn too_many_series_are_refused() {
    for query in [
        "x @ 60",
        "x",
        "x smoothed",
        "rate(x[5m])",
        "timestamp(x)",
        "label_replace(x @ 60, \"a\", \"\", \"\", \"\")",
    ] {
        refused(query, RANGE, STEPS);
    }
    refused("x[100m]", Steps::instant(6_000_000), SAMPLES);
    // Each value of each series would be a series of its own.
    refused("count_values(\"v\", x{number=~\".\"})", RANGE, STEPS);
}

#[test]
fn labels_do_not_grow_without_end() {
    let now = Steps::instant(0);
    let doubled = (0..60).fold("x{number=\"1\"}".to_owned(), |inner, _| {
        format!("label_replace({inner}, \"group\", \"$1$1\", \"group\", \"(.*)\")")
    });
    refused(&doubled, now, TEXT);
    let joined = (0..60).fold("x{number=\"1\"}".to_owned(), |inner, _| {
        format!("label_join({inner}, \"group\", \"\", \"group\", \"group\")")
    });
    refused(&joined, now, TEXT);
    let long = "$1".repeat(20_000);
    let wide = format!(
        "label_replace(label_join(x, \"a\", \"{}\", \"group\", \"group\"), \"b\", \"{long}\", \"a\", \"(.*)\")",
        "s".repeat(100)
    );
    refused(&wide, now, LABEL);
    let separator = "s".repeat(30_000);
    refused(
        &format!("label_join(x, \"a\", \"{separator}\", \"group\", \"group\")"),
        now,
        TEXT,
    );
}

#[test]
fn regular_expressions_are_bounded_together() {
    for part in ["a=~\"\\\\pL{30}\"", "a=~\"(?i:[a-zé]{40})x?\""] {
        let query = format!("x{{{}}}", vec![part; 2_000].join(","));
        let error = parse(&query, Features::none()).unwrap_err().to_string();
        assert!(
            error.contains("regular expressions of the query are too large together"),
            "{error}"
        );
    }
    let usual = format!("x{{{}}}", vec!["a=~\"(web|db)-[0-9]+.*\""; 2_000].join(","));
    assert!(parse(&usual, Features::none()).is_ok());
}

/// Pods come and go: of a group there are many on both sides, but on one side one at a time.
#[test]
fn series_that_take_turns_take_little_room() {
    let mut data = series("many", 100, 0..100);
    for turn in 0..100 {
        let mut one = series("one", 1, turn..turn + 1);
        one[0].labels = LabelSet::from_pairs([
            ("__name__", "one"),
            ("group", "g"),
            ("turn", &turn.to_string()),
        ]);
        one[0].floats.times.push(turn * 60_000 + 1);
        one[0].floats.values.push(watchfire::promql::STALE);
        data.append(&mut one);
    }
    for query in [
        "many * on (group) group_left () one",
        "one + on (group) group_right () many",
    ] {
        let output = run(query, RANGE, 50_000, &data).unwrap();
        match output.value {
            Value::Matrix(rows) => assert_eq!(rows.len(), 100),
            other @ (Value::Scalar { .. } | Value::String { .. } | Value::Vector(_)) => {
                panic!("{other:?}")
            }
        }
    }
    let error = run(
        "many * on (group) group_left (turn) one",
        RANGE,
        50_000,
        &data,
    )
    .unwrap_err();
    assert!(error.to_string().contains(STEPS), "{error}");
}

/// One window may take as long as thousands.
#[test]
fn long_windows_can_be_given_up() {
    let data = vec![series("x", 1, 0..20_000)];
    let options = Options {
        max_samples: 1_000_000,
        ..STABLE
    };
    let steps = Steps {
        start: 1_200_000_000 - 60_000_000,
        end: 1_200_000_000,
        step: 60_000,
    };
    for query in [
        "quantile_over_time(0.5, x[20000m])",
        "irate(x[20000m])",
        "count_over_time(x[20000m])",
    ] {
        let expr = parse(query, Features::all()).unwrap();
        let mut prepared = prepare(&expr, steps, options).unwrap();
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        prepared.stop_when(Stop::when(move || count.fetch_add(1, Relaxed) == 20));
        assert_eq!(prepared.evaluate(&data), Err(EvalError::Stopped), "{query}");
    }
}
