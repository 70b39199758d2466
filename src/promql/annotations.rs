//! Warnings and remarks on the side of a result (`util/annotations`).

use std::collections::BTreeSet;

use super::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The result is probably not what was asked for; printed with `PromQL warning: `.
    Warning,
    /// Worth a look; printed with `PromQL info: `.
    Info,
}

/// One warning or remark.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Annotation {
    /// How bad it is.
    pub severity: Severity,
    /// What it says, without prefix and place.
    pub text: String,
    /// What of the query it is about.
    pub span: Option<Span>,
}

impl Annotation {
    /// The text as Prometheus's API gives it: with prefix, and with the place in `query` if that is not empty.
    #[must_use]
    pub fn to_text(&self, query: &str) -> String {
        let prefix = match self.severity {
            Severity::Warning => "PromQL warning: ",
            Severity::Info => "PromQL info: ",
        };
        match self.span {
            Some(span) if !query.is_empty() => {
                format!("{prefix}{} ({})", self.text, span.place(query))
            }
            _ => format!("{prefix}{}", self.text),
        }
    }
}

/// Warnings and remarks, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Annotations(BTreeSet<Annotation>);

impl Annotations {
    /// Adds a warning about a part of the query.
    pub fn warn(&mut self, span: Span, text: impl Into<String>) {
        self.add(Severity::Warning, Some(span), text.into());
    }

    /// Adds a remark about a part of the query.
    pub fn info(&mut self, span: Span, text: impl Into<String>) {
        self.add(Severity::Info, Some(span), text.into());
    }

    fn add(&mut self, severity: Severity, span: Option<Span>, text: String) {
        self.0.insert(Annotation {
            severity,
            text,
            span,
        });
    }

    /// Adds all of another set.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Warnings first, each kind sorted by text.
    pub fn iter(&self) -> impl Iterator<Item = &Annotation> {
        self.0.iter()
    }
}
