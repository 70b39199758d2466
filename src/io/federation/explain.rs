//! How a query was answered.

use std::{sync::Arc, time::Duration};

use crate::{federation::Plan, labels::LabelSet};

/// How a query was answered: what was computed here, and what endpoints were asked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explain {
    /// How the query was cut.
    pub plan: Option<Arc<Plan>>,
    /// Why the query was asked again, if it was: for selectors only, for samples, or otherwise of other replicas.
    pub again: Option<String>,
    /// Every request in the order of the plan; retries follow what they repeat.
    pub requests: Vec<Request>,
    /// Steps of a query of many times that was answered in parts; otherwise 0.
    pub steps: u64,
    /// Those of them that were known and not asked.
    pub known_steps: u64,
    /// How long the query waited for its turn.
    pub queued: Duration,
}

impl Explain {
    /// What is computed here; `<fragment N>` stands for what endpoints compute.
    #[must_use]
    pub fn local(&self) -> String {
        let plan = self.plan.as_ref();
        plan.map(|plan| plan.local.to_string()).unwrap_or_default()
    }

    /// Adds how another part of the same query was answered.
    pub(super) fn add(&mut self, part: Self) {
        self.plan = part.plan;
        self.again = self.again.take().or(part.again);
        self.requests.extend(part.requests);
    }
}

/// One request to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The number of the fragment; `None` for windows of samples.
    pub fragment: Option<usize>,
    /// The labels of the partition.
    pub partition: LabelSet,
    /// The name of the endpoint.
    pub endpoint: Arc<str>,
    /// Its replica.
    pub replica: Arc<str>,
    /// What it was asked: several questions at once, if they are light.
    pub query: Arc<str>,
    /// Whether another query had asked the same already, so that nothing travelled for this one.
    pub joined: bool,
    /// How long it took, waiting for its turn included.
    pub took: Duration,
    /// The bytes of its answer, after decompression.
    pub bytes: usize,
    /// The series of its answer.
    pub series: usize,
    /// The samples of its answer.
    pub samples: usize,
    /// Whether it was asked for samples as they are stored, of which its answer was made here.
    pub remote_read: bool,
    /// How many of its samples fill gaps in those of the replica before it.
    pub filled: usize,
    /// Why its answer does not count.
    pub error: Option<String>,
}
