//! How much of memory an evaluation may still take.

use super::{EvalError, Options};

/// Every series of a table has a place for each step, be there a sample or not: so many of them count as one sample.
const PLACES_PER_SAMPLE: usize = 2;

/// Bytes of labels that are made, for each sample that may be held.
const TEXT_PER_SAMPLE: usize = 8;

/// Text that may be made however few samples may be held.
const LEAST_TEXT: usize = 1024 * 1024;

/// The longest value of a label that is made.
const LONGEST_VALUE: usize = 1024 * 1024;

/// The samples that may still be held.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room(usize);

impl Room {
    pub(super) fn new(options: &Options, held: usize) -> Self {
        Self(options.max_samples.saturating_sub(held))
    }

    /// Whether a table of so many series fits.
    pub(super) fn check(self, series: usize, steps: usize) -> Result<(), EvalError> {
        if places(series, steps) > self.0 {
            return Err(EvalError::TooManySteps { series, steps });
        }
        Ok(())
    }

    /// How many of so many series fit into a table.
    pub(super) fn series(self, series: usize, steps: usize) -> usize {
        let most = self.0.saturating_mul(PLACES_PER_SAMPLE) / steps.max(1);
        series.min(most)
    }
}

/// What the places of a table count.
pub(super) fn places(series: usize, steps: usize) -> usize {
    series.saturating_mul(steps) / PLACES_PER_SAMPLE
}

/// The bytes of labels that were made.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Text(usize);

impl Text {
    /// Counts a value before it is made.
    pub(super) fn take(&mut self, options: &Options, bytes: usize) -> Result<(), EvalError> {
        self.0 = self.0.saturating_add(bytes);
        let most = options.max_samples.saturating_mul(TEXT_PER_SAMPLE);
        if bytes > LONGEST_VALUE {
            return Err(EvalError::TooLongLabel);
        }
        if self.0 > most.max(LEAST_TEXT) {
            return Err(EvalError::TooMuchText);
        }
        Ok(())
    }
}
