//! Why a silence is refused, in Alertmanager's words (`silence/silence.go`, v0.34).

use crate::regex::RegexError;

/// A silence was not set or expired; the store is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// The silence itself is wrong.
    #[error("invalid silence: {0}")]
    Invalid(InvalidSilence),
    /// There is no silence of that id.
    #[error("silence not found")]
    NotFound,
    /// `--silences.max-silences` is reached; expired silences count.
    #[error("exceeded maximum number of silences: {count} (limit: {limit})")]
    TooMany {
        /// How many there are.
        count: usize,
        /// How many there may be.
        limit: usize,
    },
    /// `--silences.max-silence-size-bytes` is exceeded.
    #[error("silence exceeded maximum size: {size} bytes (limit: {limit} bytes)")]
    TooLarge {
        /// Bytes of the silence as Alertmanager encodes it.
        size: usize,
        /// How many it may have.
        limit: usize,
    },
}

/// What is wrong with a silence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSilence {
    /// No matcher sets at all.
    #[error("at least one matcher set required")]
    NoMatcherSet,
    /// A set without matchers.
    #[error("matcher set {set} is empty")]
    EmptySet {
        /// Index of the set.
        set: usize,
    },
    /// A label name that the matcher mode does not allow.
    #[error("invalid label matcher {matcher} in set {set}: invalid label name {quoted}")]
    LabelName {
        /// Index of the set.
        set: usize,
        /// Index of the matcher in its set.
        matcher: usize,
        /// The name in Go's quotes.
        quoted: String,
    },
    /// A pattern that does not compile.
    #[error(
        "invalid label matcher {matcher} in set {set}: invalid regular expression {quoted}: {error}"
    )]
    Regex {
        /// Index of the set.
        set: usize,
        /// Index of the matcher in its set.
        matcher: usize,
        /// The pattern in Go's quotes.
        quoted: String,
        /// What is wrong with it.
        error: RegexError,
    },
    /// A set that would match an alert without any of its labels.
    #[error("matcher set {set}: at least one matcher must not match the empty string")]
    MatchesEmpty {
        /// Index of the set.
        set: usize,
    },
    /// No end.
    #[error("invalid zero end timestamp")]
    NoEnd,
    /// The end lies before the start.
    #[error("end time must not be before start time")]
    EndBeforeStart,
}
