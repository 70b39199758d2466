//! Answers written here: what the recorded ones do not have.

use prost::Message as _;

use super::{
    message::{Chunk, Count, Histogram, Label, Sample, Span, ZeroCount},
    *,
};
use crate::promql::histogram::{CUSTOM_BUCKETS_SCHEMA, CounterResetHint};

/// Writes bits as chunks have them.
#[derive(Default)]
struct Writer {
    bits: Vec<bool>,
}

impl Writer {
    fn bits(&mut self, count: u32, value: u64) -> &mut Self {
        let bits = (0..count).rev().map(|at| value >> at & 1 == 1);
        self.bits.extend(bits);
        self
    }

    fn float(&mut self, value: f64) -> &mut Self {
        self.bits(64, value.to_bits())
    }

    /// A small number in the shortest of the lengths, or a large one in the longest.
    fn number(&mut self, value: u64) -> &mut Self {
        match value {
            0 => self.bits(1, 0),
            1..=7 => self.bits(2, 0b10).bits(3, value),
            8..=63 => self.bits(3, 0b110).bits(6, value),
            _ => self.bits(8, 0xff).bits(64, value),
        }
    }

    fn signed(&mut self, value: i64) -> &mut Self {
        match value {
            0 => self.bits(1, 0),
            -3..=4 => self.bits(2, 0b10).bits(3, value.cast_unsigned() & 7),
            _ => self.bits(8, 0xff).bits(64, value.cast_unsigned()),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let byte = |bits: &[bool]| {
            let bit = |(at, bit): (usize, &bool)| u8::from(*bit) << (7 - at);
            bits.iter().enumerate().map(bit).sum()
        };
        self.bits.chunks(8).map(byte).collect()
    }
}

fn label(name: &str, value: &str) -> Vec<u8> {
    let label = Label {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    field(1, &label.encode_to_vec())
}

/// A stream of one series `h` with one chunk.
fn stream(encoding: i32, data: Vec<u8>) -> Vec<u8> {
    let chunk = Chunk { encoding, data };
    let series = [label("__name__", "h"), field(2, &chunk.encode_to_vec())].concat();
    framed(&field(1, &series))
}

fn read(stream: &[u8]) -> Result<Vec<Series>, Malformed> {
    read_chunks(stream, reading(&LabelSet::empty()))
}

/// The beginning of a chunk of histograms.
fn layout(samples: u64, flags: u64, schema: i64) -> Writer {
    let mut chunk = Writer::default();
    chunk
        .bits(16, samples)
        .bits(8, flags)
        .bits(8, 0)
        .signed(schema);
    chunk
}

#[test]
fn custom_buckets_have_their_bounds() {
    let mut chunk = layout(2, 0, i64::from(CUSTOM_BUCKETS_SCHEMA));
    // One span of three buckets, none below zero; bounds 0.005 and 0.1 as thousandths, 1e9 whole.
    chunk.number(1).number(3).signed(0).number(0);
    chunk.number(3).number(6).number(101).number(0).float(1e9);
    chunk.signed(1_000).number(6).number(0).float(0.25);
    chunk.signed(1).signed(1).signed(1);
    // The second: 500 ms and 5 observations later, the sum as before.
    chunk.signed(500).signed(5).signed(0).bits(1, 0);
    chunk.signed(1).signed(0).signed(1);
    let all = read(&stream(2, chunk.bytes())).unwrap();
    let histograms = &all[0].histograms;
    assert_eq!(histograms.times, [1_000, 1_500]);
    let (first, second) = (&histograms.values[0], &histograms.values[1]);
    assert_eq!(*first.custom_bounds, [0.005, 0.1, 1e9]);
    assert_eq!(first.positive.counts, [1.0, 2.0, 3.0]);
    assert_eq!((first.count, first.sum), (6.0, 0.25));
    assert_eq!(second.positive.counts, [2.0, 3.0, 5.0]);
    assert_eq!((second.count, second.sum), (11.0, 0.25));
    assert_eq!(second.counter_reset_hint, CounterResetHint::NotReset);
}

#[test]
fn fractions_change_by_their_bits() {
    let mut chunk = layout(2, 0b1100_0000, 0);
    chunk.number(1).number(1).signed(2).number(0);
    chunk.signed(0).float(1.0).float(0.0).float(4.0).float(1.0);
    // The count becomes 3: bits 51 and 62 to 52 of 1 and 3 differ.
    let change = 1.0_f64.to_bits() ^ 3.0_f64.to_bits();
    let (leading, trailing) = (change.leading_zeros(), change.trailing_zeros());
    let count = 64 - leading - trailing;
    chunk.signed(4);
    chunk
        .bits(2, 0b11)
        .bits(5, u64::from(leading))
        .bits(6, u64::from(count));
    chunk.bits(count, change >> trailing);
    chunk.bits(1, 0).bits(1, 0);
    // The bucket as well; where the first change begins with no bits, all 64 are there.
    chunk.bits(2, 0b10).bits(64, change);
    let all = read(&stream(3, chunk.bytes())).unwrap();
    let second = &all[0].histograms.values[1];
    assert_eq!((second.count, second.sum), (3.0, 4.0));
    assert_eq!(second.positive.counts, [3.0]);
    assert_eq!(second.counter_reset_hint, CounterResetHint::Gauge);
}

#[test]
fn resolutions_that_the_engine_does_not_know_are_lowered() {
    let mut chunk = layout(1, 0, 9);
    chunk.number(1).number(2).signed(1).number(0);
    chunk
        .signed(0)
        .number(5)
        .number(0)
        .float(1.0)
        .signed(2)
        .signed(1);
    let all = read(&stream(2, chunk.bytes())).unwrap();
    let only = &all[0].histograms.values[0];
    assert_eq!((only.schema, &*only.positive.counts), (8, &[5.0][..]));
}

#[test]
fn what_cannot_be_is_refused() {
    let refused = |encoding, data: &Writer| read(&stream(encoding, data.bytes())).unwrap_err();
    let early = Malformed::ENDS_EARLY;
    // More buckets than there are bits.
    let mut buckets = layout(1, 0, 0);
    buckets
        .number(1)
        .number(u64::from(u32::MAX))
        .signed(0)
        .number(0);
    assert_eq!(refused(2, &buckets), early);
    assert_eq!(refused(3, &buckets), early);
    let mut spans = layout(1, 0, 0);
    spans.number(u64::MAX);
    assert_eq!(refused(2, &spans), early);
    let mut schema = layout(1, 0, 60);
    schema.bits(64, 0);
    assert!(refused(2, &schema).to_string().contains("schema 60"));
    let mut offset = layout(1, 0, 0);
    offset.number(1).number(1).signed(i64::from(i32::MAX) + 1);
    assert!(refused(2, &offset).to_string().contains("out of range"));
    // A bucket that counts less than nothing.
    let mut negative = layout(1, 0, 0);
    negative.number(1).number(1).signed(0).number(0);
    negative.signed(0).number(1).number(0).float(1.0).signed(-1);
    assert!(refused(2, &negative).to_string().contains("makes no sense"));
    // 31 zeros before 40 bits.
    let mut wide = Writer::default();
    wide.bits(16, 2).bits(8, 0).float(1.0).bits(8, 0);
    wide.bits(2, 0b11).bits(5, 31).bits(6, 40).float(0.0);
    assert!(refused(1, &wide).to_string().contains("64 bits"));
    assert_eq!(refused(4, &wide), Malformed::Encoding(4));
    assert_eq!(read(&stream(2, vec![0])).unwrap_err(), early);
    assert_eq!(read(&stream(2, vec![0, 0, 0])), Ok(Vec::new()));
}

#[test]
fn frames_are_checked() {
    let whole = stream(1, vec![0, 0]);
    assert_eq!(read(&whole), Ok(Vec::new()));
    let mut changed = whole.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert!(read(&changed).unwrap_err().to_string().contains("checksum"));
    for end in 1..whole.len() {
        assert!(read(&whole[..end]).is_err(), "{end}");
    }
    // An error that a server writes into the middle of its answer.
    let mixed = [&*whole, b"the store went away\n"].concat();
    assert!(read(&mixed).is_err());
    // What Prometheus 2.42.0 writes behind whole frames when it cannot go on.
    let torn = b"iterate chunk while re-encoding: detected unexpected counter reset in histogram\n";
    assert!(read(&[&*whole, torn].concat()).is_err());
    let huge = [0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0];
    assert!(read(&huge).unwrap_err().to_string().contains("a frame has"));
}

#[test]
fn a_series_may_go_on_in_the_next_frame_and_overlap() {
    let chunk = |times: [u64; 2]| {
        let mut chunk = Writer::default();
        // Twice the time is a signed number in bytes.
        chunk.bits(16, 2).bits(8, times[0] * 2).float(1.0);
        chunk.bits(8, times[1] - times[0]).bits(1, 0);
        chunk.bytes()
    };
    let two = [stream(1, chunk([1, 5])), stream(1, chunk([3, 5]))].concat();
    let all = read(&two).unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].floats.times, [1, 3, 5]);
}

