//! Answers queries over the endpoints of a configuration.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{context::Context, endpoints::Endpoints, explain::Explain, round::Round};
use crate::{
    config::QueryConfig,
    federation::{Answer, Refusal},
    io::{Clock, HttpClients},
    labels::LabelSet,
    promql::{
        ast::Expr,
        engine::{EvalError, Options, Steps},
    },
};

/// How long a query waits for endpoints that are asked what they are.
pub(super) const LEARNING: Duration = Duration::from_secs(2);

/// What is kept of a query's time for its evaluation, if a tenth is not less: endpoints that hang must not use it up.
const EVALUATION: Duration = Duration::from_secs(5);

/// Answers queries over the endpoints of a configuration.
#[derive(Debug)]
pub struct Federation {
    pub(super) http: Arc<HttpClients>,
    pub(super) clock: Clock,
    endpoints: Mutex<Arc<Endpoints>>,
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
    /// The time was over.
    #[error("query timed out in query execution")]
    TimedOut,
    /// The evaluation ended by a panic.
    #[error("this is a bug: the evaluation of the query failed")]
    Failed,
}

impl Federation {
    /// Makes a federation of the endpoints of a configuration.
    #[must_use]
    pub fn new(http: Arc<HttpClients>, clock: Clock, config: QueryConfig) -> Self {
        let endpoints = Endpoints::new(config, &Endpoints::default());
        Self {
            http,
            clock,
            endpoints: Mutex::new(Arc::new(endpoints)),
        }
    }

    /// Takes another configuration. Queries that run end with the endpoints with which they began.
    pub fn reload(&self, config: QueryConfig) {
        let mut endpoints = self
            .endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *endpoints = Arc::new(Endpoints::new(config, &endpoints));
    }

    pub(super) fn endpoints(&self) -> Arc<Endpoints> {
        let endpoints = self
            .endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&endpoints)
    }

    /// Evaluates an expression over all endpoints within `timeout`. What is fetched ends with this future.
    ///
    /// # Errors
    /// When the query has no value, or none that would be right. Endpoints that do not answer are no error: the answer
    /// names them.
    pub async fn query(
        &self,
        expr: &Expr,
        steps: Steps,
        options: Options,
        timeout: Duration,
    ) -> Result<Reply, QueryError> {
        let now = Instant::now();
        let deadline = now + timeout;
        let context = Arc::new(Context {
            http: Arc::clone(&self.http),
            clock: self.clock,
            max_samples: options.max_samples,
        });
        let endpoints = self.endpoints();
        endpoints
            .learn(&context, deadline.min(now + LEARNING))
            .await;
        let world = endpoints.world();
        let mut round = Round {
            context,
            endpoints,
            options,
            answers_until: now + timeout - (timeout / 10).min(EVALUATION),
            deadline,
            explain: Explain::default(),
        };
        let first = round.run(expr, steps, world.clone()).await;
        let answer = match first {
            Err(QueryError::Refused(Refusal::Again(why))) => {
                round.explain.again = Some(why);
                round.run(expr, steps, world.selectors_only()).await
            }
            answer => answer,
        };
        Ok(Reply {
            answer: answer?,
            explain: round.explain,
        })
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
