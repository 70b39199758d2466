//! Warnings and remarks on the side of a result (`util/annotations`).

use std::collections::{BTreeMap, btree_map::Entry};

use super::{Span, functions::general};
use crate::time::Timestamp;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The result is probably not what was asked for; printed with `PromQL warning: `.
    Warning,
    /// Worth a look; printed with `PromQL info: `.
    Info,
}

/// How much `histogram_quantile` had to mend buckets whose counts went down.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mended {
    /// The first step; Unix milliseconds.
    pub first: i64,
    /// The last step; Unix milliseconds.
    pub last: i64,
    /// The smallest upper bound of a bucket that was mended.
    pub least_bucket: f64,
    /// The largest.
    pub most_bucket: f64,
    /// The largest difference.
    pub difference: f64,
    /// At how many steps.
    pub steps: u64,
}

impl Mended {
    fn merge(&mut self, other: &Self) {
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
        self.least_bucket = self.least_bucket.min(other.least_bucket);
        self.most_bucket = self.most_bucket.max(other.most_bucket);
        self.difference = self.difference.max(other.difference);
        self.steps = self.steps.saturating_add(other.steps);
    }

    fn to_text(self) -> String {
        let date = |time: i64| Timestamp::from_millis(time / 1000 * 1000).to_rfc3339_nanos();
        format!(
            ", from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
            general(self.least_bucket),
            general(self.most_bucket),
            two_digits(self.difference),
            self.steps,
            date(self.first),
            date(self.last)
        )
    }
}

/// A number as Go's `%.2g` prints it.
fn two_digits(value: f64) -> String {
    let rounded = format!("{value:.1e}").parse().unwrap_or(value);
    let text = general(rounded);
    match text.split_once('e') {
        None if rounded >= 100.0 => {
            let scientific = format!("{rounded:e}");
            let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
            format!("{digits}e+{exponent:0>2}")
        }
        _ => text,
    }
}

/// One warning or remark.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// How bad it is.
    pub severity: Severity,
    /// What it says, without prefix and place.
    pub text: String,
    /// What of the query it is about.
    pub span: Span,
    /// What came together of a remark that was made at many steps.
    pub together: Together,
}

/// What comes together of equal remarks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Together {
    /// Nothing: one is as good as many.
    #[default]
    Nothing,
    /// How much buckets were mended.
    Mended(Mended),
    /// How often it was remarked.
    Times(u64),
}

impl Together {
    fn merge(&mut self, other: &Self) {
        match (self, other) {
            (Self::Mended(known), Self::Mended(mended)) => known.merge(mended),
            (Self::Times(known), Self::Times(times)) => *known = known.saturating_add(*times),
            (Self::Nothing | Self::Mended(_) | Self::Times(_), _) => {}
        }
    }

    fn to_text(self) -> String {
        match self {
            Self::Nothing | Self::Times(0 | 1) => String::new(),
            Self::Mended(mended) => mended.to_text(),
            Self::Times(times) => format!(" ({times} occurrences)"),
        }
    }
}

impl Annotation {
    /// The text as Prometheus's API gives it: with prefix, and with details and the place in `query` if that is not
    /// empty.
    #[must_use]
    pub fn to_text(&self, query: &str) -> String {
        let prefix = match self.severity {
            Severity::Warning => "PromQL warning: ",
            Severity::Info => "PromQL info: ",
        };
        if query.is_empty() {
            return format!("{prefix}{}", self.text);
        }
        let details = self.together.to_text();
        format!(
            "{prefix}{}{details} ({})",
            self.text,
            self.span.place(query)
        )
    }
}

/// Warnings and remarks, each text once, as Prometheus keeps them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations(BTreeMap<(Severity, String), (Span, Together)>);

impl Annotations {
    /// Adds a warning about a part of the query.
    pub fn warn(&mut self, span: Span, text: impl Into<String>) {
        self.add(Severity::Warning, text.into(), span, Together::Nothing);
    }

    /// Adds a warning of which it is told how often there was reason for it.
    pub fn warn_of_each(&mut self, span: Span, text: impl Into<String>) {
        self.add(Severity::Warning, text.into(), span, Together::Times(1));
    }

    /// Adds a remark about a part of the query.
    pub fn info(&mut self, span: Span, text: impl Into<String>) {
        self.add(Severity::Info, text.into(), span, Together::Nothing);
    }

    /// Adds a remark about buckets that had to be mended.
    pub fn mended(&mut self, span: Span, text: impl Into<String>, mended: Mended) {
        self.add(Severity::Info, text.into(), span, Together::Mended(mended));
    }

    fn add(&mut self, severity: Severity, text: String, span: Span, together: Together) {
        match self.0.entry((severity, text)) {
            Entry::Vacant(entry) => {
                entry.insert((span, together));
            }
            Entry::Occupied(mut entry) => {
                let (place, known) = entry.get_mut();
                // What comes together stays where it was first.
                if *known == Together::Nothing {
                    *place = span;
                }
                known.merge(&together);
            }
        }
    }

    /// Adds all of another set.
    pub fn merge(&mut self, other: Self) {
        for ((severity, text), (span, together)) in other.0 {
            self.add(severity, text, span, together);
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Warnings first, each kind sorted by text.
    pub fn iter(&self) -> impl Iterator<Item = Annotation> {
        let all = self.0.iter();
        all.map(|((severity, text), (span, together))| Annotation {
            severity: *severity,
            text: text.clone(),
            span: *span,
            together: *together,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_remarks_come_together_and_some_are_counted() {
        let span = |start, end| Span { start, end };
        let mut notes = Annotations::default();
        notes.warn_of_each(span(5, 6), "overlap for metric \"m\"");
        notes.warn_of_each(span(0, 1), "overlap for metric \"n\"");
        notes.warn(span(0, 1), "odd");
        let mut others = Annotations::default();
        others.warn(span(7, 8), "odd");
        for _ in 0..2 {
            others.warn_of_each(span(7, 8), "overlap for metric \"m\"");
        }
        notes.merge(others);
        let texts: Vec<_> = notes.iter().map(|one| one.to_text("rate(m) + n")).collect();
        assert_eq!(
            texts,
            [
                "PromQL warning: odd (1:8)",
                "PromQL warning: overlap for metric \"m\" (3 occurrences) (1:6)",
                "PromQL warning: overlap for metric \"n\" (1:1)",
            ]
        );
        let bare: Vec<_> = notes.iter().map(|one| one.to_text("")).collect();
        assert_eq!(bare[1], "PromQL warning: overlap for metric \"m\"");
    }
}
