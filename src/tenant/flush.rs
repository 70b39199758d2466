//! Flushes: begun by a group's timer, decided on a worker, ended when every notification of them ended.

use std::sync::Arc;

use super::{Tenant, TenantEffect, TenantJob};
use crate::{
    dispatch::{GroupId, LastDecision},
    labels::Fingerprint,
    nflog::NflogStats,
    notify::decide::{FlushInput, FlushOutcome, Plan},
    time::{Now, Timestamp},
};

/// Flushes begun in one step of the loop.
const PER_STEP: usize = 64;

/// A flush whose notifications are under way.
#[derive(Debug)]
pub(super) struct RunningFlush {
    /// Notifications that have not ended.
    pub(super) open: usize,
    /// Whether one failed; its resolves are then told again.
    pub(super) failed: bool,
    told: Vec<(Fingerprint, Timestamp)>,
}

impl Tenant {
    /// Hands groups that are due to workers.
    pub(super) fn begin_flushes(&mut self, now: Now) {
        if now.mono < self.settings.start_delay {
            return;
        }
        for _ in 0..PER_STEP {
            let Some(group) = self.dispatcher.begin_flush(now) else {
                return;
            };
            let input = FlushInput {
                group,
                now,
                config: Arc::clone(&self.config),
                alerts: self.store.all().clone(),
                silences: self.silences.clone(),
                inhibitor: self.inhibitor.clone(),
                nflog: self.nflog.clone(),
                fixed: Arc::clone(&self.flush_settings),
            };
            self.effects
                .push_back(TenantEffect::Run(TenantJob::Decide(Box::new(input))));
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
        // The group's time for all of a flush (`dispatch.go`: the context of `aggrGroup.run`).
        let deadline = now.mono + interval.unwrap_or_default().max(super::deliver::LEAST_TIME);
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
            self.begin_delivery(group, plan, deadline, now);
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
        if let Some(flush) = self.flushes.remove(&group) {
            self.stats.flushes += 1;
            let told = if flush.failed {
                &[]
            } else {
                flush.told.as_slice()
            };
            self.dispatcher.end_flush(group, told, now);
        }
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
