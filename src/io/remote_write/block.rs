//! The records of the queue on disk.
//!
//! A record is a header and a body. The header: `WFS1`, then three numbers of 32 bits, little-endian: bytes of the body,
//! samples in it, CRC-32C of those two and of the body. The body is compressed by snappy and holds, in this order: the
//! label sets that appear for the first time in this segment, numbered as they come; then the samples, column by column:
//! series, times, kinds, numbers, histograms. What repeats from one evaluation to the next nearly vanishes in that form.

use prost::{
    Message as _,
    encoding::{decode_varint, encode_varint},
};

use super::message::NativeHistogram;
use crate::{
    labels::LabelSet,
    promql::{FloatHistogram, Point},
};

/// Bytes of a header.
pub(super) const HEADER: usize = 16;

/// Bytes of the largest body, and of what it may hold.
pub(super) const MAX_BODY: usize = 64 << 20;

const MAGIC: [u8; 4] = *b"WFS1";

/// What one record holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Block {
    /// The number of the first of [`Self::series`].
    pub(super) first: u32,
    /// Label sets that are new in this segment.
    pub(super) series: Vec<LabelSet>,
    /// Samples in the order in which they came.
    pub(super) samples: Vec<Stored>,
}

/// A sample of a series that is known by its number.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) series: u32,
    /// Unix milliseconds.
    pub(super) time: i64,
    pub(super) point: Point,
}

/// What stands before a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    /// Bytes of the body.
    pub(super) length: u32,
    /// Samples in it.
    pub(super) samples: u32,
    checksum: u32,
}

impl Header {
    /// Reads a header; `None` if this is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (samples, rest) = rest.split_first_chunk::<4>()?;
        let (checksum, _) = rest.split_first_chunk::<4>()?;
        let length = u32::from_le_bytes(*length);
        let fits = usize::try_from(length).is_ok_and(|length| length <= MAX_BODY);
        (*magic == MAGIC && fits).then_some(Self {
            length,
            samples: u32::from_le_bytes(*samples),
            checksum: u32::from_le_bytes(*checksum),
        })
    }

    /// Bytes of the record.
    pub(super) fn record(self) -> u64 {
        u64::from(self.length) + 16
    }

    /// Whether this is the body.
    pub(super) fn fits(self, body: &[u8]) -> bool {
        checksum(self.length, self.samples, body) == self.checksum
    }
}

fn checksum(length: u32, samples: u32, body: &[u8]) -> u32 {
    let start = crc32c::crc32c(&length.to_le_bytes());
    let both = crc32c::crc32c_append(start, &samples.to_le_bytes());
    crc32c::crc32c_append(both, body)
}

impl Block {
    /// The record of this block; `None` if it would be too large.
    pub(super) fn record(&self) -> Option<Vec<u8>> {
        let plain = self.body();
        if plain.len() > MAX_BODY {
            return None;
        }
        let body = snap::raw::Encoder::new().compress_vec(&plain).ok()?;
        let length = u32::try_from(body.len()).ok()?;
        let samples = u32::try_from(self.samples.len()).ok()?;
        let mut record = Vec::with_capacity(HEADER + body.len());
        record.extend_from_slice(&MAGIC);
        record.extend_from_slice(&length.to_le_bytes());
        record.extend_from_slice(&samples.to_le_bytes());
        record.extend_from_slice(&checksum(length, samples, &body).to_le_bytes());
        record.extend_from_slice(&body);
        Some(record)
    }

