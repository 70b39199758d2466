//! Results beside what a file expects.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use watchfire::{
    labels::LabelSet,
    promql::{
        FloatHistogram, Point, Sample, Series, Value,
        histogram::{Buckets, CUSTOM_BUCKETS_SCHEMA},
        is_stale,
        parse::SeriesValue,
    },
};

use crate::{
    notation::{Expected, Steps},
    storage::order,
};

/// By how much two numbers may differ, relative to their sum.
const EPSILON: f64 = 1e-6;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Sign {
    Positive,
    Negative,
}

/// The buckets that hold something, by their index.
pub(crate) fn buckets(histogram: &FloatHistogram, sign: Sign) -> BTreeMap<i64, f64> {
    let Buckets { spans, counts } = match sign {
        Sign::Positive => &histogram.positive,
        Sign::Negative => &histogram.negative,
    };
    let mut counts = counts.iter();
    let mut index = 0;
    let mut found = BTreeMap::new();
    for span in spans {
        index += i64::from(span.offset);
        for count in counts.by_ref().take(span.length as usize) {
            if *count != 0.0 {
                found.insert(index, *count);
            }
            index += 1;
        }
    }
    found
}

/// Says what is wrong with the result; `steps` are those of a range, or of the samples of a range vector.
pub(crate) fn check(
    expected: &Expected,
    steps: Option<Steps>,
    value: &Value,
) -> Result<(), String> {
    match value {
        Value::Matrix(matrix) => check_matrix(expected, steps, matrix),
        Value::Vector(vector) => check_vector(expected, vector),
        Value::Scalar { value, .. } => match expected.scalar {
            Some(wanted) if close(wanted, *value) => Ok(()),
            Some(wanted) => Err(format!("expected scalar {wanted} but got {value}")),
            None => Err(format!(
                "expected vector or matrix result, but got scalar {value}"
            )),
        },
        Value::String { value, .. } => {
            let wanted = expected.string.as_deref().unwrap_or_default();
            if wanted == value {
                Ok(())
            } else {
                Err(format!("expected string {wanted:?} but got {value:?}"))
            }
        }
    }
}

/// Whether the series of a matrix stand in Prometheus's order.
pub(crate) fn check_sorted(matrix: &[Series]) -> Result<(), String> {
    let unsorted = matrix
        .windows(2)
        .find(|pair| order(&pair[0].labels) > order(&pair[1].labels));
    match unsorted {
        None => Ok(()),
        Some(pair) => Err(format!(
            "matrix is not sorted by labels: {} stands before {}",
            pair[0].labels, pair[1].labels
        )),
    }
}

fn check_matrix(
    expected: &Expected,
    steps: Option<Steps>,
    matrix: &[Series],
) -> Result<(), String> {
    if expected.ordered {
        return Err("expected ordered result, but query returned a matrix".to_owned());
    }
    if expected.scalar.is_some() {
        return Err(format!(
            "expected scalar result, but got a matrix of {} series",
            matrix.len()
        ));
    }
    check_sorted(matrix)?;
    let labels: Vec<_> = matrix.iter().map(|series| &series.labels).collect();
    check_present(expected, &labels, |index| shown_series(&matrix[index]))?;
    for series in matrix {
        let (_, items) = of_labels(expected, &series.labels).unwrap_or((0, &[]));
        let wanted = placed(items, steps, &series.labels)?;
        check_points(&wanted, series).map_err(|why| {
            format!(
                "{}: {why} (result has {})",
                series.labels,
                shown_series(series)
            )
        })?;
    }
    Ok(())
}

/// The items at their times.
fn placed<'a>(
    items: &'a [SeriesValue],
    steps: Option<Steps>,
    labels: &LabelSet,
) -> Result<Vec<(i64, &'a SeriesValue)>, String> {
    let too_many = || {
        format!(
            "expected {} points for {labels}, but query time range cannot return this many points",
            items.len()
        )
    };
    let Some(steps) = steps else {
        return if items.is_empty() {
            Ok(Vec::new())
        } else {
            Err(too_many())
        };
    };
    let mut wanted = Vec::new();
    let mut time = steps.start;
    for item in items {
        if time > steps.end {
            return Err(too_many());
        }
        if !matches!(item, SeriesValue::Omitted) {
            wanted.push((time, item));
        }
        time += steps.step;
    }
    Ok(wanted)
}

