//! What becomes of claims, and what nodes say to each other about them.

use std::time::Duration;

use super::{
    CLAIM_PAYLOAD, FRESH,
    recheck::Recheck,
    state::{Claimed, Pending, PendingState},
};
use crate::{
    cluster::{Lane, NodeName},
    history::Outcome,
    nflog::LogKey,
    notify::claims::{ClaimEvent, ClaimMessage, ClaimOutput, Earlier},
    storage::Key,
    tenant::{Tenant, TenantEffect},
    time::Now,
};

/// Nobody begins to send what has less time than this until the next flush decides anew: how that ended would not be known.
const LEAST: Duration = Duration::from_millis(500);

/// Keys of which is known that nodes could not reach their receiver.
const MAX_UNREACHABLE: usize = 10_000;

impl Tenant {
    /// Hands out what claims want said and saved.
    pub(super) fn send_claims(&mut self, now: Now) {
        // An entry of the log travels before the word that it is done.
        self.tell_news();
        loop {
            let Some(handover) = &mut self.handover else {
                return;
            };
            let Some(output) = handover.claims.poll_output() else {
                return;
            };
            match output {
                ClaimOutput::Send { to, message } => self.say(&to, message, now),
                ClaimOutput::Save { key, promise, then } => {
                    let record = (Key::promise(&self.settings.tenant, &key), promise);
                    self.effects
                        .push_back(TenantEffect::SavePromise { record, then });
                }
            }
        }
    }

    /// A promise is durable, or the store does not take it: then it holds in memory, since paging goes on.
    pub fn promise_saved(&mut self, then: Option<(NodeName, ClaimMessage)>, now: Now) {
        if let Some((to, message)) = then {
            if let Some(handover) = &mut self.handover {
                handover.claims.saved(message.key());
            }
            self.say(&to, message, now);
            self.send_claims(now);
        }
    }

