//! What every request of a query needs.

use std::sync::Arc;

use super::limits::Budget;
use crate::io::{Clock, HttpClients};

/// What every request of a query needs.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) http: Arc<HttpClients>,
    pub(super) clock: Clock,
    /// Samples that one answer may have.
    pub(super) max_samples: usize,
    /// What of the answers of endpoints may be held for it.
    pub(super) budget: Arc<Budget>,
}
