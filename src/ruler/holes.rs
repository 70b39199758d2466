//! Since when partitions are missing for a rule: what depends on one stays as it is, but not for ever.

use std::collections::BTreeMap;

use crate::{federation::Certainty, labels::LabelSet};

/// The partitions that are missing, by the labels by which elements that depend on them are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Holes(BTreeMap<LabelSet, Hole>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Hole {
    /// Unix milliseconds.
    since: i64,
    /// Whether answers count as complete without it.
    given_up: bool,
}

/// What an answer decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decided {
    /// What of it is certain, those that are missing for too long passed over.
    pub(super) certainty: Certainty,
    /// The labels of those that are passed over from now on.
    pub(super) given_up: Vec<LabelSet>,
}

impl Holes {
    /// Takes in what the answer of the slot `at` lacks. What is unknown stays so for `hold_for` milliseconds; `held_since`
    /// says of the labels of a partition since when elements that depend on it are held, perhaps by an earlier owner.
    pub(super) fn take(
        &mut self,
        certainty: &Certainty,
        at: i64,
        hold_for: i64,
        held_since: impl Fn(&LabelSet) -> Option<i64>,
    ) -> Decided {
        let before = std::mem::take(&mut self.0);
        let (mut open, mut given_up) = (Vec::new(), Vec::new());
        for labels in certainty.holes() {
            if self.0.contains_key(labels) {
                continue;
            }
            let known = before.get(labels).copied();
            let mut hole = known.unwrap_or_else(|| Hole {
                since: held_since(labels).unwrap_or(at).min(at),
                given_up: false,
            });
            if at.saturating_sub(hole.since) < hold_for {
                open.push(labels.clone());
            } else if !std::mem::replace(&mut hole.given_up, true) {
                given_up.push(labels.clone());
            }
            self.0.insert(labels.clone(), hole);
        }
        Decided {
            certainty: Certainty::without(open),
            given_up,
        }
    }
}

/// Whether an element depends on the partition that is known by these labels.
pub(super) fn depends(element: &LabelSet, hole: &LabelSet) -> bool {
    let mut pairs = hole.iter();
    pairs.all(|(name, value)| element.get(name) == Some(value))
}
