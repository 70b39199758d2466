//! Checks and compiles what a client wants silenced.
//!
//! Compiling patterns is the slow part of setting a silence; it needs no store, so it is done where the request is read.

use std::sync::Arc;

use super::{
    error::{InvalidSilence, SilenceError},
    model::MatcherSets,
};
use crate::{
    labels::{MatchOp, Matcher, MatcherError, MatcherMode, go_quote, is_valid_label_name},
    regex,
};

/// A matcher as a client or a file gives it, not compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatcherText {
    /// The label.
    pub name: String,
    /// The comparison.
    pub op: MatchOp,
    /// The value or pattern.
    pub value: String,
}

/// Checks and compiles the matchers of a silence.
///
/// # Errors
/// [`SilenceError::Invalid`] with what Alertmanager would say first.
pub fn check_matcher_sets(
    sets: &[Vec<MatcherText>],
    mode: MatcherMode,
) -> Result<MatcherSets, SilenceError> {
    if sets.is_empty() {
        return Err(SilenceError::Invalid(InvalidSilence::NoMatcherSet));
    }
    let compiled: Result<Vec<_>, _> = sets
        .iter()
        .enumerate()
        .map(|(index, texts)| check_set(index, texts, mode))
        .collect();
    Ok(Arc::from(compiled.map_err(SilenceError::Invalid)?))
}

fn check_set(
    set: usize,
    texts: &[MatcherText],
    mode: MatcherMode,
) -> Result<Vec<Matcher>, InvalidSilence> {
    if texts.is_empty() {
        return Err(InvalidSilence::EmptySet { set });
    }
    let mut matchers = Vec::with_capacity(texts.len());
    for (index, text) in texts.iter().enumerate() {
        if !is_valid_label_name(&text.name, mode) {
            return Err(InvalidSilence::LabelName {
                set,
                matcher: index,
                quoted: go_quote(&text.name),
            });
        }
        let matcher =
            Matcher::new(text.op, &text.name, &text.value).map_err(|MatcherError(error)| {
                InvalidSilence::Regex {
                    set,
                    matcher: index,
                    quoted: go_quote(&text.value),
                    // Upstream complains about the pattern without its anchors.
                    error: regex::translate(&text.value).err().unwrap_or(error),
                }
            })?;
        matchers.push(matcher);
    }
    // Alertmanager takes `!=` and `!~` as never matching the empty string, whatever their value.
    let matches_empty = |m: &Matcher| m.op().is_equal() && m.matches_value("");
    if matchers.iter().all(matches_empty) {
        return Err(InvalidSilence::MatchesEmpty { set });
    }
    Ok(matchers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, op: MatchOp, value: &str) -> MatcherText {
        MatcherText {
            name: name.to_owned(),
            op,
            value: value.to_owned(),
        }
    }

    #[test]
    fn says_what_alertmanager_says() {
        use MatchOp::{Equal, NotEqual, NotRegex, Regex};
        let good = || text("a", Equal, "b");
        for (sets, expect) in [
            (vec![vec![good()]], ""),
            (vec![vec![good()], vec![text("a", Regex, ".+")]], ""),
            (vec![vec![text("a", NotEqual, "")]], ""),
            (vec![vec![text("a", NotRegex, ".*")]], ""),
            (vec![], "invalid silence: at least one matcher set required"),
            (
                vec![vec![good()], vec![]],
                "invalid silence: matcher set 1 is empty",
            ),
            (
                vec![vec![good(), text("", Equal, "x")]],
                "invalid silence: invalid label matcher 1 in set 0: invalid label name \"\"",
            ),
            (
                vec![vec![text("a", Equal, ""), text("b", Regex, "x*")]],
                "invalid silence: matcher set 0: at least one matcher must not match the empty string",
            ),
            (
                vec![vec![text("a", Regex, "(")]],
                "invalid silence: invalid label matcher 0 in set 0: invalid regular expression \"(\": \
                 error parsing regexp: missing closing ): `(`",
            ),
        ] {
            let said = check_matcher_sets(&sets, MatcherMode::Fallback)
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert_eq!(said, expect);
        }
        let utf8 = [vec![text("ü", Equal, "b")]];
        assert!(check_matcher_sets(&utf8, MatcherMode::Fallback).is_ok());
        assert_eq!(
            check_matcher_sets(&utf8, MatcherMode::Classic)
                .unwrap_err()
                .to_string(),
            "invalid silence: invalid label matcher 0 in set 0: invalid label name \"ü\""
        );
    }
}
