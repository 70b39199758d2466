//! `load_with_nhcb`: classic histograms as native ones with custom bounds.

use std::{collections::BTreeMap, sync::Arc};

use watchfire::{
    labels::LabelSet,
    promql::{
        FloatHistogram, Point,
        histogram::{BucketSpan, Buckets, CUSTOM_BUCKETS_SCHEMA},
    },
};

use crate::storage::Stored;

/// The series of one classic histogram at one time.
#[derive(Default)]
struct Collected {
    /// Upper bounds in rising order, with all that was observed below.
    cumulative: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

enum Part {
    Bucket(f64),
    Count,
    Sum,
}

/// The native histograms that the classic ones among `series` make.
pub(crate) fn convert(
    series: &[(LabelSet, Vec<Stored>)],
) -> Result<Vec<(LabelSet, Vec<Stored>)>, String> {
    let mut collected: Vec<(LabelSet, BTreeMap<i64, Collected>)> = Vec::new();
    for (labels, samples) in series {
        let Some((base, part)) = part_of(labels)? else {
            continue;
        };
        let known = collected.iter().position(|(labels, _)| *labels == base);
        let index = known.unwrap_or_else(|| {
            collected.push((base, BTreeMap::new()));
            collected.len() - 1
        });
        for sample in samples {
            if let Point::Float(value) = sample.point {
                collected[index]
                    .1
                    .entry(sample.time)
                    .or_default()
                    .set(&part, value)
                    .map_err(|why| format!("{labels}: {why}"))?;
            }
        }
    }
    collected
        .into_iter()
        .map(|(labels, by_time)| {
            let samples = by_time.into_iter().map(|(time, collected)| {
                let histogram = collected.histogram()?;
                Ok(Stored {
                    time,
                    start: 0,
                    point: Point::Histogram(Arc::new(histogram)),
                })
            });
            let samples: Result<_, String> = samples.collect();
            Ok((labels, samples?))
        })
        .collect()
}

/// The labels of the native histogram to which a classic series belongs, and what it says of it.
fn part_of(labels: &LabelSet) -> Result<Option<(LabelSet, Part)>, String> {
    let name = labels.value("__name__");
    let (base, part) = if let Some(base) = name.strip_suffix("_bucket") {
        let bound = labels
            .get("le")
            .ok_or_else(|| format!("expected bucket label in metric {labels}"))?;
        match bound.parse::<f64>() {
            Ok(bound) if !bound.is_nan() => (base, Part::Bucket(bound)),
            _ => return Ok(None),
        }
    } else if let Some(base) = name.strip_suffix("_count") {
        (base, Part::Count)
    } else if let Some(base) = name.strip_suffix("_sum") {
        (base, Part::Sum)
    } else {
        return Ok(None);
    };
    let others = labels
        .iter()
        .filter(|(name, _)| !matches!(*name, "le" | "__name__"));
    let labels = LabelSet::from_pairs(others.chain([("__name__", base)]));
    Ok(Some((labels, part)))
}

impl Collected {
    fn set(&mut self, part: &Part, value: f64) -> Result<(), String> {
        if value < 0.0 && !matches!(part, Part::Sum) {
            return Err(format!("count must be non-negative: {value}"));
        }
        match part {
            Part::Count => self.count = Some(value),
            Part::Sum => self.sum = value,
            Part::Bucket(bound) => self.set_bucket(*bound, value)?,
        }
        Ok(())
    }

    fn set_bucket(&mut self, bound: f64, count: f64) -> Result<(), String> {
        let at = self.cumulative.partition_point(|(other, _)| *other < bound);
        if self
            .cumulative
            .get(at)
            .is_some_and(|(other, _)| *other == bound)
        {
            return Ok(());
        }
        let below = at.checked_sub(1).and_then(|at| self.cumulative.get(at));
        let above = self.cumulative.get(at);
        if below.is_some_and(|(_, below)| count < *below)
            || above.is_some_and(|(_, above)| count > *above)
        {
            return Err(format!(
                "count is not cumulative: le={bound}, count={count}"
            ));
        }
        self.cumulative.insert(at, (bound, count));
        Ok(())
    }

    fn histogram(mut self) -> Result<FloatHistogram, String> {
        let last = self.cumulative.last().copied();
        let count = self
            .count
            .or_else(|| last.map(|(_, count)| count))
            .ok_or("count must be provided when no buckets are present")?;
        if last.is_none_or(|(bound, _)| bound != f64::INFINITY) {
            self.cumulative.push((f64::INFINITY, count));
        }
        if self.cumulative.last().is_none_or(|(_, all)| *all != count) {
            return Err(format!("count mismatch: count={count}"));
        }
        let mut below = 0.0;
        let mut counts = Vec::new();
        for (_, cumulative) in &self.cumulative {
            counts.push(cumulative - below);
            below = *cumulative;
        }
        let bounds = &self.cumulative[..self.cumulative.len() - 1];
        Ok(FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            count,
            sum: self.sum,
            positive: occupied(&counts),
            custom_bounds: bounds.iter().map(|(bound, _)| *bound).collect(),
            ..FloatHistogram::default()
        })
    }
}

/// Buckets without those that are empty.
fn occupied(counts: &[f64]) -> Buckets {
    let mut buckets = Buckets::default();
    let mut gap = 0;
    for count in counts {
        if *count == 0.0 {
            gap += 1;
            continue;
        }
        match buckets.spans.last_mut() {
            Some(span) if gap == 0 => span.length += 1,
            _ => buckets.spans.push(BucketSpan {
                offset: gap,
                length: 1,
            }),
        }
        gap = 0;
        buckets.counts.push(*count);
    }
    buckets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, bound: Option<&str>, value: f64) -> (LabelSet, Vec<Stored>) {
        let pairs = [("__name__", name), ("job", "a")];
        let pairs = pairs.into_iter().chain(bound.map(|bound| ("le", bound)));
        let point = Point::Float(value);
        let (time, start) = (7, 0);
        (
            LabelSet::from_pairs(pairs),
            vec![Stored { time, start, point }],
        )
    }

    #[test]
    fn classic_series_make_a_histogram() {
        let all = [
            series("h_bucket", Some("+Inf"), 9.0),
            series("h_bucket", Some("1"), 2.0),
            series("h_bucket", Some("5"), 2.0),
            series("h_bucket", Some("what"), 2.0),
            series("h_sum", None, 30.0),
            series("h_other", None, 30.0),
        ];
        let converted = convert(&all).unwrap();
        assert_eq!(converted.len(), 1);
        assert_eq!(
            converted[0].0,
            LabelSet::from_pairs([("__name__", "h"), ("job", "a")])
        );
        let Point::Histogram(histogram) = &converted[0].1[0].point else {
            panic!("no histogram");
        };
        assert_eq!(histogram.custom_bounds[..], [1.0, 5.0]);
        assert_eq!(histogram.positive.counts, [2.0, 7.0]);
        assert_eq!((histogram.count, histogram.sum), (9.0, 30.0));
    }

    #[test]
    fn series_that_contradict_each_other_are_refused() {
        let falling = [
            series("h_bucket", Some("1"), 2.0),
            series("h_bucket", Some("2"), 1.0),
        ];
        assert!(convert(&falling).is_err());
        let other_count = [
            series("h_bucket", Some("+Inf"), 2.0),
            series("h_count", None, 1.0),
        ];
        assert!(convert(&other_count).is_err());
        assert!(convert(&[series("h_sum", None, 1.0)]).is_err());
        assert!(convert(&[series("h_bucket", None, 1.0)]).is_err());
    }
}
