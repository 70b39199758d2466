//! Who answers queries: the federation, or what a test puts in its place.

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use super::ApiFailure;
use crate::{
    federation::Recurring,
    io::federation::FederationStatus,
    labels::LabelSet,
    promql::engine::{Output, Steps},
};

/// A query.
#[derive(Clone, Debug)]
pub struct GlobalQuery {
    /// What is asked.
    pub expr: Arc<Recurring>,
    /// For which times.
    pub steps: Steps,
    /// How far instant selectors look back, in milliseconds, if not as configured.
    pub lookback: Option<i64>,
    /// How long it may take, in milliseconds, if not as configured.
    pub timeout: Option<i64>,
    /// Whether everything is asked, whatever is known of earlier queries.
    pub afresh: bool,
}

/// The result of a query over what answered.
#[derive(Clone, Debug)]
pub struct GlobalAnswer {
    /// The result.
    pub output: Output,
    /// Each partition that is missing: what it is and why, for a user.
    pub missing: Vec<String>,
    /// How it was answered, for `/query/explain`.
    pub explanation: Explanation,
}

/// How a query was answered; made into JSON when somebody wants it, which is rare.
#[derive(Clone)]
pub struct Explanation(Arc<dyn Fn() -> serde_json::Value + Send + Sync>);

impl Explanation {
    /// Tells what `write` makes.
    pub fn new(write: impl Fn() -> serde_json::Value + Send + Sync + 'static) -> Self {
        Self(Arc::new(write))
    }

    /// The JSON of the API.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        (self.0)()
    }
}

impl fmt::Debug for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Explanation").finish_non_exhaustive()
    }
}

/// A question about which series there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The series that match.
    Series,
    /// The names of their labels.
    LabelNames,
    /// The values of one of their labels.
    LabelValues(String),
}

/// What a lookup is restricted to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LookupScope {
    /// Selectors, of which any may match; none for everything.
    pub selectors: Vec<String>,
    /// Unix milliseconds.
    pub start: Option<i64>,
    /// Unix milliseconds.
    pub end: Option<i64>,
    /// How many are wanted; none for all.
    pub limit: Option<usize>,
    /// How long it may take, in milliseconds, if not as configured.
    pub timeout: Option<i64>,
}

/// What a lookup found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// Label sets, sorted.
    Series(Vec<LabelSet>),
    /// Names or values, sorted.
    Texts(Vec<String>),
}

/// A future that a trait object returns.
pub type Answering<'a, T> = Pin<Box<dyn Future<Output = Result<T, ApiFailure>> + Send + 'a>>;

/// Answers queries over all endpoints.
pub trait Querier: Send + Sync {
    /// Evaluates a query.
    fn query(&self, query: GlobalQuery) -> Answering<'_, GlobalAnswer>;

    /// Finds series, names or values, no more than wanted, with what is missing, and whether there are more.
    fn lookup(&self, lookup: Lookup, scope: LookupScope) -> Answering<'_, (Found, Vec<String>)>;

    /// The metadata of metrics: by name, a list of type, unit and help.
    fn metadata(&self, metric: Option<String>) -> Answering<'_, (serde_json::Value, Vec<String>)>;

    /// The exemplars of the series that any selector matches: a list of labels with exemplars, as Prometheus's API has it.
    fn exemplars(&self, scope: LookupScope) -> Answering<'_, (serde_json::Value, Vec<String>)>;

    /// How the endpoints do.
    fn status(&self) -> FederationStatus;
}
