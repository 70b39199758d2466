//! Notifications under way: attempts, waits between them, and the deadline (`notify/retry_stage.go`).
//!
//! Backoff is that of upstream (`cenkalti/backoff` v5): 0.5 s, times 1.5, half of jitter, at most a minute, each wait
//! counted from the start of the attempt before. A receiver that asks for a pause is given it, by every group.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use super::{FailureReason, Memory, NotificationData, Receipt, Verdict, decide::Plan};
use crate::{
    config::{Integration, IntegrationKind},
    dispatch::GroupId,
    nflog::ReceiverKey,
    rng::Rng,
    time::Now,
};

const FIRST_WAIT: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_mins(1);
const GROWTH: f64 = 1.5;
const JITTER: f64 = 0.5;

const WITHDRAWN: &str = "the configuration has no such integration";

/// An attempt that has not answered this long after its deadline is lost.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// One notification under way.
#[derive(Debug)]
pub struct Delivery {
    /// The group it tells of.
    pub group: GroupId,
    /// What is told and logged.
    pub plan: Plan,
    /// When it was begun.
    pub started: Now,
    /// Attempts so far.
    pub attempts: u32,
    /// How the last attempt failed.
    pub last_error: String,
    /// What the receiver said when it took it.
    pub receipt: Receipt,
    last_reason: FailureReason,
    deadline: Duration,
    attempt_started: Duration,
    wait: Duration,
    state: State,
    /// The configuration in force has its integration no more.
    withdrawn: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Sending,
    Waiting(Duration),
}

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
    /// The receiver asked for a pause meanwhile.
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
    running: BTreeMap<u64, Delivery>,
    timers: BTreeSet<(Duration, u64)>,
    /// Until when a receiver asked to be left alone.
    limited: BTreeMap<ReceiverKey, Duration>,
    next: u64,
    rng: Rng,
}

impl Deliveries {
    /// Makes an empty set.
    #[must_use]
    pub fn new(rng: Rng) -> Self {
        Self {
            running: BTreeMap::new(),
            timers: BTreeSet::new(),
            limited: BTreeMap::new(),
            next: 0,
            rng,
        }
    }

