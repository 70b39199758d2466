//! What happens from time to time: alerts, silences and log entries that nobody needs are forgotten.

use std::{sync::Arc, time::Duration};

use super::{Record, Tenant, TenantEffect, TenantJob};
use crate::{labels::Fingerprint, nflog::LogKey, silence::MadeIndex, storage::Key, time::Now};

/// A resolved alert stays at least this long, for those who look.
pub(super) const KEEP_RESOLVED: Duration = Duration::from_mins(15);

/// Alerts looked at in one step of the loop.
const ALERTS_PER_STEP: usize = 1000;

/// Log entries looked at in one step of the loop.
const ENTRIES_PER_STEP: usize = 500;

/// Silences forgotten in one step of the loop.
const SILENCES_PER_STEP: usize = 100;

impl Tenant {
    /// Does one bounded step of whatever is due.
    pub(super) fn maintain(&mut self, now: Now) {
        if now.mono >= self.gc_due {
            self.gc_due = now.mono + self.settings.gc_interval;
            self.gc_cursor.get_or_insert(Fingerprint(0));
            self.rules.cursor.get_or_insert(0);
            self.collect_claims(now);
        }
        if let Some(cursor) = self.gc_cursor.take() {
            self.gc_cursor = self.collect_alerts(cursor, ALERTS_PER_STEP, now);
        }
        self.collect_rules(now);
        if now.mono >= self.maintenance_due {
            self.maintenance_due = now.mono + self.settings.maintenance_interval;
            self.log_cursor.get_or_insert_with(LogKey::first);
            self.silences_over = true;
            self.export();
        }
        if self.silences_over {
            self.collect_silences(now);
        }
        if let Some(cursor) = self.log_cursor.take() {
            self.collect_log(&cursor, now);
        }
    }

    fn collect_silences(&mut self, now: Now) {
        let gone = self.silences.gc(SILENCES_PER_STEP, now.wall);
        self.silences_over = gone.len() == SILENCES_PER_STEP;
        let delete = |id: &Arc<str>| (Key::silence(&self.settings.tenant, id), None);
        self.save_all(gone.iter().map(delete).collect());
        self.index_silences(now);
    }

    /// Has a worker make an index of silences if it is time for one.
    pub(super) fn index_silences(&mut self, now: Now) {
        if let Some(job) = self.silences.index_job(now.wall) {
            self.effects
                .push_back(TenantEffect::Run(TenantJob::Index(Box::new(job))));
        }
    }

    /// Takes in the index that a worker made, or that it failed.
    pub(super) fn indexed(&mut self, made: Option<MadeIndex>, now: Now) {
        self.silences.take_index(made);
        self.index_silences(now);
    }

    fn collect_log(&mut self, from: &LogKey, now: Now) {
        let (dispatcher, retention) = (&self.dispatcher, self.settings.retention);
        let is_alive = |key: &LogKey| dispatcher.has_key(&key.group_key);
        let log = self
            .nflog
            .gc(from, ENTRIES_PER_STEP, now.wall, retention, is_alive);
        self.log_cursor = log.next;
        let delete = |key| (Key::nflog(&self.settings.tenant, key), None);
        let renewed = log.renewed.iter().map(|entry| self.log_record(entry));
        self.save_all(log.removed.iter().map(delete).chain(renewed).collect());
    }

    fn save_all(&mut self, records: Vec<Record>) {
        if !records.is_empty() {
            self.effects.push_back(TenantEffect::SaveDurably(records));
        }
    }
}
