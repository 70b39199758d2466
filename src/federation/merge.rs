//! What several partitions answered, as one vector.

use std::collections::{BTreeMap, BTreeSet};

use super::{World, copies};
use crate::{labels::LabelSet, promql::Series};

/// One series came from where only one of them can be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overlap {
    /// From two partitions.
    #[error(
        "the series {series} comes from partition {first} and from partition {second}: correct the labels of the \
         partitions so that they set them apart, or declare that they overlap"
    )]
    Partitions {
        /// Its labels.
        series: LabelSet,
        /// The labels of a partition.
        first: LabelSet,
        /// The labels of another, or of the same one if that answered the series twice.
        second: LabelSet,
    },
    /// From one partition, two of whose series differ only in what the labels of the partition take the place of.
    #[error(
        "two series of partition {partition} become {series}, since one of them has the label {label} itself: rename \
         it there, or choose another label for the partition"
    )]
    Itself {
        /// The labels that both get.
        series: LabelSet,
        /// The labels of the partition.
        partition: LabelSet,
        /// The label of the partition that one of them has.
        label: String,
    },
}

/// The series of one partition with the labels that are attached to them.
///
/// # Errors
/// When two of them become the same, because they had one of these labels themselves.
pub(super) fn attach(
    mut series: Vec<Series>,
    attach: &LabelSet,
    nameless: bool,
) -> Result<Vec<Series>, Overlap> {
    if attach.is_empty() && !nameless {
        return Ok(series);
    }
    let mut replaced: Option<String> = None;
    for one in &mut series {
        if replaced.is_none() {
            let mut names = attach.iter().map(|(name, _)| name);
            let own = names.find(|name| one.labels.get(name).is_some());
            replaced = own.map(ToOwned::to_owned);
        }
        let own = one
            .labels
            .iter()
            .filter(|(name, _)| !nameless || *name != "__name__");
        one.labels = LabelSet::from_pairs(own.chain(attach.iter()));
    }
    let Some(label) = replaced else {
        return Ok(series);
    };
    let mut seen = BTreeSet::new();
    match series.iter().find(|one| !seen.insert(&one.labels)) {
        Some(twice) => Err(Overlap::Itself {
            series: twice.labels.clone(),
            partition: attach.clone(),
            label,
        }),
        None => Ok(series),
    }
}

/// The series of all partitions, each once.
///
/// # Errors
/// When two partitions have the same series and did not declare that they may.
pub(super) fn united(
    world: &World,
    mut answers: Vec<(usize, Vec<Series>)>,
) -> Result<Vec<Series>, Overlap> {
    if let [(_, _)] = answers.as_slice() {
        return Ok(answers.into_iter().flat_map(|(_, series)| series).collect());
    }
    copies::take_in(world, &mut answers);
    let mut all: Vec<Series> = Vec::new();
    let mut places: BTreeMap<LabelSet, (usize, usize)> = BTreeMap::new();
    for (partition, answer) in answers {
        for series in answer {
            let Some((first, place)) = places.get(&series.labels).copied() else {
                places.insert(series.labels.clone(), (partition, all.len()));
                all.push(series);
                continue;
            };
            if first == partition || !may_share(world, first, partition) {
                return Err(overlap(world, series.labels, first, partition));
            }
            if let Some(known) = all.get_mut(place)
                && (samples(known) < samples(&series)
                    || is_own(world, partition) && samples(known) == samples(&series))
            {
                *known = series;
            }
        }
    }
    Ok(all)
}

fn samples(series: &Series) -> usize {
    series.floats.times.len() + series.histograms.times.len()
}

fn is_own(world: &World, at: usize) -> bool {
    let partition = world.partitions.get(at);
    partition.is_some_and(|partition| partition.names.is_some())
}

fn may_share(world: &World, first: usize, second: usize) -> bool {
    let overlaps = |at: usize| {
        world
            .partitions
            .get(at)
            .is_some_and(|partition| partition.overlap)
    };
    overlaps(first) && overlaps(second) || is_own(world, first) || is_own(world, second)
}

fn overlap(world: &World, series: LabelSet, first: usize, second: usize) -> Overlap {
    Overlap::Partitions {
        series,
        first: world.labels_of(first),
        second: world.labels_of(second),
    }
}