    /// Begins a notification that must end by `deadline`; its first attempt is due at once, or when the receiver's pause
    /// ends.
    pub fn begin(&mut self, group: GroupId, plan: Plan, deadline: Duration, now: Now) {
        let at = self
            .limited
            .get(&plan.key.receiver)
            .copied()
            .unwrap_or(now.mono)
            .max(now.mono)
            .min(deadline);
        let id = self.next;
        self.next += 1;
        self.timers.insert((at, id));
        let delivery = Delivery {
            group,
            plan,
            started: now,
            attempts: 0,
            last_error: "the receiver asked for a pause that outlasts the deadline".to_owned(),
            receipt: Receipt::default(),
            last_reason: FailureReason::RateLimited,
            deadline,
            attempt_started: now.mono,
            wait: FIRST_WAIT,
            state: State::Waiting(at),
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
        if delivery.state == State::Sending {
            "the attempt was lost: this is a bug".clone_into(&mut delivery.last_error);
            delivery.last_reason = FailureReason::Other;
        }
        let pause = self.limited.get(&delivery.plan.key.receiver);
        let at = pause.copied().unwrap_or_default().min(delivery.deadline);
        if delivery.state != State::Sending && at > now.mono {
            delivery.state = State::Waiting(at);
            self.timers.insert((at, id));
            return Some(Due::Postponed);
        }
        if now.mono >= delivery.deadline {
            return self
                .running
                .remove(&id)
                .map(|delivery| Due::Ended(Box::new(timed_out(delivery))));
        }
        let (data, integration) = (
            delivery.plan.data.clone()?,
            delivery.plan.integration.clone()?,
        );
        let memory = delivery.plan.entry.as_ref();
        let memory = memory.map(|entry| entry.receiver_data.clone());
        delivery.state = State::Sending;
        self.timers.insert((delivery.answer_by(), id));
        delivery.attempts += 1;
        delivery.attempt_started = now.mono;
        Some(Due::Attempt(Attempt {
            attempt: id,
            data,
            integration,
            memory: memory.unwrap_or_default(),
            timeout: delivery.deadline - now.mono,
        }))
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

    /// Takes in how an attempt ended. Returns the notification if that ended it, otherwise it is tried again later.
    pub fn finish(&mut self, attempt: u64, verdict: Verdict, now: Now) -> Option<Box<Ended>> {
        let delivery = self
            .running
            .get_mut(&attempt)
            .filter(|delivery| delivery.state == State::Sending)?;
        self.timers.remove(&(delivery.answer_by(), attempt));
        let failure = match verdict {
            Verdict::Sent(receipt) => {
                delivery.receipt = receipt;
                None
            }
            Verdict::Permanent { reason, error } => {
                let name = name_of(delivery);
                let attempts = delivery.attempts;
                let text = "notify retry canceled due to unrecoverable error after";
                Some((
                    reason,
                    format!("{name}: {text} {attempts} attempts: {error}"),
                ))
            }
            Verdict::Retry { error, .. } if delivery.withdrawn => {
                delivery.last_error = error;
                Some((
                    FailureReason::ContextCanceled,
                    canceled(delivery, WITHDRAWN),
                ))
            }
            Verdict::Retry {
                after,
                reason,
                error,
                ambiguous: _,
            } => {
                (delivery.last_error, delivery.last_reason) = (error, reason);
                let unit = self.rng.unit();
                let mut at = delivery.attempt_started + jittered(delivery.wait, unit);
                delivery.wait = delivery.wait.mul_f64(GROWTH).min(LONGEST_WAIT);
                if let Some(after) = after {
                    at = at.max(now.mono + after);
                    let receiver = delivery.plan.key.receiver.clone();
                    let until = self.limited.entry(receiver).or_default();
                    *until = (*until).max(now.mono + after);
                }
                let at = at.max(now.mono).min(delivery.deadline);
                delivery.state = State::Waiting(at);
                self.timers.insert((at, attempt));
                return None;
            }
        };
        let delivery = self.running.remove(&attempt)?;
        if failure.is_none() {
            self.limited.remove(&delivery.plan.key.receiver);
        }
        Some(Box::new(Ended { delivery, failure }))
    }

    /// Follows a new configuration: the next attempts go where it says. What waits for an integration that is gone is
    /// given up.
    pub fn reconfigure(
        &mut self,
        integration: impl Fn(&ReceiverKey) -> Option<Arc<Integration>>,
    ) -> Vec<Ended> {
        let mut gone = Vec::new();
        for (id, delivery) in &mut self.running {
            match (integration(&delivery.plan.key.receiver), delivery.state) {
                (Some(integration), _) => {
                    delivery.plan.integration = Some(integration);
                    delivery.withdrawn = false;
                }
                (None, State::Waiting(at)) => gone.push((at, *id)),
                (None, State::Sending) => delivery.withdrawn = true,
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
            delivery.is_some_and(|delivery| delivery.state != State::Sending)
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

fn canceled(delivery: &Delivery, why: &str) -> String {
    format!(
        "{}: notify retry canceled: {why}: {}",
        name_of(delivery),
        delivery.last_error
    )
}

impl Delivery {
    /// When an attempt under way is given up as lost; its own limit ends it long before.
    fn answer_by(&self) -> Duration {
        self.deadline + ANSWER_WITHIN
    }
}

fn timed_out(delivery: Delivery) -> Ended {
    let error = format!(
        "{}: notify retry canceled after {} attempts: {}",
        name_of(&delivery),
        delivery.attempts,
        delivery.last_error
    );
    Ended {
        failure: Some((delivery.last_reason, error)),
        delivery,
    }
}

fn name_of(delivery: &Delivery) -> String {
    let receiver = &delivery.plan.key.receiver;
    format!(
        "{}/{}[{}]",
        receiver.group_name, receiver.integration, receiver.index
    )
}

fn jittered(wait: Duration, unit: f64) -> Duration {
    wait.mul_f64(1.0 - JITTER + 2.0 * JITTER * unit)
}
