//! Data that is here already: what rules wrote, what the node measures of itself. It takes part in queries like the data of
//! a partition.

use std::{collections::BTreeSet, fmt::Debug, sync::Arc};

use super::{Claim, Dialect, Fetched, Partition, PartitionMode, Pushdown, Speech};
use crate::{
    labels::{LabelSet, Matcher},
    promql::{
        Point, Sample, Samples, Series, Value,
        ast::{Expr, VectorSelector},
        engine::{Options, Steps, prepare},
        parse::{Features, parse},
    },
};

/// Series that are here.
pub trait Local: Debug + Send + Sync {
    /// The metric names that there may be; `None` for any.
    fn names(&self) -> Option<Arc<BTreeSet<String>>> {
        None
    }

    /// The labels that its series get.
    fn labels(&self) -> LabelSet {
        LabelSet::empty()
    }

    /// The selectors that are answered from here only, and nothing else from here.
    fn claim(&self) -> Option<Claim> {
        None
    }

    /// Whether nothing is missing of `from < time <= to` in Unix milliseconds, and what was there at `from` is known.
    fn knows(&self, _from: i64, _to: i64) -> bool {
        true
    }

    /// The labels that its series got where they were written to servers, which may be endpoints as well.
    fn copied(&self) -> LabelSet {
        LabelSet::empty()
    }

    /// The series that match, with their samples of `from < time <= to` in Unix milliseconds, stale markers among them.
    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series>;
}

/// The partition as which such series take part.
#[must_use]
pub fn partition(local: &dyn Local) -> Partition {
    let speech = Speech {
        dialect: Dialect::Prometheus3,
        mode: PartitionMode::Attach,
        pushdown: Pushdown::Selector,
    };
    Partition {
        names: local.names(),
        claim: local.claim(),
        copied: local.copied(),
        ..Partition::new(local.labels(), speech)
    }
}

/// Whether an expression has a selector that such series claim.
#[must_use]
pub fn is_claimed(claim: Claim, expr: &Expr) -> bool {
    let mut left = vec![expr];
    while let Some(expr) = left.pop() {
        let selector = expr.selector();
        if selector.is_some_and(|selector| claim.takes(&selector.matchers)) {
            return true;
        }
        left.extend(expr.children());
    }
    false
}

/// Whether all selectors of an expression are claimed by one of these.
#[must_use]
pub fn are_claimed(claims: &[Claim], expr: &Expr) -> bool {
    let mut left = vec![expr];
    while let Some(expr) = left.pop() {
        let is_claimed = |selector: &VectorSelector| {
            let mut claims = claims.iter();
            claims.any(|claim| claim.takes(&selector.matchers))
        };
        if !expr.selector().is_none_or(is_claimed) {
            return false;
        }
        left.extend(expr.children());
    }
    true
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
