//! Answers of `/api/v1/read` as series.

use std::borrow::Cow;

use prost::Message;

use super::{
    fields::Fields,
    float_histogram_chunk,
    frame::Frames,
    histogram_chunk::{self, stale},
    layout,
    message::{Chunk, Count, Histogram, Label, Sample, Span, ZeroCount},
    xor,
};
use crate::{
    labels::{LabelSet, Matcher},
    promql::{
        FloatHistogram, Samples, Series,
        histogram::{BucketSpan, Buckets, CounterResetHint},
        is_stale,
    },
};

/// A message of samples is not larger.
const MAX_MESSAGE: usize = 256 << 20;

/// What three bytes of Snappy can stand for; more is a lie about the length.
const MOST_PER_BYTE: usize = 22;

/// No server lets a series have as many.
const MAX_LABELS: usize = 10_000;

/// Why an answer cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Its bytes are not what they should be.
    #[error("{0}")]
    Bytes(Cow<'static, str>),
    /// It has chunks that are not known here; it may be asked for samples instead.
    #[error("a chunk has the encoding {0}, which is not known")]
    Encoding(i32),
    /// Some servers leave native histograms out of messages of samples.
    #[error("a series has no samples; it may have native histograms that the server leaves out")]
    Hollow,
    /// It has more samples than may be held.
    #[error("it has more than {0} samples")]
    TooManySamples(usize),
}

impl Malformed {
    pub(super) const ENDS_EARLY: Self = Self::Bytes(Cow::Borrowed("it ends early"));

    pub(super) fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Bytes(reason.into())
    }
}

impl From<prost::DecodeError> for Malformed {
    fn from(error: prost::DecodeError) -> Self {
        Self::new(error.to_string())
    }
}

/// What is taken from an answer.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// Unix milliseconds; excluded.
    pub from: i64,
    /// Unix milliseconds; included.
    pub to: i64,
    /// What the series were to match.
    pub matchers: &'a [Matcher],
    /// Labels that the server adds and that are taken away, unless a series was asked for because it has one itself.
    pub external: &'a LabelSet,
    /// More than these are refused; a native histogram counts for as many as in Prometheus.
    pub max_samples: usize,
}

/// Reads a stream of chunks (`STREAMED_XOR_CHUNKS`).
///
/// # Errors
/// When a part of it is not what it should be, or there is more than may be.
pub fn read_chunks(stream: &[u8], reading: Reading<'_>) -> Result<Vec<Series>, Malformed> {
    let mut collector = Collector::new(reading);
    for message in Frames::new(stream) {
        for field in Fields::new(message?) {
            if let (1, series) = field? {
                collector.chunked(series)?;
            }
        }
    }
    Ok(collector.finish())
}

/// Reads one compressed message of samples (`SAMPLES`).
///
/// # Errors
/// When a part of it is not what it should be, or there is more than may be.
pub fn read_samples(body: &[u8], reading: Reading<'_>) -> Result<Vec<Series>, Malformed> {
    let snappy = |error: snap::Error| Malformed::new(error.to_string());
    let length = snap::raw::decompress_len(body).map_err(snappy)?;
    if length > MAX_MESSAGE || length > body.len().saturating_mul(MOST_PER_BYTE) {
        return Err(Malformed::new(format!("it claims to have {length} bytes")));
    }
    let message = snap::raw::Decoder::new().decompress_vec(body);
    let message = message.map_err(snappy)?;
    let mut collector = Collector::new(reading);
    for result in Fields::new(&message) {
        let (1, result) = result? else { continue };
        for field in Fields::new(result) {
            if let (1, series) = field? {
                collector.sampled(series)?;
            }
        }
    }
    Ok(collector.finish())
}

struct Collector<'a> {
    reading: Reading<'a>,
    /// Labels that are taken away.
    added: LabelSet,
    held: usize,
    all: Vec<Series>,
    /// Whether the last one has overlapping chunks.
    unordered: bool,
}

impl<'a> Collector<'a> {
    fn new(reading: Reading<'a>) -> Self {
        let own = |name: &str| {
            let of_name = |matcher: &&Matcher| matcher.name() == name;
            let mut matchers = reading.matchers.iter().filter(of_name);
            matchers.any(|matcher| !matcher.matches_value(""))
        };
        Self {
            reading,
            added: reading.external.filter_pairs(|name, _| !own(name)),
            held: 0,
            all: Vec::new(),
            unordered: false,
        }
    }

    fn finish(mut self) -> Vec<Series> {
        self.close();
        self.all
    }

    /// Ends the last series.
    fn close(&mut self) {
        if std::mem::take(&mut self.unordered)
            && let Some(last) = self.all.last_mut()
        {
            sort(&mut last.floats);
            for histogram in &mut last.histograms.values {
                if histogram.counter_reset_hint != CounterResetHint::Gauge {
                    let known = std::sync::Arc::make_mut(histogram);
                    known.counter_reset_hint = CounterResetHint::Unknown;
                }
            }
            sort(&mut last.histograms);
        }
        let empty =
            |last: &Series| last.floats.times.is_empty() && last.histograms.times.is_empty();
        if self.all.last().is_some_and(empty) {
            self.all.pop();
        }
    }

    /// Begins a series, or goes on with it: a stream may tell of one in several frames.
    fn open(&mut self, labels: LabelSet) {
        if self.all.last().is_some_and(|last| last.labels == labels) {
            return;
        }
        self.close();
        self.all.push(Series {
            labels,
            ..Series::default()
        });
    }

