//! Walks many alerts without waiting for memory once per alert.
//!
//! 100,000 alerts do not fit into a processor's cache, and reading them in order is mostly waiting. A batch is gone through
//! beforehand, so that its reads wait together: first for the alerts, then for their texts.

use std::{hint::black_box, sync::Arc};

use crate::alert::Alert;

/// Alerts whose reads wait together; their texts stay in the first-level caches until they are used.
const BATCH: usize = 64;

/// The same alerts, each on its way from memory before it comes.
pub(super) fn warmed<'v>(
    alerts: impl Iterator<Item = &'v Arc<Alert>>,
) -> impl Iterator<Item = &'v Arc<Alert>> {
    warmed_by(alerts, |alert| {
        alert.labels.touch() + alert.annotations.touch()
    })
}

/// The same for those who only look at labels.
pub(super) fn with_warm_labels<'v>(
    alerts: impl Iterator<Item = &'v Arc<Alert>>,
) -> impl Iterator<Item = &'v Arc<Alert>> {
    warmed_by(alerts, |alert| alert.labels.touch())
}

fn warmed_by<'v>(
    mut alerts: impl Iterator<Item = &'v Arc<Alert>>,
    touch: impl Fn(&Alert) -> usize,
) -> impl Iterator<Item = &'v Arc<Alert>> {
    let mut batch = Vec::new().into_iter();
    std::iter::from_fn(move || {
        if let Some(alert) = batch.next() {
            return Some(alert);
        }
        let next: Vec<_> = alerts.by_ref().take(BATCH).collect();
        black_box(next.iter().map(|alert| touch(alert)).sum::<usize>());
        batch = next.into_iter();
        batch.next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        labels::{Fingerprint, LabelSet},
        time::Timestamp,
    };

    #[test]
    fn every_alert_comes_once_and_in_order() {
        let alert = |i| {
            Arc::new(Alert {
                labels: LabelSet::empty(),
                annotations: LabelSet::empty(),
                generator_url: "".into(),
                starts_at: Timestamp::EPOCH,
                ends_at: Timestamp::EPOCH,
                updated_at: Timestamp::EPOCH,
                timeout: false,
                fingerprint: Fingerprint(i),
            })
        };
        for count in [0, 1, 63, 64, 65, 200] {
            let alerts: Vec<_> = (0..count).map(alert).collect();
            assert!(warmed(alerts.iter()).eq(alerts.iter()), "{count}");
            let labels = with_warm_labels(alerts.iter());
            assert!(labels.eq(alerts.iter()), "{count}");
        }
    }
}
