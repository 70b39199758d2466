//! The voters as everyone else sees them, and what a majority of them is.

use std::collections::BTreeSet;

use crate::cluster::NodeName;

/// The voters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Electors {
    /// Names the founding: electorates of different foundings know nothing of each other.
    pub founding: u64,
    /// Counts changes.
    pub epoch: u64,
    /// Who votes.
    pub names: BTreeSet<NodeName>,
    /// Majorities are of at least this many (`--cluster.expected-size`); 0 for as many as there are names.
    pub at_least: usize,
}

/// Which nodes are in reach.
pub trait Visible {
    /// Whether there is a stream to it.
    fn connected(&self, name: &str) -> bool;
    /// Whether the membership protocol holds it for dead or its process is known to be gone.
    fn down(&self, name: &str) -> bool;
}

impl Electors {
    /// Whether those that `acknowledged` are enough: a majority, or of two members both, or the smaller name alone once
    /// it sees the other down.
    ///
    /// Every two majorities of one electorate share a member: with two members each contains the smaller name.
    #[must_use]
    pub fn is_majority(
        &self,
        acknowledged: impl Fn(&str) -> bool,
        down: impl Fn(&str) -> bool,
    ) -> bool {
        let count = self.names.iter().filter(|name| acknowledged(name)).count();
        if self.names.len() == 2 && self.at_least <= 2 {
            let mut names = self.names.iter();
            if let (Some(smaller), Some(larger)) = (names.next(), names.next()) {
                return count == 2 || (acknowledged(smaller) && down(larger));
            }
        }
        count * 2 > self.names.len().max(self.at_least)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn electors(names: &str, at_least: usize) -> Electors {
        Electors {
            names: names.split_whitespace().map(NodeName::from).collect(),
            at_least,
            ..Electors::default()
        }
    }

    #[test]
    fn a_majority_is_more_than_half_and_of_two_the_smaller_name_decides() {
        for (names, at_least, acks, down, expected) in [
            ("a", 0, "a", "", true),
            ("a", 0, "b", "", false),
            ("a b", 0, "a", "", false),
            ("a b", 0, "b", "a", false),
            ("a b", 0, "a", "b", true),
            ("a b", 0, "a b", "", true),
            ("a b", 2, "a", "b", true),
            ("a b", 3, "a", "b", false),
            ("a b", 3, "a b", "", true),
            ("a", 2, "a", "", false),
            ("a b c", 0, "a", "b c", false),
            ("a b c", 0, "b c", "", true),
            ("a b c", 0, "c x y", "", false),
            ("a b c", 5, "a b", "", false),
            ("a b c", 5, "a b c", "", true),
            ("a b c d", 0, "a b", "", false),
            ("a b c d", 0, "b c d", "", true),
            ("", 0, "a", "", false),
        ] {
            let holds = |list: &str, name: &str| list.split_whitespace().any(|n| n == name);
            assert_eq!(
                electors(names, at_least)
                    .is_majority(|name| holds(acks, name), |name| holds(down, name)),
                expected,
                "{names} at least {at_least}: {acks} acknowledged, {down} down"
            );
        }
    }
}
