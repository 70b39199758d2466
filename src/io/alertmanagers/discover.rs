//! Where Alertmanagers are: what the configuration says, and what its files say now.

use std::{fs, path::Path};

use serde::Deserialize;

use crate::{config::AlertmanagerConfig, io::glob};

/// A larger file is no list of targets.
const MAX_FILE: u64 = 1 << 20;

/// A group of a file of targets.
#[derive(Debug, Deserialize)]
struct Group {
    #[serde(default)]
    targets: Vec<String>,
}

/// The URLs to which alerts of a configuration are posted, each once. `known` are those before: they stay if a file cannot
/// be read.
pub(super) fn urls(config: &AlertmanagerConfig, known: &[String]) -> Vec<String> {
    let mut all = Vec::new();
    if !config.url.is_empty() {
        all.push(posted(config.url.as_str()));
    }
    let groups = config.static_configs.iter();
    let named = groups.flat_map(|group| &group.targets);
    all.extend(named.map(|target| of_target(config, target)));
    let files = config.file_sd_configs.iter().flat_map(|files| &files.files);
    for pattern in files {
        match read(pattern) {
            Ok(targets) => all.extend(targets.iter().map(|target| of_target(config, target))),
            Err(reason) => {
                tracing::error!(
                    file = pattern,
                    reason,
                    "a file of Alertmanagers cannot be read: those that are known stay"
                );
                all.extend(known.iter().cloned());
            }
        }
    }
    let mut once: Vec<String> = Vec::new();
    for url in all {
        if !once.contains(&url) {
            once.push(url);
        }
    }
    once
}

fn of_target(config: &AlertmanagerConfig, target: &str) -> String {
    let prefix = config.path_prefix.trim_matches('/');
    let base = format!("{}://{target}", config.scheme.as_str());
    match prefix {
        "" => posted(&base),
        prefix => posted(&format!("{base}/{prefix}")),
    }
}

fn posted(base: &str) -> String {
    format!("{}/api/v2/alerts", base.trim_end_matches('/'))
}

fn read(pattern: &str) -> Result<Vec<String>, String> {
    let files = glob(pattern).ok_or("it is no pattern")?;
    let mut targets = Vec::new();
    for file in files {
        for group in groups(&file)? {
            targets.extend(group.targets);
        }
    }
    Ok(targets)
}

/// JSON is YAML.
fn groups(file: &Path) -> Result<Vec<Group>, String> {
    let told = |reason: String| format!("{}: {reason}", file.display());
    let size = fs::metadata(file).map_err(|error| told(error.to_string()))?;
    if size.len() > MAX_FILE {
        return Err(told("it is too large for a list of targets".to_owned()));
    }
    let text = fs::read_to_string(file).map_err(|error| told(error.to_string()))?;
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    serde_yaml::from_str(&text).map_err(|error| told(error.to_string()))
}
