//! The series that the files load.

use watchfire::labels::LabelSet;
pub(crate) use watchfire::promql::memory::{Memory as Storage, Stored, samples};

/// Sorts as Prometheus sorts series: by name and value of one label after the other.
pub(crate) fn order(labels: &LabelSet) -> Vec<(String, String)> {
    labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
