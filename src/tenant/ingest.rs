//! Alerts in: merged into the store, offered to inhibition, put into their groups, marked for saving.

use std::sync::Arc;

use super::{Tenant, maintain::KEEP_RESOLVED, persist::is_refresh, replicate::counts_after};
use crate::{
    alert::{Alert, Put},
    labels::Fingerprint,
    time::{Now, Timestamp},
};

impl Tenant {
    /// Takes in one valid alert.
    pub fn post(&mut self, mut alert: Alert, now: Now) {
        self.stats.ingested += 1;
        if let Some(stored) = self.store.get(alert.fingerprint) {
            // What is told last holds everywhere, however far the clock is behind that of the node that was told before.
            let next = counts_after(stored, alert.is_resolved_at(now.wall));
            alert.updated_at = alert.updated_at.max(next);
        }
        let outage = self.unrefreshed.remove(&alert.fingerprint);
        let (alert, previous) = if self.is_new_incident(&alert, outage, now) {
            self.tell_again(&alert);
            let alert = Arc::new(alert);
            (Arc::clone(&alert), self.store.replace(alert))
        } else {
            // Until it is posted again, what the node has from its disk lasts as long as the outage may have hidden of it.
            match self.store.put(alert, outage.is_some(), now.wall) {
                Put::Stored {
                    alert,
                    previous,
                    evicted,
                } => {
                    if let Some(evicted) = evicted {
                        self.forget(&evicted, now);
                    }
                    (alert, previous)
                }
                Put::Limited { name } => {
                    tracing::warn!(
                        alertname = name,
                        limit = self.store.limit(),
                        "Alert dropped: --alerts.per-alertname-limit is reached for this alert name"
                    );
                    self.stats.count_limited(name);
                    return;
                }
            }
        };
        self.inhibitor.update(&alert, previous.as_deref());
        self.dispatcher.insert(&alert, now);
        self.mark_saved_later(&alert, previous.as_deref(), now);
        if outage.is_some() {
            // Or each crash would give it more time.
            self.persistence.refresh_soon(now);
        }
        match previous {
            Some(before) if is_refresh(&before, &alert, now.wall) => {
                self.tell_refresh(&before, outage, &alert, now);
            }
            Some(_) | None => self.tell_alert(&alert),
        }
    }

    /// Whether a post that fires is another incident than the stored alert of the same labels: it began after the node
    /// that has the alert from its disk had last been heard of, and nothing told of the end of the old one.
    fn is_new_incident(&self, alert: &Alert, outage: Option<Timestamp>, now: Now) -> bool {
        let outage = outage.is_some_and(|began| alert.starts_at > began);
        let stored = self.store.get(alert.fingerprint);
        let later = stored.is_some_and(|stored| alert.starts_at > stored.starts_at);
        outage && later && !alert.is_resolved_at(now.wall)
    }

    /// Has receivers that were told of an alert told again.
    fn tell_again(&mut self, alert: &Alert) {
        let hash = alert.labels.log_hash();
        let tree = Arc::clone(self.dispatcher.tree());
        for route in tree.matching(&alert.labels) {
            let key = route.group_key(&route.group_labels(&alert.labels));
            for entry in self.nflog.tell_again(&key, hash) {
                self.save_log_entry(&entry);
            }
        }
    }

    /// Forgets up to `most` alerts after `cursor` that resolved long enough ago and that no group still has to tell.
    /// Returns where to go on.
    pub(super) fn collect_alerts(
        &mut self,
        cursor: Fingerprint,
        most: usize,
        now: Now,
    ) -> Option<Fingerprint> {
        let mut last = None;
        let mut gone = Vec::new();
        for (fingerprint, alert) in self.store.all().range(cursor..).take(most) {
            last = Some(*fingerprint);
            let old =
                alert.is_resolved_at(now.wall) && alert.ends_at.plus(KEEP_RESOLVED) <= now.wall;
            if old && !self.dispatcher.holds(alert) {
                gone.push(Arc::clone(alert));
            }
        }
        for alert in gone {
            self.store.remove(alert.fingerprint);
            self.forget(&alert, now);
        }
        last.and_then(|last| last.0.checked_add(1)).map(Fingerprint)
    }

    /// Takes note that the store has an alert no more.
    fn forget(&mut self, alert: &Alert, now: Now) {
        self.inhibitor.remove(alert);
        self.journal.mark_removed(alert.fingerprint);
        self.unrefreshed.remove(&alert.fingerprint);
        self.settle_refresh(alert.fingerprint);
        self.persistence.changed(now);
    }
}
