//! Randomness as a tree of named streams, all grown from one seed.
//!
//! `ChaCha8` keeps its stream across releases of `rand`, so a seed in a bug report replays.

use std::fmt;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng},
};
use xxhash_rust::xxh64::xxh64;

/// A deterministic random stream.
#[derive(Clone)]
pub struct Rng {
    seed: u64,
    stream: ChaCha8Rng,
}

impl Rng {
    /// Makes the root of a tree of streams.
    #[must_use]
    pub fn from_seed(seed: u64) -> Self {
        Self {
            seed,
            stream: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Derives an independent stream; the same name gives the same stream, whatever was drawn before.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self::from_seed(xxh64(name.as_bytes(), self.seed))
    }

    /// Draws 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.stream.next_u64()
    }

    /// Draws a float in `[0, 1)`.
    pub fn unit(&mut self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let bits = (self.next_u64() >> 11) as f64;
        bits / (1_u64 << 53) as f64
    }

    /// Draws a version 4 UUID.
    pub fn uuid(&mut self) -> uuid::Uuid {
        let mut bytes = [0; 16];
        self.stream.fill_bytes(&mut bytes);
        uuid::Builder::from_random_bytes(bytes).into_uuid()
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rng")
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_do_not_depend_on_what_was_drawn() {
        let mut root = Rng::from_seed(7);
        let mut before = root.child("cluster");
        root.next_u64();
        let mut after = root.child("cluster");
        assert_eq!(before.next_u64(), after.next_u64());
        assert_ne!(root.child("a").next_u64(), root.child("b").next_u64());
    }

    #[test]
    fn the_stream_of_a_seed_is_pinned() {
        let mut rng = Rng::from_seed(1);
        let first = rng.next_u64();
        assert_eq!(first, Rng::from_seed(1).next_u64());
        assert!((0.0..1.0).contains(&rng.unit()));
        assert_eq!(rng.uuid().get_version_num(), 4);
    }
}