/// A message of samples of one series.
fn samples(samples: &[(i64, f64)], histograms: &[Histogram]) -> Vec<u8> {
    let mut series = label("__name__", "x");
    for (time, value) in samples {
        let sample = Sample {
            value: *value,
            time: *time,
        };
        series.extend(field(2, &sample.encode_to_vec()));
    }
    for histogram in histograms {
        series.extend(field(4, &histogram.encode_to_vec()));
    }
    let message = field(1, &field(1, &series));
    snap::raw::Encoder::new().compress_vec(&message).unwrap()
}

#[test]
fn samples_in_one_message() {
    let span = Span {
        offset: 1,
        length: 2,
    };
    let whole = Histogram {
        count: Some(Count::Whole(4)),
        zero_count: Some(ZeroCount::Whole(1)),
        sum: 2.5,
        schema: 1,
        positive_spans: vec![span],
        positive_deltas: vec![1, 1],
        reset_hint: 2,
        time: 7,
        ..Histogram::default()
    };
    let fraction = Histogram {
        count: Some(Count::Float(4.5)),
        zero_count: Some(ZeroCount::Float(0.5)),
        positive_deltas: Vec::new(),
        positive_counts: vec![1.5, 2.5],
        reset_hint: 3,
        time: 8,
        ..whole.clone()
    };
    let stale = Histogram {
        sum: crate::promql::STALE,
        time: 9,
        ..Histogram::default()
    };
    let histograms = [whole.clone(), fraction, stale];
    let body = samples(&[(5, 1.0), (6, crate::promql::STALE)], &histograms);
    let none = LabelSet::empty();
    let all = read_samples(&body, reading(&none)).unwrap();
    assert_eq!(all[0].floats.times, [5, 6]);
    let values = &all[0].histograms.values;
    assert_eq!(all[0].histograms.times, [7, 8, 9]);
    assert_eq!(values[0].positive.counts, [1.0, 2.0]);
    assert_eq!(values[0].counter_reset_hint, CounterResetHint::NotReset);
    assert_eq!((values[1].count, values[1].zero_count), (4.5, 0.5));
    assert_eq!(values[1].positive.counts, [1.5, 2.5]);
    assert!(crate::promql::is_stale(values[2].sum));

    let hollow = read_samples(&samples(&[], &[]), reading(&none));
    assert_eq!(hollow, Err(Malformed::Hollow));
    let wrong = Histogram {
        positive_deltas: vec![1],
        schema: 12,
        ..whole
    };
    assert!(read_samples(&samples(&[], &[wrong]), reading(&none)).is_err());
    let lie = [0xff, 0xff, 0xff, 0x7f, 0, 1];
    let refused = read_samples(&lie, reading(&none)).unwrap_err();
    assert!(refused.to_string().contains("claims"), "{refused}");
}

