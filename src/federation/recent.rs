//! Samples of the last minutes in memory: what rules wrote, what the node measures of itself.

use std::collections::BTreeSet;

use imbl::OrdMap;

use crate::{
    labels::{LabelSet, Matcher},
    promql::{Point, Samples, Series, is_stale},
};

/// Recent samples by metric name. Clones are cheap and do not change.
#[derive(Clone, Debug, Default)]
pub struct Recent {
    metrics: OrdMap<String, OrdMap<LabelSet, Series>>,
}

impl Recent {
    /// Takes in a sample, unless its series has a newer one, and drops those of the series at `from` and before; Unix
    /// milliseconds.
    pub fn push(&mut self, labels: &LabelSet, time: i64, point: &Point, from: i64) {
        let metric = self.metrics.entry(labels.value("__name__").to_owned());
        let series = metric.or_default().entry(labels.clone());
        let series = series.or_insert_with(|| Series {
            labels: labels.clone(),
            ..Series::default()
        });
        if time > newest(series) {
            push(series, time, point);
            shorten(series, from);
        }
    }

    /// Takes in samples of a series that are older than what is here or between, ordered by time. What is here stays, but for
    /// marks of an end where there is a sample after all.
    pub fn fill(&mut self, older: Series) {
        let metric = self
            .metrics
            .entry(older.labels.value("__name__").to_owned());
        let series = metric.or_default().entry(older.labels.clone());
        let series = series.or_insert_with(|| Series {
            labels: older.labels.clone(),
            ..Series::default()
        });
        let samples = older.floats.times.iter().zip(&older.floats.values);
        let samples = samples.filter(|(_, value)| !is_stale(**value));
        let samples = samples
            .map(|(time, _)| *time)
            .chain(older.histograms.times.iter().copied());
        unmark(&mut series.floats, &samples.collect());
        let here = |time: &i64| {
            let in_floats = series.floats.times.binary_search(time).is_ok();
            in_floats || series.histograms.times.binary_search(time).is_ok()
        };
        let (floats, histograms) = (older.floats, older.histograms);
        let floats = without(floats, here);
        let histograms = without(histograms, here);
        series.floats.put_between(floats);
        series.histograms.put_between(histograms);
    }

    /// Drops all metrics but those with such names.
    pub fn retain(&mut self, keeps: impl Fn(&str) -> bool) {
        self.metrics = std::mem::take(&mut self.metrics)
            .into_iter()
            .filter(|(name, _)| keeps(name))
            .collect();
    }

    /// Drops the series of a metric whose newest sample is at `from` or before.
    pub fn forget(&mut self, name: &str, from: i64) {
        let Some(metric) = self.metrics.get_mut(name) else {
            return;
        };
        let over: Vec<LabelSet> = metric
            .iter()
            .filter(|(_, series)| newest(series) <= from)
            .map(|(labels, _)| labels.clone())
            .collect();
        for labels in over {
            metric.remove(&labels);
        }
        if metric.is_empty() {
            self.metrics.remove(name);
        }
    }

    /// The names of the metrics.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.metrics.keys().map(String::as_str)
    }

    /// The series that match, with their samples of `from < time <= to`.
    #[must_use]
    pub fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series> {
        let named = |name: &str| {
            let mut of_name = matchers.iter().filter(|one| one.name() == "__name__");
            of_name.all(|matcher| matcher.matches_value(name))
        };
        let metrics = self.metrics.iter().filter(|(name, _)| named(name));
        metrics
            .flat_map(|(_, metric)| metric.values())
            .filter(|series| Matcher::all_match(matchers, &series.labels))
            .map(|series| within(series, from, to))
            .filter(|series| !series.floats.times.is_empty() || !series.histograms.times.is_empty())
            .collect()
    }
}

fn push(series: &mut Series, time: i64, point: &Point) {
    match point {
        Point::Float(value) => {
            series.floats.times.push(time);
            series.floats.values.push(*value);
        }
        Point::Histogram(value) => {
            series.histograms.times.push(time);
            series.histograms.values.push(value.clone());
        }
    }
}

/// Drops marks of an end at these times.
fn unmark(samples: &mut Samples<f64>, times: &BTreeSet<i64>) {
    let is_marked = |(time, value): (&i64, &f64)| is_stale(*value) && times.contains(time);
    if !samples.times.iter().zip(&samples.values).any(is_marked) {
        return;
    }
    let (all, values) = (
        std::mem::take(&mut samples.times),
        std::mem::take(&mut samples.values),
    );
    for (time, value) in all.into_iter().zip(values) {
        if !is_marked((&time, &value)) {
            samples.times.push(time);
            samples.values.push(value);
        }
    }
}

/// The samples at times that are not `here`.
fn without<T>(samples: Samples<T>, here: impl Fn(&i64) -> bool) -> Vec<(i64, T)> {
    let all = samples.times.into_iter().zip(samples.values);
    all.filter(|(time, _)| !here(time)).collect()
}

fn shorten(series: &mut Series, from: i64) {
    let over = series.floats.times.partition_point(|time| *time <= from);
    series.floats.times.drain(..over);
    series.floats.values.drain(..over);
    let over = series
        .histograms
        .times
        .partition_point(|time| *time <= from);
    series.histograms.times.drain(..over);
    series.histograms.values.drain(..over);
}

fn newest(series: &Series) -> i64 {
    let floats = series.floats.times.last().copied();
    let histograms = series.histograms.times.last().copied();
    floats.max(histograms).unwrap_or(i64::MIN)
}

fn within(series: &Series, from: i64, to: i64) -> Series {
    let mut cut = Series {
        labels: series.labels.clone(),
        ..Series::default()
    };
    let pairs = series.floats.times.iter().zip(&series.floats.values);
    for (time, value) in pairs.filter(|(time, _)| from < **time && **time <= to) {
        cut.floats.times.push(*time);
        cut.floats.values.push(*value);
    }
    let pairs = series
        .histograms
        .times
        .iter()
        .zip(&series.histograms.values);
    for (time, value) in pairs.filter(|(time, _)| from < **time && **time <= to) {
        cut.histograms.times.push(*time);
        cut.histograms.values.push(value.clone());
    }
    cut
}
