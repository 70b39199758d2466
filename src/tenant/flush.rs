//! Flushes: begun by a group's timer, decided on a worker, ended when every notification of them ended.

use std::sync::Arc;

use super::{Tenant, TenantEffect, TenantJob};
use crate::{
    alert::Alert,
    dispatch::{Group, GroupId, LastDecision},
    nflog::{NflogEntry, NflogStats},
    notify::decide::{FlushInput, FlushOutcome, Plan, was_told_firing},
    time::{Now, Timestamp},
};

/// Flushes begun in one step of the loop.
const PER_STEP: usize = 64;

/// Alerts that leave their groups in one step of the loop.
const TOLD_PER_STEP: usize = 500;

/// A flush whose notifications are under way.
#[derive(Debug)]
pub(super) struct RunningFlush {
    /// Notifications that have not ended.
    pub(super) open: usize,
    /// Whether one failed; its resolves are then told again.
    pub(super) failed: bool,
    told: Vec<Arc<Alert>>,
}

impl Tenant {
    /// Hands groups that are due to workers.
    pub(super) fn begin_flushes(&mut self, now: Now) {
        if now.mono < self.settings.start_delay || !self.is_ready() {
            return;
        }
        for group in self.dispatcher.begin_flushes(PER_STEP, now) {
            self.tell_schedule(group.id, now);
            let input = self.flush_input(group, now);
            self.effects
                .push_back(TenantEffect::Run(TenantJob::Decide(Box::new(input))));
        }
    }

    /// Everything that bears on a flush of a group, now.
    pub(super) fn flush_input(&self, group: Arc<Group>, now: Now) -> FlushInput {
        FlushInput {
            group,
            now,
            config: Arc::clone(&self.config),
            alerts: self.store.all().clone(),
            silences: self.silences.clone(),
            inhibitor: self.inhibitor.clone(),
            nflog: self.nflog.clone(),
            fixed: Arc::clone(&self.flush_settings),
        }
    }

    /// Keeps the resolves of a flush that another node ended without telling them.
    pub(super) fn keep_untold(&mut self, group: GroupId, entry: &NflogEntry) {
        if let Some(flush) = self.flushes.get_mut(&group) {
            let told = |alert: &Arc<Alert>| !was_told_firing(entry, alert.labels.log_hash());
            flush.told.retain(told);
        }
    }

    /// Begins the notifications that a flush decided on.
    pub(super) fn flush_decided(&mut self, outcome: FlushOutcome, now: Now) {
        let FlushOutcome {
            group,
            muted_by,
            suppressed,
            silence_stats,
            plans,
            told,
            held,
        } = outcome;
        self.stats.add_suppressed(suppressed);
        self.silences.count(&silence_stats);
        let queries = plans
            .iter()
            .filter(|plan| plan.integration.is_some())
            .count() as u64;
        self.nflog.count(&NflogStats {
            queries,
            ..NflogStats::default()
        });
        let decisions = plans
            .iter()
            .map(|plan| last_decision(plan, now.wall))
            .collect();
        let mut interval = None;
        self.dispatcher.update(group, |group| {
            group.muted_by = muted_by;
            group.held = held;
            group.decisions = decisions;
            interval = Some(group.route.group_interval);
        });
        // The group's time for all of a flush (`dispatch.go`: the context of `aggrGroup.run`), and what slow voters add: with
        // a short interval none of its flushes would come to an end.
        let time = interval.unwrap_or_default().max(super::deliver::LEAST_TIME);
        let deadline = now.mono + time + self.slack(now);
        self.flushes.insert(
            group,
            RunningFlush {
                open: 1,
                failed: false,
                told,
            },
        );
        // The group may be gone with the route that made it; then nobody is to be told any more.
        let lives = interval.is_some();
        for mut plan in plans
            .into_iter()
            .filter(|plan| lives && plan.decision.is_ok())
        {
            if !self.still_configured(&mut plan) {
                continue;
            }
            if let Some(flush) = self.flushes.get_mut(&group) {
                flush.open += 1;
            }
            if self.handover.is_some() {
                self.begin_handover(group, plan, deadline, now);
            } else {
                self.begin_delivery(group, plan, deadline, now);
            }
        }
        self.notification_ended(group, false, now);
    }

    /// Counts a notification of a flush as ended, and the flush with the last of them.
    pub(super) fn notification_ended(&mut self, group: GroupId, failed: bool, now: Now) {
        let Some(flush) = self.flushes.get_mut(&group) else {
            return;
        };
        flush.failed |= failed;
        flush.open = flush.open.saturating_sub(1);
        if flush.open > 0 {
            return;
        }
        self.stats.flushes += 1;
        if flush.failed {
            flush.told.clear();
            if self.stopping {
                // The group is saved as being flushed, so that the next start begins with it.
                self.flushes.remove(&group);
                return;
            }
        }
        self.ending.push_back(group);
        self.end_flushes(now);
    }

    /// Takes one portion of the alerts that flushes told as resolved out of their groups.
    pub(super) fn end_flushes(&mut self, now: Now) {
        let mut room = TOLD_PER_STEP;
        while room > 0
            && let Some(group) = self.ending.front().copied()
        {
            let Some(flush) = self.flushes.get_mut(&group) else {
                self.ending.pop_front();
                continue;
            };
            let portion = flush.told.split_off(flush.told.len().saturating_sub(room));
            room = room.saturating_sub(portion.len().max(1));
            self.dispatcher.forget(group, &portion);
            if flush.told.is_empty() {
                self.ending.pop_front();
                self.flushes.remove(&group);
                self.dispatcher.end_flush(group, now);
                self.persistence.changed(now);
            }
        }
    }

    /// A worker failed to decide a flush: it is begun again with the next group interval.
    pub(super) fn flush_lost(&mut self, group: GroupId, now: Now) {
        self.dispatcher.end_flush(group, now);
    }
}

fn last_decision(plan: &Plan, at: Timestamp) -> LastDecision {
    let receiver = &plan.key.receiver;
    let reason = match &plan.decision {
        Ok(reason) => reason.as_str().to_owned(),
        Err(quiet) => quiet.describe(),
    };
    LastDecision {
        integration: format!("{}[{}]", receiver.integration, receiver.index).into(),
        at,
        notify: plan.decision.is_ok(),
        reason: reason.into(),
    }
}
