//! Why a stored value cannot be used. Such a value is set aside and counted; it never stops a start.

use crate::{nflog::NflogWireError, silence::SilenceWireError};

/// A stored value cannot be decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// There are no bytes.
    #[error("stored value is empty")]
    Empty,
    /// A later version wrote it.
    #[error("stored value has format version {version}, this program knows up to {known}")]
    Version {
        /// What the value says.
        version: u8,
        /// The highest that can be read.
        known: u8,
    },
    /// The bytes are not what the version says.
    #[error("stored {what} is damaged")]
    Damaged {
        /// Kind of record.
        what: &'static str,
        /// Where decoding failed.
        source: prost::DecodeError,
    },
    /// A part is missing.
    #[error("stored {what} has no {part}")]
    Missing {
        /// Kind of record.
        what: &'static str,
        /// The part.
        part: &'static str,
    },
    /// The silence inside cannot be used.
    #[error("stored silence cannot be used")]
    Silence(#[from] SilenceWireError),
    /// The notification-log entry inside cannot be used.
    #[error("stored notification log entry cannot be used")]
    Nflog(#[from] NflogWireError),
}
