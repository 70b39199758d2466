//! What a query may be asked of: partitions of the data, and how their endpoints speak.

use std::{collections::BTreeSet, sync::Arc};

use crate::labels::{LabelSet, MatchOp, Matcher};

/// The language and habits of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Prometheus before 3.0, and what else has its windows, which include their start; no UTF-8 names.
    Prometheus2,
    /// Prometheus from 3.0 on.
    Prometheus3,
    /// Thanos Query.
    Thanos,
    /// Cortex.
    Cortex,
    /// Mimir.
    Mimir,
    /// `VictoriaMetrics`: other `rate`, other windows, other staleness.
    VictoriaMetrics,
}

/// Where the labels of a partition are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartitionMode {
    /// On the series already.
    Present,
    /// Nowhere, as the external labels of a Prometheus: they are attached to what it answers.
    Attach,
}

/// How much an endpoint may be asked to compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pushdown {
    /// Selectors only.
    Selector,
    /// What in its dialect means the same as here, so that answers are those over all data in one place.
    Aggregate,
    /// Everything that its own data suffices for, where its dialect has its own meaning as well.
    Full,
}

/// A part of the data, held by one or more replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// The labels that all its series have and that set it apart from the others.
    pub labels: LabelSet,
    /// Where these labels are.
    pub mode: PartitionMode,
    /// How its endpoints speak.
    pub dialect: Dialect,
    /// How much they may be asked to compute.
    pub pushdown: Pushdown,
    /// Whether a query is complete without it.
    pub optional: bool,
    /// Whether other partitions may hold the same series; such are never asked for aggregates.
    pub overlap: bool,
    /// The metric names that it may hold, if they are known; `None` for any. What such a partition holds goes before what
    /// others hold of the same series.
    pub names: Option<Arc<BTreeSet<String>>>,
    /// The selectors that this partition alone answers; it answers no others. `None` if it claims none.
    pub claim: Option<Claim>,
    /// Labels that copies of its series have in other partitions, besides those of these.
    pub copied: LabelSet,
}

/// The selectors that one partition alone answers, each by an equality in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The label that they name.
    pub label: &'static str,
    /// Its value.
    pub value: &'static str,
}

impl Claim {
    /// Whether a selector is claimed.
    #[must_use]
    pub fn takes(self, matchers: &[Matcher]) -> bool {
        matchers.iter().any(|matcher| {
            matcher.op() == MatchOp::Equal
                && matcher.name() == self.label
                && matcher.value() == self.value
        })
    }
}

impl Partition {
    /// The labels that its answers lack and get here.
    #[must_use]
    pub fn attached(&self) -> LabelSet {
        match self.mode {
            PartitionMode::Attach => self.labels.clone(),
            PartitionMode::Present => LabelSet::empty(),
        }
    }
}

/// All partitions, in the order in which they are configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// The partitions.
    pub partitions: Vec<Partition>,
}

impl World {
    /// The labels of a partition.
    #[must_use]
    pub fn labels_of(&self, partition: usize) -> LabelSet {
        let partition = self.partitions.get(partition);
        partition
            .map(|partition| partition.labels.clone())
            .unwrap_or_default()
    }

    /// The same world, of which nothing but selectors is asked: for a query whose parts turned out not to be what they
    /// seemed.
    #[must_use]
    pub fn selectors_only(&self) -> Self {
        let partitions = self.partitions.iter().map(|partition| Partition {
            pushdown: Pushdown::Selector,
            ..partition.clone()
        });
        Self {
            partitions: partitions.collect(),
        }
    }
}
