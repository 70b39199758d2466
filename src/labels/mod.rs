//! Label sets and what selects them: sets, fingerprints, matchers and their text forms.

mod matcher;
mod parse;
mod quote;
mod set;

pub use matcher::{MatchOp, Matcher, MatcherError};
pub use parse::{
    MatcherMode, MatchersParseError, is_valid_label_name, parse_matcher, parse_matchers,
};
pub use quote::{go_quote, go_unquote};
pub use set::{Fingerprint, Iter, LabelSet, LabelSetBuilder};
