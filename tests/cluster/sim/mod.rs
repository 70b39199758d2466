//! The simulated world.

mod config;
mod receiver;
mod world;

use std::time::Duration;

pub(crate) use config::{ConfigBuilder, integration};
pub(crate) use receiver::{Behaviour, Told};
pub(crate) use world::World;

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
