//! Series in memory, as Prometheus's database would give them back; tests of PromQL and of rules run over them.
//!
//! The database keeps histograms in chunks and says of each but the first of a chunk that there was no counter reset
//! before it; where a chunk begins is therefore a part of the data.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    FloatHistogram, Point, Samples, Series,
    engine::Selection,
    histogram::{Buckets, CUSTOM_BUCKETS_SCHEMA, CounterResetHint},
    is_stale,
    parse::SeriesValue,
};
use crate::labels::{LabelSet, Matcher};

/// One sample to be stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Unix milliseconds.
    pub time: i64,
    /// When the counter started, in Unix milliseconds; 0 for unknown.
    pub start: i64,
    /// Its value.
    pub point: Point,
}

/// Series with their samples.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// In the order of the labels as Prometheus sorts them: pair by pair.
    series: BTreeMap<Vec<(String, String)>, Stream>,
}

/// A sample that does not go after those before it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// It is older than the last one.
    #[error("{labels}: out of order sample at {time}")]
    OutOfOrder {
        /// Its series.
        labels: LabelSet,
        /// Unix milliseconds.
        time: i64,
    },
    /// There is another value at its time.
    #[error("{labels}: duplicate sample for timestamp {time}")]
    Duplicate {
        /// Its series.
        labels: LabelSet,
        /// Unix milliseconds.
        time: i64,
    },
}

#[derive(Clone, Debug, Default)]
struct Stream {
    labels: LabelSet,
    samples: Vec<Stored>,
    chunk: Chunk,
}

/// The chunk that is being written.
#[derive(Clone, Debug, Default)]
enum Chunk {
    #[default]
    Floats,
    Histograms {
        gauge: bool,
        /// Ended by a stale marker: what follows needs a new chunk.
        stale: bool,
        last: Arc<FloatHistogram>,
    },
}

impl Memory {
    /// Forgets all series.
    pub fn clear(&mut self) {
        self.series.clear();
    }

    /// Appends samples to a series.
    ///
    /// # Errors
    /// When they are not newer than those before them; those up to there are taken. A repeated sample is left out.
    pub fn append(&mut self, labels: &LabelSet, samples: Vec<Stored>) -> Result<(), AppendError> {
        if samples.is_empty() {
            return Ok(());
        }
        let stream = self.series.entry(order(labels)).or_default();
        if stream.samples.is_empty() {
            stream.labels = labels.clone();
        }
        samples
            .into_iter()
            .try_for_each(|sample| stream.append(sample))
    }

    /// The series that match, with their samples of `from < time <= to`.
    #[must_use]
    pub fn select(&self, selection: &Selection) -> Vec<Series> {
        self.select_matching(&selection.matchers, selection.from, selection.to)
    }

