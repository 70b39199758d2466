//! Time intervals that mute or activate routes.

/// One interval; not written yet.
#[derive(Debug, Clone)]
pub struct TimeInterval {}

impl TimeInterval {
    /// Whether `at` lies in it.
    #[must_use]
    pub fn contains(&self, at: crate::time::Timestamp) -> bool {
        let _ = at;
        false
    }
}
