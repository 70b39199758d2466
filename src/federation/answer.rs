//! What a query came to, and how much of the world it saw.

use super::{World, scope::Scope};
use crate::{
    labels::LabelSet,
    promql::{Series, engine::Output},
};

/// What one partition answered to one question.
#[derive(Clone, Debug, PartialEq)]
pub enum Fetched {
    /// Its series, without the labels that are to be attached.
    Series(Vec<Series>),
    /// Its series and the `warnings` and `infos` beside them. One that is not of PromQL tells that data is missing, so
    /// that it counts as no answer.
    Remarked(Vec<Series>, Vec<String>),
    /// Why it cannot evaluate the expression, though it was reached and understood the question.
    Refused(String),
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
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The result over the partitions that answered.
    pub output: Output,
    /// The partitions without which it was made, each once; optional ones among them.
    pub missing: Vec<Missing>,
    /// The labels of the missing partitions in the same order, for warnings.
    pub missing_labels: Vec<LabelSet>,
    /// Which elements would be the same with the missing partitions.
    pub certainty: Certainty,
}

impl Answer {
    /// The result of a query that was answered in parts: what one of them lacks the whole lacks.
    #[must_use]
    pub fn of_parts(output: Output, parts: Vec<Self>) -> Self {
        let mut certainty = Certainty::default();
        let mut missing: Vec<(Missing, LabelSet)> = Vec::new();
        for part in parts {
            missing.extend(part.missing.into_iter().zip(part.missing_labels));
            for hole in part.certainty.holes {
                if !certainty.holes.contains(&hole) {
                    certainty.holes.push(hole);
                }
            }
        }
        missing.sort();
        missing.dedup_by_key(|(missing, _)| missing.partition);
        let (missing, missing_labels) = missing.into_iter().unzip();
        Self {
            output,
            missing,
            missing_labels,
            certainty,
        }
    }
}

/// Which elements of a result do not depend on partitions that did not answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certainty {
    /// The labels of each missing partition by which elements that depend on it are known.
    holes: Vec<LabelSet>,
}

impl Certainty {
    pub(super) fn new(world: &World, origin: &Scope, missing: &[Missing]) -> Self {
        let hole = |missing: &Missing| {
            let labels = world.labels_of(missing.partition);
            match origin {
                Scope::Union(reach) => {
                    labels.filter_pairs(|name, _| reach.carried.iter().any(|own| own == name))
                }
                Scope::Local | Scope::Global(_) => LabelSet::empty(),
            }
        };
        Self {
            holes: missing.iter().map(hole).collect(),
        }
    }

    /// That of a result whose elements depend on missing partitions only if they have all of the labels of one of them.
    #[must_use]
    pub fn without(holes: Vec<LabelSet>) -> Self {
        Self { holes }
    }

    /// Whether the element of these labels, or that there is none, is as it would be if all partitions had answered.
    #[must_use]
    pub fn is_certain(&self, element: &LabelSet) -> bool {
        let within = |hole: &LabelSet| {
            let mut pairs = hole.iter();
            pairs.all(|(name, value)| element.get(name) == Some(value))
        };
        !self.holes.iter().any(within)
    }

    /// The labels of each missing partition by which elements that depend on it are known.
    #[must_use]
    pub fn holes(&self) -> &[LabelSet] {
        &self.holes
    }

    /// Whether all elements are.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.holes.is_empty()
    }
}
