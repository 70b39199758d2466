//! How endpoints do, for the metrics and the page.

use std::sync::Arc;

use super::{
    client::Federation,
    discovery::DiscoveryStatus,
    endpoint::Endpoint,
    endpoints::Replicas,
    limits::Load,
    stats::{QueryStats, RequestStats},
};
use crate::{federation::CacheCounts, labels::LabelSet, time::Timestamp};

/// How a federation does.
#[derive(Clone, Debug, Default)]
pub struct FederationStatus {
    /// The partitions in the order of the file.
    pub partitions: Vec<PartitionStatus>,
    /// What queries came to.
    pub queries: Arc<QueryStats>,
    /// What is known of queries of many times.
    pub cache: CacheCounts,
    /// What queries take now.
    pub load: Load,
    /// How endpoints are being found.
    pub discoveries: Vec<DiscoveryStatus>,
    /// What else an operator should look at.
    pub remarks: Vec<String>,
}

/// How a partition does.
#[derive(Clone, Debug)]
pub struct PartitionStatus {
    /// Its labels.
    pub labels: LabelSet,
    /// Whether answers without it are complete.
    pub optional: bool,
    /// Whether one of its endpoints answered its last question; `None` while none was asked anything.
    pub up: Option<bool>,
    /// Its endpoints in the order of the file.
    pub endpoints: Vec<EndpointStatus>,
}

/// How an endpoint does.
#[derive(Clone, Debug)]
pub struct EndpointStatus {
    /// How it is called.
    pub name: String,
    /// Which replica it is.
    pub replica: String,
    /// Where it is; without credentials.
    pub url: String,
    /// What it is: as configured, or as it said.
    pub kind: &'static str,
    /// Its version, if it said one.
    pub version: String,
    /// Whether it is asked before the other replicas.
    pub preferred: bool,
    /// Whether it answered its last question; `None` while it was asked nothing.
    pub up: Option<bool>,
    /// When it last answered.
    pub last_answer: Option<Timestamp>,
    /// When it last failed to, and why.
    pub last_error: Option<(Timestamp, String)>,
    /// Its requests.
    pub requests: Arc<RequestStats>,
}

impl Federation {
    /// How it does.
    #[must_use]
    pub fn status(&self) -> FederationStatus {
        let endpoints = self.endpoints();
        FederationStatus {
            partitions: endpoints.partitions.iter().map(partition).collect(),
            queries: Arc::clone(&self.stats),
            cache: self.ranges.counts(),
            load: self.limits.load(),
            discoveries: self.discovery.status(),
            remarks: Vec::new(),
        }
    }
}

fn partition(replicas: &Replicas) -> PartitionStatus {
    let first = replicas.order().into_iter().next();
    let endpoints: Vec<EndpointStatus> = replicas
        .endpoints
        .iter()
        .map(|one| {
            endpoint(
                one,
                first.as_ref().is_some_and(|first| Arc::ptr_eq(first, one)),
            )
        })
        .collect();
    let known = endpoints.iter().filter_map(|endpoint| endpoint.up);
    PartitionStatus {
        labels: replicas.labels.clone(),
        optional: first.is_some_and(|endpoint| endpoint.config.optional),
        up: known.reduce(|any, up| any || up),
        endpoints,
    }
}

fn endpoint(endpoint: &Arc<Endpoint>, preferred: bool) -> EndpointStatus {
    let config = &endpoint.config;
    let identity = endpoint.identity().ok();
    let kind = identity.as_ref().map_or(config.kind, |known| known.kind);
    let last = endpoint.last();
    EndpointStatus {
        name: config.name.clone(),
        replica: config.replica.clone(),
        url: without_credentials(config.url.as_str()),
        kind: kind.as_str(),
        version: identity
            .map(|known| known.version.clone())
            .unwrap_or_default(),
        preferred,
        up: last.up,
        last_answer: last.answer,
        last_error: last.error,
        requests: Arc::clone(&endpoint.stats),
    }
}

/// An address as it may be shown to everybody.
fn without_credentials(text: &str) -> String {
    let Ok(mut url) = url::Url::parse(text) else {
        return String::new();
    };
    // An address that cannot have credentials has none.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_without_credentials() {
        assert_eq!(
            without_credentials("https://user:secret@a.example:9090/prometheus/"),
            "https://a.example:9090/prometheus"
        );
    }
}
