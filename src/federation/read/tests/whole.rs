//! What a real Prometheus answers.

use super::{
    recorded::{FLOAT_CHUNKS, HISTOGRAM_CHUNKS, START},
    *,
};
use crate::promql::{
    histogram::{BucketSpan, CounterResetHint},
    is_stale,
};

#[test]
fn numbers_and_the_mark_of_an_end() {
    let none = LabelSet::empty();
    let all = read_chunks(FLOAT_CHUNKS, reading(&none)).unwrap();
    assert_eq!(
        labels(&all),
        [
            r#"{__name__="x", cluster="own", job="b", prometheus="a"}"#,
            r#"{__name__="x", cluster="eu", job="a", prometheus="a"}"#,
        ]
    );
    let first = &all[1].floats;
    let expect = [
        (0, 0.0),
        (15_000, 1.0),
        (30_000, 1.5),
        (45_001, -7.25),
        (60_000, f64::INFINITY),
        (75_000, 1e300),
        (90_000, 0.1),
    ];
    for (at, (time, value)) in expect.into_iter().enumerate() {
        assert_eq!((first.times[at] - START, first.values[at]), (time, value));
    }
    assert_eq!(first.times[7] - START, 105_000);
    assert!(is_stale(first.values[7]));
    assert_eq!((first.times[8] - START, first.values[8]), (400_000, 3.0));
    assert_eq!(first.times.len(), 9);

    let squares = &all[0].floats;
    assert_eq!(squares.times.len(), 150);
    for (number, (time, value)) in squares.times.iter().zip(&squares.values).enumerate() {
        let number = u32::try_from(number).unwrap();
        assert_eq!(time - START, i64::from(number) * 1000);
        assert_eq!(*value, f64::from(number * number));
    }
}

#[test]
fn only_the_samples_of_the_window_are_taken() {
    let none = LabelSet::empty();
    let stream = FLOAT_CHUNKS;
    let window = Reading {
        from: START + 15_000,
        to: START + 60_000,
        max_samples: 48,
        ..reading(&none)
    };
    let all = read_chunks(stream, window).unwrap();
    assert_eq!(all[1].floats.values, [1.5, -7.25, f64::INFINITY]);
    assert_eq!(all[0].floats.times.len(), 45);
    let fewer = Reading {
        max_samples: 47,
        ..window
    };
    let refused = read_chunks(stream, fewer);
    assert_eq!(refused, Err(Malformed::TooManySamples(47)));
    let later = Reading {
        from: START + 150_000,
        to: START + 300_000,
        ..window
    };
    assert_eq!(read_chunks(stream, later), Ok(Vec::new()));
}

#[test]
fn labels_that_the_server_adds_are_taken_away() {
    let (external, stream) = (external(), FLOAT_CHUNKS);
    let all = read_chunks(stream, reading(&external)).unwrap();
    assert_eq!(
        labels(&all),
        [
            r#"{__name__="x", cluster="own", job="b"}"#,
            r#"{__name__="x", job="a"}"#
        ]
    );
    // Whoever asks for series that have the label gets those that have it themselves.
    for (selector, expect) in [
        (
            r#"x{prometheus="a"}"#,
            r#"{__name__="x", job="a", prometheus="a"}"#,
        ),
        (r#"x{prometheus!="b"}"#, r#"{__name__="x", job="a"}"#),
        (r#"x{prometheus=~"a|"}"#, r#"{__name__="x", job="a"}"#),
    ] {
        let matchers = matchers(selector);
        let asked = Reading {
            matchers: &matchers,
            ..reading(&external)
        };
        let all = read_chunks(stream, asked).unwrap();
        assert_eq!(labels(&all)[1], expect, "{selector}");
    }
}

#[test]
fn native_histograms_are_whole() {
    let external = external();
    let all = read_chunks(HISTOGRAM_CHUNKS, reading(&external)).unwrap();
    assert_eq!(
        labels(&all),
        [r#"{__name__="h", job="a"}"#, r#"{__name__="h", job="f"}"#]
    );
    let times = |at: usize| -> Vec<i64> {
        let times = all[at].histograms.times.iter();
        times.map(|time| time - START).collect()
    };
    assert_eq!(times(0), [0, 15_000, 30_000, 45_000, 60_000]);
    let counters = &all[0].histograms.values;
    let first = &counters[0];
    assert_eq!((first.count, first.sum, first.schema), (6.0, 12.5, 1));
    assert_eq!(
        (first.zero_count, first.zero_threshold),
        (1.0, 2.0_f64.powi(-128))
    );
    let span = |offset, length| BucketSpan { offset, length };
    assert_eq!(first.positive.spans, [span(0, 2), span(1, 1)]);
    assert_eq!(first.positive.counts, [1.0, 2.0, 1.0]);
    assert_eq!(first.negative.spans, [span(-2, 1)]);
    assert_eq!(first.negative.counts, [1.0]);
    assert_eq!(counters[1].positive.counts, [2.0, 3.0, 2.0]);
    assert_eq!(counters[2].positive.counts, [3.0, 5.0, 2.0]);
    assert_eq!((counters[2].count, counters[2].sum), (16.0, 24.5));
    assert!(is_stale(counters[3].sum));
    assert_eq!(counters[4].positive.counts, [1.0, 0.0, 1.0]);
    let hints: Vec<_> = counters.iter().map(|one| one.counter_reset_hint).collect();
    assert_eq!(hints[..3], {
        use CounterResetHint::{NotReset, Unknown};
        [Unknown, NotReset, NotReset]
    });
    assert_eq!(hints[4], CounterResetHint::Unknown);

    assert_eq!(times(1), [0, 15_000, 31_000]);
    let fractions = &all[1].histograms.values;
    assert_eq!(fractions[0].zero_threshold, 0.001);
    assert_eq!(fractions[2].count, 14.75);
    assert_eq!(fractions[2].positive.counts, [4.25, 4.5]);
    assert_eq!(fractions[2].negative.counts, [3.5]);
}