fn check_points(wanted: &[(i64, &SeriesValue)], series: &Series) -> Result<(), String> {
    let histogram = |item: &SeriesValue| matches!(item, SeriesValue::Histogram { .. });
    let histograms = wanted.iter().filter(|(_, item)| histogram(item)).count();
    let floats = wanted.len() - histograms;
    if floats != series.floats.times.len() || histograms != series.histograms.times.len() {
        return Err(format!(
            "expected {floats} float points and {histograms} histogram points"
        ));
    }
    let wanted_floats = wanted.iter().filter(|(_, item)| !histogram(item));
    let found = series.floats.times.iter().zip(&series.floats.values);
    for ((wanted_time, item), (time, value)) in wanted_floats.zip(found) {
        check_time(*wanted_time, *time)?;
        check_point(item, &Point::Float(*value)).map_err(|why| format!("t={time}: {why}"))?;
    }
    let wanted_histograms = wanted.iter().filter(|(_, item)| histogram(item));
    let found = series
        .histograms
        .times
        .iter()
        .zip(&series.histograms.values);
    for ((wanted_time, item), (time, value)) in wanted_histograms.zip(found) {
        check_time(*wanted_time, *time)?;
        let point = Point::Histogram(Arc::clone(value));
        check_point(item, &point).map_err(|why| format!("t={time}: {why}"))?;
    }
    Ok(())
}

fn check_time(wanted: i64, found: i64) -> Result<(), String> {
    if wanted == found {
        return Ok(());
    }
    Err(format!(
        "expected a value at timestamp {wanted}, but it had timestamp {found}"
    ))
}

fn check_vector(expected: &Expected, vector: &[Sample]) -> Result<(), String> {
    if expected.scalar.is_some() {
        return Err(format!(
            "expected scalar result, but got a vector of {}",
            vector.len()
        ));
    }
    let labels: Vec<_> = vector.iter().map(|sample| &sample.labels).collect();
    check_present(expected, &labels, |index| shown(&vector[index].point))?;
    for (position, sample) in vector.iter().enumerate() {
        let (wanted_position, items) = of_labels(expected, &sample.labels).unwrap_or((0, &[]));
        if expected.ordered && wanted_position != position {
            return Err(format!(
                "expected metric {} at position {} but was at {}",
                sample.labels,
                wanted_position + 1,
                position + 1
            ));
        }
        let item = items.first().unwrap_or(&SeriesValue::Omitted);
        check_point(item, &sample.point).map_err(|why| format!("{}: {why}", sample.labels))?;
    }
    Ok(())
}

/// Whether the series of the result are those that are expected, and each is there once.
fn check_present(
    expected: &Expected,
    found: &[&LabelSet],
    shown: impl Fn(usize) -> String,
) -> Result<(), String> {
    for (index, labels) in found.iter().enumerate() {
        if of_labels(expected, labels).is_none() {
            return Err(format!(
                "unexpected metric {labels} in result, has {}",
                shown(index)
            ));
        }
        if found[..index].contains(labels) {
            return Err(format!("metric {labels} is twice in the result"));
        }
    }
    let missing = expected
        .series
        .iter()
        .find(|(labels, _)| !found.contains(&labels));
    match missing {
        None => Ok(()),
        Some((labels, _)) => Err(format!("expected metric {labels} not found")),
    }
}

fn of_labels<'a>(expected: &'a Expected, labels: &LabelSet) -> Option<(usize, &'a [SeriesValue])> {
    let position = expected
        .series
        .iter()
        .position(|(wanted, _)| wanted == labels)?;
    Some((position, &expected.series[position].1))
}

