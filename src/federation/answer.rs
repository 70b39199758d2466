//! What a query came to, and how much of the world it saw.

use crate::{
    labels::LabelSet,
    promql::{Series, engine::Output},
};

/// What one partition answered to one question.
#[derive(Clone, Debug, PartialEq)]
pub enum Fetched {
    /// Its series, without the labels that are to be attached.
    Series(Vec<Series>),
    /// Why it did not answer, for an operator.
    Missing(String),
}

/// A partition that did not answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Missing {
    /// Which, by its place in the world.
    pub partition: usize,
    /// Why, for an operator.
    pub reason: String,
}

/// The result of a query.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The result over the partitions that answered.
    pub output: Output,
    /// The partitions without which it was made, each once; optional ones among them.
    pub missing: Vec<Missing>,
    /// The labels of the missing partitions in the same order, for warnings.
    pub missing_labels: Vec<LabelSet>,
}
