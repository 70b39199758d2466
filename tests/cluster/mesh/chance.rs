//! Chance, all of it from one seed.

use std::time::Duration;

use watchfire::rng::Rng;

/// A stream of random choices.
#[derive(Debug, Clone)]
pub(crate) struct Chance(Rng);

impl Chance {
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        Self(Rng::from_seed(seed).child(name))
    }

    /// A number below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64() % bound
    }

    /// An index into something of that length.
    pub(crate) fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap()
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.index(of.len())]
    }

    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        probability > 0.0 && self.0.unit() < probability
    }

    /// Evenly between the two.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        least + most.saturating_sub(least).mul_f64(self.0.unit())
    }

    /// Between the two, each order of magnitude as likely as the others.
    pub(crate) fn spread(&mut self, least: Duration, most: Duration) -> Duration {
        let ratio = most.as_secs_f64() / least.as_secs_f64();
        least.mul_f64(ratio.powf(self.0.unit()))
    }

    /// Exponentially distributed, at most ten times the mean.
    pub(crate) fn exponential(&mut self, mean: Duration) -> Duration {
        let unit = self.0.unit().max(1e-9);
        mean.mul_f64((-unit.ln()).min(10.0))
    }
}
