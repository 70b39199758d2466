//! Gaps in the samples of one replica, filled with those of another.
//!
//! A gap is a distance of more than one and a half times the median distance of the samples of a series in a window. What is
//! there stays as it is, so that both replicas have their share in the result only where one of them saw nothing.

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    labels::LabelSet,
    promql::{FloatHistogram, Samples, Series, histogram::CounterResetHint},
};

/// Fewer samples have no usual distance.
const FEWEST: usize = 4;

/// Whether any series of a window has a gap.
#[must_use]
pub fn has_gaps(series: &[Series]) -> bool {
    series.iter().any(|one| {
        usual(&one.floats.times).is_some_and(|usual| has_gap(&one.floats.times, usual))
            || usual(&one.histograms.times)
                .is_some_and(|usual| has_gap(&one.histograms.times, usual))
    })
}

/// Fills the gaps of a replica's series with the samples that another has; how many they were.
///
/// A counter that the other replica saw a little earlier or later does not decrease where one follows the other, unless
/// the other itself saw it begin anew.
pub fn fill_gaps(series: &mut [Series], other: &[Series]) -> usize {
    let others: BTreeMap<&LabelSet, &Series> = other.iter().map(|one| (&one.labels, one)).collect();
    let mut filled = 0;
    for one in series {
        let Some(other) = others.get(&one.labels) else {
            continue;
        };
        let counts = is_counter(&one.labels);
        let level = |samples: &mut Vec<(i64, f64)>, around: Around<'_, f64>| {
            if counts {
                leveled(samples, around);
            }
        };
        filled += fill(&mut one.floats, &other.floats, level);
        let forget = |samples: &mut Vec<(i64, Arc<FloatHistogram>)>, _: Around<'_, _>| {
            for (_, histogram) in samples {
                forget_reset(histogram);
            }
        };
        let histograms = fill(&mut one.histograms, &other.histograms, forget);
        if histograms > 0 {
            // What follows a sample that was filled in does not know it either.
            one.histograms.values.iter_mut().for_each(forget_reset);
        }
        filled += histograms;
    }
    filled
}

/// What stands around the samples that fill a gap.
#[derive(Clone, Copy)]
struct Around<'a, T> {
    /// The samples before and behind the gap.
    before: &'a T,
    behind: &'a T,
    /// Those of the other replica before and behind what it gives.
    other_before: Option<&'a T>,
    other_behind: Option<&'a T>,
}

