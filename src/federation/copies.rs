//! What rules wrote comes back from servers that they wrote it to: such copies, which got labels on the way, are the series
//! that is here, and add to it only what is older.

use std::collections::BTreeMap;

use super::{Partition, World};
use crate::{
    labels::LabelSet,
    promql::{Samples, Series},
};

/// Takes copies of what a partition of this node holds out of the answers of others.
pub(super) fn take_in(world: &World, answers: &mut [(usize, Vec<Series>)]) {
    for at in 0..answers.len() {
        let Some((own, partition, mut series)) = taken(world, answers, at) else {
            continue;
        };
        for (number, others) in answers.iter_mut() {
            if *number != own {
                let added = added(world, partition, *number);
                take_from(others, &mut series, partition, &added);
            }
        }
        if let Some((_, place)) = answers.get_mut(at) {
            *place = series;
        }
    }
}

/// The series of an answer, if it is that of a partition whose series may have copies.
fn taken<'a>(
    world: &'a World,
    answers: &mut [(usize, Vec<Series>)],
    at: usize,
) -> Option<(usize, &'a Partition, Vec<Series>)> {
    let (number, series) = answers.get_mut(at)?;
    let partition = world.partitions.get(*number)?;
    // Without a label of its own a copy cannot be told from what somebody else wrote under the same name.
    let has_copies =
        partition.names.is_some() && !partition.copied.is_empty() && !series.is_empty();
    has_copies.then(|| (*number, partition, std::mem::take(series)))
}

/// The labels that a copy may have that its series does not have.
fn added(world: &World, own: &Partition, other: usize) -> LabelSet {
    let of_other = world.labels_of(other);
    LabelSet::from_pairs(own.copied.iter().chain(of_other.iter()))
}

fn take_from(others: &mut Vec<Series>, own: &mut [Series], of: &Partition, added: &LabelSet) {
    let Some(names) = &of.names else { return };
    let bare =
        |labels: &LabelSet| labels.filter_pairs(|name, value| added.get(name) != Some(value));
    let mut places: BTreeMap<LabelSet, Vec<usize>> = BTreeMap::new();
    for (at, series) in own.iter().enumerate() {
        places.entry(bare(&series.labels)).or_default().push(at);
    }
    others.retain(|copy| {
        if !names.contains(copy.labels.value("__name__")) {
            return true;
        }
        let mut same = places.get(&bare(&copy.labels)).into_iter().flatten();
        let is_of = |at: &&usize| {
            let own = own.get(**at).map(|it| &it.labels);
            own.is_some_and(|own| holds(&copy.labels, own) && is_signed(&copy.labels, own, of))
        };
        let Some(at) = same.find(is_of) else {
            return true;
        };
        if let Some(series) = own.get_mut(*at) {
            put_before(&mut series.floats, &copy.floats);
            put_before(&mut series.histograms, &copy.histograms);
        }
        false
    });
}

/// Whether it has all labels that a copy gets; they do not replace those that a series has.
fn is_signed(copy: &LabelSet, own: &LabelSet, of: &Partition) -> bool {
    let mut given = of.copied.iter();
    given.all(|(name, value)| copy.get(name) == Some(value) || own.get(name).is_some())
}

/// Whether all of some labels are among others.
fn holds(labels: &LabelSet, some: &LabelSet) -> bool {
    some.iter()
        .all(|(name, value)| labels.get(name) == Some(value))
}

/// Puts the samples before the first one there.
fn put_before<T: Clone>(samples: &mut Samples<T>, older: &Samples<T>) {
    let first = samples.times.first().copied().unwrap_or(i64::MIN);
    let count = older.times.partition_point(|time| *time < first);
    let head = |times: &[i64]| times.iter().take(count).copied().collect::<Vec<i64>>();
    samples.times.splice(0..0, head(&older.times));
    let values = older.values.iter().take(count).cloned();
    samples.values.splice(0..0, values);
    if !samples.starts.is_empty() || !older.starts.is_empty() {
        samples.starts.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, sync::Arc};

    use super::*;
    use crate::federation::{Dialect, PartitionMode, Pushdown, Speech};

    fn partition(labels: &[(&str, &str)], names: Option<&str>) -> Partition {
        let speech = Speech {
            dialect: Dialect::Prometheus3,
            mode: PartitionMode::Attach,
            pushdown: Pushdown::Selector,
        };
        Partition {
            names: names.map(|name| Arc::new(BTreeSet::from([name.to_owned()]))),
            copied: match names {
                Some(_) => LabelSet::from_pairs([("region", "eu")]),
                None => LabelSet::empty(),
            },
            ..Partition::new(LabelSet::from_pairs(labels.iter().copied()), speech)
        }
    }

    fn series(labels: &[(&str, &str)], times: &[i64], value: f64) -> Series {
        Series {
            labels: LabelSet::from_pairs(labels.iter().copied()),
            floats: Samples {
                times: times.to_vec(),
                values: vec![value; times.len()],
                starts: Vec::new(),
            },
            ..Series::default()
        }
    }

    #[test]
    fn what_comes_back_is_the_series_that_went() {
        let world = World {
            partitions: vec![
                partition(&[("cluster", "a")], None),
                partition(&[], Some("r")),
            ],
        };
        let came = |job: &str, region: &str| {
            let labels = [
                ("__name__", "r"),
                ("cluster", "a"),
                ("job", job),
                ("region", region),
            ];
            series(&labels, &[10, 20, 30], 1.0)
        };
        let other = series(
            &[("__name__", "q"), ("cluster", "a"), ("job", "j")],
            &[10],
            1.0,
        );
        let mut answers = vec![
            (
                0,
                vec![came("j", "eu"), came("k", "eu"), came("j", "us"), other],
            ),
            (
                1,
                vec![series(&[("__name__", "r"), ("job", "j")], &[20, 40], 2.0)],
            ),
        ];
        take_in(&world, &mut answers);
        let left: Vec<&str> = answers[0]
            .1
            .iter()
            .map(|one| one.labels.value("region"))
            .collect();
        assert_eq!(
            left,
            ["eu", "us", ""],
            "another job, another region, another name"
        );
        let own = &answers[1].1[0];
        assert_eq!(own.floats.times, [10, 20, 40]);
        assert_eq!(own.floats.values, [1.0, 2.0, 2.0]);
    }

    #[test]
    fn own_labels_that_are_those_of_a_partition_are_kept_apart() {
        let world = World {
            partitions: vec![
                partition(&[("cluster", "a")], None),
                partition(&[], Some("r")),
            ],
        };
        let of = |cluster: &str| series(&[("__name__", "r"), ("cluster", cluster)], &[20], 2.0);
        let came = [("__name__", "r"), ("cluster", "a"), ("region", "eu")];
        let came = series(&came, &[20], 2.0);
        let mut answers = vec![(0, vec![came, of("a")]), (1, vec![of("a"), of("b")])];
        take_in(&world, &mut answers);
        // What has no external label is of somebody else.
        assert_eq!(answers[0].1.len(), 1);
        assert_eq!(answers[1].1.len(), 2);
    }
}
