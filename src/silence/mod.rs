//! Silences: what they are, who may change them, and which alerts they mute.

/// Placeholder until the store lands.
#[derive(Debug, Clone, Default)]
pub struct Silences {}

/// What a client wants a silence to be.
#[derive(Debug, Clone)]
pub struct SilenceDraft {}

/// A silence cannot be set or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// There is none with this id.
    #[error("silence not found")]
    NotFound,
}
