//! Several notifications to one receiver as one message, when it may not be told as often as there is news.

use std::{collections::BTreeMap, sync::Arc};

use super::{NotificationData, key::digest_key};
use crate::labels::LabelSet;

/// More notifications than these are left to the next digest.
pub(super) const MAX_PARTS: usize = 200;

/// More alerts than these are left to the next digest.
pub(super) const MAX_ALERTS: usize = 20_000;

/// Makes one notification of several; the first stands for all where there can be only one.
///
/// Its group labels are those that all groups share, its labels of the route likewise. An alert that is in several
/// groups is told once, as the newest of them knows it.
pub(super) fn digest(parts: &[&NotificationData]) -> NotificationData {
    // The part that waited longest may know an alert as it was before.
    let mut newest = BTreeMap::new();
    for part in parts {
        for alert in &*part.alerts {
            let known = newest.entry(alert.fingerprint).or_insert((part.at, alert));
            if known.0 < part.at {
                *known = (part.at, alert);
            }
        }
    }
    let all = parts.iter().flat_map(|part| part.alerts.iter());
    let alerts = all
        .filter_map(|alert| newest.remove(&alert.fingerprint))
        .map(|(_, alert)| Arc::clone(alert))
        .collect();
    let first = parts[0];
    let others = &parts[1..];
    let shared = |name: &str, value: &str| {
        others
            .iter()
            .all(|part| part.group_labels.get(name) == Some(value))
    };
    let group_labels = first.group_labels.iter();
    let route_labels: BTreeMap<Arc<str>, Arc<str>> = first
        .route_labels
        .iter()
        .filter(|(name, value)| {
            let same = |part: &&NotificationData| part.route_labels.get(*name) == Some(*value);
            others.iter().all(same)
        })
        .map(|(name, value)| (Arc::clone(name), Arc::clone(value)))
        .collect();
    NotificationData {
        alerts,
        at: parts.iter().map(|part| part.at).max().unwrap_or(first.at),
        group_labels: LabelSet::from_pairs(
            group_labels.filter(|(name, value)| shared(name, value)),
        ),
        route_labels: Arc::new(route_labels),
        idempotency_key: digest_key(parts.iter().map(|part| &*part.idempotency_key)),
        groups: parts.iter().map(|part| part.groups).sum(),
        ..first.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{alert::Alert, notify::NotifyReason, time::Timestamp};

    fn part(group: &[(&str, &str)], key: &str, names: &[&str]) -> NotificationData {
        let alert = |name: &&str| {
            let labels = LabelSet::from_pairs([("alertname", *name)]);
            Arc::new(Alert {
                fingerprint: labels.fingerprint(),
                labels,
                annotations: LabelSet::default(),
                generator_url: "".into(),
                starts_at: Timestamp::from_unix(1, 0),
                ends_at: Timestamp::ZERO,
                updated_at: Timestamp::from_unix(1, 0),
                timeout: false,
            })
        };
        NotificationData {
            receiver: "team".into(),
            reason: NotifyReason::FirstNotification,
            alerts: names.iter().map(alert).collect(),
            at: Timestamp::from_unix(9, 0),
            group_labels: LabelSet::from_pairs(group.iter().copied()),
            route_labels: Arc::new(BTreeMap::from([("team".into(), key.into())])),
            problems: Arc::default(),
            external_url: "http://x".into(),
            group_key: key.into(),
            idempotency_key: key.into(),
            seq: 4,
            groups: 1,
        }
    }

    #[test]
    fn says_what_all_share_and_tells_each_alert_once() {
        let parts = [
            part(&[("job", "a"), ("zone", "1")], "k1", &["up", "slow"]),
            part(&[("job", "a"), ("zone", "2")], "k2", &["slow", "full"]),
        ];
        let digest = digest(&[&parts[0], &parts[1]]);
        assert_eq!(digest.groups, 2);
        assert_eq!(digest.group_labels, LabelSet::from_pairs([("job", "a")]));
        assert!(digest.route_labels.is_empty());
        let names: Vec<&str> = digest.alerts.iter().map(|alert| alert.name()).collect();
        assert_eq!(names, ["up", "slow", "full"]);
        assert_eq!(digest.idempotency_key.len(), 32);
        assert_ne!(
            digest.idempotency_key,
            super::digest(&[&parts[1], &parts[0]]).idempotency_key
        );
    }
    #[test]
    fn an_alert_that_ended_meanwhile_has_ended() {
        let before = part(&[], "k1", &["up"]);
        let mut after = part(&[], "k2", &["up"]);
        after.at = Timestamp::from_unix(20, 0);
        let mut ended = (*after.alerts[0]).clone();
        ended.ends_at = Timestamp::from_unix(15, 0);
        after.alerts = [Arc::new(ended)].into_iter().collect();
        for parts in [[&before, &after], [&after, &before]] {
            let digest = digest(&parts);
            assert_eq!(digest.alerts.len(), 1);
            assert!(digest.alerts[0].is_resolved_at(digest.at));
        }
    }
}
