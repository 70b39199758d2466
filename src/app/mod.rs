//! Builds a node from its options, starts it, reloads it, stops it.

mod features;
mod options;

pub use features::{FeatureError, Features};
pub use options::{ClusterOptions, Options, OptionsError};
