//! What an endpoint is, by what it says of itself.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{
    config::EndpointKind,
    federation::{Dialect, Rates},
    labels::LabelSet,
};

/// What an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) kind: EndpointKind,
    pub(super) dialect: Dialect,
    pub(super) version: String,
    /// Whether it may have native histograms of which some of its functions make numbers.
    pub(super) mistakes_histograms: bool,
    /// Whether it said that it has none.
    pub(super) lacks_histograms: bool,
}

impl Identity {
    /// Whether its version computes otherwise with native histograms than the engine.
    pub(super) fn may_mistake_histograms(&self) -> bool {
        let prometheus = matches!(self.kind, EndpointKind::Prometheus | EndpointKind::Auto);
        prometheus && number(&self.version).is_some_and(|version| version < (3, 10))
    }

    /// Whether it has native histograms, where that makes a difference and it told.
    pub(super) fn has_histograms(&self) -> Option<bool> {
        let has_some = self.mistakes_histograms || self.dialect == Dialect::EarlyPrometheus3;
        has_some
            .then_some(true)
            .or_else(|| self.lacks_histograms.then_some(false))
    }

    /// The same with whether such a version has native histograms, if it tells.
    pub(super) fn with_histograms(self, has: Option<bool>) -> Self {
        let has_some = has == Some(true);
        let version = number(&self.version).unwrap_or_default();
        Self {
            dialect: match has_some && self.dialect == Dialect::Prometheus3 {
                true => Dialect::EarlyPrometheus3,
                false => self.dialect,
            },
            mistakes_histograms: has_some && version < (3, 5),
            lacks_histograms: has == Some(false),
            ..self
        }
    }

    /// How it may be asked for rates: what is known of the code of Prometheus that knows of no native histograms.
    pub(super) fn rates(&self) -> Rates {
        let prometheus = matches!(self.kind, EndpointKind::Prometheus | EndpointKind::Auto);
        if !prometheus || self.dialect != Dialect::Prometheus2 || !self.lacks_histograms {
            return Rates::Never;
        }
        match number(&self.version) {
            Some(version) if version >= (2, 51) => Rates::OffStart,
            Some(_) => Rates::OffStartAndZero,
            None => Rates::Never,
        }
    }
}

/// `/api/v1/status/buildinfo`
#[derive(Deserialize)]
struct Body {
    status: String,
    data: BuildInfo,
}

#[derive(Default, Deserialize)]
struct BuildInfo {
    /// Said by Mimir and Cortex.
    #[serde(default)]
    application: String,
    #[serde(default)]
    version: String,
    /// Not said by `VictoriaMetrics`.
    #[serde(default)]
    revision: String,
}

/// What an endpoint of this configured kind is, by its build info.
pub(super) fn identify(configured: EndpointKind, text: &[u8]) -> Result<Identity, String> {
    let body: Body = serde_json::from_slice(text)
        .map_err(|error| format!("its build info is not that of a Prometheus: {error}"))?;
    if body.status != "success" {
        return Err(format!("the status of its build info is {:?}", body.status));
    }
    let kind = if configured == EndpointKind::Auto {
        found_kind(&body.data)
    } else {
        configured
    };
    Ok(Identity {
        kind,
        dialect: dialect(kind, &body.data.version),
        version: body.data.version,
        mistakes_histograms: false,
        lacks_histograms: false,
    })
}

/// Whether a Prometheus has native histograms, by `/api/v1/status/flags`; before 3.8 they are a feature that is off. `None`
/// if it does not tell.
pub(super) fn has_histograms(text: &[u8]) -> Option<bool> {
    #[derive(Deserialize)]
    struct Body {
        data: BTreeMap<String, serde_json::Value>,
    }
    let body: Body = serde_json::from_slice(text).ok()?;
    let features = body.data.get("enable-feature");
    Some(features.is_some_and(|features| features.to_string().contains("native-histograms")))
}

