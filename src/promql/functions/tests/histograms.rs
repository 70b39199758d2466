//! Tests of functions over windows with histograms.

use std::sync::Arc;

use super::*;
use crate::promql::{
    FloatHistogram,
    histogram::{BucketSpan, Buckets, CUSTOM_BUCKETS_SCHEMA, CounterResetHint},
};

type Histograms = Samples<Arc<FloatHistogram>>;

/// One populated bucket and a sum that is twice its count.
fn of(count: f64, hint: CounterResetHint) -> FloatHistogram {
    FloatHistogram {
        counter_reset_hint: hint,
        count,
        sum: 2.0 * count,
        positive: Buckets {
            spans: vec![BucketSpan {
                offset: 0,
                length: 1,
            }],
            counts: vec![count],
        },
        ..FloatHistogram::default()
    }
}

fn counter(count: f64) -> FloatHistogram {
    of(count, CounterResetHint::Unknown)
}

fn gauge(count: f64) -> FloatHistogram {
    of(count, CounterResetHint::Gauge)
}

fn custom(count: f64) -> FloatHistogram {
    FloatHistogram {
        schema: CUSTOM_BUCKETS_SCHEMA,
        custom_bounds: [1.0].into(),
        ..counter(count)
    }
}

fn each_minute(histograms: Vec<FloatHistogram>) -> Histograms {
    let times = (0..).map(|minute| minute * 60_000).take(histograms.len());
    Samples {
        times: times.collect(),
        values: histograms.into_iter().map(Arc::new).collect(),
        starts: Vec::new(),
    }
}

/// A result: the count of a histogram, or a number; and the remarks.
fn outcome(
    id: FunctionId,
    floats: &Samples<f64>,
    histograms: &Histograms,
    context: &WindowContext<'_>,
) -> (Option<f64>, Vec<String>) {
    let mut notes = Annotations::default();
    let window = Window {
        floats: floats.slice(0, floats.times.len()),
        histograms: histograms.slice(0, histograms.times.len()),
    };
    let point = over_window(id, window, context, &mut notes).expect("no error");
    let number = point.map(|point| match point {
        Point::Float(value) => value,
        Point::Histogram(histogram) => {
            assert_eq!(histogram.sum, 2.0 * histogram.count);
            assert_eq!(
                histogram.positive.counts.iter().sum::<f64>(),
                histogram.count
            );
            histogram.count
        }
    });
    (number, notes.iter().map(|note| note.to_text("")).collect())
}

fn alone(id: FunctionId, histograms: Vec<FloatHistogram>) -> (Option<f64>, Vec<String>) {
    let end = 60 * (histograms.len() as i64 - 1);
    outcome(
        id,
        &Samples::default(),
        &each_minute(histograms),
        &context(0, end),
    )
}

const NOT_COUNTER: &str = r#"PromQL warning: this native histogram metric is not a counter: "m""#;
const NOT_GAUGE: &str = r#"PromQL warning: this native histogram metric is not a gauge: "m""#;
const MIX: &str = "PromQL warning: vector contains a mix of histograms with exponential and custom buckets schemas for metric name \"m\"";

#[test]
fn growth_of_counters() {
    use FunctionId::{Idelta, Increase, Irate, Rate};
    let counters = || vec![counter(6.0), counter(12.0), counter(6.0), counter(18.0)];
    assert_eq!(alone(Increase, counters()), (Some(24.0), vec![]));
    assert_eq!(alone(Rate, counters()), (Some(24.0 / 180.0), vec![]));
    assert_eq!(alone(Irate, counters()), (Some(0.2), vec![]));
    let not_gauge = vec![NOT_GAUGE.to_owned()];
    assert_eq!(alone(Idelta, counters()), (Some(12.0), not_gauge));
    assert_eq!(alone(Increase, vec![counter(1.0)]), (None, vec![]));
}

#[test]
fn a_reset_at_the_start_hides_the_first() {
    use FunctionId::Increase;
    let first = vec![custom(5.0), counter(1.0), counter(4.0)];
    assert_eq!(alone(Increase, first), (Some(4.0), vec![]));
    let mixed = vec![counter(5.0), custom(9.0), counter(12.0)];
    assert_eq!(alone(Increase, mixed), (None, vec![MIX.to_owned()]));
}

#[test]
fn growth_of_gauges() {
    use FunctionId::{Delta, Increase};
    let gauges = || vec![gauge(6.0), gauge(12.0), gauge(4.0)];
    assert_eq!(alone(Delta, gauges()), (Some(-2.0), vec![]));
    let not_counter = vec![NOT_COUNTER.to_owned()];
    assert_eq!(alone(Increase, gauges()).1, not_counter);
    let counters = vec![counter(6.0), counter(12.0)];
    assert_eq!(
        alone(Delta, counters),
        (Some(6.0), vec![NOT_GAUGE.to_owned()])
    );
}

