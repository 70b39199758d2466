//! Notifications that wait for their turn.

use std::{sync::Arc, time::Duration};

use super::{
    FRESH, PER_STEP, RANK_DELAY,
    recheck::Recheck,
    state::{Pending, PendingState},
};
use crate::{
    dispatch::GroupId,
    nflog::LogKey,
    notify::{claims::Terms, decide::Plan},
    tenant::Tenant,
    time::Now,
};

/// A claim that failed is tried again after this, by whoever ranks first.
const AGAIN: Duration = Duration::from_millis(200);

impl Tenant {
    /// Puts a notification in the line of this node and the others.
    pub(in crate::tenant) fn begin_handover(
        &mut self,
        group: GroupId,
        plan: Plan,
        deadline: Duration,
        now: Now,
    ) {
        if self.stopping {
            self.notification_ended(group, true, now);
            return;
        }
        let at = now.mono + self.delay(group, &plan);
        let first = self.goes_first(group, &plan);
        let Some(handover) = &mut self.handover else {
            return;
        };
        let id = handover.add(Pending {
            group,
            plan,
            deadline,
            decided: now.mono,
            asked: now.mono,
            since: now.mono,
            first,
            takeover: None,
            state: PendingState::Watching(at),
            before: Vec::new(),
        });
        if at <= now.mono {
            self.try_claim(id, now);
        }
    }

    /// Does what is due, in bounded steps.
    pub(in crate::tenant) fn poll_handover(&mut self, now: Now) {
        self.end_told(now);
        self.rank_anew(now);
        self.give_up_held_back(now);
        for _ in 0..PER_STEP {
            let Some(handover) = &mut self.handover else {
                return;
            };
            let first = handover.timers.first().copied();
            let Some((_, id)) = first.filter(|(at, _)| *at <= now.mono) else {
                break;
            };
            let Some(pending) = handover.pending.get(&id) else {
                handover.timers.pop_first();
                continue;
            };
            if now.mono >= pending.deadline {
                let key = pending.plan.key.clone();
                if handover.asking.get(&key) == Some(&id) {
                    self.give_up_claim(&key, false, now);
                }
                self.end_pending(id, true, now);
            } else {
                self.try_claim(id, now);
            }
        }
        if let Some(handover) = &mut self.handover {
            if handover
                .claims
                .next_due()
                .is_some_and(|due| due <= now.mono)
            {
                handover.claims.handle_timeout(&self.nflog, now.mono);
            }
            self.send_claims(now);
            self.take_claim_events(now);
        }
    }

    fn delay(&self, group: GroupId, plan: &Plan) -> Duration {
        RANK_DELAY
            * u32::try_from(self.rank_of(group, plan))
                .unwrap_or(u32::MAX)
                .min(100)
    }

    fn delay_of(&self, id: u64) -> Duration {
        let pending = self
            .handover
            .as_ref()
            .and_then(|handover| handover.pending.get(&id));
        pending.map_or(Duration::ZERO, |pending| {
            self.delay(pending.group, &pending.plan)
        })
    }

