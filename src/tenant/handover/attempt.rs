//! Attempts: held back until a majority knows that they begin, and what their ends mean for the claim.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{FRESH, PER_STEP, held_back::HeldBack, recheck::Recheck};
use crate::{
    nflog::LogKey,
    notify::{FailureReason, Verdict, decide::Plan, retry::Attempt},
    tenant::{Tenant, TenantEffect},
    time::Now,
};

/// After so many attempts in a row that could not reach the receiver another node tries.
const UNREACHABLE: u32 = 3;

const LOST: &str = "another node holds this notification now";
const SILENCED: &str = "nobody knows whether it was sent, and it is silenced now";
const UNACKNOWLEDGED: &str = "no majority of the nodes acknowledged in time that it is sent";

impl Tenant {
    /// Sends an attempt as soon as everything it tells of may be sent.
    pub(in crate::tenant) fn hold_back(&mut self, attempt: Attempt, now: Now) {
        if self.deliveries.is_unclear(attempt.attempt) && self.is_silenced(&attempt, now) {
            self.attempt_not_made(attempt.attempt, SILENCED, now);
            return;
        }
        let texts = Arc::clone(&self.config.texts);
        if self.handover.is_none() {
            self.effects
                .push_back(TenantEffect::Notify { attempt, texts });
            return;
        }
        let keys = self.deliveries.keys_of(attempt.attempt);
        let id = attempt.attempt;
        let again = self.needs_recheck(&keys, now);
        let missing: BTreeSet<LogKey> = keys.into_iter().map(|(key, _)| key).collect();
        let until = now.mono + attempt.timeout;
        let held = HeldBack::new(attempt, texts, missing, until);
        if let Some(handover) = &mut self.handover {
            handover.held_back.insert(held);
        }
        if let Some((group, key)) = again
            && self.recheck(Recheck::Attempt(id), group, &key, now)
        {
            return;
        }
        self.start_all(id, now);
    }

    /// Whether everything that an attempt tells of is silenced by now. Whoever may have been told is told the same again
    /// whatever changed since, but not that.
    fn is_silenced(&self, attempt: &Attempt, now: Now) -> bool {
        let mut silences = self.silences.matcher();
        let mut alerts = attempt.data.alerts.iter();
        alerts.all(|alert| !silences.mutes(&alert.labels, now.wall).is_empty())
    }

    /// What is told alone, was decided a while ago, and cannot have been taken yet, is decided anew.
    fn needs_recheck(
        &self,
        keys: &[(LogKey, crate::dispatch::GroupId)],
        now: Now,
    ) -> Option<(crate::dispatch::GroupId, LogKey)> {
        let [(key, group)] = keys else { return None };
        let claimed = self.handover.as_ref()?.claimed.get(key)?;
        let old = now.mono > claimed.decided + FRESH;
        (old && !claimed.ambiguous).then(|| (*group, key.clone()))
    }

