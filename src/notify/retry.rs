//! Notifications under way: attempts, waits between them, and the deadline (`notify/retry_stage.go`).
//!
//! Backoff is that of upstream (`cenkalti/backoff` v5): 0.5 s, times 1.5, half of jitter, each wait counted from the start
//! of the attempt before; but at most 8 s, so that a receiver that recovers is told soon. A receiver that asks for a pause
//! is given it, by every group, and so is one that may be told only so often; what piles up meanwhile goes out as one
//! digest.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    Delivery, FailureReason, Memory, NotificationData, Receipt, Verdict,
    decide::Plan,
    delivery::{State, canceled, timed_out, unrecoverable},
    digest::{MAX_ALERTS, MAX_PARTS, digest},
    rate::{Bucket, Rates},
    running::Running,
};
use crate::{
    config::{Integration, IntegrationKind},
    dispatch::GroupId,
    nflog::{LogKey, ReceiverKey},
    rng::Rng,
    time::Now,
};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_secs(8);
const GROWTH: f64 = 1.5;
const JITTER: f64 = 0.5;

const WITHDRAWN: &str = "the configuration has no such integration";

/// Deliveries that are looked at for a digest.
const MAX_LOOKED_AT: usize = 2_000;

/// An attempt that is to be made.
#[derive(Debug)]
pub struct Attempt {
    /// Names it.
    pub attempt: u64,
    /// What to say.
    pub data: Arc<NotificationData>,
    /// How.
    pub integration: Arc<Integration>,
    /// What the integration kept of the notification before.
    pub memory: Memory,
    /// How long it may take.
    pub timeout: Duration,
}

/// What became due.
#[derive(Debug)]
pub enum Due {
    /// Make this attempt.
    Attempt(Attempt),
    /// The deadline of this notification came.
    Ended(Box<Ended>),
    /// The receiver may not be told yet.
    Postponed,
}

/// How a notification ended.
#[derive(Debug)]
pub struct Ended {
    /// The notification.
    pub delivery: Delivery,
    /// The class and the words of the failure, if it failed.
    pub failure: Option<(FailureReason, String)>,
}

/// All notifications under way.
#[derive(Debug)]
pub struct Deliveries {
    running: Running,
    timers: BTreeSet<(Duration, u64)>,
    rates: Rates,
    next: u64,
    rng: Rng,
}

impl Deliveries {
    /// Makes an empty set.
    #[must_use]
    pub fn new(rng: Rng) -> Self {
        Self {
            running: Running::new(),
            timers: BTreeSet::new(),
            rates: Rates::default(),
            next: 0,
            rng,
        }
    }

    /// Begins a notification that must end by `deadline`; its first attempt is due at once, or when the receiver may be
    /// told again.
    pub fn begin(&mut self, group: GroupId, plan: Plan, deadline: Duration, now: Now) {
        let receiver = &plan.key.receiver;
        let bucket = match &plan.integration {
            Some(integration) => Bucket::of(receiver, integration),
            None => Bucket::Integration(receiver.clone()),
        };
        let at = now.mono.min(deadline);
        let id = self.next;
        self.next += 1;
        self.timers.insert((at, id));
        let delivery = Delivery {
            group,
            plan,
            started: now,
            attempts: 0,
            last_error: "the receiver may not be told before the deadline: it asked for a pause, \
                         or its rate limit is used up"
                .to_owned(),
            receipt: Receipt::default(),
            ambiguous: false,
            last_reason: FailureReason::RateLimited,
            deadline,
            attempt_started: now.mono,
            wait: FIRST_WAIT,
            state: State::Waiting(at),
            bucket,
            followers: Vec::new(),
            leader_deadline: deadline,
            alone: false,
            withdrawn: false,
        };
        self.running.insert(id, delivery);
    }

