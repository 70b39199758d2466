//! The simulated world.

mod config;
mod receiver;
mod world;

pub(crate) use config::{ConfigBuilder, integration};
pub(crate) use receiver::{Behaviour, Told};
pub(crate) use world::World;
