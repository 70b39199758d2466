//! `load_with_nhcb`: classic histograms as native ones with custom bounds.

use std::{collections::BTreeMap, sync::Arc};

use watchfire::{
    labels::LabelSet,
    promql::{Point, histogram::ClassicHistogram},
};

use crate::storage::Stored;

enum Part {
    Bucket(f64),
    Count,
    Sum,
}

/// The native histograms that the classic ones among `series` make.
pub(crate) fn convert(
    series: &[(LabelSet, Vec<Stored>)],
) -> Result<Vec<(LabelSet, Vec<Stored>)>, String> {
    let mut collected: Vec<(LabelSet, BTreeMap<i64, ClassicHistogram>)> = Vec::new();
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
                let by_time = &mut collected[index].1;
                set(by_time.entry(sample.time).or_default(), &part, value);
            }
        }
    }
    collected
        .into_iter()
        .map(|(labels, by_time)| {
            let samples = by_time.into_iter().map(|(time, collected)| {
                let histogram = collected
                    .convert()
                    .map_err(|error| format!("{labels}: {error}"))?;
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

fn set(histogram: &mut ClassicHistogram, part: &Part, value: f64) {
    match part {
        Part::Bucket(bound) => histogram.set_bucket(*bound, value),
        Part::Count => histogram.set_count(value),
        Part::Sum => histogram.set_sum(value),
    }
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
        assert_eq!(histogram.positive.counts, [2.0, 0.0, 7.0]);
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
        assert!(convert(&[series("h_bucket", None, 1.0)]).is_err());
    }
}
