//! Refreshes of alerts that still fire: told in batches, and only if no other node tells the same or something newer.

use std::{collections::VecDeque, time::Duration};

use imbl::OrdMap;

use super::version::AlertVersion;
use crate::{alert::Alert, labels::Fingerprint, time::Now};

/// The longest that a refresh waits.
const WITHIN: Duration = Duration::from_secs(30);
/// Refreshes in one batch: about 50 bytes each.
pub(super) const PER_BATCH: usize = 1000;

/// Alerts that were refreshed here since the others were last told.
#[derive(Debug, Default)]
pub(super) struct Refreshes {
    /// What the others know of each.
    told: OrdMap<Fingerprint, AlertVersion>,
    order: VecDeque<Fingerprint>,
    due: Option<Duration>,
}

impl Refreshes {
    /// Takes in that an alert was refreshed; the others know it as it was before.
    pub(super) fn refreshed(&mut self, before: AlertVersion, alert: &Alert, now: Now) {
        if !self.told.contains_key(&alert.fingerprint) {
            self.told.insert(alert.fingerprint, before);
            self.order.push_back(alert.fingerprint);
        }
        let due = now.mono + WITHIN.min(alert.ends_at.since(now.wall) / 3);
        self.due = Some(self.due.map_or(due, |first| first.min(due)));
    }

    /// Has all of them told at once: whoever was cut off until now may hold an alert for over that was refreshed here.
    pub(super) fn hurry(&mut self, now: Now) {
        self.due = self.due.map(|_| now.mono);
    }

    /// Takes in that the others know an alert as it is, or that it is gone.
    pub(super) fn settled(&mut self, fingerprint: Fingerprint) {
        self.told.remove(&fingerprint);
    }

    /// Takes in what others know of an alert of which this node knows more.
    pub(super) fn heard(&mut self, fingerprint: Fingerprint, version: AlertVersion) {
        if let Some(told) = self.told.get_mut(&fingerprint) {
            *told = version.max(*told);
        }
    }

    /// What others know of the alerts of which this node knows more; cheap to clone.
    pub(super) fn told(&self) -> &OrdMap<Fingerprint, AlertVersion> {
        &self.told
    }

    /// Alerts of which this node knows more, and places in the order in which they are told.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.told.len(), self.order.len())
    }

    /// When the next batch is due.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Takes the next batch; empty if none is due.
    pub(super) fn take(&mut self, now: Now) -> Vec<Fingerprint> {
        let mut batch = Vec::new();
        if self.due.is_none_or(|due| due > now.mono) {
            return batch;
        }
        while batch.len() < PER_BATCH
            && let Some(fingerprint) = self.order.pop_front()
        {
            if self.told.remove(&fingerprint).is_some() {
                batch.push(fingerprint);
            }
        }
        if self.order.is_empty() {
            self.due = None;
        }
        batch
    }
}
