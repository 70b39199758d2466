//! One notification under way, and what its ends are called.

use std::time::Duration;

use super::{FailureReason, Receipt, Verdict, decide::Plan, rate::Bucket};
use crate::{
    config::{Ambiguous, RateLimit},
    dispatch::GroupId,
    time::Now,
};

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
    /// Whether an attempt may have been taken although no answer came.
    pub ambiguous: bool,
    pub(super) last_reason: FailureReason,
    pub(super) deadline: Duration,
    pub(super) attempt_started: Duration,
    pub(super) wait: Duration,
    pub(super) state: State,
    pub(super) bucket: Bucket,
    /// Those that its attempt tells of as well.
    pub(super) followers: Vec<u64>,
    /// The deadline of the attempt that tells of it, its own or another's.
    pub(super) leader_deadline: Duration,
    /// A digest that it led was refused, so it is told by itself.
    pub(super) alone: bool,
    /// The configuration in force has its integration no more.
    pub(super) withdrawn: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Sending,
    /// Another delivery's attempt tells of it.
    Following,
    Waiting(Duration),
}

impl Delivery {
    /// When an attempt under way is given up as lost; its own limit ends it long before.
    pub(super) fn answer_by(&self) -> Duration {
        self.deadline.max(self.leader_deadline) + ANSWER_WITHIN
    }

    /// When it is given up; monotonic.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    pub(super) fn is_sending(&self) -> bool {
        matches!(self.state, State::Sending | State::Following)
    }

    pub(super) fn limit(&self) -> Option<RateLimit> {
        let integration = self.plan.integration.as_ref()?;
        integration
            .rate_limit
            .or_else(|| integration.settings.default_rate_limit())
    }

    /// Where the file says `ambiguous: drop`, a request whose outcome is unknown counts as taken.
    pub(super) fn taken_if_dropped(&self, verdict: Verdict) -> Verdict {
        let integration = self.plan.integration.as_ref();
        let drops = integration
            .is_some_and(|integration| integration.delivery.ambiguous == Ambiguous::Drop);
        match verdict {
            Verdict::Retry {
                ambiguous: true,
                error,
                ..
            } if drops => Verdict::Sent(Receipt {
                note: format!(
                    "the receiver may or may not have taken it, and `ambiguous: drop` forbids \
                     another try: {error}"
                ),
                ..Receipt::default()
            }),
            other @ (Verdict::Sent(_) | Verdict::Retry { .. } | Verdict::Permanent { .. }) => other,
        }
    }
}

pub(super) fn unrecoverable(delivery: &Delivery, error: &str) -> String {
    let (name, attempts) = (name_of(delivery), delivery.attempts);
    let text = "notify retry canceled due to unrecoverable error after";
    format!("{name}: {text} {attempts} attempts: {error}")
}

pub(super) fn canceled(delivery: &Delivery, why: &str) -> String {
    format!(
        "{}: notify retry canceled: {why}: {}",
        name_of(delivery),
        delivery.last_error
    )
}

pub(super) fn timed_out(delivery: &Delivery) -> String {
    format!(
        "{}: notify retry canceled after {} attempts: {}",
        name_of(delivery),
        delivery.attempts,
        delivery.last_error
    )
}

fn name_of(delivery: &Delivery) -> String {
    let receiver = &delivery.plan.key.receiver;
    format!(
        "{}/{}[{}]",
        receiver.group_name, receiver.integration, receiver.index
    )
}
