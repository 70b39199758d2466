//! Answers of Prometheus 2.42.0 with `external_labels: {cluster: eu, prometheus: a}`.

/// The time of the first samples.
pub(super) const START: i64 = 1_795_339_320_000;

/// Two series `x`: one with odd values and the mark of its end, one with 150 squares.
pub(super) const FLOAT_CHUNKS: &[u8] =
    include_bytes!("../../../../tests/corpus/samples/read-stream/floats-1.bin");

/// Two series `h`: a counter with the mark of its end, and one of fractions.
pub(super) const HISTOGRAM_CHUNKS: &[u8] =
    include_bytes!("../../../../tests/corpus/samples/read-stream/histograms-1.bin");
