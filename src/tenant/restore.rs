//! How a restart continues from what was saved (`docs/architecture.md`, "Restart").

use std::{collections::HashMap, sync::Arc, time::Duration};

use super::{
    Tenant, TenantEffect,
    persist::{Saved, from_record, refresh_waits},
};
use crate::{
    alert::Alert,
    nflog::{Nflog, NflogEntry},
    notify::decide::was_told_firing,
    silence::Silence,
    storage::Heartbeat,
    time::{Now, Timestamp},
};

impl Tenant {
    /// Continues from what was saved (`docs/architecture.md`, "Restart").
    pub(super) fn restore(&mut self, saved: Saved, now: Now) {
        self.restore_records(saved.silences, saved.nflog, now);
        self.saved_promises = saved.promises;
        self.restore_rules(saved.rules, now);
        self.import(saved.imported_silences, saved.imported_nflog, now);
        let mut history = Vec::new();
        for (seq, entries) in saved.history {
            let last = entries
                .iter()
                .map(|entry| entry.id)
                .max()
                .unwrap_or_default();
            self.persistence.restore_history(seq, last);
            history.extend(entries);
        }
        self.history.restore(history);
        self.journal = saved.journal;
        let lived = self.last_sign_of_life(saved.heartbeat.as_ref(), &saved.alerts, now.wall);
        let wrote = self.signs_of_life(saved.heartbeat.as_ref(), &saved.alerts);
        // A clock that is behind says nothing of what began before: only what is later than all that is known is new.
        let wrote = wrote.max().unwrap_or(Timestamp::MAX);
        self.outage_began = lived;
        let outage = lived.filter(|_| !saved.without_grace);
        let outage = outage
            .map(|lived| now.wall.since(lived))
            .unwrap_or_default();
        let crashed = saved.heartbeat.as_ref().is_some_and(|last| !last.stopped);
        let said = LastSaid::since(&saved.alerts, &self.nflog, saved.heartbeat.as_ref());
        let mut corrected = 0_usize;
        for mut alert in saved.alerts {
            let end = alert.ends_at;
            let was_told = said.correct(&mut alert, self.config.resolve_timeout);
            corrected += usize::from(alert.ends_at != end);
            let unsaved = match crashed {
                true => refresh_waits(&alert, alert.updated_at),
                false => Duration::ZERO,
            };
            let alert = self.restore_alert(alert, lived, (outage, unsaved), now);
            if !was_told && !alert.is_resolved_at(now.wall) {
                self.unrefreshed.insert(alert.fingerprint, wrote);
            }
        }
        if corrected > 0 {
            tracing::warn!(
                alerts = corrected,
                "The last run ended before all alerts were on the disk: of these the notification log knows more, and is \
                 believed until their sources post them again"
            );
        }
        let schedules = saved
            .schedules
            .into_iter()
            .filter(|schedule| !schedule.gone)
            .map(from_record)
            .collect();
        let nflog = self.nflog.clone();
        let told_firing = |route: &crate::dispatch::RouteNode, key: &str, alert: &Alert| {
            let hash = alert.labels.log_hash();
            let mut entries = nflog
                .of_group(key)
                .filter(|entry| entry.key.receiver.group_name == route.receiver);
            entries.any(|entry| was_told_firing(entry, hash))
        };
        let alerts: Vec<_> = self.store.all().values().cloned().collect();
        self.dispatcher
            .restore(&alerts, schedules, told_firing, now);
    }

    /// When the node last lived: by its heartbeat, or by what it wrote after it. Anything later than the truth would take
    /// alerts that had ended for firing ones.
    fn last_sign_of_life(
        &self,
        heartbeat: Option<&Heartbeat>,
        alerts: &[Alert],
        now: Timestamp,
    ) -> Option<Timestamp> {
        // A heartbeat from the future says that the clock was set back: nobody knows how long the outage was.
        let ahead = heartbeat.is_some_and(|heartbeat| heartbeat.at > now);
        let signs = self.signs_of_life(heartbeat, alerts);
        let signs = signs.filter(|at| *at <= now);
        signs.chain(ahead.then_some(now)).max()
    }

    /// When the node lived, as it wrote by the clocks of then.
    fn signs_of_life(
        &self,
        heartbeat: Option<&Heartbeat>,
        alerts: &[Alert],
    ) -> impl Iterator<Item = Timestamp> {
        let told = self.nflog.iter().map(|entry| entry.timestamp);
        let posted = alerts.iter().map(|alert| alert.updated_at);
        let heartbeat = heartbeat.map(|heartbeat| heartbeat.at);
        heartbeat.into_iter().chain(told).chain(posted)
    }

