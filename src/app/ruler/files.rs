//! `--ruler.config-file` and the files of rules that it names: all of them are right, or nothing changes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    app::{
        config_file::ConfigError,
        queries,
        rule_files::{expand_patterns, read_rule_file, read_ruler_file},
    },
    config::{RuleFile, RuleOptions, RulerConfig},
    labels::LabelSet,
    promql::Language,
    ruler::{RuleSet, Settings},
};

/// The ruler's files, read and checked.
#[derive(Debug, Clone)]
pub(in crate::app) struct LoadedRules {
    /// The ruler's own file.
    pub(super) file: PathBuf,
    /// What the ruler's own file says.
    pub(super) config: RulerConfig,
    /// The rules.
    pub(super) set: Arc<RuleSet>,
}

impl LoadedRules {
    /// Reads the file and those that it names.
    pub(super) fn read(
        file: &Path,
        external_url: &str,
        language: Language,
    ) -> Result<Self, ConfigError> {
        let config = read_ruler_file(file);
        let config = config.map_err(|error| ConfigError::Refused(error.to_string()))?;
        let files = rule_files(&config, language)?;
        let settings = settings_of(&config, external_url, language);
        let set = Arc::new(RuleSet::new(files, settings));
        Ok(Self {
            file: file.to_owned(),
            config,
            set,
        })
    }
}

/// What the ruler's file says of all rules.
pub(in crate::app) fn settings_of(
    config: &RulerConfig,
    external_url: &str,
    language: Language,
) -> Settings {
    let external = LabelSet::from_pairs(&config.external_labels);
    Settings {
        copied: match config.remote_write.is_empty() {
            true => LabelSet::empty(),
            false => external.clone(),
        },
        interval: config.evaluation_interval,
        query_offset: config.rule_query_offset,
        on_partial: config.on_partial,
        hold_for: config.hold_for,
        resend_delay: config.resend_delay,
        look_back: config.look_back,
        external_labels: external,
        external_url: external_url.into(),
        options: queries::options(language),
        features: language.features,
    }
}

fn rule_files(config: &RulerConfig, language: Language) -> Result<Vec<RuleFile>, ConfigError> {
    let (paths, none) = expand_patterns(&config.rule_files);
    for pattern in none {
        tracing::warn!(pattern, "rule_files: there is no such file");
    }
    let mut files = Vec::new();
    let mut errors = Vec::new();
    let options = RuleOptions {
        features: language.features,
        interval: Some(config.evaluation_interval),
        ..RuleOptions::default()
    };
    for path in paths {
        match read_rule_file(&path, &options) {
            Ok(file) => {
                for warning in &file.warnings {
                    tracing::warn!(
                        file = path,
                        line = warning.line,
                        column = warning.column,
                        "{}",
                        warning.message
                    );
                }
                files.push(file);
            }
            Err(error) => errors.push(error.to_string()),
        }
    }
    if errors.is_empty() {
        Ok(files)
    } else {
        Err(ConfigError::Refused(errors.join("\n")))
    }
}