    pub(super) fn attempt_rechecked(
        &mut self,
        id: u64,
        plan: Option<(Duration, Option<Plan>)>,
        now: Now,
    ) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        let Some(attempt) = handover.held_back.attempt_mut(id) else {
            return;
        };
        match plan {
            None => {}
            Some((_, None)) => {
                handover.held_back.remove(id);
                if let Some(delivery) = self.deliveries.withdraw(id) {
                    let plan = &delivery.plan;
                    self.keep_what_is_owed(delivery.group, plan, plan.entry.as_slice(), now);
                    self.give_up_claim(&plan.key, false, now);
                    self.notification_ended(delivery.group, false, now);
                }
                return;
            }
            Some((decided, Some(plan))) => {
                if let Some(claimed) = handover.claimed.get_mut(&plan.key) {
                    claimed.decided = decided;
                }
                if let Some(data) = &plan.data {
                    attempt.data = Arc::clone(data);
                    self.deliveries.replace_plan(id, plan);
                }
            }
        }
        self.start_all(id, now);
    }

    fn start_all(&mut self, id: u64, now: Now) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        let Some(held) = handover.held_back.get(id) else {
            return;
        };
        let missing = held.missing().clone();
        for (key, name) in self.deliveries.names_of(id) {
            if missing.contains(&key) {
                handover.claims.start(&key, &name, now.mono);
            }
        }
        self.send_claims(now);
        self.take_claim_events(now);
    }

    pub(super) fn start_acknowledged(&mut self, key: &LogKey) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        if let Some(held) = handover.held_back.acknowledged(key) {
            let HeldBack { attempt, texts, .. } = held;
            self.effects
                .push_back(TenantEffect::Notify { attempt, texts });
        }
    }

    /// The claim of something that was to be sent is lost: whoever has it sends it.
    pub(super) fn start_refused(&mut self, key: &LogKey, now: Now) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        handover.claimed.remove(key);
        if let Some(id) = handover.held_back.waiting_for(key) {
            handover.held_back.remove(id);
            self.attempt_not_made(id, LOST, now);
        }
        if let Some(delivery) = self.deliveries.give_back(key) {
            let deadline = delivery.deadline();
            self.begin_handover(delivery.group, delivery.plan, deadline, now);
        }
    }

    /// Ends attempts that could not begin before their time was up, a portion at a time.
    pub(super) fn give_up_held_back(&mut self, now: Now) {
        for _ in 0..PER_STEP {
            let Some(handover) = &mut self.handover else {
                return;
            };
            let Some(id) = handover.held_back.late(now.mono) else {
                return;
            };
            handover.held_back.remove(id);
            self.attempt_not_made(id, UNACKNOWLEDGED, now);
        }
    }

    fn attempt_not_made(&mut self, id: u64, why: &str, now: Now) {
        for (key, _) in self.deliveries.keys_of(id) {
            if let Some(handover) = &mut self.handover {
                let ambiguous = handover.claimed.get(&key).is_some_and(|c| c.ambiguous);
                if !ambiguous {
                    handover.claims.not_taken(&key);
                }
            }
        }
        let verdict = Verdict::Retry {
            after: None,
            reason: FailureReason::Other,
            error: why.to_owned(),
            ambiguous: false,
        };
        for ended in self.deliveries.finish(id, verdict, now) {
            self.delivery_ended(ended, now);
        }
    }

    /// Tells the voters what the end of an attempt means. Call before the delivery takes it in.
    pub(in crate::tenant) fn note_attempt(
        &mut self,
        attempt: u64,
        verdict: &Verdict,
        now: Now,
    ) -> Vec<LogKey> {
        let keys = self.deliveries.keys_of(attempt);
        let Some(handover) = &mut self.handover else {
            return Vec::new();
        };
        let mut unreachable = Vec::new();
        for (key, _) in keys {
            let Some(claimed) = handover.claimed.get_mut(&key) else {
                continue;
            };
            match verdict {
                Verdict::Sent(_) => {}
                Verdict::Retry {
                    ambiguous: true, ..
                } => claimed.ambiguous = true,
                Verdict::Retry { reason, .. } | Verdict::Permanent { reason, .. } => {
                    let connects = *reason != FailureReason::Other;
                    claimed.unreachable = if connects { 0 } else { claimed.unreachable + 1 };
                    if !claimed.ambiguous {
                        handover.claims.not_taken(&key);
                    }
                    if claimed.unreachable >= UNREACHABLE && !claimed.ambiguous {
                        unreachable.push(key);
                    }
                }
            }
        }
        self.send_claims(now);
        unreachable
    }

    /// Lets other nodes try what this one could not deliver, if there are any that did not.
    pub(in crate::tenant) fn pass_on(&mut self, keys: Vec<LogKey>, now: Now) {
        for key in keys {
            let Some((group, plan)) = self.deliveries.waiting_plan(&key) else {
                continue;
            };
            if !self.has_untried(group, plan) {
                continue;
            }
            let Some(delivery) = self.deliveries.give_back(&key) else {
                continue;
            };
            tracing::warn!(
                receiver = %key.receiver, aggrGroup = %key.group_key, err = delivery.last_error,
                "The receiver cannot be reached from here; another node tries"
            );
            self.give_up_claim(&key, true, now);
            let deadline = delivery.deadline();
            self.begin_handover(delivery.group, delivery.plan, deadline, now);
        }
    }
}
