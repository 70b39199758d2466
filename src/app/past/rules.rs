//! Which rules are evaluated, when, and over which endpoints.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::SignedDuration;

use crate::{
    app::{
        config_file::ConfigError,
        queries,
        rule_files::{RuleFileError, expand_patterns, read_rule_file, read_ruler_file},
        ruler::settings_of,
    },
    config::{QueryConfig, RuleFile, RuleOptions, RulerConfig},
    io::{Clock, HttpClients, federation::Federation, remote_write::RemoteWriteError},
    promql::Language,
    ruler::RuleSet,
};

/// What is asked about the past.
#[derive(Debug, Clone)]
pub struct Past {
    /// `--ruler.config-file`; its defaults if empty.
    pub ruler_file: PathBuf,
    /// `--query.config-file`; no endpoints if empty.
    pub query_file: PathBuf,
    /// Files of rules or patterns, in place of those of the ruler's file; empty for those.
    pub rule_files: Vec<String>,
    /// The address in links of alerts.
    pub external_url: String,
    /// The first moment; Unix milliseconds.
    pub from: i64,
    /// The last moment; Unix milliseconds.
    pub to: i64,
    /// The parts of PromQL that are on.
    pub language: Language,
}

/// Nothing can be said about the past.
#[derive(Debug, thiserror::Error)]
pub enum PastError {
    /// The file of endpoints.
    #[error(transparent)]
    Endpoints(#[from] ConfigError),
    /// A file of the ruler or of rules.
    #[error(transparent)]
    Rules(#[from] RuleFileError),
    /// A name of rules that is of no file.
    #[error("no file of rules matches {0:?}")]
    NoFile(String),
    /// There is nothing to evaluate.
    #[error(
        "there are no rules to evaluate: name files of rules, or give --ruler.config-file one with rule_files"
    )]
    NoRules,
    /// The times.
    #[error("--to must not be before --from")]
    Backwards,
    /// An evaluation ended by a panic.
    #[error("this is a bug: the evaluation of a rule failed")]
    Failed,
    /// The queue of remote write.
    #[error(transparent)]
    Queue(#[from] RemoteWriteError),
    /// There is nobody to take samples.
    #[error("the ruler's file has no remote_write: add it, or write to a file by --openmetrics")]
    NoTarget,
    /// A file or the system.
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// The system's words.
        source: std::io::Error,
    },
}

/// Rules and where their data are.
pub(super) struct Ground {
    pub(super) config: RulerConfig,
    pub(super) files: Vec<RuleFile>,
    pub(super) federation: Arc<Federation>,
    pub(super) clock: Clock,
}

impl Past {
    /// Reads all files.
    pub(super) fn read(&self) -> Result<Ground, PastError> {
        if self.to < self.from {
            return Err(PastError::Backwards);
        }
        let config = if is_given(&self.ruler_file) {
            read_ruler_file(&self.ruler_file)?
        } else {
            RulerConfig::default()
        };
        let patterns = match self.rule_files.as_slice() {
            [] => &config.rule_files,
            own => own,
        };
        let (paths, none) = expand_patterns(patterns);
        if let Some(pattern) = none.into_iter().next() {
            return Err(PastError::NoFile(pattern));
        }
        let options = RuleOptions {
            features: self.language.features,
            interval: Some(config.evaluation_interval),
            ..RuleOptions::default()
        };
        let files = paths.iter().map(|path| read_rule_file(path, &options));
        let files: Vec<RuleFile> = files.collect::<Result<_, _>>()?;
        if files.iter().all(|file| file.groups.is_empty()) {
            return Err(PastError::NoRules);
        }
        let endpoints = if is_given(&self.query_file) {
            queries::load(&self.query_file)?
        } else {
            QueryConfig::default()
        };
        let clock = Clock::start(SignedDuration::ZERO);
        let http = Arc::new(HttpClients::new(clock));
        Ok(Ground {
            config,
            files,
            federation: Arc::new(Federation::new(http, clock, endpoints)),
            clock,
        })
    }

    /// The rules, ready to be evaluated.
    pub(super) fn set(&self, config: &RulerConfig, files: Vec<RuleFile>) -> Arc<RuleSet> {
        let settings = settings_of(config, &self.external_url, self.language);
        Arc::new(RuleSet::new(files, settings))
    }
}

fn is_given(file: &Path) -> bool {
    !file.as_os_str().is_empty()
}
