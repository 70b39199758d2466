//! Which partitions a selector can have series in, and what is left to ask of them.

use super::{Dialect, Partition, World};
use crate::labels::{MatchOp, Matcher};

/// The partitions that may hold series that match.
pub(super) fn partitions(world: &World, matchers: &[Matcher]) -> Vec<usize> {
    let all = world.partitions.iter().enumerate();
    let claims = |partition: &Partition| partition.claim.is_some_and(|claim| claim.takes(matchers));
    if let Some(claimed) = world.partitions.iter().position(claims) {
        let matches = world.partitions.get(claimed);
        let matches = matches.is_some_and(|partition| may_match(partition, matchers));
        return matches.then_some(claimed).into_iter().collect();
    }
    all.filter(|(_, partition)| partition.claim.is_none())
        .filter(|(_, partition)| may_match(partition, matchers))
        .map(|(at, _)| at)
        .collect()
}

/// Whether the replica that is asked first may hold series that match.
pub(super) fn may_match(partition: &Partition, matchers: &[Matcher]) -> bool {
    let named = |name: &String| {
        let mut of_name = matchers.iter().filter(|one| one.name() == "__name__");
        of_name.all(|matcher| matcher.matches_value(name))
    };
    if let Some(names) = &partition.names
        && !names.iter().any(named)
    {
        return false;
    }
    matchers
        .iter()
        .all(|matcher| match known(partition, matcher) {
            Some(value) => matcher.matches_value(value),
            None => true,
        })
}

/// The value that a label has on all series of a partition, if that is known.
fn known<'a>(partition: &'a Partition, matcher: &Matcher) -> Option<&'a str> {
    partition
        .labels
        .get(matcher.name())
        .or_else(|| lacks(partition.dialect, matcher.name()).then_some(""))
}

/// Whether no series of a dialect has a label of this name.
pub(super) fn lacks(dialect: Dialect, name: &str) -> bool {
    dialect == Dialect::Prometheus2 && !is_classic(name)
}

/// Whether a name was allowed before Prometheus 3.
pub(super) fn is_classic(name: &str) -> bool {
    let word = |(at, byte): (usize, u8)| {
        byte == b'_' || byte.is_ascii_alphabetic() || (at > 0 && byte.is_ascii_digit())
    };
    !name.is_empty() && name.bytes().enumerate().all(word)
}

/// What is asked of a partition that [may match](partitions).
pub(super) fn matchers(partition: &Partition, matchers: &[Matcher]) -> Vec<Matcher> {
    let attached = partition.attached();
    let asked = |matcher: &&Matcher| {
        attached.get(matcher.name()).is_none() && !lacks(partition.dialect, matcher.name())
    };
    let mut kept: Vec<Matcher> = matchers.iter().filter(asked).cloned().collect();
    if partition.is_pinned() {
        let labels = partition.labels.iter();
        let own = labels.filter_map(|(name, value)| Matcher::new(MatchOp::Equal, name, value).ok());
        kept.retain(|matcher| partition.labels.get(matcher.name()).is_none());
        kept.extend(own);
    }
    if kept.iter().all(|matcher| matcher.matches_value("")) {
        // Endpoints refuse selectors that match series without labels.
        kept.extend(Matcher::new(MatchOp::NotEqual, "__name__", ""));
    }
    kept
}
