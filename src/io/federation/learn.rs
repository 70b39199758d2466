//! What an endpoint is: asked of itself, now and again, before it is asked anything else.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, timeout_at};

use super::{
    context::Context,
    endpoint::Endpoint,
    identity::{Identity, has_histograms, identify},
    request::Request,
    transfer::transfer,
};
use crate::config::EndpointKind;

/// How long what an endpoint said of itself is believed.
pub(super) const IDENTITY_AGE: Duration = Duration::from_mins(5);

/// How long an endpoint that did not tell is not asked again.
const IDENTITY_PAUSE: Duration = Duration::from_secs(5);

/// How long one that did not tell may take when it is asked again, beside queries.
const ASIDE: Duration = Duration::from_secs(5);

/// How long a query waits for that.
const GLANCE: Duration = Duration::from_millis(250);

/// One that told nothing for so long is silent.
const SILENT: Duration = Duration::from_secs(1);

impl Endpoint {
    /// Asks what it is, if that is due. One that was silent the last time is asked beside whoever needs to know, who waits a
    /// little only.
    pub(super) async fn learn_beside(self: &Arc<Self>, context: &Context, deadline: Instant) {
        let is_silent = self.state().silent && !self.config.hang_timeout.is_zero();
        if !is_silent || self.identity().is_ok() {
            return self.learn(context, deadline).await;
        }
        let now = Instant::now();
        if self.learning.try_lock().is_err() || !self.is_to_be_asked(now) {
            return;
        }
        let endpoint = Arc::clone(self);
        let context = Context {
            budget: Arc::new(context.budget.another()),
            ..context.clone()
        };
        let asked = tokio::spawn(async move { endpoint.learn(&context, now + ASIDE).await });
        // It goes on when nobody waits any more.
        let _ = timeout_at(deadline.min(now + GLANCE), asked).await;
    }

    /// Asks what it is, if that is due. Who has to know it waits while somebody else asks.
    pub(super) async fn learn(&self, context: &Context, deadline: Instant) {
        let asking = match self.learning.try_lock() {
            Ok(asking) => Ok(asking),
            Err(_busy) if self.identity().is_ok() => return,
            Err(_busy) => timeout_at(deadline, self.learning.lock()).await,
        };
        if asking.is_err() || !self.is_to_be_asked(Instant::now()) {
            return;
        }
        let request = Request::get("status/buildinfo");
        let began = Instant::now();
        let asked = timeout_at(deadline, transfer(context, self, request)).await;
        let silent = asked.is_err() && began.elapsed() >= SILENT;
        let told = match asked {
            Ok(Ok(body)) => identify(self.config.kind, &body),
            Ok(Err(failure)) => Err(failure.reason),
            Err(_elapsed) => Err("it does not answer in time".to_owned()),
        };
        let told = match told {
            Ok(identity) => Ok(self.looked_into(identity, context, deadline).await),
            Err(reason) => Err(reason),
        };
        let mut state = self.state();
        state.asked = Some(Instant::now());
        state.silent = silent;
        match told {
            Ok(identity) => {
                state.identity = Some(Arc::new(identity));
                state.failed = false;
            }
            Err(reason) => {
                if state.identity.is_none() && self.assumed.is_none() {
                    state.last.up = Some(false);
                    state.last.error = Some((context.clock.now().wall, reason.clone()));
                }
                state.unknown = reason;
            }
        }
    }

    /// An identity with what is to be known of old versions, which compute otherwise with native histograms, if they have any:
    /// those before 3.0 as with a 0 in `max`, `last_over_time`, `label_replace` and many others.
    async fn looked_into(
        &self,
        identity: Identity,
        context: &Context,
        deadline: Instant,
    ) -> Identity {
        if !identity.may_mistake_histograms() {
            return identity;
        }
        let request = Request::get("status/flags");
        let asked = transfer(context, self, request);
        // The query that waits is to have time left if it tells what it is and nothing more.
        let now = Instant::now();
        let until = now + deadline.saturating_duration_since(now) / 4;
        let flags = timeout_at(until, asked).await;
        let flags = flags.ok().and_then(Result::ok);
        let has = flags.and_then(|flags| has_histograms(&flags));
        let known = self.identity().ok();
        let known = known.filter(|known| known.version == identity.version);
        let has = has.or_else(|| known.and_then(|known| known.has_histograms()));
        identity.with_histograms(has)
    }

    /// Whether it is to be asked what it is, or whoever has to know it has to wait.
    pub(super) fn has_to_learn(&self) -> bool {
        self.identity().is_err() || self.is_to_be_asked(Instant::now())
    }

    /// Whether it is to be asked what it is.
    fn is_to_be_asked(&self, now: Instant) -> bool {
        if self.absent.is_some() || matches!(self.config.kind, EndpointKind::VictoriaMetrics) {
            return false;
        }
        // One that hangs is looked at by whoever asks it something.
        if self.life.hangs() && self.identity().is_ok() {
            return false;
        }
        let state = self.state();
        let doubt = state.identity.is_none() || state.failed;
        state.asked.is_none_or(|asked| {
            let pause = if doubt { IDENTITY_PAUSE } else { IDENTITY_AGE };
            now.duration_since(asked) >= pause
        })
    }
}
