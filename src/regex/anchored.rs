//! Fully anchored patterns, `^(?:…)$`, as matchers use them.

use super::{RegexError, re2};

/// A pattern that must match a whole value.
#[derive(Debug)]
pub struct Anchored {
    regex: regex::Regex,
}

impl Anchored {
    /// Compiles a Go pattern as `^(?:pattern)$`.
    ///
    /// # Errors
    /// When Go refuses the pattern.
    pub fn new(pattern: &str) -> Result<Self, RegexError> {
        let translated = re2::translate(pattern)?;
        let regex =
            regex::Regex::new(&format!("^(?:{translated})$")).map_err(|error| RegexError {
                message: error.to_string(),
                fragment: pattern.to_owned(),
            })?;
        Ok(Self { regex })
    }

    /// Whether the whole of `value` matches.
    #[must_use]
    pub fn is_match(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }
}
