//! The file of endpoints (`--query.config-file`).

mod load;
mod targets;

#[cfg(test)]
mod tests;

pub use load::{
    CacheConfig, DiscoveryConfig, DnsConfig, EndpointConfig, EndpointKind, LabelMode, LimitsConfig,
    PushdownLevel, QueryConfig, RecordType, RemoteRead, TimeRange, load_query,
};
pub use targets::{Target, check_endpoints, read_targets};