    /// The same, in parts.
    #[must_use]
    pub fn select_matching(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series> {
        self.series
            .values()
            .filter(|stream| Matcher::all_match(matchers, &stream.labels))
            .map(|stream| stream.between(from, to))
            .filter(|series| {
                !(series.floats.times.is_empty() && series.histograms.times.is_empty())
            })
            .collect()
    }

    /// The labels of all series.
    pub fn labels(&self) -> impl Iterator<Item = &LabelSet> {
        self.series.values().map(|stream| &stream.labels)
    }
}

/// Sorts as Prometheus sorts series: by name and value of one label after the other.
fn order(labels: &LabelSet) -> Vec<(String, String)> {
    labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

impl Stream {
    fn append(&mut self, mut sample: Stored) -> Result<(), AppendError> {
        if let Some(last) = self.samples.last() {
            let (labels, time) = (self.labels.clone(), sample.time);
            if time < last.time {
                return Err(AppendError::OutOfOrder { labels, time });
            }
            if time == last.time {
                return if same(&sample.point, &last.point) {
                    Ok(())
                } else {
                    Err(AppendError::Duplicate { labels, time })
                };
            }
        }
        sample.point = self.chunk.append(sample.point);
        self.samples.push(sample);
        Ok(())
    }

    fn between(&self, from: i64, to: i64) -> Series {
        let mut series = Series {
            labels: self.labels.clone(),
            ..Series::default()
        };
        let first = self.samples.partition_point(|sample| sample.time <= from);
        let samples = self.samples.iter().skip(first);
        for sample in samples.take_while(|sample| sample.time <= to) {
            match &sample.point {
                Point::Float(value) => push(&mut series.floats, sample, *value),
                Point::Histogram(value) => push(&mut series.histograms, sample, Arc::clone(value)),
            }
        }
        drop_unknown(&mut series.floats.starts);
        drop_unknown(&mut series.histograms.starts);
        series
    }
}

fn push<T>(samples: &mut Samples<T>, sample: &Stored, value: T) {
    samples.times.push(sample.time);
    samples.values.push(value);
    samples.starts.push(sample.start);
}

fn drop_unknown(starts: &mut Vec<i64>) {
    if starts.iter().all(|start| *start == 0) {
        starts.clear();
    }
}

fn same(a: &Point, b: &Point) -> bool {
    match (a, b) {
        (Point::Float(a), Point::Float(b)) => a.to_bits() == b.to_bits(),
        (Point::Histogram(a), Point::Histogram(b)) => {
            a.count.to_bits() == b.count.to_bits()
                && a.sum.to_bits() == b.sum.to_bits()
                && a.positive == b.positive
                && a.negative == b.negative
        }
        (Point::Float(_), Point::Histogram(_)) | (Point::Histogram(_), Point::Float(_)) => false,
    }
}

impl Chunk {
    /// Takes the next sample of the series and returns it as it will be read.
    fn append(&mut self, point: Point) -> Point {
        let histogram = match point {
            Point::Histogram(histogram) => histogram,
            Point::Float(value) => {
                match self {
                    // The marker becomes a histogram of its own in the same chunk.
                    Self::Histograms { stale, .. } if is_stale(value) => *stale = true,
                    Self::Floats | Self::Histograms { .. } => *self = Self::Floats,
                }
                return Point::Float(value);
            }
        };
        let continued = self.takes(&histogram);
        let gauge = histogram.counter_reset_hint == CounterResetHint::Gauge;
        *self = Self::Histograms {
            gauge,
            stale: false,
            last: Arc::clone(&histogram),
        };
        let mut read = (*histogram).clone();
        read.counter_reset_hint = match (gauge, continued) {
            (true, _) => CounterResetHint::Gauge,
            (false, true) => CounterResetHint::NotReset,
            (false, false) => CounterResetHint::Unknown,
        };
        Point::Histogram(Arc::new(read))
    }

    /// Whether a histogram continues the chunk.
    fn takes(&self, next: &FloatHistogram) -> bool {
        let Self::Histograms { gauge, stale, last } = self else {
            return false;
        };
        let next_gauge = next.counter_reset_hint == CounterResetHint::Gauge;
        if *stale
            || *gauge != next_gauge
            || next.counter_reset_hint == CounterResetHint::Reset
            || next.schema != last.schema
            || next.zero_threshold.to_bits() != last.zero_threshold.to_bits()
            || next.schema == CUSTOM_BUCKETS_SCHEMA && next.custom_bounds != last.custom_bounds
        {
            return false;
        }
        *gauge
            || !(next.count < last.count
                || next.zero_count < last.zero_count
                || shrinks(&last.positive, &next.positive)
                || shrinks(&last.negative, &next.negative))
    }
}

/// Whether a bucket has fewer observations than before.
fn shrinks(last: &Buckets, next: &Buckets) -> bool {
    let filled = |(_, count): &(i64, f64)| *count != 0.0;
    let after: BTreeMap<i64, f64> = next.indexed().filter(filled).collect();
    last.indexed()
        .filter(filled)
        .any(|(index, count)| after.get(&index).is_none_or(|now| *now < count))
}

/// The samples of a line of values, one each `step` milliseconds from `first` on; `starts` are those of counters, in
/// milliseconds from the sample, as far as they are known.
#[must_use]
pub fn samples(
    first: i64,
    step: i64,
    items: &[SeriesValue],
    starts: &[Option<i64>],
) -> Vec<Stored> {
    let mut next = first;
    let mut starts = starts.iter();
    let mut stored = Vec::new();
    for item in items {
        let time = next;
        next = next.saturating_add(step);
        let start = starts.next().copied().flatten();
        let point = match item {
            SeriesValue::Omitted => continue,
            SeriesValue::Float(value) => Point::Float(*value),
            SeriesValue::Histogram { histogram, .. } => Point::Histogram(Arc::clone(histogram)),
        };
        stored.push(Stored {
            time,
            start: start.map_or(0, |start| time.saturating_add(start)),
            point,
        });
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::{STALE, histogram::BucketSpan};

    fn histogram(counts: &[f64], hint: CounterResetHint) -> Point {
        Point::Histogram(Arc::new(FloatHistogram {
            counter_reset_hint: hint,
            count: counts.iter().sum(),
            positive: Buckets {
                spans: vec![BucketSpan {
                    offset: 0,
                    length: u32::try_from(counts.len()).unwrap(),
                }],
                counts: counts.to_vec(),
            },
            ..FloatHistogram::default()
        }))
    }

    /// What is read of samples that were stored: the hints, `-` for a float.
    fn hints(points: Vec<Point>) -> String {
        let mut chunk = Chunk::default();
        let hint = |point| match chunk.append(point) {
            Point::Float(_) => '-',
            Point::Histogram(histogram) => match histogram.counter_reset_hint {
                CounterResetHint::Unknown => '?',
                CounterResetHint::Reset => 'r',
                CounterResetHint::NotReset => 'n',
                CounterResetHint::Gauge => 'g',
            },
        };
        points.into_iter().map(hint).collect()
    }

    #[test]
    fn hints_follow_the_chunks_of_the_database() {
        use CounterResetHint::{Gauge, Reset, Unknown};
        let plain = |counts: &[f64]| histogram(counts, Unknown);
        assert_eq!(
            hints(vec![plain(&[1.0]), plain(&[1.0, 2.0]), plain(&[2.0, 2.0])]),
            "?nn"
        );
        assert_eq!(
            hints(vec![plain(&[3.0]), plain(&[1.0, 9.0]), plain(&[1.0, 9.0])]),
            "??n"
        );
        assert_eq!(hints(vec![plain(&[0.0, 1.0]), plain(&[0.0, 2.0])]), "?n");
        assert_eq!(
            hints(vec![plain(&[1.0]), histogram(&[2.0], Reset), plain(&[3.0])]),
            "??n"
        );
        assert_eq!(
            hints(vec![
                histogram(&[3.0], Gauge),
                histogram(&[1.0], Gauge),
                plain(&[3.0])
            ]),
            "gg?"
        );
        assert_eq!(
            hints(vec![
                plain(&[1.0]),
                Point::Float(STALE),
                plain(&[2.0]),
                plain(&[2.0])
            ]),
            "?-?n"
        );
        assert_eq!(
            hints(vec![plain(&[1.0]), Point::Float(0.0), plain(&[2.0])]),
            "?-?"
        );
    }

    #[test]
    fn old_and_contradicting_samples_are_refused() {
        let labels = LabelSet::from_pairs([("__name__", "a")]);
        let at = |time, value| Stored {
            time,
            start: 0,
            point: Point::Float(value),
        };
        let mut memory = Memory::default();
        memory
            .append(&labels, vec![at(0, 1.0), at(5, 2.0)])
            .unwrap();
        memory.append(&labels, vec![at(5, 2.0)]).unwrap();
        assert!(memory.append(&labels, vec![at(5, 3.0)]).is_err());
        assert!(memory.append(&labels, vec![at(4, 3.0)]).is_err());
        let between = |from, to| {
            let selection = Selection {
                matchers: Vec::new(),
                from,
                to,
            };
            memory
                .select(&selection)
                .into_iter()
                .map(|series| series.floats.times)
                .collect::<Vec<_>>()
        };
        assert_eq!(between(-1, 5), [[0, 5]]);
        assert_eq!(between(0, 5), [[5]]);
        assert_eq!(between(5, 9), Vec::<Vec<i64>>::new());
    }
}
