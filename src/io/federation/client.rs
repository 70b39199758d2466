//! Answers queries over the endpoints of a configuration.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    discovery::{Discovery, Resolve, system_names},
    endpoints::Endpoints,
    explain::Explain,
    limits::Limits,
    own::Meaning,
    ranges::Ranges,
    stats::{QueryKind, QueryStats},
};
use crate::{
    config::QueryConfig,
    federation::{Answer, Claim, Local, Recurring, Refusal, local},
    io::{Clock, HttpClients},
    labels::LabelSet,
    promql::{
        ast::Expr,
        engine::{EvalError, Options, Steps},
    },
};

/// How long a query waits for endpoints that are asked what they are.
pub(super) const LEARNING: Duration = Duration::from_secs(2);

/// Answers queries over the endpoints of a configuration.
#[derive(Debug)]
pub struct Federation {
    pub(super) http: Arc<HttpClients>,
    pub(super) clock: Clock,
    pub(super) stats: Arc<QueryStats>,
    pub(super) ranges: Arc<Ranges>,
    pub(super) limits: Limits,
    pub(super) discovery: Discovery,
    endpoints: Mutex<Arc<Endpoints>>,
    /// What the node measures of itself.
    own: Mutex<Own>,
}

/// How an expression is asked.
struct How<'k> {
    timeout: Duration,
    /// Whether what is known of earlier queries is not asked again.
    in_parts: bool,
    /// The expression with what was planned for it.
    known: Option<&'k Arc<Recurring>>,
}

/// What the node measures of itself, and what it means.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    pub(super) series: Vec<Arc<dyn Local>>,
    pub(super) meanings: Arc<[Meaning]>,
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

impl Federation {
    /// Makes a federation of the endpoints of a configuration.
    #[must_use]
    pub fn new(http: Arc<HttpClients>, clock: Clock, config: QueryConfig) -> Self {
        Self::with_names(http, clock, config, system_names())
    }

    /// The same with another way to look names up.
    #[must_use]
    pub fn with_names(
        http: Arc<HttpClients>,
        clock: Clock,
        config: QueryConfig,
        names: Resolve,
    ) -> Self {
        let ranges = Arc::new(Ranges::new(config.cache.clone()));
        let limits = Limits::new(config.limits.clone());
        let discovery = Discovery::new(names, config);
        let endpoints = Endpoints::new(discovery.declared(), &Endpoints::default());
        Self {
            http,
            clock,
            stats: Arc::default(),
            ranges,
            limits,
            discovery,
            endpoints: Mutex::new(Arc::new(endpoints)),
            own: Mutex::default(),
        }
    }

    /// Series about the node itself, each of which answers the selectors that it claims, from now on, and what they mean.
    pub fn set_own(&self, series: Vec<Arc<dyn Local>>, meanings: Vec<Meaning>) {
        let meanings = meanings.into();
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Own { series, meanings };
    }

    /// What the node measures of itself.
    pub(super) fn own(&self) -> Own {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.clone()
    }

    /// Whether what the node measures of itself is known, as far as an expression reads it, from one time to another in
    /// Unix milliseconds.
    #[must_use]
    pub fn has_measured(&self, expr: &Expr, from: i64, to: i64) -> bool {
        let own = self.own_of(expr);
        !own.is_empty() && own.iter().all(|own| own.knows(from, to))
    }

    /// Whether an expression reads what endpoints have; otherwise its value depends on none, and waits for none.
    #[must_use]
    pub fn needs_endpoints(&self, expr: &Expr) -> bool {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let claims: Vec<_> = own.series.iter().filter_map(|own| own.claim()).collect();
        !local::are_claimed(&claims, expr)
    }

    /// Those of which an expression reads.
    pub(super) fn own_of(&self, expr: &Expr) -> Vec<Arc<dyn Local>> {
        self.own_claimed(|claim| local::is_claimed(claim, expr))
    }

