//! Endpoints that are found: what files and names tell, and what becomes of an endpoint that says where to look.

use std::{collections::BTreeMap, sync::Arc};

use serde::Deserialize;

use super::load::{EndpointConfig, problems_of};
use crate::{
    config::HttpUrl,
    labels::{MatcherMode, go_quote, is_valid_label_name},
};

/// The most endpoints that are found for one entry of the file.
const MOST_TARGETS: usize = 256;

/// The label of a target that tells it apart from others with the same data.
const REPLICA: &str = "__replica__";

/// A server that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    /// `host`, `host:port`, or the whole address with `http://`.
    pub address: String,
    /// Labels of its partition beside those of the entry; `__replica__` names the replica.
    pub labels: BTreeMap<String, String>,
}

/// One entry of a file of targets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    targets: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// Reads a file of targets: a list of `targets` and `labels` in YAML or JSON, as Prometheus's `file_sd_configs` has it.
///
/// # Errors
/// When it is something else, with the words to say so.
pub fn read_targets(text: &str) -> Result<Vec<Target>, String> {
    // A file of comments only is an empty list.
    let groups: Option<Vec<Group>> =
        serde_yaml::from_str(text).map_err(|error| error.to_string())?;
    let mut targets = Vec::new();
    for group in groups.unwrap_or_default() {
        for address in group.targets {
            targets.push(Target {
                address,
                labels: group.labels.clone(),
            });
        }
    }
    Ok(targets)
}

impl EndpointConfig {
    /// Whether it stands for endpoints that are to be found.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.discovery.is_set()
    }

    /// The endpoints of these targets, each once, sorted by name.
    ///
    /// # Errors
    /// When a target cannot be an endpoint, with the words to say so.
    pub fn found(&self, targets: &[Target]) -> Result<Vec<Self>, String> {
        let mut all = BTreeMap::new();
        for target in targets {
            let endpoint = self.of_target(target)?;
            let known = all.insert(endpoint.name.clone(), endpoint.clone());
            if known.is_some_and(|known| known != endpoint) {
                let target = go_quote(&target.address);
                return Err(format!(
                    "target {target} is there twice, with different labels"
                ));
            }
        }
        if all.len() > MOST_TARGETS {
            let count = all.len();
            return Err(format!("{count} targets are more than {MOST_TARGETS}"));
        }
        Ok(all.into_values().collect())
    }

    fn of_target(&self, target: &Target) -> Result<Self, String> {
        let quoted = go_quote(&target.address);
        let url = address(self.url.as_str(), &target.address)
            .ok_or_else(|| format!("target {quoted} is no address"))?;
        let mut partition = self.partition.clone();
        let mut replica = target.address.clone();
        for (name, value) in &target.labels {
            let valid =
                !name.starts_with("__") && is_valid_label_name(name, MatcherMode::Utf8Strict);
            if name == REPLICA {
                replica.clone_from(value);
            } else if !valid || value.is_empty() {
                let (name, value) = (go_quote(name), go_quote(value));
                return Err(format!(
                    "{name} with the value {value} can be no label of the partition of target {quoted}"
                ));
            } else {
                partition.insert(name.clone(), value.clone());
            }
        }
        Ok(Self {
            name: format!("{}/{}", self.name, target.address),
            url: HttpUrl::from(&*url),
            partition,
            replica,
            discovery: Arc::default(),
            ..self.clone()
        })
    }
}

/// The address of an endpoint with a target in the place of its host, and of its port if the target has one.
fn address(template: &str, target: &str) -> Option<String> {
    if target.contains("://") {
        let url = url::Url::parse(target).ok()?;
        let is_base = url.query().is_none() && url.fragment().is_none();
        let is_http = matches!(url.scheme(), "http" | "https");
        return (is_base && is_http && url.has_host()).then(|| target.to_owned());
    }
    // What else an address may have would go where the host is.
    if target.is_empty() || target.contains(['/', '?', '#', '@', '\\', ' ']) {
        return None;
    }
    let mut url = url::Url::parse(template).ok()?;
    let given = url::Url::parse(&format!("http://{target}")).ok()?;
    url.set_host(given.host_str()).ok()?;
    // The port that is the scheme's own is not among those that were parsed.
    let port = target.rsplit_once(':').map(|(_, port)| port.parse::<u16>());
    match port {
        Some(Ok(port)) if !target.ends_with(']') => url.set_port(Some(port)).ok()?,
        Some(_) | None => {}
    }
    Some(url.to_string())
}

