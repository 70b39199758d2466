//! `inhibit_rules` as they are written.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    InhibitRule,
    matching::{Matchers, Patterns, check_classic_names, together},
    read::{Place, Reader},
    section::section,
};
use crate::labels::{Matcher, go_quote, is_valid_label_name};

section! {
    /// `InhibitRule` of upstream's config/common/inhibitrule.go.
    pub(crate) RawInhibitRule in "common.plain", check check_rule {
        name: String,
        source_match: BTreeMap<String, String>,
        source_match_re: BTreeMap<String, String> as Patterns,
        source_matchers: Vec<Matcher> as Matchers,
        target_match: BTreeMap<String, String>,
        target_match_re: BTreeMap<String, String> as Patterns,
        target_matchers: Vec<Matcher> as Matchers,
        equal: Vec<String>,
    }
}

fn check_rule(rule: &mut RawInhibitRule, place: &Place, reader: &mut Reader<'_>) {
    check_classic_names(rule.source_match.keys(), place.of("source_match"), reader);
    check_classic_names(rule.target_match.keys(), place.of("target_match"), reader);
    for label in &rule.equal {
        if !is_valid_label_name(label, reader.env.matchers) {
            let message = format!("invalid label name {} in equal list", go_quote(label));
            reader.deny(place.of("equal"), message);
        }
    }
}

impl RawInhibitRule {
    /// The rule as it is kept.
    pub(crate) fn rule(&self) -> InhibitRule {
        InhibitRule {
            name: Arc::from(&*self.name),
            source: together(
                &self.source_match,
                &self.source_match_re,
                &self.source_matchers,
            ),
            target: together(
                &self.target_match,
                &self.target_match_re,
                &self.target_matchers,
            ),
            equal: self.equal.iter().map(|label| Arc::from(&**label)).collect(),
        }
    }
}
