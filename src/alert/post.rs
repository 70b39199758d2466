//! An alert as a client posts it, and how it becomes complete and valid (`api/v2/api.go` `postAlertsHandler`,
//! `alert/alert.go` `Validate`).

use std::{sync::Arc, time::Duration};

use super::{Alert, AlertStatus};
use crate::{
    labels::{LabelSet, MatcherMode, go_quote, is_valid_label_name},
    time::Timestamp,
};

/// One element of the body of `POST /api/v2/alerts`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostedAlert {
    /// As posted; labels with an empty value are still among them.
    pub labels: LabelSet,
    /// As posted.
    pub annotations: LabelSet,
    /// Where it comes from; empty if not given.
    pub generator_url: Arc<str>,
    /// `Timestamp::ZERO` if not given.
    pub starts_at: Timestamp,
    /// `Timestamp::ZERO` if not given.
    pub ends_at: Timestamp,
}

/// A posted alert breaks a rule; the texts are Alertmanager's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidAlert {
    /// It would end before it starts.
    #[error("start time must be before end time")]
    EndsBeforeStart,
    /// It has no label with a value.
    #[error("at least one label pair required")]
    NoLabels,
    /// A label cannot have this name.
    #[error("invalid label set: invalid name {}", go_quote(.0))]
    LabelName(String),
    /// An annotation cannot have this name.
    #[error("invalid annotations: invalid name {}", go_quote(.0))]
    AnnotationName(String),
}

impl PostedAlert {
    /// Whether it counts as firing or as resolved when it arrives at `now`; upstream counts before it validates.
    #[must_use]
    pub fn status_at(&self, now: Timestamp, resolve_timeout: Duration) -> AlertStatus {
        if self.end(now, resolve_timeout) > now {
            AlertStatus::Firing
        } else {
            AlertStatus::Resolved
        }
    }

    /// Completes the times, drops labels without a value, and checks the rest.
    ///
    /// # Errors
    /// With the first rule that it breaks.
    pub fn into_alert(
        self,
        now: Timestamp,
        resolve_timeout: Duration,
        mode: MatcherMode,
    ) -> Result<Alert, InvalidAlert> {
        let starts_at = match (self.starts_at.is_zero(), self.ends_at.is_zero()) {
            (false, _) => self.starts_at,
            (true, true) => now,
            (true, false) => self.ends_at,
        };
        let ends_at = self.end(now, resolve_timeout);
        if ends_at < starts_at {
            return Err(InvalidAlert::EndsBeforeStart);
        }
        let labels = without_empty(self.labels);
        if labels.is_empty() {
            return Err(InvalidAlert::NoLabels);
        }
        if let Some(name) = invalid_name(&labels, mode) {
            return Err(InvalidAlert::LabelName(name));
        }
        if let Some(name) = invalid_name(&self.annotations, mode) {
            return Err(InvalidAlert::AnnotationName(name));
        }
        Ok(Alert {
            fingerprint: labels.fingerprint(),
            labels,
            annotations: self.annotations,
            generator_url: self.generator_url,
            starts_at,
            ends_at,
            updated_at: now,
            timeout: self.ends_at.is_zero(),
        })
    }

    fn end(&self, now: Timestamp, resolve_timeout: Duration) -> Timestamp {
        if self.ends_at.is_zero() {
            now.plus(resolve_timeout)
        } else {
            self.ends_at
        }
    }
}

fn without_empty(labels: LabelSet) -> LabelSet {
    if labels.iter().all(|(_, value)| !value.is_empty()) {
        return labels;
    }
    LabelSet::from_pairs(labels.iter().filter(|(_, value)| !value.is_empty()))
}

fn invalid_name(labels: &LabelSet, mode: MatcherMode) -> Option<String> {
    labels
        .iter()
        .find(|(name, _)| !is_valid_label_name(name, mode))
        .map(|(name, _)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(300);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds, 0)
    }

    fn posted(starts_at: Timestamp, ends_at: Timestamp) -> PostedAlert {
        PostedAlert {
            labels: LabelSet::from_pairs([("alertname", "A"), ("empty", "")]),
            annotations: LabelSet::from_pairs([("empty", "")]),
            generator_url: "".into(),
            starts_at,
            ends_at,
        }
    }

    #[test]
    fn times_are_completed() {
        let zero = Timestamp::ZERO;
        for (starts, ends, expect) in [
            (zero, zero, (at(1000), at(1300), true, AlertStatus::Firing)),
            (
                at(900),
                zero,
                (at(900), at(1300), true, AlertStatus::Firing),
            ),
            (
                zero,
                at(950),
                (at(950), at(950), false, AlertStatus::Resolved),
            ),
            (
                at(900),
                at(1000),
                (at(900), at(1000), false, AlertStatus::Resolved),
            ),
            (
                at(900),
                at(1001),
                (at(900), at(1001), false, AlertStatus::Firing),
            ),
        ] {
            let posted = posted(starts, ends);
            let status = posted.status_at(at(1000), TIMEOUT);
            let alert = posted
                .into_alert(at(1000), TIMEOUT, MatcherMode::Fallback)
                .unwrap();
            assert_eq!(
                (alert.starts_at, alert.ends_at, alert.timeout, status),
                expect
            );
            assert_eq!(alert.updated_at, at(1000));
        }
    }

    #[test]
    fn empty_labels_go_and_empty_annotations_stay() {
        let alert = posted(at(1), Timestamp::ZERO)
            .into_alert(at(1000), TIMEOUT, MatcherMode::Fallback)
            .unwrap();
        assert_eq!(alert.labels, LabelSet::from_pairs([("alertname", "A")]));
        assert_eq!(alert.annotations.get("empty"), Some(""));
        assert_eq!(alert.fingerprint, alert.labels.fingerprint());
    }

    #[test]
    fn rules_have_upstreams_words() {
        let check = |change: fn(&mut PostedAlert), mode, expect: &str| {
            let mut alert = posted(at(900), at(1000));
            change(&mut alert);
            let error = alert.into_alert(at(1000), TIMEOUT, mode).unwrap_err();
            assert_eq!(error.to_string(), expect);
        };
        let fallback = MatcherMode::Fallback;
        check(
            |alert| alert.ends_at = at(1),
            fallback,
            "start time must be before end time",
        );
        check(
            |alert| alert.labels = LabelSet::from_pairs([("a", "")]),
            fallback,
            "at least one label pair required",
        );
        check(
            |alert| alert.labels = LabelSet::from_pairs([("", "x")]),
            fallback,
            "invalid label set: invalid name \"\"",
        );
        check(
            |alert| alert.labels = LabelSet::from_pairs([("a b", "x")]),
            MatcherMode::Classic,
            "invalid label set: invalid name \"a b\"",
        );
        check(
            |alert| alert.annotations = LabelSet::from_pairs([("x\"y", "x")]),
            MatcherMode::Classic,
            "invalid annotations: invalid name \"x\\\"y\"",
        );
    }
}