#[test]
fn sums_and_means() {
    use FunctionId::{AvgOverTime, CountOverTime, LastOverTime, SumOverTime};
    let some = || vec![counter(1.0), counter(2.0), counter(6.0)];
    assert_eq!(alone(SumOverTime, some()), (Some(9.0), vec![]));
    assert_eq!(alone(AvgOverTime, some()), (Some(3.0), vec![]));
    assert_eq!(alone(CountOverTime, some()), (Some(3.0), vec![]));
    assert_eq!(alone(LastOverTime, some()), (Some(6.0), vec![]));
    let mixed = vec![counter(1.0), custom(1.0)];
    assert_eq!(alone(SumOverTime, mixed), (None, vec![MIX.to_owned()]));
    let (reset, not) = (CounterResetHint::Reset, CounterResetHint::NotReset);
    let collision = "PromQL warning: conflicting counter resets during histogram aggregation";
    let hints = vec![of(1.0, reset), of(2.0, not)];
    assert_eq!(
        alone(SumOverTime, hints),
        (Some(3.0), vec![collision.to_owned()])
    );
}

#[test]
fn changes_and_resets_of_both_kinds() {
    use FunctionId::{Changes, Resets};
    let floats = every(120, &[1.0, 1.0]);
    let mut histograms = each_minute(vec![counter(1.0), counter(3.0), counter(2.0)]);
    histograms.times = vec![60_000, 180_000, 240_000];
    let all = context(-1, 240);
    assert_eq!(outcome(Changes, &floats, &histograms, &all).0, Some(4.0));
    assert_eq!(outcome(Resets, &floats, &histograms, &all).0, Some(4.0));
}

#[test]
fn windows_of_both_kinds() {
    use FunctionId::{CountOverTime, FirstOverTime, LastOverTime, MaxOverTime, Rate, SumOverTime};
    let floats = every(120, &[7.0]);
    let mut histograms = each_minute(vec![counter(1.0)]);
    histograms.times = vec![60_000];
    let of = |id| outcome(id, &floats, &histograms, &context(-1, 240));
    let mixed = "PromQL warning: encountered a mix of histograms and floats for metric name \"m\"";
    assert_eq!(of(SumOverTime), (None, vec![mixed.to_owned()]));
    assert_eq!(of(Rate), (None, vec![mixed.to_owned()]));
    let ignored = "PromQL info: ignored histograms in a range containing both floats and histograms for metric name \"m\"";
    assert_eq!(of(MaxOverTime), (Some(7.0), vec![ignored.to_owned()]));
    assert_eq!(of(CountOverTime), (Some(2.0), vec![]));
    assert_eq!(of(FirstOverTime), (Some(7.0), vec![]));
    assert_eq!(of(LastOverTime), (Some(1.0), vec![]));
}

#[test]
fn ends_are_interpolated() {
    use FunctionId::{Delta, Increase};
    let at = |extended, id, (start, end), histograms: Vec<_>| {
        let context = WindowContext {
            extended,
            ..context(start, end)
        };
        outcome(id, &Samples::default(), &each_minute(histograms), &context)
    };
    let counters = || vec![counter(6.0), counter(12.0), counter(6.0), counter(18.0)];
    let smoothed = |ends| at(Extended::Smoothed, Increase, ends, counters());
    assert_eq!(smoothed((30, 60)), (Some(3.0), vec![]));
    assert_eq!(smoothed((30, 150)), (Some(15.0), vec![]));
    // From the middle of the reset on.
    assert_eq!(smoothed((90, 180)), (Some(15.0), vec![]));
    assert_eq!(smoothed((200, 300)), (None, vec![]));
    let anchored = |ends| at(Extended::Anchored, Increase, ends, counters());
    assert_eq!(anchored((30, 180)), (Some(24.0), vec![]));
    assert_eq!(anchored((60, 180)), (Some(18.0), vec![]));
    let gauges = vec![gauge(6.0), gauge(12.0), gauge(4.0)];
    assert_eq!(
        at(Extended::Smoothed, Delta, (30, 90), gauges),
        (Some(-1.0), vec![])
    );
    let mixed = vec![counter(6.0), custom(12.0)];
    let got = at(Extended::Smoothed, Increase, (0, 60), mixed);
    assert_eq!(got, (None, vec![MIX.to_owned()]));
}

#[test]
fn an_instant_is_interpolated() {
    let histograms = each_minute(vec![counter(6.0), counter(12.0), counter(6.0)]);
    let at = |seconds: i64| {
        let mut notes = Annotations::default();
        let window = Window {
            floats: none(),
            histograms: histograms.slice(0, 3),
        };
        match smoothed_at(
            window,
            seconds * 1000,
            &context(seconds, seconds),
            &mut notes,
        ) {
            Some(Point::Histogram(histogram)) => Some(histogram.count),
            _ => None,
        }
    };
    let expected = [
        (-1, None),
        (0, Some(6.0)),
        (30, Some(9.0)),
        (90, Some(3.0)),
        (200, Some(6.0)),
    ];
    for (seconds, count) in expected {
        assert_eq!(at(seconds), count);
    }
}
