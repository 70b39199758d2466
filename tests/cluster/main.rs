//! The real core in a simulated world: virtual time, a store that can lose power, receivers that can fail.

#![expect(clippy::unwrap_used, reason = "test code")]

mod bounds;
mod clock;
mod mesh;
mod muting;
mod notify;
mod random;
mod rates;
mod reload;
mod restart;
mod sim;
