//! How an expression is asked: one way in for clients and one for rules.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{client::Federation, explain::Explain, stats::QueryKind};
use crate::{
    federation::{Answer, Local, Recurring, Refusal},
    labels::LabelSet,
    promql::{
        ast::Expr,
        engine::{EvalError, Options, Steps},
    },
};

/// What is asked, and how.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    expr: &'a Expr,
    steps: Steps,
    options: Options,
    /// How long it may take, with the time that it waits for its turn.
    timeout: Duration,
    /// Whether what is known of earlier queries is not asked again.
    in_parts: bool,
    /// The expression with what was planned for it.
    recurring: Option<&'a Arc<Recurring>>,
}

/// An answer and how it came about.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The answer.
    pub answer: Answer,
    /// How it came about.
    pub explain: Explain,
}

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// It cannot be evaluated, or endpoints contradict each other.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It would be wrong without what JSON does not carry.
    #[error("partition {partition} cannot answer {query:?}: {reason}")]
    Histograms {
        /// The labels of the partition.
        partition: LabelSet,
        /// What it was asked.
        query: String,
        /// What is in the way.
        reason: String,
    },
    /// Others had all turns until its time was over.
    #[error("query timed out in query queue: max_concurrent_queries is {most}")]
    Queued {
        /// How many are answered at a time.
        most: u32,
    },
    /// It would hold more samples than it may.
    #[error("{}: max_samples is {most}", EvalError::TooManySamples)]
    TooManySamples {
        /// The limit.
        most: usize,
    },
    /// It would hold places for more samples than it may.
    #[error("{places}; max_samples is {most}")]
    TooManyPlaces {
        /// How many series at how many steps.
        places: EvalError,
        /// The limit.
        most: usize,
    },
    /// Answers of endpoints would take too much memory.
    #[error(
        "the answers of endpoints to all queries under way take more than max_response_bytes, which is {most}: ask for \
         less, for fewer at a time, or raise it"
    )]
    TooManyBytes {
        /// The limit.
        most: usize,
    },
    /// The time was over.
    #[error("query timed out in query execution")]
    TimedOut,
    /// The evaluation ended by a panic.
    #[error("this is a bug: the evaluation of the query failed")]
    Failed,
}

impl QueryError {
    /// The same with the limit of samples, if that is why.
    pub(super) fn naming(self, most: usize) -> Self {
        if let Self::Refused(Refusal::Evaluation(places @ EvalError::TooManySteps { .. })) = self {
            return Self::TooManyPlaces { places, most };
        }
        self
    }
}

impl<'a> Query<'a> {
    /// A query that must be answered within `timeout`. What is known of earlier ones is not asked again.
    #[must_use]
    pub fn new(expr: &'a Expr, steps: Steps, options: Options, timeout: Duration) -> Self {
        Self {
            expr,
            steps,
            options,
            timeout,
            in_parts: true,
            recurring: None,
        }
    }

    /// The same of an expression that is asked again and again: what was planned for it is not planned again.
    #[must_use]
    pub fn recurring(
        known: &'a Arc<Recurring>,
        steps: Steps,
        options: Options,
        timeout: Duration,
    ) -> Self {
        Self {
            recurring: Some(known),
            ..Self::new(known.expr(), steps, options, timeout)
        }
    }

    /// The same, with all of it asked, and planned, whatever is known.
    #[must_use]
    pub fn afresh(self) -> Self {
        Self {
            in_parts: false,
            recurring: None,
            ..self
        }
    }
}

impl Federation {
    /// Evaluates an expression over all endpoints, when it is its turn. What is fetched ends with this future.
    ///
    /// # Errors
    /// When the query has no value, or none that would be right, or takes more than the limits of the file allow.
    /// Endpoints that do not answer are no error: the answer names them.
    pub async fn query(&self, query: Query<'_>) -> Result<Reply, QueryError> {
        self.counted(query.steps, self.answer_in_turn(query)).await
    }

    /// Evaluates an expression over all endpoints and over `locals`, which are here already, with these parameters in each
    /// request. This is how rules ask: all is asked afresh, they wait for no turn, and what others hold is not held against
    /// them.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn query_beside(
        &self,
        query: Query<'_>,
        locals: Vec<Arc<dyn Local>>,
        params: &[(String, String)],
    ) -> Result<Reply, QueryError> {
        self.counted(query.steps, self.answer_beside(query, locals, params))
            .await
    }

    async fn counted(
        &self,
        steps: Steps,
        answer: impl Future<Output = Result<Reply, QueryError>>,
    ) -> Result<Reply, QueryError> {
        let began = Instant::now();
        let result = answer.await;
        self.count(steps, began, &result);
        result
    }

    /// Counts a query that began then.
    pub(super) fn count(&self, steps: Steps, began: Instant, result: &Result<Reply, QueryError>) {
        let kind = match steps.step {
            0 => QueryKind::Instant,
            _ => QueryKind::Range,
        };
        self.stats.took(kind, began.elapsed());
        match result {
            Ok(reply) => {
                let samples = reply.explain.requests.iter();
                let samples = samples.map(|request| request.samples).sum();
                let is_partial = !reply.answer.missing.is_empty();
                self.stats.answered(is_partial, samples);
            }
            Err(error) => self.stats.failed(error),
        }
    }

    async fn answer_beside(
        &self,
        query: Query<'_>,
        mut locals: Vec<Arc<dyn Local>>,
        params: &[(String, String)],
    ) -> Result<Reply, QueryError> {
        let Query { expr, options, .. } = query;
        locals.extend(self.own_of(expr));
        let budget = self.limits.own_budget();
        let begun = match self.needs_endpoints(expr) {
            true => self.begin(options, query.timeout, budget).await,
            false => self.begin_at_once(options, query.timeout, budget),
        };
        let begun = begun.beside(locals).with(params);
        begun.ask(expr, query.steps).await
    }

    async fn answer_in_turn(&self, query: Query<'_>) -> Result<Reply, QueryError> {
        let began = Instant::now();
        let _turn = self.limits.turn(began + query.timeout).await?;
        let queued = began.elapsed();
        let left = Query {
            timeout: query.timeout.saturating_sub(queued),
            ..query
        };
        let mut reply = self.answer(left).await?;
        reply.explain.queued = queued;
        Ok(reply)
    }

    async fn answer(&self, query: Query<'_>) -> Result<Reply, QueryError> {
        let Query {
            expr,
            steps,
            options,
            ..
        } = query;
        let budget = self.limits.budget();
        let begun = self.begin(options, query.timeout, budget).await;
        let (begun, own) = match query.recurring {
            Some(known) => (begun.recurring(known), self.own_of_recurring(known)),
            None => (begun, self.own_of(expr)),
        };
        if !own.is_empty() {
            return begun.beside(own).ask(expr, steps).await;
        }
        if query.in_parts
            && let Some(result) = self.answer_in_parts(&begun, expr, steps, options).await
        {
            return result;
        }
        begun.ask(expr, steps).await
    }
}

impl Reply {
    /// What is to be said beside the result of `query`: the partitions that are missing first, then what PromQL says.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let missing = self.answer.missing.iter().zip(&self.answer.missing_labels);
        missing
            .map(|(missing, labels)| format!("partition {labels} is missing: {}", missing.reason))
            .collect()
    }
}

impl From<EvalError> for QueryError {
    fn from(error: EvalError) -> Self {
        Self::Refused(Refusal::Evaluation(error))
    }
}
