//! A configuration that is valid, and what is odd about it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{InhibitRule, Receiver, References, Route, Texts};
use crate::timeinterval::TimeInterval;

/// A valid configuration, immutable and shared.
#[derive(Debug)]
pub struct Config {
    /// How long an alert without an end fires after it was last posted (`global.resolve_timeout`).
    pub resolve_timeout: Duration,
    /// The root of the routing tree; inheritance is resolved in it.
    pub route: Route,
    /// In the order of the file; the first that matches wins.
    pub inhibit_rules: Vec<Arc<InhibitRule>>,
    /// In the order of the file.
    pub receivers: Vec<Arc<Receiver>>,
    /// By name, `mute_time_intervals` and `time_intervals` together; an entry holds where any of its intervals does.
    pub time_intervals: BTreeMap<Arc<str>, Arc<[TimeInterval]>>,
    /// Template globs as resolved against the directory of the file.
    pub templates: Vec<String>,
    /// The file printed again with defaults filled in and secrets hidden, as `/api/v2/status` shows it.
    pub original: String,
    /// `alertmanager_config_hash`: the first 48 bits of the MD5 of the file's bytes, little endian.
    pub hash: u64,
    /// What notifications are worded with.
    pub texts: Arc<Texts>,
    /// The files and templates that it names.
    pub references: References,
    /// What loads but deserves a word to the operator.
    pub warnings: Vec<Warning>,
}

/// No receiver and an empty root route.
impl Default for Config {
    fn default() -> Self {
        Self {
            resolve_timeout: Duration::from_secs(5 * 60),
            route: Route::default(),
            inhibit_rules: Vec::new(),
            receivers: Vec::new(),
            time_intervals: BTreeMap::new(),
            templates: Vec::new(),
            original: String::new(),
            hash: 0,
            texts: Arc::default(),
            references: References::default(),
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// The receiver of that name.
    #[must_use]
    pub fn receiver(&self, name: &str) -> Option<&Arc<Receiver>> {
        self.receivers
            .iter()
            .find(|receiver| *receiver.name == *name)
    }
}

/// Something in the file that loads as upstream loads it, but most likely is not what its author wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// One-based line in the file; 0 if it concerns no single line.
    pub line: usize,
    /// One-based column; 0 if it concerns no single line.
    pub column: usize,
    /// What it is and what to do.
    pub message: String,
    /// Whether what it is about fails when it is needed; `check config` takes it for an error then.
    pub fails: bool,
}