    fn body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        encode_varint(u64::from(self.first), &mut out);
        push_count(self.series.len(), &mut out);
        for labels in &self.series {
            push_count(labels.len(), &mut out);
            for (name, value) in labels {
                push_bytes(name.as_bytes(), &mut out);
                push_bytes(value.as_bytes(), &mut out);
            }
        }
        push_count(self.samples.len(), &mut out);
        self.push_columns(&mut out);
        out
    }

    fn push_columns(&self, out: &mut Vec<u8>) {
        // The next in a row of series costs nothing, since evaluations write them in the same order.
        let mut expected = 0;
        for sample in &self.samples {
            let series = i64::from(sample.series);
            push_signed(series - expected, out);
            expected = series + 1;
        }
        let mut before = 0;
        for sample in &self.samples {
            push_signed(sample.time.wrapping_sub(before), out);
            before = sample.time;
        }
        for sample in &self.samples {
            out.push(u8::from(matches!(sample.point, Point::Histogram(_))));
        }
        for sample in &self.samples {
            if let Point::Float(value) = sample.point {
                out.extend_from_slice(&value.to_bits().to_le_bytes());
            }
        }
        for sample in &self.samples {
            if let Point::Histogram(histogram) = &sample.point {
                let message = NativeHistogram::new(histogram, 0);
                push_bytes(&message.encode_to_vec(), out);
            }
        }
    }

    /// Reads a body whose checksum was right; `None` if it is none of this program's.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        if snap::raw::decompress_len(body).ok()? > MAX_BODY {
            return None;
        }
        let plain = snap::raw::Decoder::new().decompress_vec(body).ok()?;
        let mut input = plain.as_slice();
        let first = u32::try_from(decode_varint(&mut input).ok()?).ok()?;
        let mut series = Vec::new();
        for _ in 0..take_count(&mut input)? {
            series.push(take_labels(&mut input)?);
        }
        let samples = take_columns(&mut input)?;
        Some(Self {
            first,
            series,
            samples,
        })
    }
}

fn push_count(count: usize, out: &mut Vec<u8>) {
    encode_varint(u64::try_from(count).unwrap_or(u64::MAX), out);
}

fn push_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    push_count(bytes.len(), out);
    out.extend_from_slice(bytes);
}

fn push_signed(value: i64, out: &mut Vec<u8>) {
    encode_varint(((value << 1) ^ (value >> 63)).cast_unsigned(), out);
}

/// A count of things of which each takes a byte at least, so that it bounds what is allocated.
fn take_count(input: &mut &[u8]) -> Option<usize> {
    let count = usize::try_from(decode_varint(input).ok()?).ok()?;
    (count <= input.len()).then_some(count)
}

fn take_bytes<'i>(input: &mut &'i [u8]) -> Option<&'i [u8]> {
    let length = take_count(input)?;
    let (bytes, rest) = input.split_at_checked(length)?;
    *input = rest;
    Some(bytes)
}

fn take_signed(input: &mut &[u8]) -> Option<i64> {
    let value = decode_varint(input).ok()?;
    Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
}

fn take_labels(input: &mut &[u8]) -> Option<LabelSet> {
    let mut pairs = Vec::new();
    for _ in 0..take_count(input)? {
        let name = str::from_utf8(take_bytes(input)?).ok()?;
        let value = str::from_utf8(take_bytes(input)?).ok()?;
        pairs.push((name, value));
    }
    Some(LabelSet::from_pairs(pairs))
}

fn take_columns(input: &mut &[u8]) -> Option<Vec<Stored>> {
    let count = take_count(input)?;
    let mut samples = Vec::with_capacity(count);
    let mut expected = 0_i64;
    for _ in 0..count {
        let series = expected.checked_add(take_signed(input)?)?;
        samples.push(Stored {
            series: u32::try_from(series).ok()?,
            time: 0,
            point: Point::Float(0.0),
        });
        expected = series.checked_add(1)?;
    }
    let mut before = 0_i64;
    for sample in &mut samples {
        before = before.wrapping_add(take_signed(input)?);
        sample.time = before;
    }
    let (kinds, rest) = input.split_at_checked(count)?;
    *input = rest;
    for (sample, _) in samples
        .iter_mut()
        .zip(kinds)
        .filter(|(_, kind)| **kind == 0)
    {
        let (bits, rest) = input.split_first_chunk::<8>()?;
        *input = rest;
        sample.point = Point::Float(f64::from_bits(u64::from_le_bytes(*bits)));
    }
    for (sample, _) in samples
        .iter_mut()
        .zip(kinds)
        .filter(|(_, kind)| **kind != 0)
    {
        let message = NativeHistogram::decode(take_bytes(input)?).ok()?;
        let histogram: FloatHistogram = message.into_histogram();
        sample.point = Point::Histogram(histogram.into());
    }
    Some(samples)
}
