//! What a query may be asked of: partitions of the data, and how their endpoints speak.

use std::{collections::BTreeSet, sync::Arc};

use super::Rates;
use crate::labels::{LabelSet, MatchOp, Matcher};

/// The language and habits of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Prometheus before 3.0, and what else has its windows, which include their start; no UTF-8 names.
    Prometheus2,
    /// Prometheus from 3.0 on.
    Prometheus3,
    /// Prometheus from 3.5 on and before 3.10 with native histograms, of which functions make other values.
    EarlyPrometheus3,
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

/// How a replica is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Speech {
    /// How it speaks.
    pub dialect: Dialect,
    /// Where the labels of its partition are.
    pub mode: PartitionMode,
    /// How much it may be asked to compute.
    pub pushdown: Pushdown,
}

/// How much of what the replica that is asked first may be asked is asked of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extent {
    /// All of it.
    #[default]
    First,
    /// What all its replicas may be asked.
    Common,
    /// Selectors only.
    Selectors,
}

/// A part of the data, held by one or more replicas.
#[derive(Clone, Debug, PartialEq)]
pub struct Partition {
    /// The labels that all its series have and that set it apart from the others.
    pub labels: LabelSet,
    /// Where these labels are at the replica that is asked first.
    pub mode: PartitionMode,
    /// How that one speaks.
    pub dialect: Dialect,
    /// How much that one may be asked to compute.
    pub pushdown: Pushdown,
    /// How its other replicas are spoken to, where that is another way; each way once.
    pub others: Vec<Speech>,
    /// How much is asked of it.
    pub extent: Extent,
    /// How it is asked for rates, if it is a Prometheus 2.
    pub rates: Rates,
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

impl Partition {
    /// One of which nothing is known but its labels and how its replicas are spoken to: all alike, and none of them a
    /// Prometheus 2 that is asked for rates.
    #[must_use]
    pub fn new(labels: LabelSet, speech: Speech) -> Self {
        let Speech {
            dialect,
            mode,
            pushdown,
        } = speech;
        Self {
            labels,
            mode,
            dialect,
            pushdown,
            others: Vec::new(),
            extent: Extent::First,
            rates: Rates::Never,
            optional: false,
            overlap: false,
            names: None,
            claim: None,
            copied: LabelSet::empty(),
        }
    }
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
    /// The labels that are not in what is asked of the replica that is asked first.
    #[must_use]
    pub fn attached(&self) -> LabelSet {
        match self.mode {
            PartitionMode::Attach => self.labels.clone(),
            PartitionMode::Present => LabelSet::empty(),
        }
    }

    /// The labels that answers of any of its replicas lack; all answers get them here.
    #[must_use]
    pub(super) fn ever_attached(&self) -> LabelSet {
        match self.attaches() {
            true => self.labels.clone(),
            false => LabelSet::empty(),
        }
    }

    /// Whether answers of any of its replicas lack its labels.
    #[must_use]
    pub fn attaches(&self) -> bool {
        let attaches = |mode| mode == PartitionMode::Attach;
        attaches(self.mode) || self.others.iter().any(|other| attaches(other.mode))
    }

    /// Whether the replica that is asked first is asked for series with the labels of the partition: beside replicas that
    /// have its series alone, one that shows these labels may hold those of other partitions as well.
    #[must_use]
    pub(super) fn is_pinned(&self) -> bool {
        self.mode == PartitionMode::Present && self.attaches()
    }

    /// How the replica that is asked first is spoken to.
    #[must_use]
    pub fn speech(&self) -> Speech {
        Speech {
            dialect: self.dialect,
            mode: self.mode,
            pushdown: self.pushdown,
        }
    }

    /// The same partition as it is for each of the other replicas, in the order of [`others`](Self::others).
    pub fn of_others(&self) -> impl Iterator<Item = Self> {
        self.others.iter().map(|other| {
            let rest = self.others.iter().filter(|one| *one != other);
            Self {
                dialect: other.dialect,
                mode: other.mode,
                pushdown: other.pushdown,
                others: rest.copied().chain([self.speech()]).collect(),
                ..self.clone()
            }
        })
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
            extent: Extent::Selectors,
            ..partition.clone()
        });
        Self {
            partitions: partitions.collect(),
        }
    }
}