/// The labels that a Prometheus adds to samples that are read as they are stored, by `/api/v1/status/config`.
pub(super) fn external_labels(text: &[u8]) -> Result<LabelSet, String> {
    #[derive(Deserialize)]
    struct Body {
        data: Loaded,
    }
    #[derive(Deserialize)]
    struct Loaded {
        yaml: String,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Config {
        global: Option<Global>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Global {
        external_labels: Option<BTreeMap<String, String>>,
    }

    let body: Body = serde_json::from_slice(text)
        .map_err(|error| format!("its configuration cannot be read: {error}"))?;
    let config: Config = serde_yaml::from_str(&body.data.yaml)
        .map_err(|error| format!("its configuration cannot be read: {error}"))?;
    let labels = config.global.and_then(|global| global.external_labels);
    Ok(LabelSet::from_pairs(labels.unwrap_or_default()))
}

/// What an endpoint is that is not asked, or that does not tell.
pub(super) fn assumed(configured: EndpointKind) -> Option<Identity> {
    (configured != EndpointKind::Auto).then(|| Identity {
        kind: configured,
        dialect: dialect(configured, ""),
        version: String::new(),
        mistakes_histograms: false,
        lacks_histograms: false,
    })
}

fn found_kind(info: &BuildInfo) -> EndpointKind {
    let application = info.application.to_ascii_lowercase();
    let named = [
        ("mimir", EndpointKind::Mimir),
        ("cortex", EndpointKind::Cortex),
        ("thanos", EndpointKind::Thanos),
        ("victoria", EndpointKind::VictoriaMetrics),
    ];
    let named = named
        .into_iter()
        .find(|(word, _)| application.contains(word));
    match named {
        Some((_, kind)) => kind,
        None if info.revision.is_empty() => EndpointKind::VictoriaMetrics,
        None if number(&info.version).is_some_and(|(major, _)| major == 0) => EndpointKind::Thanos,
        None => EndpointKind::Prometheus,
    }
}

/// The language of a kind in a version. Windows include their start in Prometheus before 3.0 and in what was built on it.
fn dialect(kind: EndpointKind, version: &str) -> Dialect {
    let is_before = |first: (u32, u32)| number(version).is_some_and(|found| found < first);
    let old = match kind {
        EndpointKind::Prometheus | EndpointKind::Auto => is_before((3, 0)),
        EndpointKind::Thanos => is_before((0, 38)),
        EndpointKind::Cortex => is_before((1, 19)),
        EndpointKind::Mimir => is_before((2, 15)),
        EndpointKind::VictoriaMetrics => false,
    };
    match kind {
        _ if old => Dialect::Prometheus2,
        EndpointKind::Prometheus | EndpointKind::Auto => Dialect::Prometheus3,
        EndpointKind::Thanos => Dialect::Thanos,
        EndpointKind::Cortex => Dialect::Cortex,
        EndpointKind::Mimir => Dialect::Mimir,
        EndpointKind::VictoriaMetrics => Dialect::VictoriaMetrics,
    }
}

/// The first two numbers of a version.
fn number(version: &str) -> Option<(u32, u32)> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(configured: EndpointKind, data: &str) -> (EndpointKind, Dialect) {
        let text = format!(r#"{{"status":"success","data":{data}}}"#);
        let identity = identify(configured, text.as_bytes()).unwrap();
        (identity.kind, identity.dialect)
    }

    #[test]
    fn native_histograms_are_a_feature() {
        let flags = |features: &str| {
            format!(r#"{{"status":"success","data":{{"enable-feature":"{features}"}}}}"#)
        };
        for (features, has) in [
            ("exemplar-storage,native-histograms", true),
            ("exemplar-storage", false),
            ("", false),
        ] {
            assert_eq!(has_histograms(flags(features).as_bytes()), Some(has));
        }
        assert_eq!(
            (has_histograms(b"{}"), has_histograms(b"404")),
            (None, None)
        );
    }

    #[test]
    fn external_labels_are_found_in_the_configuration() {
        let labels = |yaml: &str| {
            let text = serde_json::json!({"status": "success", "data": {"yaml": yaml}});
            external_labels(text.to_string().as_bytes())
        };
        let two = labels(
            "global:\n  scrape_interval: 1m\n  external_labels:\n    cluster: eu\n    replica: \"1\"\nrule_files: [a]\n",
        );
        let expect = LabelSet::from_pairs([("cluster", "eu"), ("replica", "1")]);
        assert_eq!(two, Ok(expect));
        for none in [
            "",
            "global:\n  scrape_interval: 1m\n",
            "scrape_configs: []\n",
        ] {
            assert_eq!(labels(none), Ok(LabelSet::empty()), "{none}");
        }
        assert!(labels("global: [").is_err());
        assert!(external_labels(b"{}").is_err());
    }

    #[test]
    fn endpoints_are_told_apart() {
        use EndpointKind::{Auto, Cortex, Mimir, Prometheus, Thanos, VictoriaMetrics};

        for (configured, data, expect) in [
            (
                Auto,
                r#"{"version":"2.42.0+ds","revision":"a","goVersion":"b"}"#,
                (Prometheus, Dialect::Prometheus2),
            ),
            (
                Auto,
                r#"{"version":"3.14.0","revision":"a"}"#,
                (Prometheus, Dialect::Prometheus3),
            ),
            (
                Auto,
                r#"{"version":"0.37.2","revision":"a"}"#,
                (Thanos, Dialect::Prometheus2),
            ),
            (
                Auto,
                r#"{"version":"0.39.0","revision":"a"}"#,
                (Thanos, Dialect::Thanos),
            ),
            (
                Auto,
                r#"{"version":"2.24.0"}"#,
                (VictoriaMetrics, Dialect::VictoriaMetrics),
            ),
            (
                Auto,
                r#"{"application":"Grafana Mimir","version":"r249-5bedc7a1"}"#,
                (Mimir, Dialect::Mimir),
            ),
            (
                Auto,
                r#"{"application":"Grafana Mimir","version":"2.14.1"}"#,
                (Mimir, Dialect::Prometheus2),
            ),
            (
                Auto,
                r#"{"application":"Cortex","version":"1.19.0"}"#,
                (Cortex, Dialect::Cortex),
            ),
            (
                Thanos,
                r#"{"version":"0.30.0"}"#,
                (Thanos, Dialect::Prometheus2),
            ),
            (
                Prometheus,
                r#"{"version":"2.1.0"}"#,
                (Prometheus, Dialect::Prometheus2),
            ),
        ] {
            assert_eq!(identity(configured, data), expect, "{data}");
        }
        assert_eq!(assumed(Auto), None);
        assert_eq!(
            assumed(Prometheus).map(|known| known.dialect),
            Some(Dialect::Prometheus3)
        );
        for text in [
            "",
            "{}",
            r#"{"status":"error"}"#,
            r#"{"status":"error","data":{}}"#,
        ] {
            assert!(identify(Auto, text.as_bytes()).is_err(), "{text}");
        }
    }
}
