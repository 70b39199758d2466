//! The file of endpoints (`--query.config-file`).

mod load;

#[cfg(test)]
mod tests;

pub use load::{
    EndpointConfig, EndpointKind, LabelMode, PushdownLevel, QueryConfig, TimeRange, load_query,
};
