//! Series in memory, as Prometheus's database would give them back; tests of PromQL and of rules run over them.
//!
//! The database keeps histograms in chunks and says of each but the first of a chunk that there was no counter reset
//! before it; where a chunk begins is therefore a part of the data.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    sync::Arc,
};

use super::{
    FloatHistogram, Point, Samples, Series,
    engine::Selection,
    histogram::{Buckets, CUSTOM_BUCKETS_SCHEMA, CounterResetHint},
    is_stale,
    parse::SeriesValue,
};
use crate::labels::{LabelSet, MatchOp, Matcher};

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
    streams: Vec<Stream>,
    /// Their places, in the order of the labels as Prometheus sorts them: pair by pair.
    series: BTreeMap<Vec<(String, String)>, usize>,
    /// The places of those that have a label, by its name and its value, in no order that means anything.
    having: HashMap<String, HashMap<String, Vec<usize>>>,
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
        *self = Self::default();
    }

    /// Appends samples to a series.
    ///
    /// # Errors
    /// When they are not newer than those before them; those up to there are taken. A repeated sample is left out.
    pub fn append(&mut self, labels: &LabelSet, samples: Vec<Stored>) -> Result<(), AppendError> {
        if samples.is_empty() {
            return Ok(());
        }
        let place = match self.series.entry(order(labels)) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let place = self.streams.len();
                entry.insert(place);
                self.streams.push(Stream {
                    labels: labels.clone(),
                    ..Stream::default()
                });
                for (name, value) in labels {
                    let values = self.having.entry(name.to_owned()).or_default();
                    values.entry(value.to_owned()).or_default().push(place);
                }
                place
            }
        };
        let stream = self.streams.get_mut(place);
        let mut samples = samples.into_iter();
        stream.map_or(Ok(()), |stream| {
            samples.try_for_each(|sample| stream.append(sample))
        })
    }

    /// The series that match, with their samples of `from < time <= to`.
    #[must_use]
    pub fn select(&self, selection: &Selection) -> Vec<Series> {
        self.select_matching(&selection.matchers, selection.from, selection.to)
    }

    /// The same, in parts.
    #[must_use]
    pub fn select_matching(&self, matchers: &[Matcher], from: i64, to: i64) -> Vec<Series> {
        let has_samples = |series: &Series| {
            !(series.floats.times.is_empty() && series.histograms.times.is_empty())
        };
        let matching = self.matching(matchers).into_iter();
        matching
            .map(|stream| stream.between(from, to))
            .filter(has_samples)
            .collect()
    }

    /// The labels of all series.
    pub fn labels(&self) -> impl Iterator<Item = &LabelSet> {
        self.in_order().map(|stream| &stream.labels)
    }

    fn in_order(&self) -> impl Iterator<Item = &Stream> {
        let places = self.series.values();
        places.filter_map(|place| self.streams.get(*place))
    }

    /// The series that match, in order. Only those are looked at that have the rarest of the labels that are asked for.
    fn matching(&self, matchers: &[Matcher]) -> Vec<&Stream> {
        let matches = |stream: &&Stream| Matcher::all_match(matchers, &stream.labels);
        let labels = matchers.iter().filter(|one| {
            // What is not there has an empty value.
            one.op() == MatchOp::Equal && !one.value().is_empty()
        });
        let having = labels.map(|label| {
            let values = self.having.get(label.name());
            let places = values.and_then(|values| values.get(label.value()));
            places.map(Vec::as_slice).unwrap_or_default()
        });
        let Some(places) = having.min_by_key(|places| places.len()) else {
            return self.in_order().filter(matches).collect();
        };
        let streams = places.iter().filter_map(|place| self.streams.get(*place));
        let mut found: Vec<&Stream> = streams.filter(matches).collect();
        found.sort_unstable_by(|a, b| a.labels.iter().cmp(b.labels.iter()));
        found
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
    use crate::promql::{STALE, histogram::BucketSpan, parse::parse_selector};

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
    fn what_matches_is_found_in_order_whatever_is_looked_at() {
        let mut memory = Memory::default();
        let names = ["a", "b", "ab"];
        for at in [7_i64, 3, 12, 0, 5, 1, 9, 4, 11, 2, 8, 10, 6] {
            let (job, instance) = (["x", "y"][usize::from(at % 2 == 0)], at.to_string());
            let mut labels = vec![("__name__", names[usize::try_from(at % 3).unwrap()])];
            labels.push(("instance", &*instance));
            if at % 4 != 0 {
                labels.push(("job", job));
            }
            let sample = Stored {
                time: at,
                start: 0,
                point: Point::Float(0.0),
            };
            let labels = LabelSet::from_pairs(labels);
            memory.append(&labels, vec![sample]).unwrap();
        }
        for text in [
            "a",
            "ab{job=\"x\"}",
            "{job=\"\",instance=~\".+\"}",
            "b{job=\"\"}",
            "{instance=\"7\",job=~\"x|y\"}",
            "{__name__=~\"a.*\"}",
            "{job!=\"x\",instance=\"12\"}",
            "none",
            "a{instance=\"none\"}",
        ] {
            let matchers = parse_selector(text).unwrap();
            let all = memory.labels();
            let expected: Vec<&LabelSet> = all
                .filter(|labels| Matcher::all_match(&matchers, labels))
                .collect();
            let found = memory.matching(&matchers);
            let found: Vec<&LabelSet> = found.iter().map(|stream| &stream.labels).collect();
            assert_eq!(found, expected, "{text}");
        }
        assert!(
            memory
                .labels()
                .is_sorted_by(|a, b| a.iter().cmp(b.iter()).is_lt())
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
