//! What rules wrote and rules read: results are visible to later rules of the same slot at once, without a round trip
//! through a database, and without one at all.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use imbl::OrdMap;

use super::recording::Written;
use crate::{
    federation::Local,
    labels::{LabelSet, Matcher},
    promql::{Point, Series},
};

/// Samples of metrics that rules read, by name, as long as they can be read. Clones are cheap.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    /// By metric name.
    metrics: OrdMap<String, Metric>,
    /// How far back each name is read; milliseconds.
    reach: Arc<BTreeMap<String, i64>>,
    names: Arc<BTreeSet<String>>,
}

#[derive(Clone, Debug, Default)]
struct Metric {
    series: OrdMap<LabelSet, Series>,
}

impl Overlay {
    /// Says which names are kept, and how many milliseconds each is read back; others are dropped.
    pub fn keep(&mut self, reach: BTreeMap<String, i64>) {
        self.metrics = std::mem::take(&mut self.metrics)
            .into_iter()
            .filter(|(name, _)| reach.contains_key(name))
            .collect();
        self.names = Arc::new(reach.keys().cloned().collect());
        self.reach = Arc::new(reach);
    }

    /// Takes in what a rule wrote, as far as somebody reads it.
    pub fn write(&mut self, written: &[Written]) {
        for sample in written {
            let name = sample.labels.value("__name__");
            let Some(reach) = self.reach.get(name).copied() else {
                continue;
            };
            let metric = self.metrics.entry(name.to_owned()).or_default();
            let series = metric.series.entry(sample.labels.clone());
            let series = series.or_insert_with(|| Series {
                labels: sample.labels.clone(),
                ..Series::default()
            });
            push(series, sample, sample.time.saturating_sub(reach));
        }
    }

    /// Drops series that nobody can see any more at `now`.
    pub fn forget(&mut self, now: i64) {
        for (name, reach) in &*self.reach {
            let Some(metric) = self.metrics.get_mut(name) else {
                continue;
            };
            let from = now.saturating_sub(*reach);
            let over: Vec<LabelSet> = metric
                .series
                .iter()
                .filter(|(_, series)| newest(series) <= from)
                .map(|(labels, _)| labels.clone())
                .collect();
            for labels in over {
                metric.series.remove(&labels);
            }
        }
    }
}

impl Local for Overlay {
    fn names(&self) -> Arc<BTreeSet<String>> {
        Arc::clone(&self.names)
    }

    fn select(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series> {
        let named = |name: &str| {
            let mut of_name = matchers.iter().filter(|one| one.name() == "__name__");
            of_name.all(|matcher| matcher.matches_value(name))
        };
        let metrics = self.metrics.iter().filter(|(name, _)| named(name));
        metrics
            .flat_map(|(_, metric)| metric.series.values())
            .filter(|series| Matcher::all_match(matchers, &series.labels))
            .map(|series| within(series, from, to))
            .filter(|series| !series.floats.times.is_empty() || !series.histograms.times.is_empty())
            .collect()
    }
}

fn push(series: &mut Series, sample: &Written, from: i64) {
    let last = newest(series);
    if sample.time <= last {
        // A slot that is evaluated again wrote it already.
        return;
    }
    match &sample.point {
        Point::Float(value) => {
            series.floats.times.push(sample.time);
            series.floats.values.push(*value);
        }
        Point::Histogram(value) => {
            series.histograms.times.push(sample.time);
            series.histograms.values.push(value.clone());
        }
    }
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
