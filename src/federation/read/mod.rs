//! Samples as they are stored: the messages of `/api/v1/read`.
//!
//! A [request](read_request) names matchers and times. It is answered either by a stream of [chunks](read_chunks), as
//! Prometheus keeps them, or by one message of [samples](read_samples). Both hold what the JSON of queries does not: marks
//! of ended series and native histograms as they are. Answers come from elsewhere: nothing in them is believed, and what
//! is made of them is bounded by the samples that may come of it.

mod bits;
mod collect;
mod decoders;
mod fields;
mod float_histogram_chunk;
mod frame;
mod histogram_chunk;
mod layout;
mod message;
mod request;
mod xor;

#[cfg(test)]
mod tests;

pub use collect::{Malformed, Reading, read_chunks, read_samples};
#[doc(hidden)]
pub use decoders::decoders;
pub use request::{ReadFormat, read_request};
