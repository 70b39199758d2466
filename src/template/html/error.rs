//! Why a template cannot be escaped, in Go's words.

use crate::labels::go_quote;

/// A fault found while escaping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EscapeError {
    /// Bytes from the beginning of the file of the template that is at fault; `None` where Go names no column.
    pub(super) place: Option<Place>,
    /// Where there is no place: the line within the template, or 0.
    pub(super) line: usize,
    pub(super) message: String,
}

/// Where in which file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) file: std::sync::Arc<str>,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl EscapeError {
    /// A fault of text, whose place Go does not name.
    pub(super) fn of_text(message: String) -> Self {
        Self {
            place: None,
            line: 0,
            message,
        }
    }

    pub(super) fn at(place: Place, message: String) -> Self {
        Self {
            place: Some(place),
            line: 0,
            message,
        }
    }
}

/// Bytes of a template as Go's `%q`.
pub(super) fn quoted(bytes: &[u8]) -> String {
    go_quote(&String::from_utf8_lossy(bytes))
}

/// The first 32 characters as Go's `%.32q`.
pub(super) fn quoted_beginning(bytes: &[u8]) -> String {
    // 32 characters have at most 128 bytes.
    let bytes = &bytes[..bytes.len().min(128)];
    let text = String::from_utf8_lossy(bytes);
    go_quote(&text.chars().take(32).collect::<String>())
}
