//! Silences: what one is, how the API edits it, how copies of the store merge, and which silences mute an alert.
//!
//! A silence is never deleted while it may still be asked for: an expired one stays for the retention. Who may write
//! to disk or tell other nodes about a change is told by the return values; nothing here does it.

mod check;
mod error;
mod index;
mod matcher;
mod model;
mod pivot;
mod query;
mod rest;
mod stats;
mod store;
mod tiers;
pub(crate) mod wire;

pub use check::{MatcherText, check_matcher_sets};
pub use error::{InvalidSilence, SilenceError};
pub use matcher::SilenceMatcher;
pub use model::{MatcherSets, Silence, SilenceState};
pub use query::SilenceQuery;
pub use stats::{SilenceCounts, SilenceStats};
pub use store::{Expired, SetKind, SetOutcome, SilenceDraft, SilenceLimits, Silences};
pub use tiers::{IndexJob, MadeIndex};
pub use wire::SilenceWireError;
