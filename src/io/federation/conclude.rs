//! What comes of the answers to a query: it is refused, or they are put together.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use tokio::time::{Instant, timeout_at};

use super::{
    QueryError,
    asking::{Asking, Questions, Source},
    explain::Request,
    gather::Outcome,
    question::{Cause, Values},
    round::Round,
};
use crate::{
    federation::{Answer, Fetched, Inquiry, Refusal, World},
    promql::{
        ast::{Expr, ExprKind},
        engine::{EvalError, Stop},
    },
};

/// Values at all nodes of an expression up to which it is evaluated at once.
const LIGHT: usize = 5_000;

impl Round {
    /// What comes of the answers to all questions of a query.
    pub(super) async fn conclude(
        &mut self,
        asking: Asking,
        mut outcomes: Vec<Outcome>,
    ) -> Result<Answer, QueryError> {
        self.note(&asking, &mut outcomes);
        let Asking {
            inquiry,
            world,
            steps,
            questions,
            fragments,
            windows,
        } = asking;
        self.refuse(&questions, &mut outcomes)?;
        let missing = missing(&questions, &outcomes);
        let samples = outcomes.iter().filter_map(|one| one.result.as_ref().ok());
        let samples: usize = samples.map(|values| values.samples).sum();
        let values = samples.saturating_add(1).saturating_mul(steps.count());
        let light = is_light(&inquiry.plan().local, values);
        let mut answers = Answers {
            outcomes,
            questions: &questions,
            missing,
        };
        let fragments = answers.all(&fragments);
        let windows = answers.all(&windows);
        if light {
            // Waking another thread would cost more than the work.
            let evaluate = AssertUnwindSafe(|| inquiry.answer(&world, fragments, windows));
            let answer = catch_unwind(evaluate);
            let answer = answer.map_err(|_panic| QueryError::Failed)?;
            return answer.map_err(|refusal| self.refused(refusal));
        }
        Box::pin(self.evaluate(inquiry, world, fragments, windows)).await
    }

    /// Puts the answers together on a thread that may take its time.
    async fn evaluate(
        &self,
        mut inquiry: Inquiry,
        world: Arc<World>,
        fragments: Vec<Vec<Fetched>>,
        windows: Vec<Vec<Fetched>>,
    ) -> Result<Answer, QueryError> {
        // Whoever waits holds this; a query that nobody waits for any more ends as one whose time is over.
        let waiting = Arc::new(());
        let (waits, deadline) = (Arc::downgrade(&waiting), self.deadline);
        inquiry.stop_when(Stop::when(move || {
            waits.strong_count() == 0 || Instant::now() >= deadline
        }));
        let evaluate = move || inquiry.answer(&world, fragments, windows);
        let evaluation = tokio::task::spawn_blocking(evaluate);
        match timeout_at(self.deadline, evaluation).await {
            Ok(Ok(Err(Refusal::Evaluation(EvalError::Stopped)))) => Err(QueryError::TimedOut),
            Ok(Ok(answer)) => answer.map_err(|refusal| self.refused(refusal)),
            Ok(Err(_panic)) => Err(QueryError::Failed),
            Err(_elapsed) => Err(QueryError::TimedOut),
        }
    }

    /// Ends the query where an answer without a partition would hide that it cannot be asked in this way at all.
    fn refuse(&self, questions: &Questions, outcomes: &mut [Outcome]) -> Result<(), QueryError> {
        let mut samples = 0_usize;
        for (ask, outcome) in questions.asks.iter().zip(outcomes) {
            match &mut outcome.result {
                Ok(values) => samples = samples.saturating_add(values.samples),
                Err(failure) if failure.cause == Cause::Limit => {
                    let most = self.context.budget.max();
                    return Err(QueryError::TooManyBytes { most });
                }
                Err(failure) if failure.cause == Cause::Samples => {
                    return Err(self.too_many_samples());
                }
                Err(failure) if failure.cause == Cause::Histograms => {
                    let partition = self.endpoints.partitions.get(ask.partition);
                    return Err(QueryError::Histograms {
                        partition: partition.map(|one| one.labels.clone()).unwrap_or_default(),
                        query: ask.query.to_string(),
                        reason: std::mem::take(&mut failure.reason),
                    });
                }
                Err(_) => {}
            }
        }
        if samples > self.options.max_samples {
            return Err(self.too_many_samples());
        }
        Ok(())
    }

