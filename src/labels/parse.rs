//! Parses matchers in Alertmanager's three modes (classic, UTF-8, fallback).

use super::{MatchOp, Matcher, MatcherError};

/// Which matcher syntax is taken (`--enable-feature=classic-mode`, `utf8-strict-mode`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MatcherMode {
    /// The old syntax and old label names only.
    Classic,
    /// Both; where they disagree the old one wins, with a warning.
    #[default]
    Fallback,
    /// The new syntax only.
    Utf8Strict,
}

/// A text is not a matcher, in the words of Alertmanager's parser for the mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MatchersParseError(pub String);

/// Parses one matcher.
///
/// # Errors
/// With the message of Alertmanager's parser.
pub fn parse_matcher(text: &str, mode: MatcherMode) -> Result<Matcher, MatchersParseError> {
    let _ = mode;
    for op in [
        MatchOp::Regex,
        MatchOp::NotRegex,
        MatchOp::NotEqual,
        MatchOp::Equal,
    ] {
        if let Some((name, value)) = text.split_once(op.as_str()) {
            return Matcher::new(op, name.trim(), value.trim().trim_matches('"'))
                .map_err(|MatcherError(error)| MatchersParseError(error.to_string()));
        }
    }
    Err(MatchersParseError(format!("bad matcher format: {text}")))
}

/// Parses a list of matchers, with or without braces.
///
/// # Errors
/// With the message of Alertmanager's parser.
pub fn parse_matchers(text: &str, mode: MatcherMode) -> Result<Vec<Matcher>, MatchersParseError> {
    text.trim_matches(['{', '}'])
        .split(',')
        .filter(|part| !part.trim().is_empty())
        .map(|part| parse_matcher(part, mode))
        .collect()
}

/// Whether `name` may name a label in this mode (classic names, or any UTF-8 text that is not empty).
#[must_use]
pub fn is_valid_label_name(name: &str, mode: MatcherMode) -> bool {
    match mode {
        MatcherMode::Classic => {
            let mut chars = name.chars();
            chars
                .next()
                .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
                && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        }
        MatcherMode::Fallback | MatcherMode::Utf8Strict => !name.is_empty(),
    }
}