    fn own_claimed(&self, is_claimed: impl Fn(Claim) -> bool) -> Vec<Arc<dyn Local>> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let reads = |own: &&Arc<dyn Local>| own.claim().is_some_and(&is_claimed);
        own.series.iter().filter(reads).map(Arc::clone).collect()
    }

    /// Takes another configuration. Queries that run end with the endpoints with which they began, and nothing is known
    /// any more of earlier ones.
    pub fn reload(&self, config: QueryConfig) {
        let cache = config.cache.clone();
        self.limits.take(config.limits.clone());
        self.discovery.take(config);
        self.use_declared();
        // After that, so that whoever took the endpoints before does not take what it finds for what is found now.
        self.ranges.reset(cache);
    }

    /// Makes those the endpoints that are declared or were found; what is known of those that stay is kept.
    pub(super) fn use_declared(&self) {
        let mut endpoints = self
            .endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *endpoints = Arc::new(Endpoints::new(self.discovery.declared(), &endpoints));
    }

    pub(super) fn endpoints(&self) -> Arc<Endpoints> {
        let endpoints = self
            .endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&endpoints)
    }

    /// Evaluates an expression over all endpoints within `timeout`; what is known of earlier queries is not asked again.
    /// What is fetched ends with this future.
    ///
    /// # Errors
    /// When the query has no value, or none that would be right, or takes more than the limits of the file allow.
    /// Endpoints that do not answer are no error: the answer names them.
    pub async fn query(
        &self,
        expr: &Expr,
        steps: Steps,
        options: Options,
        timeout: Duration,
    ) -> Result<Reply, QueryError> {
        let how = How {
            timeout,
            in_parts: true,
            known: None,
        };
        self.counted(expr, steps, options, how).await
    }

    /// The same for an expression that is asked again and again.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn query_again(
        &self,
        known: &Arc<Recurring>,
        steps: Steps,
        options: Options,
        timeout: Duration,
    ) -> Result<Reply, QueryError> {
        let how = How {
            timeout,
            in_parts: true,
            known: Some(known),
        };
        self.counted(known.expr(), steps, options, how).await
    }

    /// The same, whatever is known.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn query_afresh(
        &self,
        expr: &Expr,
        steps: Steps,
        options: Options,
        timeout: Duration,
    ) -> Result<Reply, QueryError> {
        let how = How {
            timeout,
            in_parts: false,
            known: None,
        };
        self.counted(expr, steps, options, how).await
    }

    /// As [`query_afresh`](Self::query_afresh), over what is here already as well. This is how rules ask: they wait for
    /// no turn, and what others hold is not held against them.
    ///
    /// # Errors
    /// As [`query`](Self::query).
    pub async fn query_beside(
        &self,
        expr: &Expr,
        steps: Steps,
        options: Options,
        timeout: Duration,
        locals: Vec<Arc<dyn Local>>,
        params: &[(String, String)],
    ) -> Result<Reply, QueryError> {
        let began = Instant::now();
        let mut locals = locals;
        locals.extend(self.own_of(expr));
        let budget = self.limits.own_budget();
        let begun = match self.needs_endpoints(expr) {
            true => self.begin(options, timeout, budget).await,
            false => self.begin_at_once(options, timeout, budget),
        };
        let begun = begun.beside(locals).with(params);
        let result = begun.ask(expr, steps).await;
        self.count(steps, began, &result);
        result
    }

    async fn counted(
        &self,
        expr: &Expr,
        steps: Steps,
        options: Options,
        how: How<'_>,
    ) -> Result<Reply, QueryError> {
        let began = Instant::now();
        let answer = self.answer_in_turn(expr, steps, options, how);
        let result = answer.await;
        self.count(steps, began, &result);
        result
    }

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

    async fn answer_in_turn(
        &self,
        expr: &Expr,
        steps: Steps,
        options: Options,
        how: How<'_>,
    ) -> Result<Reply, QueryError> {
        let began = Instant::now();
        let _turn = self.limits.turn(began + how.timeout).await?;
        let queued = began.elapsed();
        let left = How {
            timeout: how.timeout.saturating_sub(queued),
            ..how
        };
        let mut reply = self.answer(expr, steps, options, left).await?;
        reply.explain.queued = queued;
        Ok(reply)
    }

    async fn answer(
        &self,
        expr: &Expr,
        steps: Steps,
        options: Options,
        how: How<'_>,
    ) -> Result<Reply, QueryError> {
        let budget = self.limits.budget();
        let mut begun = self.begin(options, how.timeout, budget).await;
        let own = match how.known {
            Some(known) => {
                begun = begun.recurring(known);
                self.own_claimed(|claim| known.is_claimed(claim))
            }
            None => self.own_of(expr),
        };
        if !own.is_empty() {
            return begun.beside(own).ask(expr, steps).await;
        }
        if how.in_parts
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
