//! What rules wrote may come back to them from a server that is an endpoint as well. It is known again by the external labels
//! that it got on the way; without any, nothing tells it from what somebody else recorded under the same name, such as the
//! same rule in the Prometheus of a cluster.

use super::files::settings_of;
use crate::{
    config::{QueryConfig, RuleFile, RulerConfig},
    promql::Language,
    ruler::RuleSet,
};

/// Names of metrics in the text.
const NAMES: usize = 3;

/// What is to be said, and whether an endpoint is known that may answer with what rules wrote.
pub(super) struct Twice {
    pub(super) said: String,
    pub(super) by_endpoint: bool,
}

/// What is to be said if rules may count what they wrote twice.
///
/// `endpoints` is `None` if nothing is known of them.
pub(super) fn counted_twice(
    set: &RuleSet,
    config: &RulerConfig,
    endpoints: Option<&QueryConfig>,
) -> Option<Twice> {
    let reads = set.reach.keys();
    let written = config.remote_write.iter();
    let none = endpoints.is_some_and(|endpoints| endpoints.endpoints.is_empty());
    if !config.external_labels.is_empty() || none || reads.len() == 0 || written.len() == 0 {
        return None;
    }
    let more = if reads.len() > NAMES { ", …" } else { "" };
    let names: Vec<&str> = reads.take(NAMES).map(String::as_str).collect();
    let names = format!("{}{more}", names.join(", "));
    let remedy = "without external_labels it counts twice: name some in the ruler's file";
    let same = endpoints.and_then(|endpoints| {
        let mut all = endpoints.endpoints.iter();
        let is_written_to = |url: &str| {
            let mut written = written.clone();
            written
                .any(|server| host(url).is_some_and(|name| host(server.url.as_str()) == Some(name)))
        };
        all.find(|one| is_written_to(one.url.as_str()))
    });
    if let Some(endpoint) = same {
        return Some(Twice {
            said: format!(
                "rules read what rules wrote ({names}), and the host of endpoint {} is one that it is written to: {remedy}",
                endpoint.name
            ),
            by_endpoint: true,
        });
    }
    let servers: Vec<String> = written
        .map(|server| match server.name.as_str() {
            "" => server.url.to_string(),
            name => name.to_owned(),
        })
        .collect();
    Some(Twice {
        said: format!(
            "rules read what rules wrote ({names}), and it is written to {}: if an endpoint answers with it, {remedy}",
            servers.join(", ")
        ),
        by_endpoint: false,
    })
}

/// What is to be said if rules of these files may count what they wrote twice, whatever the endpoints are.
#[must_use]
pub fn may_count_twice(config: &RulerConfig, files: Vec<RuleFile>) -> Option<String> {
    let set = RuleSet::new(files, settings_of(config, "", Language::default()));
    counted_twice(&set, config, None).map(|twice| twice.said)
}

fn host(url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    url.host_str().map(ToOwned::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoadEnv, RuleOptions, load_query, load_ruler, load_rules};

    fn said(ruler: &str, rules: &str, endpoints: Option<&str>) -> Option<String> {
        let config = load_ruler(ruler.as_bytes(), &LoadEnv::for_file("ruler.yml")).unwrap();
        let rules = format!("groups: [{{name: g, rules: [{rules}]}}]");
        let file = load_rules("rules.yml", rules.as_bytes(), &RuleOptions::default()).unwrap();
        let set = RuleSet::new(vec![file], settings_of(&config, "", Language::default()));
        let endpoints = endpoints.map(|text| {
            let text = format!("endpoints: [{text}]");
            load_query(text.as_bytes(), &LoadEnv::for_file("query.yml")).unwrap()
        });
        counted_twice(&set, &config, endpoints.as_ref()).map(|twice| twice.said)
    }

    #[test]
    fn what_may_count_twice_is_said_and_nothing_else() {
        let writes = "remote_write: [{url: 'http://user:secret@mimir:8080/api/v1/push'}]";
        let labels = "{external_labels: {ruler: watchfire}, remote_write: [{url: 'http://mimir/api/v1/push'}]}";
        let chain = "{record: a, expr: x}, {record: b, expr: sum(a)}";
        let (here, there) = (
            "{name: mimir, url: 'http://mimir:8080/prometheus'}",
            "{name: eu, url: 'http://eu:9090'}",
        );
        let both = "{name: eu, url: 'http://eu:9090', partition: {cluster: eu}}, \
                    {name: mimir, url: 'http://mimir:8080/prometheus', partition: {cluster: all}}";
        let same = said(writes, chain, Some(both));
        assert_eq!(
            same.as_deref(),
            Some(
                "rules read what rules wrote (a), and the host of endpoint mimir is one that it is written to: without \
                 external_labels it counts twice: name some in the ruler's file"
            )
        );
        for endpoints in [Some(there), None] {
            let other = said(writes, chain, endpoints).unwrap();
            assert!(other.contains("if an endpoint answers with it"), "{other}");
            assert!(
                other.contains("mimir:8080") && !other.contains("secret"),
                "{other}"
            );
        }
        assert!(
            said(
                writes,
                "{alert: A, expr: x}, {record: n, expr: sum(ALERTS)}",
                Some(here)
            )
            .is_some()
        );
        assert_eq!(said(labels, chain, Some(here)), None);
        assert_eq!(said("{}", chain, Some(here)), None);
        assert_eq!(said(writes, "{record: a, expr: x}", Some(here)), None);
        assert_eq!(said(writes, chain, Some("")), None);
    }
}