    /// When the next attempt or deadline is due.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        self.timers.first().map(|(at, _)| *at)
    }

    /// How many notifications are under way.
    #[must_use]
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether none is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// What is due next; call until `None`.
    pub fn poll(&mut self, now: Now) -> Option<Due> {
        let (at, id) = self
            .timers
            .first()
            .copied()
            .filter(|(at, _)| *at <= now.mono)?;
        self.timers.remove(&(at, id));
        let delivery = self.running.get_mut(&id)?;
        let lost = delivery.is_sending();
        if lost {
            "the attempt was lost: this is a bug".clone_into(&mut delivery.last_error);
            delivery.last_reason = FailureReason::Other;
        }
        let ready = self
            .rates
            .ready_at(&delivery.bucket, delivery.limit(), now.mono)
            .min(delivery.deadline);
        if !lost && ready > now.mono {
            delivery.state = State::Waiting(ready);
            self.timers.insert((ready, id));
            return Some(Due::Postponed);
        }
        if now.mono >= delivery.deadline {
            return self
                .running
                .remove(&id)
                .map(|delivery| Due::Ended(Box::new(Ended::timed_out(delivery))));
        }
        self.attempt(id, now).map(Due::Attempt)
    }

    /// Makes an attempt, which tells of everything else that waits if there may be few more.
    fn attempt(&mut self, id: u64, now: Now) -> Option<Attempt> {
        let delivery = self.running.get(&id)?;
        let integration = delivery.plan.integration.clone()?;
        let mut data = delivery.plan.data.clone()?;
        let limit = delivery.limit();
        let pressed =
            limit.is_some_and(|limit| self.rates.is_pressed(&delivery.bucket, limit, now.mono));
        let merged = integration.kind.takes_digests()
            && !integration.settings.chooses_who_is_told()
            && !delivery.alone;
        let followers = if pressed && merged {
            self.waiting_with(id, now)
        } else {
            Vec::new()
        };
        if !followers.is_empty() {
            let parts = followers.iter().filter_map(|id| self.running.get(id));
            let parts = parts.filter_map(|part| part.plan.data.as_deref());
            let parts: Vec<_> = [&*data].into_iter().chain(parts).collect();
            data = Arc::new(digest(&parts));
        }
        let deadline = self.running.get(&id)?.deadline;
        for follower in &followers {
            self.restart(*follower, State::Following, deadline, now);
        }
        self.restart(id, State::Sending, deadline, now);
        let delivery = self.running.get_mut(&id)?;
        delivery.followers = followers;
        self.rates.sent(&delivery.bucket, limit, now.mono);
        let memory = delivery.plan.entry.as_ref();
        let memory = memory.map(|entry| entry.receiver_data.clone());
        Some(Attempt {
            attempt: id,
            data,
            integration,
            memory: memory.unwrap_or_default(),
            timeout: delivery.deadline - now.mono,
        })
    }

    /// What else could be told now to the integration that `id` tells.
    fn waiting_with(&self, id: u64, now: Now) -> Vec<u64> {
        let Some(leader) = self.running.get(&id) else {
            return Vec::new();
        };
        let alerts = |delivery: &Delivery| {
            let data = delivery.plan.data.as_ref();
            data.map_or(0, |data| data.alerts.len())
        };
        let mut room = MAX_ALERTS.saturating_sub(alerts(leader));
        let due = self
            .timers
            .range(..=(now.mono, u64::MAX))
            .take(MAX_LOOKED_AT);
        let same = due.filter_map(|(_, other)| {
            let delivery = self.running.get(other)?;
            let fits = delivery.plan.key.receiver == leader.plan.key.receiver
                && !delivery.is_sending()
                && !delivery.alone
                && delivery.deadline > now.mono
                && alerts(delivery) > 0
                && alerts(delivery) <= room;
            fits.then(|| room -= alerts(delivery))?;
            Some(*other)
        });
        same.take(MAX_PARTS - 1).collect()
    }

    /// Sets an attempt of a delivery going.
    fn restart(&mut self, id: u64, state: State, leader_deadline: Duration, now: Now) {
        let Some(delivery) = self.running.get_mut(&id) else {
            return;
        };
        if let State::Waiting(at) = delivery.state {
            self.timers.remove(&(at, id));
        }
        delivery.state = state;
        delivery.attempts += 1;
        delivery.attempt_started = now.mono;
        delivery.leader_deadline = leader_deadline;
        self.timers.insert((delivery.answer_by(), id));
    }

    /// How long an attempt has been under way, and to whom.
    #[must_use]
    pub fn running_attempt(
        &self,
        attempt: u64,
        now: Now,
    ) -> Option<(Duration, IntegrationKind, Arc<str>)> {
        let delivery = self
            .running
            .get(&attempt)
            .filter(|delivery| delivery.state == State::Sending)?;
        let kind = delivery.plan.integration.as_ref()?.kind;
        let receiver = Arc::clone(&delivery.plan.key.receiver.group_name);
        Some((
            now.mono.saturating_sub(delivery.attempt_started),
            kind,
            receiver,
        ))
    }

    /// Takes in how an attempt ended. Returns the notifications that it ended; the others are tried again later.
    pub fn finish(&mut self, attempt: u64, verdict: Verdict, now: Now) -> Vec<Ended> {
        let leader = self.running.get_mut(&attempt);
        let Some(leader) = leader.filter(|leader| leader.state == State::Sending) else {
            return Vec::new();
        };
        let followers = std::mem::take(&mut leader.followers);
        let verdict = leader.taken_if_dropped(verdict);
        let (bucket, started) = (leader.bucket.clone(), leader.attempt_started);
        match verdict {
            Verdict::Sent(receipt) => {
                self.rates.resume(&bucket);
                self.all_sent(attempt, &followers, receipt)
            }
            Verdict::Permanent { reason, error } => {
                if followers.is_empty() {
                    return self.refused(attempt, reason, &error);
                }
                // What one of them did wrong is not the others' fault: the first is told alone, to see whether it was.
                if let Some(leader) = self.running.get_mut(&attempt) {
                    leader.alone = true;
                }
                let all = [attempt].into_iter().chain(followers);
                all.filter_map(|id| self.wait_or_give_up(id, now.mono, reason, &error))
                    .collect()
            }
            Verdict::Retry {
                after,
                reason,
                error,
                ambiguous,
            } => {
                leader.ambiguous |= ambiguous;
                let mut at = started + jittered(leader.wait, self.rng.unit());
                if let Some(after) = after {
                    at = at.max(now.mono + after);
                    self.rates.pause(&bucket, now.mono + after);
                }
                for id in &followers {
                    if let Some(follower) = self.running.get_mut(id) {
                        follower.ambiguous |= ambiguous;
                    }
                }
                let all = [attempt].into_iter().chain(followers);
                all.filter_map(|id| self.wait_or_give_up(id, at.max(now.mono), reason, &error))
                    .collect()
            }
        }
    }

    /// Ends a delivery that the receiver will never take.
    fn refused(&mut self, id: u64, reason: FailureReason, error: &str) -> Vec<Ended> {
        let ended = self.remove(id).map(|delivery| Ended {
            failure: Some((reason, unrecoverable(&delivery, error))),
            delivery,
        });
        ended.into_iter().collect()
    }

    fn all_sent(&mut self, leader: u64, followers: &[u64], receipt: Receipt) -> Vec<Ended> {
        let mut ended = Vec::with_capacity(1 + followers.len());
        for id in [leader].iter().chain(followers) {
            let Some(mut delivery) = self.remove(*id) else {
                continue;
            };
            delivery.receipt = receipt.clone();
            delivery.receipt.groups = 1 + followers.len();
            if *id != leader {
                delivery.receipt.memory = None;
            }
            ended.push(Ended {
                delivery,
                failure: None,
            });
        }
        ended
    }

    /// Lets a delivery wait for its next attempt, unless nobody is there any more to be told.
    fn wait_or_give_up(
        &mut self,
        id: u64,
        at: Duration,
        reason: FailureReason,
        error: &str,
    ) -> Option<Ended> {
        let delivery = self.running.get_mut(&id)?;
        error.clone_into(&mut delivery.last_error);
        delivery.last_reason = reason;
        delivery.wait = delivery.wait.mul_f64(GROWTH).min(LONGEST_WAIT);
        if !delivery.withdrawn {
            self.wait_until(id, at);
            return None;
        }
        let delivery = self.remove(id)?;
        Some(Ended {
            failure: Some((
                FailureReason::ContextCanceled,
                canceled(&delivery, WITHDRAWN),
            )),
            delivery,
        })
    }

    fn wait_until(&mut self, id: u64, at: Duration) {
        let Some(delivery) = self.running.get_mut(&id) else {
            return;
        };
        self.timers.remove(&(delivery.answer_by(), id));
        let at = at.min(delivery.deadline);
        delivery.state = State::Waiting(at);
        self.timers.insert((at, id));
    }

    /// Takes out a delivery whose attempt ended.
    fn remove(&mut self, id: u64) -> Option<Delivery> {
        let delivery = self.running.remove(&id)?;
        self.timers.remove(&(delivery.answer_by(), id));
        Some(delivery)
    }

    /// What an attempt tells of: its own delivery first, then those that it takes along.
    #[must_use]
    pub fn keys_of(&self, attempt: u64) -> Vec<(LogKey, GroupId)> {
        let leader = self.running.get(&attempt);
        let followers = leader.into_iter().flat_map(|leader| &leader.followers);
        let parts = followers.filter_map(|id| self.running.get(id));
        let all = leader.into_iter().chain(parts);
        all.map(|part| (part.plan.key.clone(), part.group))
            .collect()
    }

    /// Whether nobody knows if something that an attempt tells of was taken before.
    #[must_use]
    pub fn is_unclear(&self, attempt: u64) -> bool {
        let leader = self.running.get(&attempt);
        let followers = leader.into_iter().flat_map(|leader| &leader.followers);
        let parts = followers.filter_map(|id| self.running.get(id));
        let mut all = leader.into_iter().chain(parts);
        all.any(|part| part.ambiguous)
    }

    /// What an attempt tells of, and what each of it is called by itself.
    #[must_use]
    pub fn names_of(&self, attempt: u64) -> Vec<(LogKey, Arc<str>)> {
        let leader = self.running.get(&attempt);
        let followers = leader.into_iter().flat_map(|leader| &leader.followers);
        let parts = followers.filter_map(|id| self.running.get(id));
        let named = leader.into_iter().chain(parts).filter_map(|part| {
            let data = part.plan.data.as_ref()?;
            Some((part.plan.key.clone(), Arc::clone(&data.idempotency_key)))
        });
        named.collect()
    }

    /// Takes out a delivery whose attempt was not made, since there is nothing to tell any more.
    pub fn withdraw(&mut self, attempt: u64) -> Option<Delivery> {
        self.remove(attempt)
    }

    /// Has an attempt that was not made yet tell something else.
    pub fn replace_plan(&mut self, attempt: u64, plan: Plan) {
        self.running.replace_plan(attempt, plan);
    }

    /// The group and plan of a delivery that waits for its next attempt.
    #[must_use]
    pub fn waiting_plan(&self, key: &LogKey) -> Option<(GroupId, &Plan)> {
        let (_, found) = self.running.waiting(key)?;
        Some((found.group, &found.plan))
    }

    /// Takes out a delivery that waits for its next attempt.
    pub fn give_back(&mut self, key: &LogKey) -> Option<Delivery> {
        let (id, found) = self.running.waiting(key)?;
        if let State::Waiting(at) = found.state {
            self.timers.remove(&(at, id));
        }
        self.running.remove(&id)
    }

    /// Follows a new configuration: the next attempts go where it says. What waits for an integration that is gone is
    /// given up.
    pub fn reconfigure(
        &mut self,
        integration: impl Fn(&ReceiverKey) -> Option<Arc<Integration>>,
    ) -> Vec<Ended> {
        let mut gone = Vec::new();
        for (id, delivery) in self.running.iter_mut() {
            match (integration(&delivery.plan.key.receiver), delivery.state) {
                (Some(integration), _) => {
                    delivery.bucket = Bucket::of(&delivery.plan.key.receiver, &integration);
                    delivery.plan.integration = Some(integration);
                    delivery.withdrawn = false;
                }
                (None, State::Waiting(at)) => gone.push((at, id)),
                (None, State::Sending | State::Following) => delivery.withdrawn = true,
            }
        }
        gone.into_iter()
            .filter_map(|timer| self.cancel(timer, WITHDRAWN))
            .collect()
    }

    /// Gives up everything that waits for another attempt; what is being sent may still end.
    pub fn cancel_waiting(&mut self) -> Vec<Ended> {
        let waits = |id: &u64| {
            let delivery = self.running.get(id);
            delivery.is_some_and(|delivery| !delivery.is_sending())
        };
        let timers = self.timers.iter().filter(|(_, id)| waits(id));
        let waiting: Vec<_> = timers.copied().collect();
        waiting
            .into_iter()
            .filter_map(|timer| self.cancel(timer, "the node shuts down"))
            .collect()
    }

    fn cancel(&mut self, timer: (Duration, u64), why: &str) -> Option<Ended> {
        self.timers.remove(&timer);
        let delivery = self.running.remove(&timer.1)?;
        let error = canceled(&delivery, why);
        Some(Ended {
            failure: Some((FailureReason::ContextCanceled, error)),
            delivery,
        })
    }
}

impl Ended {
    fn timed_out(delivery: Delivery) -> Self {
        Self {
            failure: Some((delivery.last_reason, timed_out(&delivery))),
            delivery,
        }
    }
}

fn jittered(wait: Duration, unit: f64) -> Duration {
    wait.mul_f64(1.0 - JITTER + 2.0 * JITTER * unit)
        .min(LONGEST_WAIT)
}
