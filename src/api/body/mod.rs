//! Request bodies: JSON read as Go reads it, checked as go-openapi checks it.

mod alerts;
pub(crate) mod go_json;
mod silence;
mod uri;

pub(crate) use alerts::parse_alerts;
pub(crate) use go_json::GoJsonError;
pub(crate) use silence::{PostedSilence, parse_silence};

/// A body is JSON, but not what the contract asks for; answered with 422.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ValidationError {
    /// go-openapi's number for the kind of error.
    pub(crate) code: u16,
    /// What is wrong where.
    pub(crate) message: String,
}

impl ValidationError {
    pub(crate) fn required(place: impl std::fmt::Display) -> Self {
        Self {
            code: 602,
            message: format!("{place} in body is required"),
        }
    }
}

/// Why a body is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    /// It cannot be read.
    #[error(transparent)]
    Json(#[from] GoJsonError),
    /// It can be read and is not valid.
    #[error(transparent)]
    Invalid(#[from] ValidationError),
}
