//! `--enable-feature`: Alertmanager's experimental switches, and Prometheus's of PromQL.

use crate::promql::Language;

/// The switches of v0.34 that change something here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// Metrics of limited alerts carry the alert's name.
    pub alert_names_in_metrics: bool,
    /// Metrics of notifications carry the receiver's name.
    pub receiver_name_in_metrics: bool,
    /// The gauge of alerts carries the group's key.
    pub group_key_in_metrics: bool,
    /// Matchers are read as before 0.27.
    pub classic_mode: bool,
    /// Matchers are read as UTF-8 only.
    pub utf8_strict_mode: bool,
    /// Accepted, without effect.
    pub auto_gomemlimit: bool,
    /// Accepted, not built.
    pub event_recorder: bool,
    /// The parts of PromQL that are on, under Prometheus's names.
    pub language: Language,
}

/// The list of features cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeatureError {
    /// A name that neither v0.34 has nor PromQL.
    #[error("unknown option '{0}' for --enable-feature")]
    Unknown(String),
    /// Two that exclude each other.
    #[error("cannot have both classic and UTF-8 modes enabled")]
    BothModes,
}

impl Features {
    /// Reads the comma-separated list and says what upstream's log says about each.
    ///
    /// # Errors
    /// With upstream's words (featurecontrol/featurecontrol.go v0.34).
    pub fn parse(list: &str) -> Result<(Self, Vec<&'static str>), FeatureError> {
        let mut features = Self::default();
        let mut words = Vec::new();
        for name in list.split(',').filter(|_| !list.is_empty()) {
            if features.language.enable(name) {
                words.push("Experimental PromQL enabled");
                continue;
            }
            let (switch, text) = match name {
                "alert-names-in-metrics" => (
                    &mut features.alert_names_in_metrics,
                    "Alert names in metrics enabled",
                ),
                "receiver-name-in-metrics" => (
                    &mut features.receiver_name_in_metrics,
                    "Experimental receiver name in metrics enabled",
                ),
                "group-key-in-metrics" => (
                    &mut features.group_key_in_metrics,
                    "Experimental group key in metrics enabled",
                ),
                "classic-mode" => (&mut features.classic_mode, "Classic mode enabled"),
                "utf8-strict-mode" => (&mut features.utf8_strict_mode, "UTF-8 strict mode enabled"),
                "auto-gomemlimit" => (
                    &mut features.auto_gomemlimit,
                    "auto-gomemlimit has no effect: memory is not managed by a Go runtime",
                ),
                "event-recorder" => (
                    &mut features.event_recorder,
                    "event-recorder has no effect: the event recorder is not built",
                ),
                _ => return Err(FeatureError::Unknown(name.to_owned())),
            };
            *switch = true;
            words.push(text);
        }
        if features.classic_mode && features.utf8_strict_mode {
            return Err(FeatureError::BothModes);
        }
        Ok((features, words))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_upstream_reads_them() {
        assert_eq!(Features::parse("").unwrap().0, Features::default());
        let (features, words) = Features::parse("classic-mode,receiver-name-in-metrics").unwrap();
        assert!(features.classic_mode && features.receiver_name_in_metrics);
        assert_eq!(words.len(), 2);
        let (features, _) = Features::parse("classic-mode,promql-experimental-functions").unwrap();
        assert!(features.classic_mode && features.language.features.experimental_functions);
        for (list, expect) in [
            (
                "auto-gomaxprocs",
                "unknown option 'auto-gomaxprocs' for --enable-feature",
            ),
            ("classic-mode,", "unknown option '' for --enable-feature"),
            (
                "classic-mode,utf8-strict-mode",
                "cannot have both classic and UTF-8 modes enabled",
            ),
        ] {
            assert_eq!(Features::parse(list).unwrap_err().to_string(), expect);
        }
    }
}
