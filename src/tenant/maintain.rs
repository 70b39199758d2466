//! What happens from time to time: alerts, silences and log entries that nobody needs are forgotten.

use std::{collections::BTreeSet, time::Duration};

use super::{Tenant, TenantEffect};
use crate::{labels::Fingerprint, storage::Key, time::Now};

/// A resolved alert stays at least this long, for those who look.
pub(super) const KEEP_RESOLVED: Duration = Duration::from_mins(15);

/// Alerts looked at in one step of the loop.
const ALERTS_PER_STEP: usize = 1000;

impl Tenant {
    /// Does one bounded step of whatever is due.
    pub(super) fn maintain(&mut self, now: Now) {
        if now.mono >= self.gc_due {
            self.gc_due = now.mono + self.settings.gc_interval;
            self.gc_cursor.get_or_insert(Fingerprint(0));
        }
        if let Some(cursor) = self.gc_cursor.take() {
            self.gc_cursor = self.collect_alerts(cursor, ALERTS_PER_STEP, now);
        }
        if now.mono >= self.maintenance_due {
            self.maintenance_due = now.mono + self.settings.maintenance_interval;
            self.collect_records(now);
            self.export();
        }
    }

    fn collect_records(&mut self, now: Now) {
        let tenant = self.settings.tenant.clone();
        let silences = self.silences.gc(now.wall);
        let mut records: Vec<_> = silences
            .iter()
            .map(|id| (Key::silence(&tenant, id), None))
            .collect();
        let alive: BTreeSet<_> = self
            .dispatcher
            .groups()
            .values()
            .map(|group| group.key.clone())
            .collect();
        let log = self.nflog.gc(now.wall, self.settings.retention, |key| {
            alive.contains(&key.group_key)
        });
        records.extend(
            log.removed
                .iter()
                .map(|key| (Key::nflog(&tenant, key), None)),
        );
        records.extend(log.renewed.iter().map(|entry| self.log_record(entry)));
        if !records.is_empty() {
            self.effects.push_back(TenantEffect::SaveDurably(records));
        }
    }
}
