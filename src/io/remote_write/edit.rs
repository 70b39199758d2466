//! From the labels of a result to those that are written.

use std::collections::BTreeMap;

use crate::labels::{LabelSet, Relabel, relabel};

/// External labels and `write_relabel_configs`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Edit {
    external: Vec<(String, String)>,
    rules: Vec<Relabel>,
}

impl Edit {
    pub(super) fn new(external: &BTreeMap<String, String>, rules: &[Relabel]) -> Self {
        let given = external.iter().filter(|(_, value)| !value.is_empty());
        Self {
            external: given.map(|(n, v)| (n.clone(), v.clone())).collect(),
            rules: rules.to_vec(),
        }
    }

    /// Adds external labels that are missing, then relabels; `None` if nothing is left.
    pub(super) fn apply(&self, labels: &LabelSet) -> Option<LabelSet> {
        let absent = |(name, _): &&(String, String)| labels.value(name).is_empty();
        let added: Vec<_> = self.external.iter().filter(absent).collect();
        let complete = if added.is_empty() {
            labels.clone()
        } else {
            let added = added.iter().map(|(n, v)| (n.as_str(), v.as_str()));
            LabelSet::from_pairs(labels.iter().chain(added))
        };
        let mut edited = relabel(&self.rules, &complete)?;
        if edited.iter().any(|(_, value)| value.is_empty()) {
            edited = edited.filter_pairs(|_, value| !value.is_empty());
        }
        (!edited.is_empty()).then_some(edited)
    }
}