    /// Puts a saved alert back. While the node was down it could not hear refreshes, so what fired then is given the time
    /// of the outage on top, and that for which a refresh may have waited to be saved when the node crashed: an outage must
    /// not invent resolves.
    fn restore_alert(
        &mut self,
        mut alert: Alert,
        lived: Option<Timestamp>,
        (outage, unsaved): (Duration, Duration),
        now: Now,
    ) -> Arc<Alert> {
        let fired = lived.is_some_and(|lived| !alert.is_resolved_at(lived));
        if fired && !outage.is_zero() {
            alert.ends_at = alert.ends_at.plus(outage).plus(unsaved);
            self.journal.mark_refreshed(alert.fingerprint);
            self.persistence.refresh_at_once(now);
        }
        let alert = Arc::new(alert);
        self.inhibitor.update(&alert, None);
        self.store.replace(Arc::clone(&alert));
        alert
    }

    fn restore_records(&mut self, silences: Vec<Silence>, nflog: Vec<NflogEntry>, now: Now) {
        self.silences.restore(silences, now.wall);
        for entry in nflog {
            self.nflog.merge(entry);
        }
    }

    /// Takes in the files of an Alertmanager that ran on this storage before.
    fn import(&mut self, silences: Vec<Silence>, nflog: Vec<NflogEntry>, now: Now) {
        let silences = self.silences.import(silences, now.wall);
        let mut records: Vec<_> = silences
            .iter()
            .map(|silence| self.silence_record(silence))
            .collect();
        for entry in nflog {
            if let Some(entry) = self.nflog.import(entry, now.wall) {
                records.push(self.log_record(&entry));
            }
        }
        if !records.is_empty() {
            tracing::info!(
                records = records.len(),
                "Imported silences and notification log of Alertmanager"
            );
            self.effects.push_back(TenantEffect::SaveDurably(records));
        }
    }
}

/// What the log says of alerts that were told after everything that the store knows of alerts.
///
/// The log is with the disk before anybody is told, alerts are written behind: what a power cut takes of them may be the
/// very change that was told. Without the log's word an alert that fires would be told as ended, or again as firing.
#[derive(Debug, Default)]
struct LastSaid {
    /// By `LabelSet::log_hash`: when, and whether it was told as firing.
    alerts: HashMap<u64, (Timestamp, bool)>,
}

/// How long a receiver may take for the log's word to be of the alert as it was then: its time is that of the answer.
const SENDING: Duration = Duration::from_secs(20);

impl LastSaid {
    fn since(alerts: &[Alert], log: &Nflog, heartbeat: Option<&Heartbeat>) -> Self {
        // A node that stopped wrote all that it knew.
        if heartbeat.is_some_and(|heartbeat| heartbeat.stopped) {
            return Self::default();
        }
        let written = alerts.iter().map(|alert| alert.updated_at);
        let written = written.chain(heartbeat.map(|heartbeat| heartbeat.at)).max();
        let mut said = Self::default();
        for entry in log.iter().filter(|entry| Some(entry.timestamp) > written) {
            let ended = entry.resolved.iter().map(|hash| (*hash, false));
            let firing = entry.firing.iter().map(|hash| (*hash, true));
            for (hash, fires) in ended.chain(firing) {
                let told = said.alerts.entry(hash).or_insert((entry.timestamp, fires));
                *told = (*told).max((entry.timestamp, fires));
            }
        }
        said
    }

    /// Tells whether the alert fires by the log's word only: when it began is lost, so no later beginning is news.
    fn correct(&self, alert: &mut Alert, resolve_timeout: Duration) -> bool {
        if self.alerts.is_empty() {
            return false;
        }
        let told = self.alerts.get(&alert.labels.log_hash());
        // What was posted while it was sent is not what was sent.
        match told.filter(|(at, _)| alert.updated_at.plus(SENDING) < *at) {
            Some((at, true)) if alert.is_resolved_at(*at) => {
                alert.starts_at = *at;
                alert.ends_at = at.plus(resolve_timeout);
                alert.timeout = true;
                return true;
            }
            Some((at, false)) if !alert.is_resolved_at(*at) => alert.ends_at = *at,
            Some(_) | None => {}
        }
        false
    }
}
