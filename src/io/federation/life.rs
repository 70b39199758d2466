//! Whether an endpoint lives: one from which nothing comes at all hangs, and is not waited for as long as one that is slow.
//!
//! While a question waits and nothing is heard of the endpoint, it is asked on the side what costs it nothing. One that is
//! silent then for its `hang_timeout` hangs: the question ends. From then on questions end at once, but for one that waits
//! a little each time it is looked again, until something is heard.

use std::{
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::{Either, pending, select};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{
    context::Context,
    endpoint::Endpoint,
    question::{Ask, Cause, Failure},
    request::Request,
    transfer::transfer,
};
use crate::config::EndpointKind;

/// What part of `hang_timeout` nothing has to be heard before an endpoint is looked at, and how long one that hangs is
/// waited for.
const PART: u32 = 5;

/// A shorter time tells nothing of an endpoint that has no `hang_timeout`.
const SHORT: Duration = Duration::from_secs(5);

/// What was heard of an endpoint.
#[derive(Debug, Default)]
pub(super) struct Life(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    health: Health,
    /// When anything came from it.
    heard: Option<Instant>,
    /// When an answer to a query came from it.
    answered: Option<Instant>,
    looked: Option<Looked>,
    looks: u64,
}

/// A look at an endpoint that is under way.
#[derive(Clone, Copy, Debug)]
struct Looked {
    since: Instant,
    number: u64,
    sign: Sign,
}

/// What has to come from an endpoint, so that it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    Anything,
    /// It told of itself while it answered no query.
    Answer,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Health {
    #[default]
    Well,
    /// A query had all its time, in which no query was answered.
    Doubted,
    Hangs(Sign),
}

impl Health {
    /// What has to come, so that it is well.
    fn sign(self) -> Sign {
        match self {
            Self::Well => Sign::Anything,
            Self::Doubted => Sign::Answer,
            Self::Hangs(sign) => sign,
        }
    }
}

impl Life {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in that something came: of an answer to a query, or of another one.
    pub(super) fn hear(&self, is_answer: bool) {
        let now = Some(Instant::now());
        let mut state = self.state();
        state.heard = now;
        if is_answer {
            state.answered = now;
        }
        if is_answer || state.health == Health::Hangs(Sign::Anything) {
            state.health = Health::Well;
        }
    }

    /// Whether nothing comes from it.
    pub(super) fn hangs(&self) -> bool {
        matches!(self.state().health, Health::Hangs(_))
    }

    fn health(&self) -> Health {
        self.state().health
    }

    fn heard_since(&self, since: Instant) -> Option<Instant> {
        self.state().heard.filter(|heard| *heard >= since)
    }

    /// Takes in that a query was not answered since then.
    fn doubt(&self, since: Instant) {
        let mut state = self.state();
        let is_silent = state.answered.is_none_or(|answered| answered < since);
        if is_silent && state.health == Health::Well {
            state.health = Health::Doubted;
        }
    }

    /// What it is after it was looked at since then, when it was in this health.
    fn judge(&self, before: Health, since: Instant) -> Health {
        let mut state = self.state();
        let last = match before.sign() {
            Sign::Anything => state.heard,
            Sign::Answer => state.answered,
        };
        if last.is_none_or(|last| last < since) {
            state.health = Health::Hangs(before.sign());
        }
        state.health
    }

    /// Since when it is being looked at for a sign; with the number of the look if that is to begin.
    fn begin(&self, now: Instant, sign: Sign) -> (Instant, Option<u64>) {
        let mut state = self.state();
        if let Some(looked) = state.looked.filter(|looked| looked.sign == sign) {
            return (looked.since, None);
        }
        state.looks += 1;
        let number = state.looks;
        state.looked = Some(Looked {
            since: now,
            number,
            sign,
        });
        (now, Some(number))
    }

    fn end(&self, look: u64) {
        let mut state = self.state();
        if state.looked.is_some_and(|looked| looked.number == look) {
            state.looked = None;
        }
    }
}

/// A look that is under way; it ends when this is dropped.
struct Look {
    endpoint: Arc<Endpoint>,
    number: u64,
}

impl Drop for Look {
    fn drop(&mut self) {
        self.endpoint.life.end(self.number);
    }
}

impl Endpoint {
    /// What comes until the deadline, or until it is known that nothing will.
    pub(super) async fn heeded<T>(
        self: &Arc<Self>,
        context: &Context,
        asked: impl Future<Output = Result<T, Failure>>,
        deadline: Instant,
    ) -> Result<T, Failure> {
        let began = Instant::now();
        let (deadline, is_own) = self.until(began, deadline);
        if self.is_looked_at_in_vain(began) {
            return Err(self.hanging());
        }
        let asked = pin!(asked);
        let silence = pin!(self.silence(context));
        let both = select(asked, silence);
        match timeout_at(deadline, both).await {
            Ok(Either::Left((result, _))) => result,
            Ok(Either::Right((failure, _))) => Err(failure),
            Err(_elapsed) => {
                if deadline.duration_since(began) >= self.patience() {
                    self.life.doubt(began);
                }
                match is_own {
                    true => Err(self.too_slow()),
                    false => Err(self.late(began, deadline)),
                }
            }
        }
    }

    /// Until when a request that begins now may be answered, and whether that is by the endpoint's own `timeout`.
    pub(super) fn until(&self, now: Instant, deadline: Instant) -> (Instant, bool) {
        let timeout = self.config.timeout;
        let own = (!timeout.is_zero())
            .then(|| now.checked_add(timeout))
            .flatten();
        match own {
            Some(own) if own < deadline => (own, true),
            Some(_) | None => (deadline, false),
        }
    }

    fn too_slow(&self) -> Failure {
        let timeout = self.config.timeout;
        Failure::new(format!(
            "it does not answer within its timeout, which is {timeout:?}"
        ))
    }

    /// What it is that nothing came in the time that it had. If that was short, it tells nothing of the endpoint.
    pub(super) fn late(&self, began: Instant, deadline: Instant) -> Failure {
        let is_short = deadline.saturating_duration_since(began) < self.patience();
        Failure {
            cause: if is_short {
                Cause::Time
            } else {
                Cause::Endpoint
            },
            reason: "it does not answer in time".to_owned(),
        }
    }

    /// After which time one of which nothing is heard may be down. In twice that it is known whether it hangs.
    pub(super) fn patience(&self) -> Duration {
        match self.config.hang_timeout {
            Duration::ZERO => SHORT,
            patience => patience,
        }
    }

    /// Whether it hangs, and whoever looks at it waits already for longer than a question would.
    fn is_looked_at_in_vain(&self, now: Instant) -> bool {
        let state = self.life.state();
        let hangs = matches!(state.health, Health::Hangs(_));
        let grace = self.config.hang_timeout / PART;
        hangs
            && state
                .looked
                .is_some_and(|looked| now >= looked.since + grace)
    }

    fn hanging(&self) -> Failure {
        let what = match self.life.health() {
            Health::Hangs(Sign::Answer) => "it answers no query, not even vector(1)",
            Health::Hangs(Sign::Anything) | Health::Doubted | Health::Well => {
                "nothing comes from it, not even what it is"
            }
        };
        let patience = self.config.hang_timeout;
        Failure::new(format!("it hangs: {what} (hang_timeout is {patience:?})"))
    }

    /// Ends when the endpoint hangs, and while it does not, never.
    async fn silence(self: &Arc<Self>, context: &Context) -> Failure {
        let patience = self.config.hang_timeout;
        if patience.is_zero() {
            return pending().await;
        }
        let part = patience / PART;
        let mut since = Instant::now();
        loop {
            let health = self.life.health();
            if health == Health::Well {
                sleep_until(since + part).await;
                if let Some(heard) = self.life.heard_since(since + Duration::from_nanos(1)) {
                    since = heard;
                    continue;
                }
            }
            let looked = self.look(context, health);
            let until = match health {
                Health::Hangs(_) => looked + part,
                Health::Well | Health::Doubted => looked + patience,
            };
            sleep_until(until).await;
            if self.is_silent(health, looked, until) {
                return self.hanging();
            }
            since = Instant::now();
        }
    }

    /// Whether it hangs, after it was looked at in this health from one time until another.
    fn is_silent(&self, health: Health, since: Instant, until: Instant) -> bool {
        // A process that stood still itself has heard nothing of anybody.
        let stood_still = until.elapsed() > self.config.hang_timeout;
        !stood_still && matches!(self.life.judge(health, since), Health::Hangs(_))
    }

    /// Has it looked at, unless it is being looked at; since when that is done. It goes on when nobody waits any more.
    fn look(self: &Arc<Self>, context: &Context, health: Health) -> Instant {
        let (since, number) = self.life.begin(Instant::now(), health.sign());
        let Some(number) = number else {
            return since;
        };
        let look = Look {
            endpoint: Arc::clone(self),
            number,
        };
        let context = Context {
            budget: Arc::new(context.budget.another()),
            ..context.clone()
        };
        let until = since + self.config.hang_timeout;
        tokio::spawn(async move {
            let endpoint = &look.endpoint;
            let request = endpoint.request_of_look(&context, health.sign(), until);
            // What comes is heard where it comes.
            let asked = transfer(&context, endpoint, request);
            if timeout_at(until, asked).await.is_err() {
                endpoint.is_silent(health, since, until);
            }
        });
        since
    }

    /// What costs an endpoint nothing.
    fn request_of_look(&self, context: &Context, sign: Sign, until: Instant) -> Request {
        match sign {
            Sign::Anything => Request::get("status/buildinfo"),
            Sign::Answer => {
                let time = context.clock.now().wall.unix_millis();
                let kind = self.identity().map_or(EndpointKind::Auto, |one| one.kind);
                let left = until.saturating_duration_since(Instant::now());
                // That of a Thanos is about no samples.
                Ask::nothing(time, self.lookback()).request(kind, left, "")
            }
        }
    }
}
