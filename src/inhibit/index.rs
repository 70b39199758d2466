//! Which alerts are muted by which firing source, exactly (`inhibit/inhibit.go`, without its one-source cache).
//!
//! A target is muted if *some* source fires. Sources stand in one ordered set by rule, hash of the equal labels, whether
//! they are targets too, and end, so that the latest-ending candidate is found in one step. Clones cost nothing.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::{
    alert::Alert,
    config::InhibitRule,
    labels::{Fingerprint, LabelSet, Matcher},
    time::Timestamp,
};

/// A source under one rule; ordered so that the sources a target may meet are a range that ends with the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    rule: u32,
    equal: u64,
    /// Whether the source matches the target side too; a target that matches the source side ignores those.
    two_sided: bool,
    ends_at: Timestamp,
    fingerprint: Fingerprint,
}

/// The rules and the alerts that are sources under them.
#[derive(Debug, Clone, Default)]
pub struct Inhibitor {
    rules: Arc<[Arc<InhibitRule>]>,
    sources: OrdSet<Source>,
}

impl Inhibitor {
    /// Makes an inhibitor that knows no alerts.
    #[must_use]
    pub fn new(rules: &[Arc<InhibitRule>]) -> Self {
        Self {
            rules: rules.into(),
            sources: OrdSet::new(),
        }
    }

    /// How many rules there are.
    #[must_use]
    pub fn rules(&self) -> usize {
        self.rules.len()
    }

    /// Takes note of an alert as it stands now; `previous` is how it stood before.
    pub fn update(&mut self, alert: &Alert, previous: Option<&Alert>) {
        let rules = Arc::clone(&self.rules);
        for (rule, index) in rules.iter().zip(0..) {
            if !Matcher::all_match(&rule.source, &alert.labels) {
                continue;
            }
            let source = source(index, rule, alert);
            if let Some(previous) = previous {
                self.sources.remove(&Source {
                    ends_at: previous.ends_at,
                    ..source
                });
            }
            self.sources.insert(source);
        }
    }

    /// Forgets an alert.
    pub fn remove(&mut self, alert: &Alert) {
        let rules = Arc::clone(&self.rules);
        for (rule, index) in rules.iter().zip(0..) {
            if Matcher::all_match(&rule.source, &alert.labels) {
                self.sources.remove(&source(index, rule, alert));
            }
        }
    }

    /// The source that mutes `labels` at `now` by the first rule that has one: of its sources the one that ends last.
    #[must_use]
    pub fn inhibited_by(
        &self,
        labels: &LabelSet,
        alerts: &OrdMap<Fingerprint, Arc<Alert>>,
        now: Timestamp,
    ) -> Option<Fingerprint> {
        self.rules.iter().zip(0..).find_map(|(rule, index)| {
            if !Matcher::all_match(&rule.target, labels) {
                return None;
            }
            let two_sided = Matcher::all_match(&rule.source, labels);
            let sides: &[bool] = if two_sided { &[false] } else { &[false, true] };
            let equal = equal_labels(rule, labels);
            sides
                .iter()
                .find_map(|side| self.latest(index, &equal, *side, rule, alerts, now))
        })
    }

    fn latest(
        &self,
        rule: u32,
        equal: &LabelSet,
        two_sided: bool,
        config: &InhibitRule,
        alerts: &OrdMap<Fingerprint, Arc<Alert>>,
        now: Timestamp,
    ) -> Option<Fingerprint> {
        let hash = equal.log_hash();
        let bound = |ends_at, fingerprint| Source {
            rule,
            equal: hash,
            two_sided,
            ends_at,
            fingerprint,
        };
        let least = bound(Timestamp::ZERO, Fingerprint(0));
        let most = bound(Timestamp::MAX, Fingerprint(u64::MAX));
        // The hash only finds candidates; equality of the labels themselves decides.
        self.sources
            .range(least..=most)
            .rev()
            .take_while(|source| source.ends_at > now)
            .find(|source| {
                alerts
                    .get(&source.fingerprint)
                    .is_some_and(|alert| equal_labels(config, &alert.labels) == *equal)
            })
            .map(|source| source.fingerprint)
    }
}

