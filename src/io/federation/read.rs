//! Answers of samples as they are stored: what was asked is evaluated here over the samples of one endpoint.

use std::sync::Arc;

use super::{
    check::too_many,
    question::{Ask, Cause, Failure, Times, Values},
    transfer::Stored,
};
use crate::{
    federation::{
        Dialect, Malformed, ReadFormat, Reading, as_here, read_chunks, read_request, read_samples,
    },
    labels::{LabelSet, Matcher},
    promql::{
        Annotations, Point, Samples, Series, Value,
        ast::{Expr, ExprKind},
        engine::{Options, Prepared, Selection, Steps, Stop, prepare},
        parse::{Features, parse},
    },
};

/// What an endpoint adds to its answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Added {
    /// All of it.
    pub(super) external: LabelSet,
    /// What is no label of the series.
    pub(super) foreign: LabelSet,
}

/// A question as it is answered by samples.
#[derive(Debug)]
pub(super) struct Replay {
    selections: Vec<Selection>,
    /// How the answer is made of them; windows are the answer themselves.
    prepared: Option<Prepared>,
    query: Arc<str>,
    max_samples: usize,
}

impl Replay {
    /// What samples an endpoint of this dialect is asked for.
    pub(super) fn new(
        ask: &Ask,
        dialect: Dialect,
        max_samples: usize,
        stop: Stop,
    ) -> Result<Self, Failure> {
        let asked = parse(&ask.query, Features::all());
        let asked = asked.map_err(|error| of_bug(&error.to_string()))?;
        let steps = match ask.times {
            Times::Window { from, to } => {
                return Ok(Self {
                    selections: vec![Selection {
                        matchers: matchers_of(&asked).ok_or_else(|| of_bug("it is no window"))?,
                        from,
                        to,
                    }],
                    prepared: None,
                    query: Arc::clone(&ask.query),
                    max_samples,
                });
            }
            Times::At(at) => Steps::instant(at),
            Times::Grid { start, end, step } => Steps { start, end, step },
        };
        let (expr, lookback) = as_here(dialect, &asked, ask.lookback);
        let options = Options {
            lookback,
            // Steps are written out in what endpoints are asked.
            subquery_step: 60_000,
            max_samples,
            delayed_name_removal: false,
            use_start_timestamps: false,
            type_and_unit_labels: false,
        };
        let prepared = prepare(&expr, steps, options);
        let mut prepared = prepared.map_err(|error| of_query(error.to_string()))?;
        prepared.stop_when(stop);
        Ok(Self {
            selections: prepared.selections().to_vec(),
            prepared: Some(prepared),
            query: Arc::clone(&ask.query),
            max_samples,
        })
    }

    /// The messages that ask for the samples, before compression.
    pub(super) fn requests(&self, added: &Added, format: ReadFormat) -> Vec<Vec<u8>> {
        let request = |one: &Selection| {
            read_request(&one.matchers, one.from, one.to, &added.external, format)
        };
        self.selections.iter().map(request).collect()
    }

    /// Makes the answer of the samples of each selection.
    ///
    /// # Errors
    /// When they cannot be read, or have no value.
    pub(super) fn answer(&self, added: &Added, stored: &[Stored]) -> Result<Values, Unread> {
        let mut left = self.max_samples;
        let mut data = Vec::new();
        for (selection, stored) in self.selections.iter().zip(stored) {
            let reading = Reading {
                from: selection.from,
                to: selection.to,
                matchers: &selection.matchers,
                external: &added.foreign,
                max_samples: left,
            };
            let series = match stored {
                Stored::Chunks(stream) => read_chunks(stream, reading)?,
                Stored::Samples(body) => read_samples(body, reading)?,
            };
            left = left.saturating_sub(samples(&series));
            data.push(series);
        }
        let Some(prepared) = &self.prepared else {
            let series: Vec<Series> = data.into_iter().flatten().collect();
            return Ok(Values {
                samples: samples(&series),
                series,
                remarks: Vec::new(),
            });
        };
        let output = prepared.evaluate(&data);
        let output = output.map_err(|error| of_query(error.to_string()))?;
        let series = series_of(output.value);
        Ok(Values {
            samples: samples(&series),
            series,
            remarks: self.remarks(&output.annotations),
        })
    }

    fn remarks(&self, annotations: &Annotations) -> Vec<String> {
        let texts = annotations.iter();
        texts.map(|note| note.to_text(&self.query)).collect()
    }
}

/// Why samples are no answer.
pub(super) enum Unread {
    /// They come in a way that is not known: they may be asked for in another.
    Format(String),
    /// There may be native histograms that the server leaves out.
    Hollow(String),
    Failed(Failure),
}

impl Unread {
    /// Why there is no answer if it is not asked for in another way.
    pub(super) fn failure(self) -> Failure {
        match self {
            Self::Format(reason) | Self::Hollow(reason) => {
                Failure::new(format!("its samples cannot be read: {reason}"))
            }
            Self::Failed(failure) => failure,
        }
    }
}

impl From<Failure> for Unread {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Malformed> for Unread {
    fn from(error: Malformed) -> Self {
        match error {
            Malformed::Encoding(_) => Self::Format(error.to_string()),
            Malformed::Hollow => Self::Hollow(error.to_string()),
            Malformed::TooManySamples(most) => Self::Failed(too_many(most)),
            Malformed::Bytes(_) => {
                Self::Failed(Failure::new(format!("its samples cannot be read: {error}")))
            }
        }
    }
}

fn matchers_of(expr: &Expr) -> Option<Vec<Matcher>> {
    match &expr.kind {
        ExprKind::Matrix(matrix) => Some(matrix.selector.matchers.clone()),
        ExprKind::Vector(_)
        | ExprKind::Number(_)
        | ExprKind::String(_)
        | ExprKind::Fragment(_)
        | ExprKind::Subquery(_)
        | ExprKind::Paren(_)
        | ExprKind::Unary(..)
        | ExprKind::Binary(_)
        | ExprKind::Aggregate(_)
        | ExprKind::Call(_) => None,
    }
}

fn of_bug(error: &str) -> Failure {
    Failure::new(format!("this is a bug: {error}"))
}

fn of_query(reason: String) -> Failure {
    Failure {
        reason,
        cause: Cause::Query,
    }
}

/// What series count for among the samples of a query.
fn samples(series: &[Series]) -> usize {
    let of = |one: &Series| {
        let histograms = one.histograms.values.iter();
        one.floats.times.len() + histograms.map(|one| one.point_size()).sum::<usize>()
    };
    series.iter().map(of).sum()
}

fn series_of(value: Value) -> Vec<Series> {
    fn one<T>(time: i64, value: T) -> Samples<T> {
        Samples {
            times: vec![time],
            values: vec![value],
            starts: Vec::new(),
        }
    }
    match value {
        Value::Matrix(matrix) => matrix,
        Value::Vector(vector) => {
            let of = |sample: crate::promql::Sample| {
                let mut series = Series {
                    labels: sample.labels,
                    ..Series::default()
                };
                match sample.point {
                    Point::Float(value) => series.floats = one(sample.time, value),
                    Point::Histogram(value) => series.histograms = one(sample.time, value),
                }
                series
            };
            vector.into_iter().map(of).collect()
        }
        Value::Scalar { time, value } => vec![Series {
            floats: one(time, value),
            ..Series::default()
        }],
        Value::String { .. } => Vec::new(),
    }
}
