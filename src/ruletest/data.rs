//! The data of a test: series that come to be as time passes, and what rules wrote.

use std::collections::VecDeque;

use super::federated::Endpoints;
use crate::{
    config::RuleTest,
    federation::Certainty,
    labels::LabelSet,
    promql::{
        Point,
        ast::Expr,
        engine::{Options, Steps, prepare},
        memory::{AppendError, Memory, Stored, samples},
        parse::parse_series,
    },
    ruler::{Answered, Evaluation, Written},
};

/// Everything that there is to be read, at a time that moves on.
#[derive(Debug)]
pub(super) struct Data {
    /// The series of the file with the samples that are still to come.
    coming: Vec<(LabelSet, VecDeque<Stored>)>,
    /// What is there: of the file, and of rules.
    whole: Memory,
    /// The same in parts, without what rules wrote.
    endpoints: Endpoints,
    options: Options,
}

impl Data {
    /// Reads the series of a test; there is nothing of them before the first [`Self::load`].
    ///
    /// # Errors
    /// When a series cannot be read, or is of no endpoint.
    pub(super) fn new(test: &RuleTest, step: i64, options: Options) -> Result<Self, String> {
        let endpoints = Endpoints::new(test);
        let mut coming: Vec<(LabelSet, VecDeque<Stored>)> = Vec::new();
        for series in &test.input_series {
            let text = format!("{} {}", series.series, series.values);
            let (labels, items) = parse_series(&text).map_err(|error| error.to_string())?;
            if !endpoints.takes(&labels) {
                return Err(format!("the series {labels} has the labels of no endpoint"));
            }
            // Of the same series the last counts.
            coming.retain(|(other, _)| *other != labels);
            let samples = samples(test.start_timestamp, step, &items, &[]);
            coming.push((labels, samples.into()));
        }
        Ok(Self {
            coming,
            whole: Memory::default(),
            endpoints,
            options,
        })
    }

    /// Lets time pass up to `until`; Unix milliseconds.
    ///
    /// # Errors
    /// When a sample does not go after what a rule wrote.
    pub(super) fn load(&mut self, until: i64) -> Result<(), AppendError> {
        self.endpoints.measure(until);
        for (labels, samples) in &mut self.coming {
            let count = samples.partition_point(|sample| sample.time <= until);
            let now: Vec<Stored> = samples.drain(..count).collect();
            self.endpoints.load(labels, &now)?;
            self.whole.append(labels, now)?;
        }
        Ok(())
    }

    /// Takes in what rules wrote. What is not newer than what is there is passed over, as a database passes over it.
    pub(super) fn write(&mut self, written: &[Written]) {
        for one in written {
            let sample = Stored {
                time: one.time,
                start: 0,
                point: one.point.clone(),
            };
            let _ = self.whole.append(&one.labels, vec![sample]);
        }
    }

    /// Answers the ruler; `now` is the time at which endpoints are there or not.
    pub(super) fn answer(&self, evaluation: Evaluation, now: i64) -> Result<Answered, String> {
        if let Some(steps) = evaluation.range {
            return Answered::of_each(&evaluation, steps, |at_once| self.answer(at_once, now));
        }
        if self.endpoints.is_whole() {
            return self.evaluate(&evaluation.expr, evaluation.at);
        }
        self.endpoints.answer(evaluation, now)
    }

    /// An expression over all that is there.
    pub(super) fn evaluate(&self, expr: &Expr, at: i64) -> Result<Answered, String> {
        let prepared = prepare(expr, Steps::instant(at), self.options);
        let prepared = prepared.map_err(|error| error.to_string())?;
        let selections = prepared.selections().iter();
        let data: Vec<_> = selections.map(|one| self.whole.select(one)).collect();
        let output = prepared.evaluate(&data);
        let value = output.map_err(|error| error.to_string())?.value;
        Answered::of_value(value, Certainty::default(), Vec::new())
    }
}

/// The text of a value, as tests write it.
pub(super) fn shown(point: &Point) -> String {
    match point {
        Point::Float(value) if crate::promql::is_stale(*value) => "stale".to_owned(),
        Point::Float(value) => crate::promql::go_float(*value),
        Point::Histogram(histogram) => histogram.to_test_expression(),
    }
}
