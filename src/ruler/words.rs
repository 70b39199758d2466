//! The labels and annotations of a rule's alerts, as templates that are compiled once.

use std::collections::BTreeMap;

use crate::{
    config::{Rule, RuleKind},
    template::RuleTemplate,
};

/// The words of a rule's alerts.
#[derive(Debug, Default)]
pub struct Words {
    /// Those of labels, then those of annotations.
    texts: Vec<(String, RuleTemplate)>,
    /// How many are of labels.
    labels: usize,
}

/// Texts by their names.
pub(super) type Texts = BTreeMap<String, String>;

impl Words {
    /// Compiles the texts of a rule.
    pub(super) fn of(rule: &Rule) -> Self {
        let RuleKind::Alerting {
            alert, annotations, ..
        } = &rule.kind
        else {
            return Self::default();
        };
        let texts = rule.labels.iter().chain(annotations);
        // Those of a rule are templates, or its file is refused; labels of its group may be none.
        let texts = texts.map(|(name, text)| (name.clone(), RuleTemplate::lenient(alert, text)));
        Self {
            texts: texts.collect(),
            labels: rule.labels.len(),
        }
    }

    /// How many texts an alert has.
    pub(super) fn count(&self) -> usize {
        self.texts.len()
    }

    /// One of them.
    pub(super) fn template(&self, number: usize) -> Option<&RuleTemplate> {
        self.texts.get(number).map(|(_, template)| template)
    }

    /// What one of them is: `annotation summary`.
    pub(super) fn describe(&self, number: usize) -> String {
        let kind = match number < self.labels {
            true => "label",
            false => "annotation",
        };
        let name = self.texts.get(number).map(|(name, _)| name.as_str());
        format!("{kind} {}", name.unwrap_or_default())
    }

    /// The labels and the annotations that are made of all texts in order.
    pub(super) fn named(&self, texts: Vec<String>) -> (Texts, Texts) {
        let names = self.texts.iter().map(|(name, _)| name.clone());
        let mut named = names.zip(texts);
        let labels = named.by_ref().take(self.labels).collect();
        (labels, named.collect())
    }
}