    fn too_many_samples(&self) -> QueryError {
        let most = self.options.max_samples;
        QueryError::TooManySamples { most }
    }

    /// Why there is no answer; with the limit, if that is why.
    fn refused(&self, refusal: Refusal) -> QueryError {
        match refusal {
            Refusal::Evaluation(EvalError::TooManySamples) => self.too_many_samples(),
            other @ (Refusal::Evaluation(_)
            | Refusal::Overlap(_)
            | Refusal::Selector { .. }
            | Refusal::Again(_)) => QueryError::Refused(other).naming(self.options.max_samples),
        }
    }

    /// Takes in how questions were answered.
    pub(super) fn note(&mut self, asking: &Asking, outcomes: &mut [Outcome]) {
        let questions = &asking.questions;
        for ((ask, fragment), outcome) in questions
            .asks
            .iter()
            .zip(&questions.fragments)
            .zip(outcomes)
        {
            let partition = self.endpoints.partitions.get(ask.partition);
            for attempt in std::mem::take(&mut outcome.attempts) {
                self.explain.requests.push(Request {
                    fragment: *fragment,
                    partition: partition.map(|one| one.labels.clone()).unwrap_or_default(),
                    endpoint: Arc::clone(&attempt.endpoint.name),
                    replica: Arc::clone(&attempt.endpoint.replica),
                    query: attempt.query,
                    joined: attempt.joined,
                    took: attempt.took,
                    bytes: attempt.bytes,
                    series: attempt.series,
                    samples: attempt.samples,
                    remote_read: attempt.stored,
                    filled: attempt.filled,
                    error: attempt.error,
                });
            }
        }
    }
}

/// Whether an evaluation over so many values takes a fraction of a millisecond.
fn is_light(expr: &Expr, values: usize) -> bool {
    let mut left = vec![expr];
    let mut work = 0_usize;
    while let Some(expr) = left.pop() {
        work = work.saturating_add(values);
        // Subqueries have steps of their own.
        if work > LIGHT || matches!(expr.kind, ExprKind::Subquery(_)) {
            return false;
        }
        left.extend(expr.children());
    }
    true
}

/// The partitions that did not answer everything, with the first reason. What they did answer is left out, so that the
/// parts of a query are about the same part of the world.
fn missing(questions: &Questions, outcomes: &[Outcome]) -> BTreeMap<usize, String> {
    let mut missing = BTreeMap::new();
    for (ask, outcome) in questions.asks.iter().zip(outcomes) {
        if let Err(failure) = &outcome.result
            && failure.cause != Cause::Query
        {
            missing
                .entry(ask.partition)
                .or_insert_with(|| failure.reason.clone());
        }
    }
    missing
}

/// The answers to the questions of a query, as they are taken for its fragments and windows.
struct Answers<'a> {
    outcomes: Vec<Outcome>,
    questions: &'a Questions,
    missing: BTreeMap<usize, String>,
}

impl Answers<'_> {
    fn all(&mut self, sources: &[Vec<Source>]) -> Vec<Vec<Fetched>> {
        let one = |sources: &Vec<Source>| sources.iter().map(|source| self.one(source)).collect();
        sources.iter().map(one).collect()
    }

    fn one(&mut self, source: &Source) -> Fetched {
        let number = match source {
            Source::Nothing => return Fetched::Series(Vec::new()),
            Source::Here(known) => return known.clone(),
            Source::Asked(number) => *number,
        };
        let partition = self.questions.asks.get(number).map(|ask| ask.partition);
        if let Some(reason) = partition.and_then(|partition| self.missing.get(&partition)) {
            return Fetched::Missing(reason.clone());
        }
        let once = self.questions.uses.get(number) == Some(&1);
        let outcome = self.outcomes.get_mut(number);
        let values = match outcome.map(|outcome| &mut outcome.result) {
            Some(Ok(values)) => values,
            Some(Err(failure)) => return Fetched::Refused(failure.reason.clone()),
            None => return Fetched::Missing("it was not asked: this is a bug".to_owned()),
        };
        let Values {
            series, remarks, ..
        } = if once {
            std::mem::take(values)
        } else {
            values.clone()
        };
        Fetched::Remarked(series, remarks)
    }
}