/// What endpoints must fulfil beside each other, of those that were found as of all others.
///
/// # Errors
/// With the first thing that is wrong.
pub fn check_endpoints(endpoints: &[&EndpointConfig]) -> Result<(), String> {
    for (index, endpoint) in endpoints.iter().enumerate() {
        for other in endpoints.get(..index).unwrap_or_default() {
            if other.name == endpoint.name {
                let name = go_quote(&endpoint.name);
                return Err(format!("endpoint name {name} is not unique"));
            }
            if let Some((_, message, _)) = problems_of(other, endpoint).into_iter().next() {
                return Err(message);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LoadEnv, load_query};

    fn template(text: &str) -> EndpointConfig {
        let text = format!("endpoints:\n- {{name: t, {text}, discovery: {{files: [a.yml]}}}}");
        let env = LoadEnv::for_file("/etc/query.yml");
        let config = load_query(text.as_bytes(), &env);
        config
            .unwrap_or_else(|errors| panic!("{errors}"))
            .endpoints
            .remove(0)
    }

    #[test]
    fn targets_take_the_place_of_the_host() {
        let base = "https://x.example:9090/prometheus";
        for (target, expect) in [
            ("10.0.0.1", Some("https://10.0.0.1:9090/prometheus")),
            ("a.example:1", Some("https://a.example:1/prometheus")),
            ("a.example:443", Some("https://a.example/prometheus")),
            ("[::1]", Some("https://[::1]:9090/prometheus")),
            ("[::1]:7", Some("https://[::1]:7/prometheus")),
            ("http://b:2/c", Some("http://b:2/c")),
            ("ftp://b", None),
            ("http://b?x=1", None),
            ("a/b", None),
            ("u@a", None),
            ("a b", None),
            ("a:99999", None),
            ("", None),
        ] {
            assert_eq!(address(base, target).as_deref(), expect, "{target}");
        }
    }

    #[test]
    fn files_are_lists_in_yaml_and_json() {
        let json = r#"[{"targets":["a:1","b:2"],"labels":{"cluster":"eu"}},{"targets":["c:3"]}]"#;
        let yaml = "- targets: [a:1, b:2]\n  labels: {cluster: eu}\n- targets:\n  - c:3\n";
        let targets = read_targets(json).unwrap();
        assert_eq!(read_targets(yaml).unwrap(), targets);
        let shown: Vec<_> = targets
            .iter()
            .map(|one| (&*one.address, one.labels.len()))
            .collect();
        assert_eq!(shown, [("a:1", 1), ("b:2", 1), ("c:3", 0)]);
        assert_eq!(read_targets("[]"), Ok(Vec::new()));
        assert_eq!(read_targets("# nothing\n"), Ok(Vec::new()));
        for wrong in [
            "{}",
            "a",
            "- labels: {}",
            "- {targets: a}",
            "- {target: [a]}",
            "[",
        ] {
            assert!(read_targets(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_found_is_an_endpoint_each() {
        let template = template("url: 'http://x:9090', partition: {region: r}, max_concurrency: 3");
        assert!(template.is_template());
        let target = |address: &str, labels: &[(&str, &str)]| Target {
            address: address.to_owned(),
            labels: labels
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let found = template.found(&[
            target("b:1", &[("cluster", "eu"), (REPLICA, "second")]),
            target("a", &[("cluster", "eu")]),
            target("a", &[("cluster", "eu")]),
        ]);
        let found = found.unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|one| (&*one.name, &*one.replica))
            .collect();
        assert_eq!(names, [("t/a", "a"), ("t/b:1", "second")]);
        assert_eq!(found[0].url.as_str(), "http://a:9090/");
        assert_eq!(found[0].partition["cluster"], "eu");
        assert_eq!(found[0].partition["region"], "r");
        assert_eq!(found[0].max_concurrency, 3);
        assert!(!found[0].is_template());
        let twice = [target("a", &[("cluster", "eu")]), target("a", &[])];
        let error = template.found(&twice).unwrap_err();
        assert_eq!(error, "target \"a\" is there twice, with different labels");
        for (wrong, expect) in [
            (target("a", &[("__name__", "x")]), "can be no label"),
            (target("a", &[("cluster", "")]), "can be no label"),
            (target("a/b", &[]), "target \"a/b\" is no address"),
        ] {
            let error = template.found(&[wrong]).unwrap_err();
            assert!(error.contains(expect), "{error}");
        }
        let many: Vec<_> = (0..300).map(|n| target(&format!("h{n}"), &[])).collect();
        let error = template.found(&many).unwrap_err();
        assert_eq!(error, "300 targets are more than 256");
    }

    #[test]
    fn what_was_found_must_fit_to_the_others() {
        let template = template("url: 'http://x:9090'");
        let of = |labels: &[(&str, &str)]| {
            let labels = labels.iter();
            let labels = labels.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let targets: Vec<_> = labels
                .enumerate()
                .map(|(at, label)| Target {
                    address: format!("h{at}"),
                    labels: [label].into(),
                })
                .collect();
            let found = template.found(&targets).unwrap();
            check_endpoints(&found.iter().collect::<Vec<_>>())
        };
        assert_eq!(
            of(&[("cluster", "eu"), ("cluster", "us"), ("cluster", "eu")]),
            Ok(())
        );
        let error = of(&[("cluster", "eu"), ("region", "us")]).unwrap_err();
        assert_eq!(
            error,
            "no label of their partitions tells endpoints \"t/h0\" and \"t/h1\" apart"
        );
    }
}