    fn labels(&self, series: Fields<'_>) -> Result<LabelSet, Malformed> {
        let mut pairs = Vec::new();
        for field in series {
            let (1, label) = field? else { continue };
            let Label { name, value } = Label::decode(label)?;
            if pairs.len() >= MAX_LABELS {
                return Err(Malformed::new("a series has too many labels"));
            }
            let added = self.added.get(&name) == Some(&value);
            if !value.is_empty() && !added {
                pairs.push((Cow::Owned(name), Cow::Owned(value)));
            }
        }
        Ok(LabelSet::from_scratch(&mut pairs))
    }

    fn chunked(&mut self, series: &[u8]) -> Result<(), Malformed> {
        let fields = Fields::new(series);
        self.open(self.labels(fields.clone())?);
        for field in fields {
            let (2, chunk) = field? else { continue };
            let chunk = Chunk::decode(chunk)?;
            match chunk.encoding {
                1 => xor::read(&chunk.data, |time, value| self.float(time, value))?,
                2 => histogram_chunk::read(&chunk.data, |time, value| self.histogram(time, value))?,
                3 => float_histogram_chunk::read(&chunk.data, |time, value| {
                    self.histogram(time, value)
                })?,
                other => return Err(Malformed::Encoding(other)),
            }
        }
        Ok(())
    }

    fn sampled(&mut self, series: &[u8]) -> Result<(), Malformed> {
        let fields = Fields::new(series);
        self.open(self.labels(fields.clone())?);
        let mut hollow = true;
        for field in fields {
            let field = field?;
            hollow &= !matches!(field, (2 | 4, _));
            match field {
                (2, sample) => {
                    let sample = Sample::decode(sample)?;
                    self.float(sample.time, sample.value)?;
                }
                (4, histogram) => {
                    let histogram = Histogram::decode(histogram)?;
                    self.histogram(histogram.time, whole(histogram)?)?;
                }
                _ => {}
            }
        }
        if hollow {
            return Err(Malformed::Hollow);
        }
        Ok(())
    }

    fn takes(&mut self, time: i64, size: usize) -> Result<bool, Malformed> {
        if time <= self.reading.from || time > self.reading.to {
            return Ok(false);
        }
        self.held = self.held.saturating_add(size);
        if self.held > self.reading.max_samples {
            return Err(Malformed::TooManySamples(self.reading.max_samples));
        }
        Ok(true)
    }

    fn float(&mut self, time: i64, value: f64) -> Result<(), Malformed> {
        if self.takes(time, 1)?
            && let Some(last) = self.all.last_mut()
        {
            self.unordered |= push(&mut last.floats, time, value);
        }
        Ok(())
    }

    fn histogram(&mut self, time: i64, value: FloatHistogram) -> Result<(), Malformed> {
        if self.takes(time, value.point_size())?
            && let Some(last) = self.all.last_mut()
        {
            self.unordered |= push(&mut last.histograms, time, value.into());
        }
        Ok(())
    }
}

/// Adds a sample; whether it is out of order.
fn push<T>(samples: &mut Samples<T>, time: i64, value: T) -> bool {
    let unordered = samples.times.last().is_some_and(|last| *last >= time);
    samples.times.push(time);
    samples.values.push(value);
    unordered
}

/// Puts samples into order; of those at the same time the first stays.
fn sort<T>(samples: &mut Samples<T>) {
    let times = std::mem::take(&mut samples.times);
    let values = std::mem::take(&mut samples.values);
    let mut all: Vec<(i64, T)> = times.into_iter().zip(values).collect();
    all.sort_by_key(|(time, _)| *time);
    all.dedup_by_key(|(time, _)| *time);
    (samples.times, samples.values) = all.into_iter().unzip();
}

/// A histogram of a message.
fn whole(message: Histogram) -> Result<FloatHistogram, Malformed> {
    if is_stale(message.sum) {
        return Ok(stale());
    }
    let of_floats = matches!(message.count, Some(Count::Float(_)));
    let buckets = |spans: Vec<Span>, deltas: Vec<i64>, counts: Vec<f64>| Buckets {
        spans: spans.into_iter().map(span).collect(),
        counts: if of_floats { counts } else { added_up(&deltas) },
    };
    let mut histogram = FloatHistogram {
        counter_reset_hint: match message.reset_hint {
            1 => CounterResetHint::Reset,
            2 => CounterResetHint::NotReset,
            3 => CounterResetHint::Gauge,
            _ => CounterResetHint::Unknown,
        },
        schema: message.schema,
        zero_threshold: message.zero_threshold,
        zero_count: match message.zero_count {
            Some(ZeroCount::Whole(count)) => count as f64,
            Some(ZeroCount::Float(count)) => count,
            None => 0.0,
        },
        count: match message.count {
            Some(Count::Whole(count)) => count as f64,
            Some(Count::Float(count)) => count,
            None => 0.0,
        },
        sum: message.sum,
        positive: buckets(
            message.positive_spans,
            message.positive_deltas,
            message.positive_counts,
        ),
        negative: buckets(
            message.negative_spans,
            message.negative_deltas,
            message.negative_counts,
        ),
        custom_bounds: message.custom_bounds.into(),
    };
    layout::finish(&mut histogram)?;
    Ok(histogram)
}

fn span(span: Span) -> BucketSpan {
    BucketSpan {
        offset: span.offset,
        length: span.length,
    }
}

fn added_up(deltas: &[i64]) -> Vec<f64> {
    let mut count = 0_i64;
    let counts = deltas.iter().map(|delta| {
        count = count.wrapping_add(*delta);
        count as f64
    });
    counts.collect()
}
