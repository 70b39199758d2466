//! Deciding anew, on a worker: what was to be told may be told, silenced or over by now.

use std::{sync::Arc, time::Duration};

use super::state::PendingState;
use crate::{
    config::Config,
    dispatch::GroupId,
    nflog::{LogKey, NflogEntry},
    notify::decide::{FlushInput, Plan},
    tenant::{Tenant, TenantEffect, TenantJob},
    time::Now,
};

/// What is decided anew.
#[derive(Debug)]
pub struct RecheckInput {
    pub(super) what: Recheck,
    pub(super) key: LogKey,
    pub(super) flush: FlushInput,
}

/// For whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recheck {
    /// A notification that is not handed to its receiver yet.
    Pending(u64),
    /// An attempt that is held back.
    Attempt(u64),
}

/// What came of it.
#[derive(Debug)]
pub struct RecheckOutcome {
    pub(super) what: Recheck,
    pub(super) decided: Duration,
    pub(super) config: Arc<Config>,
    /// `None` if there is nothing to tell any more.
    pub(super) plan: Option<Plan>,
}

impl RecheckOutcome {
    /// For whom it is.
    #[must_use]
    pub fn what(&self) -> Recheck {
        self.what
    }
}

impl RecheckInput {
    /// For whom it is.
    #[must_use]
    pub fn what(&self) -> Recheck {
        self.what
    }

    /// Decides.
    #[must_use]
    pub fn run(self) -> RecheckOutcome {
        let plans = self.flush.decide().plans;
        let same = plans.into_iter().find(|plan| plan.key == self.key);
        RecheckOutcome {
            what: self.what,
            decided: self.flush.now.mono,
            config: self.flush.config,
            plan: same.filter(|plan| plan.decision.is_ok()),
        }
    }
}

impl Tenant {
    /// Has a worker decide anew; `false` if the group is gone.
    pub(super) fn recheck(
        &mut self,
        what: Recheck,
        group: GroupId,
        key: &LogKey,
        now: Now,
    ) -> bool {
        let Some(group) = self.dispatcher.groups().get(&group).cloned() else {
            return false;
        };
        let input = RecheckInput {
            what,
            key: key.clone(),
            flush: self.flush_input(group, now),
        };
        self.effects
            .push_back(TenantEffect::Run(TenantJob::Recheck(Box::new(input))));
        true
    }

    /// Takes in what a worker decided anew; `None` if it has a bug: then nothing changed.
    pub(in crate::tenant) fn rechecked(
        &mut self,
        what: Recheck,
        outcome: Option<RecheckOutcome>,
        now: Now,
    ) {
        let plan = match outcome {
            None => None,
            Some(outcome) if !Arc::ptr_eq(&outcome.config, &self.config) => {
                // Another configuration came into force meanwhile.
                match self.recheck_target(what) {
                    Some((group, key)) if self.recheck(what, group, &key, now) => return,
                    Some(_) | None => Some((now.mono, None)),
                }
            }
            Some(outcome) => Some((outcome.decided, outcome.plan)),
        };
        match what {
            Recheck::Pending(id) => self.pending_rechecked(id, plan, now),
            Recheck::Attempt(attempt) => self.attempt_rechecked(attempt, plan, now),
        }
    }

    fn recheck_target(&self, what: Recheck) -> Option<(GroupId, LogKey)> {
        match what {
            Recheck::Pending(id) => {
                let pending = self.handover.as_ref()?.pending.get(&id)?;
                Some((pending.group, pending.plan.key.clone()))
            }
            Recheck::Attempt(attempt) => {
                let mut keys = self.deliveries.keys_of(attempt).into_iter();
                keys.next().map(|(key, group)| (group, key))
            }
        }
    }

    /// Before a notification ends without being told: what somebody may have told, and what is still owed, stays known.
    pub(super) fn keep_what_is_owed(
        &mut self,
        group: GroupId,
        plan: &Plan,
        entries: &[NflogEntry],
        now: Now,
    ) {
        let key = &plan.key;
        let delivery = plan.integration.as_ref().map(|it| it.delivery);
        let idempotent = delivery.is_some_and(|delivery| delivery.idempotent);
        for entry in entries {
            let claims = self.handover.as_ref().map(|handover| &handover.claims);
            let seq = entry.seq;
            if claims.is_some_and(|claims| claims.may_have_been_sent(key, seq, idempotent)) {
                self.log_perhaps_told(entry, now);
            }
        }
        if let Some(entry) = self.nflog.get(key).cloned() {
            self.keep_untold(group, &entry);
        }
    }

    fn pending_rechecked(&mut self, id: u64, plan: Option<(Duration, Option<Plan>)>, now: Now) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        let Some(pending) = handover.pending.get_mut(&id) else {
            return;
        };
        let PendingState::Checking { held } = pending.state else {
            return;
        };
        match plan {
            Some((_, None)) => {
                let Some(pending) = handover.remove(id) else {
                    return;
                };
                let (key, group) = (pending.plan.key.clone(), pending.group);
                let entries: Vec<_> = pending.decided_entries().cloned().collect();
                self.keep_what_is_owed(group, &pending.plan, &entries, now);
                if held {
                    self.give_up_claim(&key, false, now);
                }
                self.notification_ended(group, false, now);
                return;
            }
            Some((decided, Some(plan))) => {
                pending.decide(plan, decided);
            }
            None => pending.decided = now.mono,
        }
        if held {
            self.hand_to_receiver(id, now);
        } else {
            self.claim(id, now);
        }
    }
}