    fn say(&mut self, to: &NodeName, message: ClaimMessage, now: Now) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        if *to == handover.claims.quorum().me {
            handover.claims.handle(to, message, &self.nflog, now.mono);
            return;
        }
        let mut bytes = vec![CLAIM_PAYLOAD];
        bytes.extend(message.encode());
        let to = NodeName::clone(to);
        self.effects.push_back(TenantEffect::TellOne {
            to,
            lane: Lane::Urgent,
            bytes,
        });
    }

    /// Acts on what became of claims.
    pub(super) fn take_claim_events(&mut self, now: Now) {
        loop {
            let Some(handover) = &mut self.handover else {
                return;
            };
            let Some(event) = handover.claims.poll_event() else {
                return;
            };
            match event {
                ClaimEvent::Held {
                    key,
                    earlier,
                    minority,
                } => self.held(&key, earlier, minority, now),
                ClaimEvent::Started(key) => self.start_acknowledged(&key),
                ClaimEvent::Lost { key, again_in: _ } => {
                    self.stats.claims.lost += 1;
                    match handover.asking.remove(&key) {
                        Some(id) => self.claim_lost(id, now),
                        None => self.start_refused(&key, now),
                    }
                }
                ClaimEvent::Finished(_) => {}
                ClaimEvent::Reach => {
                    handover.rank_again();
                    self.tell_facts();
                }
                ClaimEvent::Freed {
                    key,
                    by,
                    seq: _,
                    unreachable,
                } => self.freed(key, by, unreachable, now),
            }
            self.send_claims(now);
        }
    }

    fn held(&mut self, key: &LogKey, earlier: Vec<Earlier>, minority: bool, now: Now) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        let Some(id) = handover.asking.get(key).copied() else {
            handover.claims.release(key, false);
            return;
        };
        let Some(pending) = handover.pending.get(&id) else {
            return;
        };
        let takeover = handover.takeover(pending, &earlier);
        let took = now.mono.saturating_sub(pending.asked);
        self.stats.claims.count_held(took, minority);
        let old = now.mono > pending.decided + FRESH;
        let (group, sends) = (pending.group, pending.plan.data.is_some());
        if let Some(pending) = handover.pending.get_mut(&id) {
            pending.takeover = takeover;
        }
        if sends && !earlier.is_empty() && self.is_told_before(id, &earlier, now) {
            return;
        }
        let Some(handover) = &mut self.handover else {
            return;
        };
        if !old {
            self.hand_to_receiver(id, now);
            return;
        }
        handover.set_state(id, PendingState::Checking { held: true });
        if !self.recheck(Recheck::Pending(id), group, key, now) {
            self.give_up_claim(key, false, now);
            self.end_pending(id, false, now);
        }
    }

    /// Others, or a run of this node before, may have sent it. Where the file says `ambiguous: drop` that counts as sent,
    /// as it was decided then: what changed since is told by the next flush.
    fn is_told_before(&mut self, id: u64, earlier: &[Earlier], now: Now) -> bool {
        let Some(pending) = self
            .handover
            .as_ref()
            .and_then(|handover| handover.pending.get(&id))
        else {
            return false;
        };
        let Some(delivery) = pending.plan.integration.as_ref().map(|i| i.delivery) else {
            return false;
        };
        let key = pending.plan.key.clone();
        // What was decided elsewhere from other alerts is not known here, and so it is not known to tell this.
        let told = earlier.iter().rev().find_map(|earlier| {
            let entry = pending.entry_called(&earlier.idempotency_key)?;
            Some((earlier.owner.clone(), entry.clone()))
        });
        let told = told.filter(|_| delivery.drops());
        if !delivery.idempotent {
            self.stats.ambiguous += 1;
        }
        let nodes: Vec<&str> = earlier.iter().map(|earlier| &*earlier.owner).collect();
        tracing::warn!(
            node = nodes.join(" "), receiver = %key.receiver, aggrGroup = %key.group_key, drops = delivery.drops(),
            "A node that is gone may or may not have sent this notification; {}",
            if told.is_some() { "`ambiguous: drop` takes it as sent" } else { "it is sent once more" }
        );
        let Some((node, entry)) = told else {
            return false;
        };
        let Some(pending) = self
            .handover
            .as_mut()
            .and_then(|handover| handover.remove(id))
        else {
            return false;
        };
        let Pending {
            group,
            mut plan,
            takeover,
            ..
        } = pending;
        if let Some(reason) = takeover {
            self.stats.claims.count_takeover(reason);
        }
        let is_all = plan.entry.as_ref() == Some(&entry);
        if !is_all {
            plan.data = None;
        }
        plan.entry = Some(entry.clone());
        self.log_told(Some(entry), None, now);
        let note = format!(
            "{node} may or may not have sent it, and `ambiguous: drop` forbids another try"
        );
        self.record(&plan, group, Outcome::Sent, 0, &note, now, now);
        self.finish_claim(&key, now);
        // Whoever resolved since stays in the group until that is told.
        self.notification_ended(group, !is_all, now);
        true
    }

    /// Begins to send what is held and fresh.
    pub(super) fn hand_to_receiver(&mut self, id: u64, now: Now) {
        let Some(mut pending) = self
            .handover
            .as_mut()
            .and_then(|handover| handover.remove(id))
        else {
            return;
        };
        let key = pending.plan.key.clone();
        if now.mono + LEAST > pending.deadline {
            self.give_up_claim(&key, false, now);
            self.notification_ended(pending.group, true, now);
            return;
        }
        if !self.still_configured(&mut pending.plan) {
            self.give_up_claim(&key, false, now);
            self.notification_ended(pending.group, false, now);
            return;
        }
        let sends = pending.plan.integration.is_some() && pending.plan.data.is_some();
        if let Some(reason) = pending.takeover.filter(|_| sends) {
            self.stats.claims.count_takeover(reason);
        }
        if let Some(handover) = self.handover.as_mut().filter(|_| sends) {
            let claimed = Claimed {
                decided: pending.decided,
                ambiguous: false,
                unreachable: 0,
            };
            handover.claimed.insert(key.clone(), claimed);
        }
        self.begin_delivery(pending.group, pending.plan, pending.deadline, now);
        if !sends {
            self.finish_claim(&key, now);
        }
    }

    /// What is held is told and logged.
    pub(in crate::tenant) fn finish_claim(&mut self, key: &LogKey, now: Now) {
        if let Some(handover) = &mut self.handover {
            handover.claimed.remove(key);
            handover.unreachable.remove(key);
            handover.claims.finish(key, now.mono);
            self.send_claims(now);
        }
    }

    /// What is held, or asked for, is given up.
    pub(in crate::tenant) fn give_up_claim(&mut self, key: &LogKey, unreachable: bool, now: Now) {
        if let Some(handover) = &mut self.handover {
            handover.claimed.remove(key);
            handover.asking.remove(key);
            handover.claims.release(key, unreachable);
            if unreachable {
                let me = NodeName::clone(&handover.claims.quorum().me);
                handover
                    .unreachable
                    .entry(key.clone())
                    .or_default()
                    .insert(me);
            }
            self.send_claims(now);
        }
    }

    /// Forgets what nobody will ask for any more.
    pub(in crate::tenant) fn collect_claims(&mut self, now: Now) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        let dispatcher = &self.dispatcher;
        handover
            .unreachable
            .retain(|key, _| dispatcher.has_key(&key.group_key));
        handover.claims.collect(now.mono);
        self.send_claims(now);
    }

    fn freed(&mut self, key: LogKey, by: NodeName, unreachable: bool, now: Now) {
        let Some(handover) = &mut self.handover else {
            return;
        };
        if unreachable && handover.unreachable.len() < MAX_UNREACHABLE {
            handover
                .unreachable
                .entry(key.clone())
                .or_default()
                .insert(by);
        }
        for id in handover.with_key(&key) {
            self.rank_one(id, now);
        }
    }
}
