//! What loading a configuration depends on besides its text.

use std::time::Duration;

use jiff::tz::TimeZone;

use crate::labels::MatcherMode;

/// What loading a configuration depends on besides its text.
#[derive(Debug, Clone)]
pub struct LoadEnv {
    /// The name of the file, for messages.
    pub file: String,
    /// The directory of the file; relative paths of `templates` and `http_config` are resolved against it.
    pub directory: String,
    /// Which matchers and label names are taken.
    pub matchers: MatcherMode,
    /// The time zone that `location: Local` means.
    pub local: TimeZone,
    /// `--data.retention`; a longer `repeat_interval` is warned about.
    pub retention: Duration,
}

/// Upstream's defaults, and no file name.
impl Default for LoadEnv {
    fn default() -> Self {
        Self {
            file: String::new(),
            directory: String::new(),
            matchers: MatcherMode::default(),
            local: TimeZone::UTC,
            retention: Duration::from_secs(120 * 60 * 60),
        }
    }
}

impl LoadEnv {
    /// The environment of a file: its name for messages, its directory for relative paths.
    #[must_use]
    pub fn for_file(path: &str) -> Self {
        let directory = match path.rsplit_once('/') {
            Some(("", _)) => "/",
            Some((directory, _)) => directory,
            None => "",
        };
        Self {
            file: path.to_owned(),
            directory: directory.to_owned(),
            ..Self::default()
        }
    }
}
