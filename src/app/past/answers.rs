//! Answers to rules about the past. A rule that reads nothing that rules write is asked for many slots at once, by a query over
//! a range, which has the same values.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::{
    federation::{Certainty, Local},
    io::federation::{Federation, Query, QueryError, Reply},
    promql::{Point, Sample, Series, Value, engine::Steps},
    ruler::{Answered, Evaluation, differs_over_a_range},
};

/// How long a query may take.
const WITHIN: Duration = Duration::from_mins(2);

/// Slots that are asked for at once, and how many if that does not do.
const AT_ONCE: [i64; 2] = [240, 24];

/// Asks endpoints about the past.
#[derive(Debug)]
pub(super) struct Answers {
    federation: Arc<Federation>,
    /// The last moment that anybody asks about; Unix milliseconds.
    until: i64,
    ahead: Mutex<BTreeMap<Key, Ahead>>,
}

/// An expression with the parameters of its requests, its interval, and its place in that.
type Key = ((String, Arc<[(String, String)]>), i64, i64);

/// What is known of an expression.
#[derive(Debug, Default)]
struct Ahead {
    /// The first and the last slot; Unix milliseconds.
    span: (i64, i64),
    /// The elements of those slots that have any.
    elements: BTreeMap<i64, Vec<Sample>>,
    certainty: Certainty,
    missing: Vec<String>,
}

impl Answers {
    pub(super) fn new(federation: Arc<Federation>, until: i64) -> Self {
        Self {
            federation,
            until,
            ahead: Mutex::default(),
        }
    }

    pub(super) async fn answer(&self, evaluation: Evaluation) -> Result<Answered, String> {
        let text = evaluation.expr.to_string();
        let Some(interval) = evaluation.every.map(|every| every.max(1)) else {
            return self.at_once(evaluation).await;
        };
        let alone = evaluation.own.is_some() || evaluation.range.is_some();
        if alone || differs_over_a_range(&evaluation.expr) {
            return self.at_once(evaluation).await;
        }
        let at = evaluation.at;
        let asked = (text, Arc::clone(&evaluation.params));
        let key = (asked, interval, at.rem_euclid(interval));
        if let Some(answered) = self.known(&key, at) {
            return Ok(answered);
        }
        for count in AT_ONCE {
            let last = at.saturating_add((count - 1).saturating_mul(interval));
            let over = self.until.saturating_sub(at).rem_euclid(interval);
            let last = last.min(self.until.saturating_sub(over));
            if last <= at {
                break;
            }
            let steps = Steps {
                start: at,
                end: last,
                step: interval,
            };
            // Where a long range is too much, a short one may do.
            if let Ok(reply) = self.ask(&evaluation, steps).await
                && let Some(ahead) = Ahead::of(reply, (at, last))
            {
                let mut all = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
                all.insert(key.clone(), ahead);
                drop(all);
                return self.known(&key, at).ok_or_else(String::new);
            }
        }
        self.at_once(evaluation).await
    }

    fn known(&self, key: &Key, at: i64) -> Option<Answered> {
        let mut all = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        let ahead = all.get_mut(key)?;
        // Several rules may ask the same, so that a slot is kept until the next one.
        ahead.elements = ahead.elements.split_off(&at);
        let (first, last) = ahead.span;
        (first..=last).contains(&at).then(|| Answered {
            elements: ahead.elements.get(&at).cloned().unwrap_or_default(),
            certainty: ahead.certainty.clone(),
            missing: ahead.missing.clone(),
            ..Answered::default()
        })
    }

    async fn at_once(&self, evaluation: Evaluation) -> Result<Answered, String> {
        let reply = self.ask(&evaluation, evaluation.steps()).await;
        let reply = reply.map_err(|error| error.to_string())?;
        let missing = reply.warnings();
        let answer = reply.answer;
        Answered::of(&evaluation, answer.output.value, answer.certainty, missing)
    }

    async fn ask(&self, evaluation: &Evaluation, steps: Steps) -> Result<Reply, QueryError> {
        let own = evaluation.own.clone();
        let own = own.map(|own| Arc::new(own) as Arc<dyn Local>);
        let query = Query::new(&evaluation.expr, steps, evaluation.options, WITHIN);
        let own = own.into_iter().collect();
        self.federation
            .query_beside(query, own, &evaluation.params)
            .await
    }
}

impl Ahead {
    fn of(reply: Reply, span: (i64, i64)) -> Option<Self> {
        let missing = reply.warnings();
        let Value::Matrix(all) = reply.answer.output.value else {
            return None;
        };
        let mut elements: BTreeMap<i64, Vec<Sample>> = BTreeMap::new();
        for series in all {
            for sample in samples(series) {
                elements.entry(sample.time).or_default().push(sample);
            }
        }
        Some(Self {
            span,
            elements,
            certainty: reply.answer.certainty,
            missing,
        })
    }
}

/// The samples of a series, each with its labels.
fn samples(series: Series) -> impl Iterator<Item = Sample> {
    let floats = series.floats.times.into_iter().zip(series.floats.values);
    let floats = floats.map(|(time, value)| (time, Point::Float(value)));
    let histograms = series.histograms;
    let histograms = histograms.times.into_iter().zip(histograms.values);
    let histograms = histograms.map(|(time, value)| (time, Point::Histogram(value)));
    let labels = series.labels;
    floats.chain(histograms).map(move |(time, point)| Sample {
        labels: labels.clone(),
        time,
        point,
    })
}
