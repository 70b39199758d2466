//! What a query may be asked of: partitions of the data, and how their endpoints speak.

use crate::labels::LabelSet;

/// The language and habits of an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// Prometheus before 3.0: windows include their start, no UTF-8 names.
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
    /// Functions and aggregations that mean the same in every dialect.
    Aggregate,
    /// Everything that its own data suffices for.
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
    /// How far their instant selectors look back; milliseconds.
    pub lookback: i64,
    /// Whether a query is complete without it.
    pub optional: bool,
    /// Whether other partitions may hold the same series; such are never asked for aggregates.
    pub overlap: bool,
}

/// All partitions, in the order in which they are configured.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct World {
    /// The partitions.
    pub partitions: Vec<Partition>,
}
