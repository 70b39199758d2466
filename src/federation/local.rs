//! Data that is here already: what rules wrote, what the node measures of itself. It takes part in queries like the data of
//! a partition.

use std::{collections::BTreeSet, fmt::Debug, sync::Arc};

use super::{Dialect, Fetched, Partition, PartitionMode, Pushdown};
use crate::{
    labels::{LabelSet, Matcher},
    promql::{
        Point, Sample, Samples, Series, Value,
        engine::{Options, Steps, prepare},
        parse::{Features, parse},
    },
};

/// Series that are here.
pub trait Local: Debug + Send + Sync {
    /// The metric names that there may be.
    fn names(&self) -> Arc<BTreeSet<String>>;

    /// The series that match, with their samples of `from < time <= to` in Unix milliseconds, stale markers among them.
    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series>;
}

/// The partition as which such series take part.
#[must_use]
pub fn partition(local: &dyn Local, lookback: i64) -> Partition {
    Partition {
        labels: LabelSet::empty(),
        mode: PartitionMode::Present,
        dialect: Dialect::Prometheus3,
        pushdown: Pushdown::Selector,
        lookback,
        optional: false,
        overlap: false,
        names: Some(local.names()),
    }
}

/// The values of a question at its steps.
#[must_use]
pub fn answer(local: &dyn Local, query: &str, steps: Steps, options: Options) -> Fetched {
    match evaluate(local, query, steps, options) {
        Ok(series) => Fetched::Series(series),
        Err(reason) => Fetched::Refused(reason),
    }
}

fn evaluate(
    local: &dyn Local,
    query: &str,
    steps: Steps,
    options: Options,
) -> Result<Vec<Series>, String> {
    let expr = parse(query, Features::all()).map_err(|error| error.to_string())?;
    let prepared = prepare(&expr, steps, options).map_err(|error| error.to_string())?;
    let selections = prepared.selections().iter();
    let data = selections.map(|one| local.select(&one.matchers, one.from, one.to));
    let data: Vec<Vec<Series>> = data.collect();
    let output = prepared
        .evaluate(&data)
        .map_err(|error| error.to_string())?;
    Ok(match output.value {
        Value::Vector(samples) => samples.into_iter().map(series_of).collect(),
        Value::Matrix(series) => series,
        Value::Scalar { .. } | Value::String { .. } => Vec::new(),
    })
}

fn series_of(sample: Sample) -> Series {
    let mut series = Series {
        labels: sample.labels,
        ..Series::default()
    };
    match sample.point {
        Point::Float(value) => series.floats = one(sample.time, value),
        Point::Histogram(value) => series.histograms = one(sample.time, value),
    }
    series
}

fn one<T>(time: i64, value: T) -> Samples<T> {
    Samples {
        times: vec![time],
        values: vec![value],
        starts: Vec::new(),
    }
}
