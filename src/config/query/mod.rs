//! The file of endpoints (`--query.config-file`).

mod load;

#[cfg(test)]
mod tests;

pub use load::{
    CacheConfig, EndpointConfig, EndpointKind, LabelMode, PushdownLevel, QueryConfig, RemoteRead,
    TimeRange, load_query,
};
