//! An electorate as it is kept and told, and which of two holds.

use std::{cmp::Ordering, collections::BTreeMap};

use super::Electors;
use crate::cluster::NodeName;

/// Names a charter: of one founding there is one for each epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct CharterId {
    pub founding: u64,
    pub epoch: u64,
}

/// An electorate with its descent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Charter {
    pub founding: u64,
    pub epoch: u64,
    /// The first founding of its line. A charter that was founded because the majority of its predecessor was gone has a
    /// founding of its own and the line of that predecessor.
    pub line: u64,
    /// Founded, itself or an ancestor of the same founding, without a majority of its predecessor.
    pub forced: bool,
    /// Who votes, each with the ticket with which it asked to be added: a node that holds that ticket has never voted
    /// before this charter's line of changes added it.
    pub names: BTreeMap<NodeName, u64>,
}

impl Charter {
    pub(super) fn id(&self) -> CharterId {
        CharterId {
            founding: self.founding,
            epoch: self.epoch,
        }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains_key(name)
    }

    /// The next charter with a name more.
    pub(super) fn with(&self, name: &NodeName, ticket: u64) -> Self {
        let mut next = self.next();
        next.names.insert(name.clone(), ticket);
        next
    }

    /// The next charter with a name less.
    pub(super) fn without(&self, name: &str) -> Self {
        let mut next = self.next();
        next.names.remove(name);
        next
    }

    fn next(&self) -> Self {
        Self {
            epoch: self.epoch.saturating_add(1),
            ..self.clone()
        }
    }

    /// Whether this may be decided as the next charter after `old`: one name more or one less.
    pub(super) fn follows(&self, old: &Self) -> bool {
        let added = self
            .names
            .iter()
            .filter(|(name, ticket)| old.names.get(*name) != Some(ticket))
            .count();
        let kept = self.names.len() - added;
        let removed = old.names.len() - kept;
        self.founding == old.founding
            && self.line == old.line
            && self.forced == old.forced
            && old.epoch.checked_add(1) == Some(self.epoch)
            && added + removed == 1
            && !self.names.is_empty()
    }

    /// Which of two charters holds. Within a line the higher epoch; at one epoch the one that a majority decided, then
    /// the larger. Between lines the higher (size, epoch, smallest name).
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let size = self.names.len().cmp(&other.names.len());
        let epoch = self.epoch.cmp(&other.epoch);
        let rest = || {
            let smallest = |charter: &Self| charter.names.keys().next().cloned();
            smallest(self)
                .cmp(&smallest(other))
                .then_with(|| self.line.cmp(&other.line))
                .then_with(|| self.founding.cmp(&other.founding))
                .then_with(|| self.names.cmp(&other.names))
        };
        if self.line == other.line {
            let decided = other.forced.cmp(&self.forced);
            epoch.then(decided).then(size).then_with(rest)
        } else {
            size.then(epoch).then_with(rest)
        }
    }

    pub(super) fn beats(&self, other: &Self) -> bool {
        self.compare(other) == Ordering::Greater
    }

    /// As everyone else sees it.
    pub(super) fn electors(&self, at_least: usize) -> Electors {
        Electors {
            founding: self.founding,
            epoch: self.epoch,
            names: self.names.keys().cloned().collect(),
            at_least,
        }
    }
}

/// The lines of which the latest charter is remembered.
const MAX_LINES: usize = 8;

/// The latest charter of each line that was ever told.
#[derive(Debug, Default)]
pub(super) struct Known(BTreeMap<u64, Charter>);

impl Known {
    pub(super) fn new(saved: Vec<Charter>, own: Option<&Charter>) -> Self {
        let mut known = Self::default();
        for charter in saved.iter().chain(own) {
            known.learn(charter, own);
        }
        known
    }

    /// Notes a charter; `false` if a later one of its line is known. The line of `own` is not forgotten to make room.
    pub(super) fn learn(&mut self, charter: &Charter, own: Option<&Charter>) -> bool {
        let current = self.later(charter).is_none();
        if current {
            self.0.insert(charter.line, charter.clone());
        }
        if self.0.len() > MAX_LINES {
            let other =
                |line: &u64| *line != charter.line && own.is_none_or(|own| own.line != *line);
            let least = self.0.iter().filter(|(line, _)| other(line));
            let least = least.min_by(|(_, a), (_, b)| a.compare(b));
            if let Some(line) = least.map(|(line, _)| *line) {
                self.0.remove(&line);
            }
        }
        current
    }

    /// A later charter of the line.
    pub(super) fn later(&self, charter: &Charter) -> Option<&Charter> {
        self.0.get(&charter.line).filter(|held| held.beats(charter))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Charter> {
        self.0.values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn charter(line: u64, founding: u64, epoch: u64, names: &str) -> Charter {
        Charter {
            founding,
            epoch,
            line,
            forced: line != founding,
            names: names.split_whitespace().map(|n| (n.into(), 1)).collect(),
        }
    }

    #[test]
    fn which_of_two_holds() {
        for (better, worse) in [
            // One line: the epoch decides, whatever the size.
            (charter(1, 1, 3, "a"), charter(1, 1, 2, "a b c")),
            // A side that went on without its majority beats those who stood still, and loses to those who went as far.
            (charter(1, 9, 3, "a b"), charter(1, 1, 2, "a b c d e")),
            (charter(1, 1, 3, "d e"), charter(1, 9, 3, "a b c")),
            (charter(1, 8, 3, "a b"), charter(1, 9, 3, "c")),
            // Two lines: size, epoch, smallest name.
            (charter(1, 1, 1, "a b"), charter(2, 2, 9, "c")),
            (charter(1, 1, 3, "a"), charter(2, 2, 2, "c")),
            (charter(2, 2, 2, "c"), charter(1, 1, 2, "a")),
        ] {
            assert!(better.beats(&worse), "{better:?} {worse:?}");
            assert!(!worse.beats(&better), "{better:?} {worse:?}");
            assert!(!better.beats(&better));
        }
    }

    #[test]
    fn a_change_is_one_name() {
        let old = charter(1, 1, 4, "a b c");
        assert!(old.with(&"d".into(), 7).follows(&old));
        assert!(old.without("b").follows(&old));
        for wrong in [
            charter(1, 1, 5, "a b c"),
            charter(1, 1, 5, "a b d"),
            charter(1, 1, 5, "a"),
            charter(1, 1, 6, "a b"),
            charter(1, 1, 4, "a b"),
            charter(1, 2, 5, "a b"),
            // The same names, one of them with another ticket.
            old.with(&"a".into(), 9),
        ] {
            assert!(!wrong.follows(&old), "{wrong:?}");
        }
        let last = charter(1, 1, 4, "a");
        assert!(!last.without("a").follows(&last));
        let end = charter(1, 1, u64::MAX, "a b");
        assert!(!end.without("a").follows(&end));
    }
}
