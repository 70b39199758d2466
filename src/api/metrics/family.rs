//! Builds metric families; what the text format needs and nothing of a registry.

use std::time::Duration;

use prometheus::{
    TextEncoder,
    proto::{
        Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType, Quantile,
        Summary,
    },
};

use crate::{
    io::{self, federation::Meaning},
    labels::LabelSet,
};

/// The labels of a series, sorted by name as upstream prints them.
pub(super) type Labels<'l> = &'l [(&'l str, &'l str)];

/// Observations of a histogram: non-cumulative counts with one more place than bounds, and the sum.
#[derive(Debug, Clone, Copy)]
pub(super) struct Observed<'o> {
    pub(super) bounds: &'o [f64],
    pub(super) counts: &'o [u64],
    pub(super) sum: f64,
}

/// The families of a page.
#[derive(Debug, Default)]
pub(super) struct Page {
    families: Vec<MetricFamily>,
}

/// A family that is being filled.
pub(super) struct Family<'p> {
    page: &'p mut Page,
    family: MetricFamily,
    metrics: Vec<Metric>,
}

impl Page {
    /// Begins a counter.
    pub(super) fn counter(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::COUNTER)
    }

    /// Begins a gauge.
    pub(super) fn gauge(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::GAUGE)
    }

    /// Begins a histogram.
    pub(super) fn histogram(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::HISTOGRAM)
    }

    /// Begins a summary.
    pub(super) fn summary(&mut self, name: &str, help: &str) -> Family<'_> {
        self.family(name, help, MetricType::SUMMARY)
    }

    fn family(&mut self, name: &str, help: &str, kind: MetricType) -> Family<'_> {
        let mut family = MetricFamily::default();
        family.set_name(name.to_owned());
        family.set_help(help.to_owned());
        family.set_field_type(kind);
        Family {
            page: self,
            family,
            metrics: Vec::new(),
        }
    }

    /// The page as text, families sorted by name.
    pub(super) fn print(mut self) -> Result<String, prometheus::Error> {
        self.families.sort_by(|a, b| a.name().cmp(b.name()));
        TextEncoder::new().encode_to_string(&self.families)
    }
}

impl Page {
    /// The samples of the families, as a scrape of the page would make them.
    pub(super) fn samples(&self) -> Vec<(LabelSet, f64)> {
        let mut samples = Vec::new();
        for family in &self.families {
            for metric in family.get_metric() {
                add_samples(&mut samples, family, metric);
            }
        }
        samples
    }
}

impl Page {
    /// What its metrics mean.
    pub(super) fn meanings(&self) -> Vec<Meaning> {
        let families = self.families.iter();
        families
            .map(|family| Meaning {
                name: family.name().to_owned(),
                kind: match family.get_field_type() {
                    MetricType::COUNTER => "counter",
                    MetricType::GAUGE => "gauge",
                    MetricType::HISTOGRAM => "histogram",
                    MetricType::SUMMARY => "summary",
                    MetricType::UNTYPED => "unknown",
                },
                help: family.help().to_owned(),
            })
            .collect()
    }
}

fn add_samples(samples: &mut Vec<(LabelSet, f64)>, family: &MetricFamily, metric: &Metric) {
    let labels = |suffix: &str, le: Option<f64>| {
        let pairs = metric.get_label().iter();
        let pairs = pairs.map(|pair| (pair.name().to_owned(), pair.value().to_owned()));
        let bound = le.map(|bound| ("le".to_owned(), bound_text(bound)));
        let name = ("__name__".to_owned(), format!("{}{suffix}", family.name()));
        LabelSet::from_pairs(pairs.chain(bound).chain([name]))
    };
    match family.get_field_type() {
        MetricType::COUNTER => samples.push((labels("", None), metric.get_counter().get_value())),
        MetricType::GAUGE | MetricType::UNTYPED => {
            samples.push((labels("", None), metric.get_gauge().get_value()));
        }
        MetricType::HISTOGRAM => {
            let histogram = metric.get_histogram();
            for bucket in histogram.get_bucket() {
                let count = as_f64(bucket.cumulative_count());
                samples.push((labels("_bucket", Some(bucket.upper_bound())), count));
            }
            let count = as_f64(histogram.get_sample_count());
            samples.push((labels("_bucket", Some(f64::INFINITY)), count));
            samples.push((labels("_sum", None), histogram.get_sample_sum()));
            samples.push((labels("_count", None), count));
        }
        MetricType::SUMMARY => {
            let summary = metric.get_summary();
            for quantile in summary.get_quantile() {
                let pair = ("quantile".to_owned(), quantile.quantile().to_string());
                let series = labels("", None);
                let pairs = series.iter();
                let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
                let series = LabelSet::from_pairs(pairs.chain([pair]));
                samples.push((series, quantile.value()));
            }
            samples.push((labels("_sum", None), summary.sample_sum()));
            samples.push((labels("_count", None), as_f64(summary.sample_count())));
        }
    }
}