fn source(index: u32, rule: &InhibitRule, alert: &Alert) -> Source {
    Source {
        rule: index,
        equal: equal_labels(rule, &alert.labels).log_hash(),
        two_sided: Matcher::all_match(&rule.target, &alert.labels),
        ends_at: alert.ends_at,
        fingerprint: alert.fingerprint,
    }
}

/// The labels that must be equal; a missing one equals an empty one, so empty values are left out.
fn equal_labels(rule: &InhibitRule, labels: &LabelSet) -> LabelSet {
    labels.filter_pairs(|name, value| {
        !value.is_empty() && rule.equal.iter().any(|equal| **equal == *name)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::labels::MatchOp;

    fn matchers(pairs: &[(&str, MatchOp, &str)]) -> Vec<Matcher> {
        pairs
            .iter()
            .map(|(name, op, value)| Matcher::new(*op, name, value).unwrap())
            .collect()
    }

    fn rule(source: Vec<Matcher>, target: Vec<Matcher>, equal: &[&str]) -> Arc<InhibitRule> {
        let equal = equal.iter().map(|name| Arc::from(*name)).collect();
        Arc::new(InhibitRule {
            name: "".into(),
            source,
            target,
            equal,
        })
    }

    fn alert(labels: LabelSet, ends_at: i64) -> Arc<Alert> {
        Arc::new(Alert {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: LabelSet::empty(),
            generator_url: "".into(),
            starts_at: Timestamp::EPOCH,
            ends_at: Timestamp::from_unix(ends_at, 0),
            updated_at: Timestamp::EPOCH,
            timeout: false,
        })
    }

    /// What inhibition means, from its definition.
    fn naive(
        rules: &[Arc<InhibitRule>],
        alerts: &[Arc<Alert>],
        labels: &LabelSet,
        now: Timestamp,
    ) -> bool {
        rules.iter().any(|rule| {
            let two_sided = Matcher::all_match(&rule.source, labels);
            Matcher::all_match(&rule.target, labels)
                && alerts.iter().any(|source| {
                    source.ends_at > now
                        && Matcher::all_match(&rule.source, &source.labels)
                        && rule
                            .equal
                            .iter()
                            .all(|name| source.labels.value(name) == labels.value(name))
                        && !(two_sided && Matcher::all_match(&rule.target, &source.labels))
                })
        })
    }

    fn small_labels() -> impl Strategy<Value = LabelSet> {
        prop::collection::vec(
            (
                prop::sample::select(vec!["s", "t", "e"]),
                prop::sample::select(vec!["1", "2"]),
            ),
            0..4,
        )
        .prop_map(LabelSet::from_pairs)
    }

    proptest! {
        #[test]
        fn is_exactly_exists(
            posts in prop::collection::vec((small_labels(), 0_i64..20), 0..12),
            target in small_labels(),
            now in 0_i64..20,
        ) {
            use MatchOp::{Equal, NotEqual};
            let rules = [
                rule(matchers(&[("s", Equal, "1")]), matchers(&[("t", Equal, "1")]), &["e"]),
                rule(matchers(&[("s", Equal, "2")]), matchers(&[("s", NotEqual, "1")]), &[]),
                rule(vec![], vec![], &["e"]),
            ];
            let mut inhibitor = Inhibitor::new(&rules);
            let mut alerts = OrdMap::new();
            for (labels, ends_at) in posts {
                let alert = alert(labels, ends_at);
                let previous = alerts.insert(alert.fingerprint, Arc::clone(&alert));
                inhibitor.update(&alert, previous.as_deref());
            }
            let now = Timestamp::from_unix(now, 0);
            let all: Vec<_> = alerts.values().cloned().collect();
            let by = inhibitor.inhibited_by(&target, &alerts, now);
            prop_assert_eq!(by.is_some(), naive(&rules, &all, &target, now));
            for alert in &all {
                inhibitor.remove(alert);
            }
            prop_assert!(inhibitor.sources.is_empty());
        }
    }
}
