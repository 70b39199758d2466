//! Inhibition rules as the file gives them.

use std::sync::Arc;

use crate::labels::Matcher;

/// Alerts that match `target` are muted while an alert that matches `source` fires with equal `equal` labels.
#[derive(Debug, Clone)]
pub struct InhibitRule {
    /// For logs; may be empty.
    pub name: Arc<str>,
    /// `source_match`, `source_match_re` and `source_matchers` together.
    pub source: Vec<Matcher>,
    /// `target_match`, `target_match_re` and `target_matchers` together.
    pub target: Vec<Matcher>,
    /// Labels whose values must be equal in source and target; a missing label equals an empty one.
    pub equal: Arc<[Arc<str>]>,
}
