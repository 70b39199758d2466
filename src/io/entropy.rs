//! Bytes that nobody can guess, for what must be unique or secret.

use rustls::crypto::ring;

/// Bytes of the system's random source.
///
/// # Panics
/// When the system has none; nothing would be safe then.
#[must_use]
pub fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .expect("the system has a random source");
    bytes
}

/// The seed of a node's random numbers.
#[must_use]
pub fn random_seed() -> u64 {
    u64::from_be_bytes(random_bytes())
}
