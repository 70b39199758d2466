//! Time intervals that mute or activate routes.

/// One interval; not written yet.
#[derive(Debug, Clone)]
pub struct TimeInterval {}
