//! Where things stand in the file.

use std::collections::BTreeMap;

/// Line and column, from 1; 0 for what stands nowhere.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Position {
    /// Line and column for public types.
    pub(crate) fn pair(self) -> (usize, usize) {
        (self.line as usize, self.column as usize)
    }
}

/// Where a section and its keys stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The start of the section.
    pub(crate) at: Position,
    /// The keys that are set.
    pub(crate) keys: BTreeMap<String, Position>,
    /// Whether every value in it could be read.
    pub(crate) sound: bool,
}

impl Place {
    /// Whether the file sets this key.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    /// Where a key stands, or the section if it is not set.
    pub(crate) fn of(&self, key: &str) -> Position {
        self.keys.get(key).copied().unwrap_or(self.at)
    }
}