#[test]
fn requests_speak_of_the_series_themselves() {
    use super::message::{MatcherType, ReadRequest};

    let matchers = matchers(r#"x{prometheus="a",cluster="us",job!="b",pod=~"c.*",zone!~"d"}"#);
    let request = read_request(&matchers, 9, 20, &external(), ReadFormat::Any);
    let request = ReadRequest::decode(&*request).unwrap();
    assert_eq!(request.accepted, [1, 0]);
    let query = &request.queries[0];
    assert_eq!((query.start, query.end), (10, 20));
    let asked: Vec<_> = query
        .matchers
        .iter()
        .map(|m| (m.kind, &*m.name, &*m.value))
        .collect();
    let kind = |kind: MatcherType| i32::from(kind);
    for expect in [
        (kind(MatcherType::Equal), "__name__", "x"),
        (kind(MatcherType::Regex), "prometheus", "a"),
        (kind(MatcherType::Equal), "cluster", "us"),
        (kind(MatcherType::NotEqual), "job", "b"),
        (kind(MatcherType::Regex), "pod", "c.*"),
        (kind(MatcherType::NotRegex), "zone", "d"),
    ] {
        assert!(asked.contains(&expect), "{expect:?} is not in {asked:?}");
    }
    let samples = read_request(&matchers, 9, 20, &external(), ReadFormat::Samples);
    assert_eq!(ReadRequest::decode(&*samples).unwrap().accepted, [0]);
}
