//! The configuration file: which one it is, and what it means together with the files that it names.

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::tz::TimeZone;

use super::Options;
use crate::{
    config::{Config, FileFacts, LoadEnv, LoadErrors, load},
    io::glob,
    labels::MatcherMode,
};

/// The example that is used where no file is named and none is there.
const SHIPPED: &str = "config/alertmanager.yml";

/// The rules that go with it.
const SHIPPED_RULES: &str = "config/ruler.yml";
/// A larger file is no configuration.
const MAX_FILE: u64 = 16 << 20;
/// A larger template is none.
const MAX_TEMPLATE: u64 = 1 << 20;

/// The file cannot be put into force.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("open {}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// In Go's words where they are known.
        reason: String,
    },
    /// It is wrong.
    #[error(transparent)]
    Invalid(#[from] LoadErrors),
    /// It is right, but the templates that it names are not.
    #[error("{errors}")]
    Templates {
        /// What is wrong with them.
        errors: LoadErrors,
        /// The configuration without them.
        config: Box<Config>,
    },
    /// The node refused it.
    #[error("{0}")]
    Refused(String),
}

/// The file and how it is read.
#[derive(Debug, Clone)]
pub struct ConfigFile {
    /// Where it is.
    pub path: PathBuf,
    matchers: MatcherMode,
    retention: Duration,
}

impl ConfigFile {
    /// Finds the file: the one that was named, else `alertmanager.yml`, else the shipped example.
    #[must_use]
    pub fn find(options: &Options, matchers: MatcherMode) -> Self {
        let mut path = options.config_file.clone();
        if !options.config_file_given && !path.exists() && Path::new(SHIPPED).exists() {
            tracing::warn!(
                missing = %path.display(),
                file = SHIPPED,
                "no configuration file was named and there is none here: the shipped example is used"
            );
            path = SHIPPED.into();
        }
        Self {
            path,
            matchers,
            retention: options.retention,
        }
    }

    /// The ruler's file: the one that was named; beside the shipped example of a configuration the shipped example of rules.
    #[must_use]
    pub(super) fn ruler_file(&self, options: &Options) -> PathBuf {
        let none = options.ruler_config_file.as_os_str().is_empty();
        let shipped = none && self.path == Path::new(SHIPPED) && !options.config_file_given;
        if shipped && Path::new(SHIPPED_RULES).exists() {
            return SHIPPED_RULES.into();
        }
        options.ruler_config_file.clone()
    }

    /// A file to be checked, with the defaults of everything else.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            matchers: MatcherMode::default(),
            retention: LoadEnv::default().retention,
        }
    }

    /// Reads and checks the file; nothing is changed.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn load(&self) -> Result<Config, ConfigError> {
        let bytes = read_bounded(&self.path, MAX_FILE).map_err(|reason| ConfigError::Read {
            path: self.path.clone(),
            reason,
        })?;
        self.parse(&bytes)
    }

    /// Checks text as if it stood in the file.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn parse(&self, bytes: &[u8]) -> Result<Config, ConfigError> {
        let env = LoadEnv {
            matchers: self.matchers,
            local: TimeZone::system(),
            retention: self.retention,
            ..LoadEnv::for_file(&self.path.to_string_lossy())
        };
        let mut config = load(bytes, &env)?;
        match config.complete(&Disk) {
            Ok(()) => Ok(config),
            Err(errors) => Err(ConfigError::Templates {
                errors,
                config: Box::new(config),
            }),
        }
    }

    /// Reads the file, tells its warnings, and gives it to share.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub(super) fn load_and_warn(&self) -> Result<Arc<Config>, ConfigError> {
        let config = self.load()?;
        for warning in &config.warnings {
            tracing::warn!(
                file = %self.path.display(),
                line = warning.line,
                column = warning.column,
                "{}",
                warning.message
            );
        }
        Ok(Arc::new(config))
    }
}

/// What is on disk.
struct Disk;

impl FileFacts for Disk {
    fn is_readable(&self, path: &str) -> bool {
        fs::File::open(path).is_ok()
    }

    fn glob(&self, pattern: &str) -> Option<Vec<(String, Result<String, String>)>> {
        let read = |path: PathBuf| {
            let bytes = read_bounded(&path, MAX_TEMPLATE);
            let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            (path.to_string_lossy().into_owned(), text)
        };
        glob(pattern).map(|paths| paths.into_iter().map(read).collect())
    }
}

/// Reads a file of at most `max` bytes; says why not in Go's words.
pub(super) fn read_bounded(path: &Path, max: u64) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| {
        let words = [
            (ErrorKind::NotFound, "no such file or directory"),
            (ErrorKind::PermissionDenied, "permission denied"),
            (ErrorKind::IsADirectory, "is a directory"),
        ];
        words
            .into_iter()
            .find(|(kind, _)| *kind == error.kind())
            .map_or_else(|| error.to_string(), |(_, text)| text.to_owned())
    };
    let length = fs::metadata(path).map_err(told)?.len();
    if length > max {
        return Err(format!("larger than {max} bytes"));
    }
    fs::read(path).map_err(told)
}