    /// Claims a notification, unless somebody told it, holds it, or it must be decided anew.
    fn try_claim(&mut self, id: u64, now: Now) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        let Some(pending) = handover.pending.get(&id) else {
            return;
        };
        let key = pending.plan.key.clone();
        if self
            .nflog
            .get(&key)
            .is_some_and(|entry| entry.seq >= pending.seq())
        {
            self.end_told_of(&key, now);
            return;
        }
        let wait = if handover.asking.contains_key(&key) || handover.claimed.contains_key(&key) {
            Some(now.mono + FRESH)
        } else {
            handover.claims.held_until(&key, now.mono)
        };
        let group = pending.group;
        // It may have been decided before the last word on this was known here.
        let last = self.nflog.get(&key);
        let old = now.mono > pending.decided + FRESH
            || last.is_some_and(|last| last.seq + 1 != pending.seq());
        if let Some(until) = wait {
            // In order, so that those who wait for the same end do not hinder each other.
            let delay = self.delay_of(id);
            if let Some(handover) = &mut self.handover {
                handover.set_state(id, PendingState::Watching(until + delay));
            }
            return;
        }
        if !old {
            self.claim(id, now);
            return;
        }
        if let Some(handover) = &mut self.handover {
            handover.set_state(id, PendingState::Checking { held: false });
        }
        if !self.recheck(Recheck::Pending(id), group, &key, now) {
            self.end_pending(id, false, now);
        }
    }

    /// Asks the voters.
    pub(super) fn claim(&mut self, id: u64, now: Now) {
        let order = self.order_of(id);
        let Some(handover) = &mut self.handover else {
            return;
        };
        let Some(pending) = handover.pending.get_mut(&id) else {
            return;
        };
        pending.asked = now.mono;
        let plan = &pending.plan;
        let delivery = plan
            .integration
            .as_ref()
            .map(|integration| integration.delivery);
        let key = plan.key.clone();
        let order = RANK_DELAY * u32::try_from(order).unwrap_or(u32::MAX).min(100);
        let terms = Terms {
            order,
            idempotency_key: plan
                .data
                .as_ref()
                .map(|data| Arc::clone(&data.idempotency_key))
                .unwrap_or_default(),
            // What is only logged does no harm twice.
            idempotent: plan.data.is_none() || delivery.is_some_and(|delivery| delivery.idempotent),
            drops: plan.data.is_some() && delivery.is_some_and(|delivery| delivery.drops()),
            minority_delay: delivery
                .and_then(|delivery| delivery.minority_delay)
                .or(handover.minority_delay),
        };
        let seq = pending.seq();
        handover.set_state(id, PendingState::Claiming);
        handover.asking.insert(key.clone(), id);
        handover
            .claims
            .claim(&key, seq, terms, &self.nflog, now.mono);
        self.stats.claims.asked += 1;
        self.send_claims(now);
    }

    /// A claim failed: others have it, or nobody.
    pub(super) fn claim_lost(&mut self, id: u64, now: Now) {
        let Some(handover) = &self.handover else {
            return;
        };
        let Some(pending) = handover.pending.get(&id) else {
            return;
        };
        let key = &pending.plan.key;
        let held = handover.claims.held_until(key, now.mono);
        let at = match held {
            Some(until) => until,
            None => now.mono + AGAIN + self.delay(pending.group, &pending.plan),
        };
        if let Some(handover) = &mut self.handover {
            handover.set_state(id, PendingState::Watching(at));
        }
    }

    /// Ends what other nodes told, a portion at a time.
    fn end_told(&mut self, now: Now) {
        for _ in 0..PER_STEP {
            let told = self
                .handover
                .as_mut()
                .and_then(|handover| handover.told.pop_first());
            let Some(key) = told else { return };
            self.end_told_of(&key, now);
        }
    }

    /// Ends what another node told of a key.
    fn end_told_of(&mut self, key: &LogKey, now: Now) {
        let Some(entry) = self.nflog.get(key).cloned() else {
            return;
        };
        let waiting = self.handover.as_ref();
        let waiting = waiting.map_or_else(Vec::new, |handover| handover.with_key(key));
        for id in waiting {
            let Some(handover) = &mut self.handover else {
                return;
            };
            let pending = handover.pending.get(&id);
            let Some(pending) = pending.filter(|pending| entry.seq >= pending.seq()) else {
                continue;
            };
            let group = pending.group;
            if handover.asking.get(key) == Some(&id) {
                self.give_up_claim(key, false, now);
            }
            self.keep_untold(group, &entry);
            self.end_pending(id, false, now);
        }
    }

    /// Ranks those that watch after nodes came or went, a portion at a time.
    fn rank_anew(&mut self, now: Now) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        for id in handover.next_to_rank(PER_STEP) {
            self.rank_one(id, now);
        }
    }

    /// Ranks one that watches.
    pub(super) fn rank_one(&mut self, id: u64, now: Now) {
        let Some(handover) = &self.handover else {
            return;
        };
        let Some(pending) = handover.pending.get(&id) else {
            return;
        };
        let PendingState::Watching(before) = pending.state else {
            return;
        };
        let delay = self.delay(pending.group, &pending.plan);
        let held = handover.claims.held_until(&pending.plan.key, now.mono);
        let at = match held {
            Some(until) => until + delay,
            None if pending.since + delay > now.mono => pending.since + delay,
            // Its turn was before; others may have the same thought now, so in order again.
            None => (now.mono + delay).min(before.max(now.mono)),
        };
        if let Some(handover) = &mut self.handover {
            handover.set_state(id, PendingState::Watching(at));
        }
    }

    /// Ends a notification that this node does not send.
    pub(super) fn end_pending(&mut self, id: u64, failed: bool, now: Now) {
        let removed = self
            .handover
            .as_mut()
            .and_then(|handover| handover.remove(id));
        if let Some(pending) = removed {
            self.notification_ended(pending.group, failed, now);
        }
    }

    /// Gives everything up that is not being sent: the node stops.
    pub(in crate::tenant) fn stop_handover(&mut self, now: Now) {
        self.tell_facts();
        let ids = self
            .handover
            .iter()
            .flat_map(|handover| handover.pending.keys());
        let ids: Vec<u64> = ids.copied().collect();
        for id in ids {
            let Some(handover) = &mut self.handover else {
                return;
            };
            let Some(pending) = handover.pending.get(&id) else {
                continue;
            };
            let key = pending.plan.key.clone();
            if handover.asking.get(&key) == Some(&id) {
                self.give_up_claim(&key, false, now);
            }
            self.end_pending(id, true, now);
        }
    }
}
