//! Tests of what the functions have in common.

mod extended;
mod floats;
mod histograms;

use super::*;
use crate::promql::{
    Annotations, Function, FunctionId, Point, Samples, Slice, Span, Window, ast::Extended,
};

/// Numbers at equal distances: the first at 0, in seconds.
fn every(seconds: i64, values: &[f64]) -> Samples<f64> {
    let times = (0..).map(|at| at * seconds * 1000).take(values.len());
    Samples {
        times: times.collect(),
        values: values.to_vec(),
        starts: Vec::new(),
    }
}

fn none<'a, T>() -> Slice<'a, T> {
    Slice {
        times: &[],
        values: &[],
        starts: &[],
    }
}

/// The context of a window that starts and ends so many seconds after 0; the step is its end.
fn context(start: i64, end: i64) -> WindowContext<'static> {
    WindowContext {
        start: start * 1000,
        end: end * 1000,
        step: end * 1000,
        params: &[],
        use_start_timestamps: false,
        extended: Extended::No,
        name: "m",
        span: Span::default(),
    }
}

/// The samples that the engine would hand over.
fn window<'a>(samples: &'a Samples<f64>, context: &WindowContext<'_>) -> Window<'a> {
    let reach = Reach::of(context.extended, 300_000);
    let from = samples
        .times
        .partition_point(|time| *time <= context.start - reach.before);
    let to = samples
        .times
        .partition_point(|time| *time <= context.end + reach.after);
    Window {
        floats: samples.slice(from, to),
        histograms: none(),
    }
}

/// The number and the remarks of a function over the numbers of a window.
#[track_caller]
fn over(id: FunctionId, samples: &Samples<f64>, context: &WindowContext<'_>) -> Option<f64> {
    let mut notes = Annotations::default();
    let got = over_window(id, window(samples, context), context, &mut notes);
    match got.expect("a result") {
        Some(Point::Float(value)) => Some(value),
        Some(Point::Histogram(_)) => panic!("a histogram"),
        None => None,
    }
}

#[track_caller]
fn assert_near(got: Option<f64>, expected: f64) {
    let got = got.expect("a number");
    assert!((got - expected).abs() < 1e-8, "{got} instead of {expected}");
}

/// The functions that need whole vectors, labels or the query: the engine's.
fn is_of_the_engine(id: FunctionId) -> bool {
    use FunctionId::*;
    matches!(
        id,
        Absent
            | Clamp
            | ClampMax
            | ClampMin
            | End
            | HistogramAvg
            | HistogramCount
            | HistogramFraction
            | HistogramQuantile
            | HistogramQuantiles
            | HistogramStddev
            | HistogramStdvar
            | HistogramSum
            | Info
            | LabelJoin
            | LabelReplace
            | MaxOf
            | MinOf
            | Pi
            | Range
            | Round
            | Scalar
            | Sort
            | SortByLabel
            | SortByLabelDesc
            | SortDesc
            | Start
            | StartTimestamp
            | Step
            | Time
            | Timestamp
            | Vector
    )
}

#[test]
fn each_function_has_one_home() {
    for function in Function::all() {
        let homes = [
            resolve(function.id).is_some(),
            math_function(function.id).is_some(),
            date_function(function.id).is_some(),
            is_of_the_engine(function.id),
        ];
        let count = homes.into_iter().filter(|home| *home).count();
        assert_eq!(count, 1, "{}", function.name);
    }
}