fn check_point(item: &SeriesValue, point: &Point) -> Result<(), String> {
    let fits = match (item, point) {
        (SeriesValue::Float(wanted), Point::Float(value)) => close(*wanted, *value),
        // A sample that is left out where one value is needed counts as 0.
        (SeriesValue::Omitted, Point::Float(value)) => close(0.0, *value),
        (
            SeriesValue::Histogram {
                histogram,
                hint_given,
            },
            Point::Histogram(value),
        ) => alike(histogram, value, *hint_given),
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(format!(
        "expected {} but got {}",
        shown_item(item),
        shown(point)
    ))
}

/// Equal but for [`EPSILON`]; any NaN equals any other but the stale marker, which equals itself.
pub(crate) fn close(a: f64, b: f64) -> bool {
    if is_stale(a) || is_stale(b) {
        return is_stale(a) && is_stale(b);
    }
    if a == b || a.is_nan() && b.is_nan() {
        return true;
    }
    let sum = a.abs() + b.abs();
    let difference = (a - b).abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < EPSILON * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < EPSILON
}

pub(crate) fn alike(wanted: &FloatHistogram, found: &FloatHistogram, with_hint: bool) -> bool {
    let same_buckets = |sign| {
        let (wanted, found) = (buckets(wanted, sign), buckets(found, sign));
        wanted.len() == found.len()
            && wanted
                .iter()
                .zip(&found)
                .all(|((at, a), (other, b))| at == other && close(*a, *b))
    };
    wanted.schema == found.schema
        && close(wanted.count, found.count)
        && close(wanted.sum, found.sum)
        && (wanted.schema != CUSTOM_BUCKETS_SCHEMA || wanted.custom_bounds == found.custom_bounds)
        && wanted.zero_threshold == found.zero_threshold
        && close(wanted.zero_count, found.zero_count)
        && same_buckets(Sign::Positive)
        && same_buckets(Sign::Negative)
        && (!with_hint || wanted.counter_reset_hint == found.counter_reset_hint)
}

/// The samples of a series at a time.
pub(crate) fn samples_at(series: &Series, time: i64) -> Vec<Sample> {
    let sample = |point| Sample {
        labels: series.labels.clone(),
        time,
        point,
    };
    let at = |times: &[i64]| times.iter().position(|other| *other == time);
    let float = at(&series.floats.times).map(|at| Point::Float(series.floats.values[at]));
    let histogram = at(&series.histograms.times)
        .map(|at| Point::Histogram(Arc::clone(&series.histograms.values[at])));
    float.into_iter().chain(histogram).map(sample).collect()
}

/// The number that a scalar is at one step of a range.
pub(crate) fn only_float(samples: &[Sample]) -> Result<f64, String> {
    match samples {
        [sample] => match sample.point {
            Point::Float(value) => Ok(value),
            Point::Histogram(_) => Err("a scalar is a histogram".to_owned()),
        },
        _ => Err(format!("a scalar has {} samples", samples.len())),
    }
}

fn shown_item(item: &SeriesValue) -> String {
    match item {
        SeriesValue::Omitted => "_".to_owned(),
        SeriesValue::Float(value) => value.to_string(),
        SeriesValue::Histogram { histogram, .. } => shown_histogram(histogram),
    }
}

fn shown(point: &Point) -> String {
    match point {
        Point::Float(value) if is_stale(*value) => "stale".to_owned(),
        Point::Float(value) => value.to_string(),
        Point::Histogram(histogram) => shown_histogram(histogram),
    }
}

fn shown_histogram(histogram: &FloatHistogram) -> String {
    let mut text = format!(
        "{{{{schema:{} sum:{} count:{} zero:{}<{}",
        histogram.schema,
        histogram.sum,
        histogram.count,
        histogram.zero_count,
        histogram.zero_threshold
    );
    for (name, sign) in [("pos", Sign::Positive), ("neg", Sign::Negative)] {
        let buckets = buckets(histogram, sign);
        if !buckets.is_empty() {
            _ = write!(text, " {name}:{buckets:?}");
        }
    }
    if !histogram.custom_bounds.is_empty() {
        _ = write!(text, " bounds:{:?}", histogram.custom_bounds);
    }
    _ = write!(text, " hint:{:?}}}}}", histogram.counter_reset_hint);
    text
}

fn shown_series(series: &Series) -> String {
    let floats = series.floats.times.iter().zip(&series.floats.values);
    let histograms = series
        .histograms
        .times
        .iter()
        .zip(&series.histograms.values);
    let mut points: Vec<_> = floats
        .map(|(time, value)| format!("{value} @[{time}]"))
        .collect();
    points.extend(histograms.map(|(time, value)| format!("{} @[{time}]", shown_histogram(value))));
    points.join(", ")
}

#[cfg(test)]
mod tests {
    use watchfire::promql::STALE;

    use super::*;

    #[test]
    fn numbers_are_close_when_they_differ_by_a_millionth_of_their_sum() {
        assert!(close(1.0, 1.000_001) && close(f64::NAN, -f64::NAN) && close(STALE, STALE));
        assert!(close(f64::INFINITY, f64::INFINITY) && close(0.0, -0.0));
        assert!(!close(1.0, 1.000_003) && !close(STALE, f64::NAN) && !close(0.0, 1e-9));
        assert!(!close(f64::INFINITY, f64::NEG_INFINITY) && !close(1e308, f64::INFINITY));
    }
}
