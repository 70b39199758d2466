//! Notifications: attempts out, verdicts in, then the log, the history and the counters.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{NotificationStats, Tenant};
use crate::{
    alert::AlertStatus,
    dispatch::GroupId,
    history::{HistoryEntry, MAX_FINGERPRINTS, Outcome},
    nflog::NflogEntry,
    notify::{
        Delivery, FailureReason, Receipt, Verdict,
        decide::Plan,
        retry::{Due, Ended},
    },
    time::Now,
};

/// A flush has at least this long, however short the group interval is.
pub(super) const LEAST_TIME: Duration = Duration::from_secs(10);

/// Freeing a notification of more alerts is left to a worker.
const LARGE: usize = 500;

/// Attempts begun in one step of the loop.
const PER_STEP: usize = 64;

impl Tenant {
    /// Begins a notification. What needs no sending (nothing fires and resolves are not sent, or the receiver has no
    /// integration) is logged at once.
    pub(super) fn begin_delivery(
        &mut self,
        group: GroupId,
        plan: Plan,
        deadline: Duration,
        now: Now,
    ) {
        if let Some(stats) = self.notification_stats(&plan) {
            stats.notifications += 1;
        }
        if plan.integration.is_some() && plan.data.is_some() {
            self.deliveries.begin(group, plan, deadline, now);
            return;
        }
        self.log_told(plan.entry.clone(), None, now);
        if plan.integration.is_none() {
            self.record(&plan, group, Outcome::Recorded, 0, "", now, now);
        }
        self.notification_ended(group, false, now);
    }

    /// Makes the attempts that are due and ends what ran out of time.
    pub(super) fn poll_deliveries(&mut self, now: Now) {
        for _ in 0..PER_STEP {
            match self.deliveries.poll(now) {
                None => return,
                Some(Due::Attempt(attempt)) => self.hold_back(attempt, now),
                Some(Due::Ended(ended)) => self.delivery_ended(*ended, now),
                Some(Due::Postponed) => {}
            }
        }
    }

    /// Takes in how an attempt ended.
    pub(super) fn attempt_ended(&mut self, attempt: u64, verdict: Verdict, now: Now) {
        let failed = !verdict.is_sent();
        if let Verdict::Retry {
            ambiguous: true, ..
        } = verdict
        {
            self.stats.ambiguous += 1;
        }
        if let Some((took, kind, receiver)) = self.deliveries.running_attempt(attempt, now) {
            self.stats
                .notifications
                .entry((kind, receiver))
                .or_default()
                .attempt(took, failed);
        }
        let unreachable = self.note_attempt(attempt, &verdict, now);
        let ended = self.deliveries.finish(attempt, verdict, now);
        for ended in ended {
            self.delivery_ended(ended, now);
        }
        self.pass_on(unreachable, now);
        // What the attempt told of as well may wait for another one now.
        if self.stopping {
            for ended in self.deliveries.cancel_waiting() {
                self.delivery_ended(ended, now);
            }
        }
    }

    /// Enters the end of a notification everywhere.
    pub(super) fn delivery_ended(&mut self, ended: Ended, now: Now) {
        let Ended { delivery, failure } = ended;
        let Delivery {
            group,
            plan,
            started,
            attempts,
            receipt,
            ambiguous,
            ..
        } = delivery;
        let failed = failure.is_some();
        let key = plan.key.clone();
        match failure {
            None => {
                let mut entry = plan.entry.clone();
                if let (Some(entry), Some(memory)) = (&mut entry, &receipt.memory) {
                    entry.receiver_data.clone_from(memory);
                }
                self.log_told(entry, plan.recognised_name(), now);
                let note = self.note(&plan, &receipt);
                self.record(&plan, group, Outcome::Sent, attempts, &note, started, now);
            }
            Some((reason, error)) => {
                if ambiguous && let Some(entry) = &plan.entry {
                    self.log_perhaps_told(entry, now);
                }
                if let Some(stats) = self.notification_stats(&plan) {
                    *stats.failed.entry(reason).or_default() += 1;
                }
                self.warn_failed(&plan, reason, &error, attempts);
                self.record(
                    &plan,
                    group,
                    Outcome::Failed,
                    attempts,
                    &error,
                    started,
                    now,
                );
            }
        }
        if failed {
            self.give_up_claim(&key, false, now);
        } else {
            self.finish_claim(&key, now);
        }
        if plan
            .data
            .as_ref()
            .is_some_and(|data| data.alerts.len() > LARGE)
        {
            self.discard(plan);
        }
        self.notification_ended(group, failed, now);
    }

    /// Counts and logs what is odd about a notification that was taken; returns the words for the history.
    fn note(&mut self, plan: &Plan, receipt: &Receipt) -> String {
        let problems = &receipt.template_problems;
        if let Some(stats) = self.notification_stats(plan) {
            stats.template_failures += u64::from(!problems.is_empty());
            stats.digested += u64::from(receipt.groups > 1);
            stats.template_problems.clone_from(problems);
        }
        let receiver = &plan.key.receiver;
        let integration = format_args!("{}[{}]", receiver.integration, receiver.index).to_string();
        if !problems.is_empty() {
            tracing::warn!(
                receiver = %receiver.group_name, integration,
                aggrGroup = %plan.key.group_key, err = problems,
                "A template failed, so the notification was sent in plain words; `watchfire check config` and \
                 `watchfire template render` show where"
            );
        } else if !receipt.note.is_empty() {
            tracing::warn!(
                receiver = %receiver.group_name, integration,
                aggrGroup = %plan.key.group_key, note = receipt.note,
                "A notification was taken, but not without a word"
            );
        }
        receipt.notes()
    }