fn fill<T: Clone>(
    samples: &mut Samples<T>,
    other: &Samples<T>,
    adjust: impl Fn(&mut Vec<(i64, T)>, Around<'_, T>),
) -> usize {
    let Some(usual) = usual(&samples.times).filter(|usual| has_gap(&samples.times, *usual)) else {
        return 0;
    };
    let own: Vec<(i64, &T)> = samples.times.iter().copied().zip(&samples.values).collect();
    let mut all: Vec<(i64, T)> = Vec::with_capacity(own.len());
    let mut filled = 0;
    for (at, (time, value)) in own.iter().enumerate() {
        all.push((*time, T::clone(value)));
        let Some((next, behind)) = own.get(at + 1) else {
            continue;
        };
        if !is_gap(next.saturating_sub(*time), usual) {
            continue;
        }
        // Those beside it are the same scrapes, seen by both.
        let first = other
            .times
            .partition_point(|other| *other <= time.saturating_add(usual / 2));
        let last = other
            .times
            .partition_point(|other| *other < next.saturating_sub(usual / 2));
        let slice = other.slice(first, last.max(first));
        let mut found: Vec<(i64, T)> = slice
            .iter()
            .map(|(time, value)| (time, value.clone()))
            .collect();
        if found.is_empty() {
            continue;
        }
        let around = Around {
            before: *value,
            behind: *behind,
            other_before: first.checked_sub(1).and_then(|at| other.values.get(at)),
            other_behind: other.values.get(last),
        };
        adjust(&mut found, around);
        filled += found.len();
        all.extend(found);
    }
    (samples.times, samples.values) = all.into_iter().unzip();
    samples.starts = Vec::new();
    filled
}

/// Keeps a counter from decreasing where it goes from one replica to the other, if the other saw no new beginning there.
fn leveled(samples: &mut [(i64, f64)], around: Around<'_, f64>) {
    let first = samples.first().map(|(_, value)| *value);
    if let (Some(first), Some(before)) = (first, around.other_before)
        && first >= *before
    {
        let least = *around.before;
        let mut past = *before;
        for (_, value) in samples.iter_mut() {
            if *value < past {
                break;
            }
            past = *value;
            *value = value.max(least);
        }
    }
    let last = samples.last().map(|(_, value)| *value);
    if let (Some(last), Some(behind)) = (last, around.other_behind)
        && *behind >= last
    {
        let most = *around.behind;
        let mut future = *behind;
        for (_, value) in samples.iter_mut().rev() {
            if *value > future {
                break;
            }
            future = *value;
            // One that began anew only for the first replica is left as it is.
            if most >= *around.before {
                *value = value.min(most);
            }
        }
    }
}

fn forget_reset(histogram: &mut Arc<FloatHistogram>) {
    if histogram.counter_reset_hint != CounterResetHint::Gauge {
        Arc::make_mut(histogram).counter_reset_hint = CounterResetHint::Unknown;
    }
}

/// Whether the name of a metric is that of a counter.
fn is_counter(labels: &LabelSet) -> bool {
    let name = labels.value("__name__");
    ["_total", "_count", "_sum", "_bucket"]
        .iter()
        .any(|end| name.ends_with(end))
}

/// The median distance of samples.
fn usual(times: &[i64]) -> Option<i64> {
    if times.len() < FEWEST {
        return None;
    }
    let pairs = times.iter().zip(times.iter().skip(1));
    let mut distances: Vec<i64> = pairs.map(|(a, b)| b.saturating_sub(*a)).collect();
    distances.sort_unstable();
    distances.get(distances.len() / 2).copied()
}

fn has_gap(times: &[i64], usual: i64) -> bool {
    let mut pairs = times.iter().zip(times.iter().skip(1));
    pairs.any(|(a, b)| is_gap(b.saturating_sub(*a), usual))
}

fn is_gap(distance: i64, usual: i64) -> bool {
    distance.saturating_mul(2) > usual.saturating_mul(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, samples: &[(i64, f64)]) -> Series {
        let (times, values) = samples.iter().copied().unzip();
        Series {
            labels: LabelSet::from_pairs([("__name__", name)]),
            floats: Samples {
                times,
                values,
                starts: Vec::new(),
            },
            ..Series::default()
        }
    }

    fn filled(name: &str, own: &[(i64, f64)], other: &[(i64, f64)]) -> Vec<(i64, f64)> {
        let mut all = [series(name, own)];
        let before = all[0].floats.times.len();
        let count = fill_gaps(&mut all, &[series(name, other)]);
        let floats = &all[0].floats;
        assert_eq!(floats.times.len(), before + count);
        assert!(floats.times.is_sorted_by(|a, b| a < b));
        let times = floats.times.iter().copied();
        times.zip(floats.values.iter().copied()).collect()
    }

    #[test]
    fn only_gaps_are_filled() {
        let own = [
            (0, 1.0),
            (10, 2.0),
            (20, 3.0),
            (30, 4.0),
            (70, 8.0),
            (80, 9.0),
        ];
        assert!(has_gaps(&[series("x", &own)]));
        let every: Vec<(i64, f64)> = (0..90).map(|time| (time, 0.5)).collect();
        let other = [
            (4, 0.0),
            (14, 0.0),
            (33, 0.0),
            (44, 5.5),
            (54, 6.5),
            (64, 7.5),
            (67, 0.0),
        ];
        let expect = [(44, 5.5), (54, 6.5), (64, 7.5)];
        let expect = [&own[..4], &expect[..], &own[4..]].concat();
        assert_eq!(filled("x", &own, &other), expect);
        // Each time once, whatever the other has.
        assert_eq!(filled("x", &own, &every).len(), own.len() + 29);
        assert_eq!(filled("x", &own, &[]), own);

        let even = [(0, 1.0), (10, 2.0), (20, 3.0), (35, 4.0), (45, 5.0)];
        assert!(!has_gaps(&[series("x", &even)]));
        assert_eq!(filled("x", &even, &every), even);
        let few = [(0, 1.0), (10, 2.0), (100, 3.0)];
        assert!(!has_gaps(&[series("x", &few)]));
        let mut unknown = [series("x", &own)];
        assert_eq!(fill_gaps(&mut unknown, &[series("y", &every)]), 0);
    }

    #[test]
    fn counters_do_not_decrease_where_replicas_change() {
        let own = [
            (0, 1.0),
            (10, 2.0),
            (20, 3.0),
            (30, 40.0),
            (70, 80.0),
            (80, 90.0),
        ];
        // Its clock is late at first and early at last.
        let other = [(26, 30.0), (44, 39.0), (54, 60.0), (64, 81.0), (76, 95.0)];
        let values = |name: &str, other: &[(i64, f64)]| -> Vec<f64> {
            let all = filled(name, &own, other);
            let all = all.iter().filter(|(time, _)| (31..70).contains(time));
            all.map(|(_, value)| *value).collect()
        };
        assert_eq!(values("x_total", &other), [40.0, 60.0, 80.0]);
        assert_eq!(values("x", &other), [39.0, 60.0, 81.0]);
        // A new beginning that the other replica saw is one.
        let again = [(26, 39.0), (44, 45.0), (54, 2.0), (64, 50.0), (76, 85.0)];
        assert_eq!(values("x_total", &again), [45.0, 2.0, 50.0]);
        let at_once = [(26, 39.0), (44, 1.0), (54, 2.0), (64, 50.0), (76, 85.0)];
        assert_eq!(values("x_total", &at_once), [1.0, 2.0, 50.0]);
    }
}
