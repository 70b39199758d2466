//! Records come back as they were written, and everything else is none.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::{
    block::{Block, HEADER, Header, Stored},
    mark::{Mark, Position},
};
use crate::{
    labels::LabelSet,
    promql::{
        FloatHistogram, Point, STALE_BITS,
        histogram::{BucketSpan, Buckets, CounterResetHint},
    },
};

pub(super) fn histogram(count: f64) -> FloatHistogram {
    FloatHistogram {
        counter_reset_hint: CounterResetHint::Gauge,
        schema: 3,
        zero_threshold: 0.001,
        zero_count: 2.0,
        count,
        sum: 17.5,
        positive: Buckets {
            spans: vec![
                BucketSpan {
                    offset: -2,
                    length: 2,
                },
                BucketSpan {
                    offset: 3,
                    length: 1,
                },
            ],
            counts: vec![1.0, 0.5, count],
        },
        negative: Buckets {
            spans: vec![BucketSpan {
                offset: 1,
                length: 1,
            }],
            counts: vec![4.0],
        },
        custom_bounds: Arc::default(),
    }
}

fn a_point() -> impl Strategy<Value = Point> {
    prop_oneof![
        any::<u64>().prop_map(|bits| Point::Float(f64::from_bits(bits))),
        Just(Point::Float(f64::from_bits(STALE_BITS))),
        (0.0..1e9).prop_map(|count| Point::Histogram(histogram(count).into())),
    ]
}

fn a_block() -> impl Strategy<Value = Block> {
    let labels = prop::collection::vec(("[a-z_]{1,9}", ".{0,20}"), 0..6);
    let sample = (any::<u32>(), any::<i64>(), a_point());
    (
        any::<u32>(),
        prop::collection::vec(labels, 0..6),
        prop::collection::vec(sample, 0..40),
    )
        .prop_map(|(first, series, samples)| Block {
            first,
            series: series.into_iter().map(LabelSet::from_pairs).collect(),
            samples: samples
                .into_iter()
                .map(|(series, time, point)| Stored {
                    series,
                    time,
                    point,
                })
                .collect(),
        })
}

/// With bits instead of numbers, of which some are not equal to themselves.
fn bits(block: &Block) -> Vec<(u32, i64, Result<u64, String>)> {
    let bits = |stored: &Stored| {
        let point = match &stored.point {
            Point::Float(value) => Ok(value.to_bits()),
            Point::Histogram(histogram) => Err(format!("{histogram:?}")),
        };
        (stored.series, stored.time, point)
    };
    block.samples.iter().map(bits).collect()
}

proptest! {
    #[test]
    fn a_record_is_read_as_it_was_written(block in a_block()) {
        let record = block.record().unwrap();
        let header = Header::read(&record).unwrap();
        let body = &record[HEADER..];
        prop_assert!(header.fits(body));
        prop_assert_eq!(header.record(), u64::try_from(record.len()).unwrap());
        prop_assert_eq!(usize::try_from(header.samples).unwrap(), block.samples.len());
        let read = Block::read(body).unwrap();
        prop_assert_eq!(read.first, block.first);
        prop_assert_eq!(&read.series, &block.series);
        prop_assert_eq!(bits(&read), bits(&block));
    }

    #[test]
    fn a_changed_record_is_none(block in a_block(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
        let mut record = block.record().unwrap();
        let at = at.index(record.len());
        record[at] ^= flip;
        let whole = Header::read(&record).is_some_and(|header| {
            let body = record.get(HEADER..).unwrap_or_default();
            header.record() == u64::try_from(record.len()).unwrap() && header.fits(body)
        });
        prop_assert!(!whole);
    }

    #[test]
    fn no_body_is_too_hostile(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Block::read(&bytes);
        let packed = snap::raw::Encoder::new().compress_vec(&bytes).unwrap();
        let _ = Block::read(&packed);
    }

    #[test]
    fn of_two_marks_the_newer_whole_one_counts(
        number in 1_u64..u64::MAX - 1, segment in any::<u64>(), offset in any::<u64>(), skip in any::<u32>(),
        torn in 0_usize..32,
    ) {
        let older = Mark { number, position: Position { segment, offset, skip } };
        let newer = Mark { number: number + 1, position: Position { segment, offset, skip: skip / 2 } };
        let mut slots = [0_u8; 64];
        for mark in [older, newer] {
            let from = usize::try_from(mark.slot()).unwrap() * 32;
            slots[from..from + 32].copy_from_slice(&mark.bytes());
        }
        prop_assert_eq!(Mark::newest(&slots), newer);
        let byte = usize::try_from(newer.slot()).unwrap() * 32 + torn;
        slots[byte] ^= 0x55;
        prop_assert_eq!(Mark::newest(&slots), older);
        prop_assert_eq!(Mark::newest(&[]), Mark::default());
    }
}