fn bound_text(bound: f64) -> String {
    if bound.is_infinite() {
        "+Inf".to_owned()
    } else {
        bound.to_string()
    }
}

#[expect(clippy::cast_precision_loss, reason = "metrics are doubles")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

impl Family<'_> {
    /// Adds a series of a counter or a gauge.
    pub(super) fn value(mut self, labels: Labels<'_>, value: f64) -> Self {
        let mut metric = metric(labels);
        if self.family.get_field_type() == MetricType::COUNTER {
            let mut counter = Counter::default();
            counter.set_value(value);
            metric.set_counter(counter);
        } else {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            metric.set_gauge(gauge);
        }
        self.metrics.push(metric);
        self
    }

    /// Adds a series of a counter or a gauge that counts whole things.
    pub(super) fn count(self, labels: Labels<'_>, value: u64) -> Self {
        self.value(labels, as_f64(value))
    }

    /// Adds a series of a histogram.
    pub(super) fn observed(mut self, labels: Labels<'_>, observed: Observed<'_>) -> Self {
        let mut total = 0;
        let mut buckets = Vec::with_capacity(observed.bounds.len());
        for (place, bound) in observed.bounds.iter().enumerate() {
            total += observed.counts.get(place).copied().unwrap_or_default();
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(total);
            buckets.push(bucket);
        }
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(observed.counts.iter().sum());
        histogram.set_sample_sum(observed.sum);
        let mut metric = metric(labels);
        metric.set_histogram(histogram);
        self.metrics.push(metric);
        self
    }

    /// Adds a series of a histogram that the shell keeps.
    pub(super) fn durations(self, labels: Labels<'_>, histogram: &io::Histogram) -> Self {
        let (mut bounds, mut counts, mut before) = (Vec::new(), Vec::new(), 0);
        for (bound, total) in histogram.cumulative() {
            counts.push(total - before);
            before = total;
            if bound.is_finite() {
                bounds.push(bound);
            }
        }
        let observed = Observed {
            bounds: &bounds,
            counts: &counts,
            sum: histogram.sum().as_secs_f64(),
        };
        self.observed(labels, observed)
    }

    /// Adds a series of a summary without quantiles.
    pub(super) fn summed(self, count: u64, sum: f64) -> Self {
        self.summary(&[], (count, sum), Vec::new())
    }

    /// Adds a series of a summary of durations, with its quantiles; one that nothing is known of is no number.
    pub(super) fn durations_of_late(
        self,
        labels: Labels<'_>,
        histogram: &io::Histogram,
        quantiles: Vec<(f64, Option<Duration>)>,
    ) -> Self {
        let quantile = |(at, value): (f64, Option<Duration>)| {
            let mut quantile = Quantile::default();
            quantile.set_quantile(at);
            quantile.set_value(value.map_or(f64::NAN, |value| value.as_secs_f64()));
            quantile
        };
        let quantiles = quantiles.into_iter().map(quantile).collect();
        let whole = (histogram.count(), histogram.sum().as_secs_f64());
        self.summary(labels, whole, quantiles)
    }

    fn summary(
        mut self,
        labels: Labels<'_>,
        (count, sum): (u64, f64),
        quantiles: Vec<Quantile>,
    ) -> Self {
        let mut summary = Summary::default();
        summary.set_sample_count(count);
        summary.set_sample_sum(sum);
        summary.set_quantile(quantiles);
        let mut metric = metric(labels);
        metric.set_summary(summary);
        self.metrics.push(metric);
        self
    }

    /// Ends the family; one without series is left out.
    pub(super) fn end(mut self) {
        if self.metrics.is_empty() {
            return;
        }
        self.family.set_metric(self.metrics);
        self.page.families.push(self.family);
    }
}

fn metric(labels: Labels<'_>) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    Metric::from_label(labels.iter().map(pair).collect())
}

/// A count as metrics have it.
pub(super) fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
