//! Bytes that no server sends.

use proptest::{collection::vec, prelude::*, proptest};

use super::{
    recorded::{FLOAT_CHUNKS, HISTOGRAM_CHUNKS},
    *,
};

/// Samples that may come of an answer.
const MOST: usize = 1_000;

fn few(external: &LabelSet) -> Reading<'_> {
    Reading {
        max_samples: MOST,
        ..reading(external)
    }
}

/// What was read is in order and not more than may be.
fn assert_sound(read: Result<Vec<Series>, Malformed>) {
    let Ok(all) = read else { return };
    let mut held = 0;
    for series in all {
        let ordered = |times: &[i64]| times.is_sorted_by(|a, b| a < b);
        assert!(ordered(&series.floats.times) && ordered(&series.histograms.times));
        held += series.floats.times.len();
        for histogram in &series.histograms.values {
            assert!(crate::promql::is_stale(histogram.sum) || histogram.validate().is_ok());
            held += histogram.point_size();
        }
        assert!(!series.floats.times.is_empty() || !series.histograms.times.is_empty());
    }
    assert!(held <= MOST, "{held}");
}

fn both(message: &[u8]) {
    let none = LabelSet::empty();
    assert_sound(read_chunks(&framed(message), few(&none)));
    let compressed = snap::raw::Encoder::new().compress_vec(message).unwrap();
    assert_sound(read_samples(&compressed, few(&none)));
}

/// A chunk as a message.
fn chunk(encoding: u8, data: &[u8]) -> Vec<u8> {
    let chunk = [&[3 << 3, encoding], &*field(4, data)].concat();
    field(1, &field(2, &chunk))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..300)) {
        let none = LabelSet::empty();
        assert_sound(read_chunks(&bytes, few(&none)));
        assert_sound(read_samples(&bytes, few(&none)));
        both(&bytes);
    }

    #[test]
    fn any_chunk_is_read_or_refused(
        data in vec(any::<u8>(), 0..200),
        samples in 0..300_u16,
        encoding in 0..5_u8,
    ) {
        both(&chunk(encoding, &[&samples.to_be_bytes(), &*data].concat()));
    }

    #[test]
    fn answers_with_other_bytes_are_read_or_refused(
        histograms in any::<bool>(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let stream = if histograms { HISTOGRAM_CHUNKS } else { FLOAT_CHUNKS };
        for mut message in messages(stream) {
            for (at, byte) in &changes {
                let at = at.index(message.len());
                message[at] = *byte;
            }
            both(&message);
        }
    }
}
