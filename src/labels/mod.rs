//! Label sets and what selects them: sets, fingerprints, matchers and their text forms.

mod set;

mod case;
mod quote;

mod matcher;

mod classic;
mod utf8;

mod parse;

mod relabel;

mod url_name;

pub use case::{go_lower, go_upper};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use parse::{
    MatcherMode, MatchersParseError, MatchersWarning, is_valid_label_name, parse_matcher,
    parse_matcher_warned, parse_matchers, parse_matchers_warned,
};
pub use quote::{go_quote, go_unquote};
pub use relabel::{Relabel, RelabelAction, RelabelRegex, relabel};
pub use set::{Fingerprint, Iter, LabelSet, LabelSetBuilder};
pub use url_name::{is_classic_name, name_of_path, path_of_name};
