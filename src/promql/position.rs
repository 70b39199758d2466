//! Where in a query something stands.

use std::fmt;

/// A part of a query: byte offsets, the end excluded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// Makes a span; offsets beyond 4 GiB stand for its end.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        Self {
            start: narrow(start),
            end: narrow(end),
        }
    }

    /// The span from the start of this one to the end of another.
    #[must_use]
    pub fn to(self, last: Self) -> Self {
        Self {
            start: self.start,
            end: last.end,
        }
    }

    /// The part of `query` that it covers.
    #[must_use]
    pub fn text(self, query: &str) -> &str {
        query
            .get(self.start as usize..self.end as usize)
            .unwrap_or_default()
    }

    /// Line and column of its start, both from 1, the column in bytes as Prometheus counts it.
    #[must_use]
    pub fn place(self, query: &str) -> Place {
        let before = query.as_bytes().get(..self.start as usize);
        let before = before.unwrap_or(query.as_bytes());
        let line = before.iter().filter(|byte| **byte == b'\n').count();
        let line_start = before.iter().rposition(|byte| *byte == b'\n');
        Place {
            line: line + 1,
            column: before.len() - line_start.map_or(0, |at| at + 1) + 1,
        }
    }
}

/// Line and column, both from 1; printed as `1:6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column, in bytes.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_from_one() {
        let query = "a +\n  b";
        assert_eq!(Span::new(0, 1).place(query).to_string(), "1:1");
        assert_eq!(Span::new(6, 7).place(query).to_string(), "2:3");
        assert_eq!(Span::new(6, 7).text(query), "b");
        assert_eq!(Span::new(90, 91).place(query).to_string(), "2:4");
    }
}
