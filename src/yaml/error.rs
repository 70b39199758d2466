//! What is wrong with a YAML file, in `yaml.v2`'s words, with a position.

use std::fmt;

/// One mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Line, from 1; 0 where it is not known.
    pub line: u32,
    /// Column in characters, from 1; 0 where it is not known.
    pub column: u32,
    /// What is wrong, without the position.
    pub message: String,
    /// Whether the file could not be read any further: it is no YAML, or it exceeds a bound.
    pub fatal: bool,
}

impl Error {
    pub(super) fn fatal(line: u32, column: u32, message: impl Into<String>) -> Self {
        Self {
            line,
            column,
            message: message.into(),
            fatal: true,
        }
    }
}

/// `line 5: field foo not found in type config.plain`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            f.write_str(&self.message)
        } else {
            write!(f, "line {}: {}", self.line, self.message)
        }
    }
}

impl std::error::Error for Error {}

/// All mistakes of a file, printed as `yaml.v2` prints them.
///
/// `yaml: line 3: …` if the file is no YAML, else `yaml: unmarshal errors:` and one indented line per mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors(pub Vec<Error>);

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let [error] = &self.0[..]
            && error.fatal
        {
            return write!(f, "yaml: {error}");
        }
        f.write_str("yaml: unmarshal errors:")?;
        for error in &self.0 {
            write!(f, "\n  {error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Errors {}
