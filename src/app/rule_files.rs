//! The file of the ruler and the files of rules that it names, as they are on disk.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use super::config_file::read_bounded;
use crate::{
    config::{
        LoadEnv, LoadErrors, RuleFile, RuleOptions, RuleTestFile, RulerConfig, load_rule_tests,
        load_ruler, load_rules,
    },
    io::glob,
};

/// A larger file is none of rules.
const MAX_FILE: u64 = 16 << 20;

/// A file of the ruler or of rules cannot be put into force.
#[derive(Debug, thiserror::Error)]
pub enum RuleFileError {
    /// It cannot be read.
    #[error("open {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// In Go's words where they are known.
        reason: String,
    },
    /// It is wrong; everything that is wrong with it, one a line.
    #[error(transparent)]
    Invalid(#[from] LoadErrors),
}

/// Reads the file of the ruler, with variables of the environment in its external labels.
///
/// # Errors
/// When it cannot be read, or with everything that is wrong with it.
pub fn read_ruler_file(path: &Path) -> Result<RulerConfig, RuleFileError> {
    let text = read(path)?;
    let env = LoadEnv::for_file(&path.to_string_lossy());
    let mut config = load_ruler(&text, &env)?;
    for name in config.expand_external_labels(|name| std::env::var(name).ok()) {
        tracing::warn!(file = %path.display(), name, "Empty environment variable in external_labels");
    }
    Ok(config)
}

/// Reads a file of rules.
///
/// # Errors
/// When it cannot be read, or with everything that is wrong with it.
pub fn read_rule_file(path: &str, options: &RuleOptions) -> Result<RuleFile, RuleFileError> {
    let text = read(Path::new(path))?;
    Ok(load_rules(path, &text, options)?)
}

/// Reads a file of tests of rules.
///
/// # Errors
/// When it cannot be read, or with everything that is wrong with it.
pub fn read_rule_tests(path: &str) -> Result<RuleTestFile, RuleFileError> {
    let text = read(Path::new(path))?;
    Ok(load_rule_tests(path, &text)?)
}

/// The files that paths and patterns name, each once, in their order; and those that match no file.
#[must_use]
pub fn expand_patterns(patterns: &[String]) -> (Vec<String>, Vec<String>) {
    let (mut files, mut none) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    for pattern in patterns {
        let found = glob(pattern).unwrap_or_default();
        if found.is_empty() {
            none.push(pattern.clone());
        }
        let found = found.iter().map(|path| path.to_string_lossy().into_owned());
        files.extend(found.filter(|path| seen.insert(path.clone())));
    }
    (files, none)
}

fn read(path: &Path) -> Result<Vec<u8>, RuleFileError> {
    read_bounded(path, MAX_FILE).map_err(|reason| RuleFileError::Read {
        path: path.to_owned(),
        reason,
    })
}
