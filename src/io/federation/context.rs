//! What every request of a query needs.

use std::sync::Arc;

use crate::io::{Clock, HttpClients};

/// What every request of a query needs.
#[derive(Clone, Debug)]
pub(super) struct Context {
    pub(super) http: Arc<HttpClients>,
    pub(super) clock: Clock,
    /// Samples that one answer may have.
    pub(super) max_samples: usize,
}
