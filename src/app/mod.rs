//! Builds a node from its options, starts it, reloads it, stops it.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this module is part of the shell: it puts the node into the world"
)]

mod config_file;
mod external_url;
mod features;
mod lookups;
mod mesh;
mod options;
mod own_metrics;
pub mod past;
mod queries;
mod reload;
mod rule_files;
mod ruler;
mod run;
mod state;

pub use config_file::{ConfigError, ConfigFile};
pub use external_url::UrlError;
pub use features::{FeatureError, Features};
pub use mesh::MeshStartError;
pub use options::{ClusterOptions, Options, OptionsError};
pub use queries::{load as read_query_file, options as query_options};
pub use rule_files::{
    RuleFileError, expand_patterns, read_rule_file, read_rule_tests, read_ruler_file,
};
pub use ruler::may_count_twice;
pub use run::{AppError, run};
