//! The series of Prometheus's benchmark: `a_X`, `b_X` and the classic histograms `h_X`, for one, ten and a hundred.

use watchfire::{labels::LabelSet, promql::Series};

/// Samples of each series.
pub(crate) const INTERVALS: i64 = 10_000;

/// Milliseconds between two samples.
pub(crate) const INTERVAL: i64 = 10_000;

pub(crate) fn series() -> Vec<Series> {
    let mut sets = Vec::new();
    for (word, count) in [("one", 1), ("ten", 10), ("hundred", 100)] {
        for l in 0..count {
            let l = l.to_string();
            let l = (word != "one").then_some(l.as_str());
            sets.push(set(&format!("a_{word}"), l, None));
            sets.push(set(&format!("b_{word}"), l, None));
            for le in 0..10 {
                sets.push(set(&format!("h_{word}"), l, Some(&le.to_string())));
            }
            sets.push(set(&format!("h_{word}"), l, Some("+Inf")));
        }
    }
    let count = sets.len();
    let mut all: Vec<Series> = sets
        .into_iter()
        .enumerate()
        .map(|(at, labels)| dense(labels, at as f64 / count as f64))
        .collect();
    all.extend((0..50).map(|part| sparse(part, count)));
    all.sort_by(|a, b| a.labels.iter().cmp(b.labels.iter()));
    all
}

fn set(name: &str, l: Option<&str>, le: Option<&str>) -> LabelSet {
    let mut pairs = vec![("__name__", name)];
    pairs.extend(l.map(|l| ("l", l)));
    pairs.extend(le.map(|le| ("le", le)));
    LabelSet::from_pairs(pairs)
}

fn dense(labels: LabelSet, offset: f64) -> Series {
    fill(labels, 0..INTERVALS, |s| s as f64 + offset)
}

/// One fiftieth of the time is its own series.
fn sparse(part: i64, count: usize) -> Series {
    let l = part.to_string();
    let length = INTERVALS / 50;
    let range = part * length..(part + 1) * length;
    fill(set("sparse", Some(&l), None), range, |s| {
        s as f64 / count as f64
    })
}

fn fill(labels: LabelSet, range: std::ops::Range<i64>, value: impl Fn(i64) -> f64) -> Series {
    let mut series = Series {
        labels,
        ..Series::default()
    };
    for s in range {
        series.floats.times.push(s * INTERVAL);
        series.floats.values.push(value(s));
    }
    series
}