    fn warn_failed(&self, plan: &Plan, reason: FailureReason, error: &str, attempts: u32) {
        tracing::error!(
            receiver = %plan.key.receiver.group_name,
            integration = %format_args!("{}[{}]", plan.key.receiver.integration, plan.key.receiver.index),
            aggrGroup = %plan.key.group_key,
            attempts,
            reason = reason.as_str(),
            err = error,
            "Notify for alerts failed; it is tried again at the next group interval"
        );
    }

    /// Enters what was told into the log, with the time at which sending ended, and by the name by which the receiver
    /// recognises it. Call while it is held.
    pub(super) fn log_told(&mut self, entry: Option<NflogEntry>, name: Option<Arc<str>>, now: Now) {
        let Some(mut entry) = entry else { return };
        if let Some(handover) = &self.handover {
            let teller = handover.claims.teller(&entry.key);
            entry.trail = entry.trail.with(teller, entry.seq, name.as_deref());
        }
        let expires_at = now.wall.plus(self.settings.retention);
        if let Some(entry) = self.nflog.log(NflogEntry {
            timestamp: now.wall,
            expires_at,
            ..entry
        }) {
            self.save_log_entry(&entry);
        }
    }

    /// Enters that the receiver may have been told although no answer came. What it may know to fire is told again, and its
    /// end even if that comes first; what it may know to be resolved is told again too, and if it fires anew before, that
    /// is news. The next notification has the same number, so that a receiver that knows it can tell.
    pub(super) fn log_perhaps_told(&mut self, entry: &NflogEntry, now: Now) {
        let before = self
            .nflog
            .get(&entry.key)
            .map(|before| NflogEntry::clone(before));
        if before
            .as_ref()
            .is_some_and(|before| before.seq >= entry.seq)
        {
            return;
        }
        let before = before.unwrap_or_else(|| NflogEntry {
            seq: entry.seq.saturating_sub(1),
            timestamp: now.wall,
            firing: Arc::default(),
            resolved: Arc::default(),
            held: Arc::default(),
            receiver_data: BTreeMap::new(),
            expires_at: now.wall.plus(self.settings.retention),
            ..entry.clone()
        });
        let perhaps = before.perhaps_told(entry);
        if perhaps == before {
            return;
        }
        let edit = before.edit + 1;
        if let Some(entry) = self.nflog.log(NflogEntry { edit, ..perhaps }) {
            self.save_log_entry(&entry);
        }
    }

    fn notification_stats(&mut self, plan: &Plan) -> Option<&mut NotificationStats> {
        let kind = plan.integration.as_ref()?.kind;
        let key = (kind, Arc::clone(&plan.key.receiver.group_name));
        Some(self.stats.notifications.entry(key).or_default())
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "a record is made of all that is known of a notification"
    )]
    pub(super) fn record(
        &mut self,
        plan: &Plan,
        group: GroupId,
        outcome: Outcome,
        attempts: u32,
        error: &str,
        started: Now,
        now: Now,
    ) {
        let Some(entry) = &plan.entry else { return };
        let receiver = &plan.key.receiver;
        let data = plan.data.as_deref();
        let group_labels = match (data, self.dispatcher.groups().get(&group)) {
            (Some(data), _) => data.group_labels.clone(),
            (None, group) => group.map(|group| group.labels.clone()).unwrap_or_default(),
        };
        let status = if entry.firing.is_empty() {
            AlertStatus::Resolved
        } else {
            AlertStatus::Firing
        };
        let alerts = data.map(|data| &*data.alerts).unwrap_or_default();
        let recorded = self.history.push(HistoryEntry {
            id: 0,
            tenant: Arc::clone(&self.settings.tenant),
            at: now.wall,
            receiver: Arc::clone(&receiver.group_name),
            integration: Arc::clone(&receiver.integration),
            index: receiver.index,
            group_key: Arc::clone(&plan.key.group_key),
            group_labels,
            status: status.as_str().into(),
            reason: plan
                .decision
                .as_ref()
                .map(|reason| reason.as_str())
                .unwrap_or_default()
                .into(),
            outcome,
            attempts,
            error: error.into(),
            duration: now.mono.saturating_sub(started.mono),
            firing: entry.firing.len() as u64,
            resolved: entry.resolved.len() as u64,
            fingerprints: alerts
                .iter()
                .take(MAX_FINGERPRINTS)
                .map(|alert| alert.fingerprint)
                .collect(),
            node: Arc::clone(&self.settings.node),
            seq: entry.seq,
            idempotency_key: data
                .map(|data| Arc::clone(&data.idempotency_key))
                .unwrap_or_default(),
        });
        self.tell_history(&recorded);
        let oldest = self.oldest_history();
        self.persistence.history(recorded, oldest, now);
    }
}
