//! The messages of remote write 1.0 and 2.0, as far as a sender of samples needs them.
//!
//! Field numbers are those of `prometheus.WriteRequest` and `io.prometheus.write.v2.Request`. Histograms have the same
//! fields in both.

use std::sync::Arc;

use crate::promql::{
    FloatHistogram,
    histogram::{self, Buckets, CounterResetHint},
};

/// `prometheus.WriteRequest`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct WriteRequest {
    #[prost(message, repeated, tag = "1")]
    pub(super) series: Vec<NamedSeries>,
}

/// `prometheus.TimeSeries`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct NamedSeries {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<Label>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Number>,
    #[prost(message, repeated, tag = "4")]
    pub(super) histograms: Vec<NativeHistogram>,
}

/// `prometheus.Label`
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct Label {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// `io.prometheus.write.v2.Request`
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Request {
    /// Texts, each once; the first is empty.
    #[prost(string, repeated, tag = "4")]
    pub(super) symbols: Vec<String>,
    #[prost(message, repeated, tag = "5")]
    pub(super) series: Vec<ReferringSeries>,
}

/// `io.prometheus.write.v2.TimeSeries`: numbers or histograms, never both.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct ReferringSeries {
    /// Names and values in turn, as places in the symbols.
    #[prost(uint32, repeated, tag = "1")]
    pub(super) labels: Vec<u32>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<Number>,
    #[prost(message, repeated, tag = "3")]
    pub(super) histograms: Vec<NativeHistogram>,
}

/// A sample of either version.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct Number {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    /// Unix milliseconds.
    #[prost(int64, tag = "2")]
    pub(super) time: i64,
}

/// A native histogram of either version, with counts that are numbers.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct NativeHistogram {
    #[prost(double, optional, tag = "2")]
    pub(super) count: Option<f64>,
    #[prost(double, tag = "3")]
    pub(super) sum: f64,
    #[prost(sint32, tag = "4")]
    pub(super) schema: i32,
    #[prost(double, tag = "5")]
    pub(super) zero_threshold: f64,
    #[prost(double, optional, tag = "7")]
    pub(super) zero_count: Option<f64>,
    #[prost(message, repeated, tag = "8")]
    pub(super) negative_spans: Vec<BucketSpan>,
    #[prost(double, repeated, tag = "10")]
    pub(super) negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    pub(super) positive_spans: Vec<BucketSpan>,
    #[prost(double, repeated, tag = "13")]
    pub(super) positive_counts: Vec<f64>,
    /// 0 unknown, 1 a reset, 2 none, 3 a gauge.
    #[prost(int32, tag = "14")]
    pub(super) reset_hint: i32,
    /// Unix milliseconds.
    #[prost(int64, tag = "15")]
    pub(super) time: i64,
    #[prost(double, repeated, tag = "16")]
    pub(super) custom_bounds: Vec<f64>,
}

/// `BucketSpan`
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct BucketSpan {
    #[prost(sint32, tag = "1")]
    pub(super) offset: i32,
    #[prost(uint32, tag = "2")]
    pub(super) length: u32,
}

impl NativeHistogram {
    /// The message of a histogram at a time in Unix milliseconds.
    pub(super) fn new(histogram: &FloatHistogram, time: i64) -> Self {
        Self {
            count: Some(histogram.count),
            sum: histogram.sum,
            schema: histogram.schema,
            zero_threshold: histogram.zero_threshold,
            zero_count: Some(histogram.zero_count),
            negative_spans: spans(&histogram.negative),
            negative_counts: histogram.negative.counts.clone(),
            positive_spans: spans(&histogram.positive),
            positive_counts: histogram.positive.counts.clone(),
            reset_hint: match histogram.counter_reset_hint {
                CounterResetHint::Unknown => 0,
                CounterResetHint::Reset => 1,
                CounterResetHint::NotReset => 2,
                CounterResetHint::Gauge => 3,
            },
            time,
            custom_bounds: histogram.custom_bounds.to_vec(),
        }
    }

    /// The histogram of a message.
    pub(super) fn into_histogram(self) -> FloatHistogram {
        FloatHistogram {
            counter_reset_hint: match self.reset_hint {
                1 => CounterResetHint::Reset,
                2 => CounterResetHint::NotReset,
                3 => CounterResetHint::Gauge,
                _ => CounterResetHint::Unknown,
            },
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count.unwrap_or_default(),
            count: self.count.unwrap_or_default(),
            sum: self.sum,
            positive: buckets(&self.positive_spans, self.positive_counts),
            negative: buckets(&self.negative_spans, self.negative_counts),
            custom_bounds: Arc::from(self.custom_bounds),
        }
    }
}

fn spans(buckets: &Buckets) -> Vec<BucketSpan> {
    let message = |span: &histogram::BucketSpan| BucketSpan {
        offset: span.offset,
        length: span.length,
    };
    buckets.spans.iter().map(message).collect()
}

fn buckets(spans: &[BucketSpan], counts: Vec<f64>) -> Buckets {
    let span = |span: &BucketSpan| histogram::BucketSpan {
        offset: span.offset,
        length: span.length,
    };
    Buckets {
        spans: spans.iter().map(span).collect(),
        counts,
    }
}
