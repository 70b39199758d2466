//! How an endpoint is asked a question: by queries or for samples as they are stored, when it is its turn, and not without
//! its sentinel.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::spawn_blocking,
    time::{Instant, timeout_at},
};

use super::{
    check::{read, too_many},
    context::Context,
    endpoint::Endpoint,
    identity::{Identity, external_labels},
    learn::IDENTITY_AGE,
    memory::LARGE,
    question::{Ask, Cause, Failure, Times, Values},
    read::{Added, Replay, Unread},
    request::Request,
    transfer::{Stored, transfer, transfer_stored},
};
use crate::{
    config::{EndpointKind, LabelMode, RemoteRead},
    federation::ReadFormat,
    promql::engine::Stop,
};

/// How long a sentinel that was there is believed.
const SENTINEL_AGE: Duration = Duration::from_secs(15);

/// What came of a question.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) values: Values,
    /// The bytes of the answer.
    pub(super) bytes: usize,
    /// Whether it was made of samples as they are stored.
    pub(super) stored: bool,
}

/// How a question is asked.
enum Way {
    Query,
    Samples,
    /// For samples, and by a query if there are none.
    SamplesFirst,
}

impl Endpoint {
    /// Asks a question and checks the answer, until the deadline; whether somebody else asked it already.
    pub(super) async fn ask(
        self: &Arc<Self>,
        context: &Context,
        ask: &Arc<Ask>,
        deadline: Instant,
    ) -> (Result<Answered, Failure>, bool) {
        let began = Instant::now();
        let begin = || {
            let (endpoint, context, ask) = (Arc::clone(self), context.clone(), Arc::clone(ask));
            async move {
                let until = endpoint.until(began, deadline).0;
                let asked = Box::pin(endpoint.ask_with_sentinel(&context, &ask, until));
                endpoint.watched(&context, asked, deadline).await
            }
        };
        let flights = &self.flights;
        let (flight, joined) = flights.board(ask, context.max_samples, deadline, begin);
        let result = match joined {
            true => timeout_at(deadline, flight.land())
                .await
                .unwrap_or_else(|_elapsed| Err(self.late(began, deadline))),
            // It ends in time by itself.
            false => flight.land().await,
        };
        self.note(context, &result);
        (result, joined)
    }

    /// Makes a request when it is its turn, and reads the whole of its answer, until the deadline.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        context: &Context,
        request: Request,
        deadline: Instant,
    ) -> Result<Vec<u8>, Failure> {
        let asked = async {
            self.must_be_there()?;
            let _permit = self.permits.acquire().await;
            let transfer = transfer(context, self, request);
            self.timed(transfer, Vec::len).await
        };
        let result = self.watched(context, asked, deadline).await;
        match &result {
            // Not all kinds have all paths: without this one it may answer queries nevertheless.
            Err(_) => self.stats.failed(),
            Ok(_) => self.note(context, &result),
        }
        result
    }

    /// What comes until the deadline; remembers whether it failed.
    async fn watched<T>(
        self: &Arc<Self>,
        context: &Context,
        asked: impl Future<Output = Result<T, Failure>>,
        deadline: Instant,
    ) -> Result<T, Failure> {
        let result = match self.heeded(context, asked, deadline).await {
            Err(failure) => Err(self.hidden(context, failure).await),
            result @ Ok(_) => result,
        };
        let cause = result.as_ref().err().map(|failure| failure.cause);
        if cause != Some(Cause::Time) {
            self.state().failed = cause == Some(Cause::Endpoint);
        }
        result
    }

    /// A failure without the secrets of the endpoint's configuration, which some servers repeat.
    pub(super) async fn hidden(&self, context: &Context, failure: Failure) -> Failure {
        let (url, config) = (self.config.url.as_str(), &self.config.http);
        let reason = context.http.without_secrets(failure.reason, url, config);
        Failure {
            reason: reason.await,
            cause: failure.cause,
        }
    }

    async fn ask_with_sentinel(
        &self,
        context: &Context,
        ask: &Ask,
        deadline: Instant,
    ) -> Result<Answered, Failure> {
        if !self.has_to_see_sentinel() {
            return self.exchange(context, ask, deadline).await;
        }
        // Boxed, since most have no sentinel.
        let both = Box::pin(async {
            tokio::join!(
                self.sentinel(context, deadline),
                self.exchange(context, ask, deadline)
            )
        });
        let (there, answered) = both.await;
        there.and(answered)
    }

    /// Whether it has a sentinel that was not seen for some time.
    fn has_to_see_sentinel(&self) -> bool {
        if self.config.sentinel.is_empty() {
            return false;
        }
        let seen = self.state().sentinel;
        seen.is_none_or(|seen| seen.elapsed() >= SENTINEL_AGE)
    }

    /// Whether the sentinel is there.
    async fn sentinel(&self, context: &Context, deadline: Instant) -> Result<(), Failure> {
        let now = Instant::now();
        let time = context.clock.now().wall.unix_millis();
        let ask = Ask {
            query: (&*self.config.sentinel).into(),
            ..Ask::nothing(time, self.lookback())
        };
        // How many samples it has is no matter of the query.
        let context = Context {
            max_samples: usize::MAX,
            ..context.clone()
        };
        let answered = self.exchange(&context, &ask, deadline).await;
        let answered = answered.map_err(|failure| Failure {
            cause: match failure.cause {
                of_query @ (Cause::Limit | Cause::Time) => of_query,
                Cause::Endpoint
                | Cause::Samples
                | Cause::Ability
                | Cause::Times
                | Cause::Plan(_)
                | Cause::Query
                | Cause::Histograms => Cause::Endpoint,
            },
            reason: format!("its sentinel is not known: {}", failure.reason),
        })?;
        if answered.values.series.is_empty() {
            let reason = "it has no data: its sentinel has no result";
            return Err(Failure::new(reason));
        }
        self.state().sentinel = Some(now);
        Ok(())
    }

    /// Asks a question by a query or for samples, by what it needs and the endpoint has.
    async fn exchange(
        &self,
        context: &Context,
        ask: &Ask,
        deadline: Instant,
    ) -> Result<Answered, Failure> {
        let identity = self.identity().map_err(Failure::new)?;
        // Boxed, since most answers are those of queries.
        let samples = || Box::pin(self.samples(context, ask, &identity, deadline));
        match self.way(identity.kind, ask)? {
            Way::Samples => return samples().await.map_err(Unread::failure),
            Way::SamplesFirst => match samples().await {
                Err(Unread::Hollow(_)) => {}
                other => return other.map_err(Unread::failure),
            },
            Way::Query => {}
        }
        match self.queried(context, ask, deadline).await {
            Err(failure) if failure.cause == Cause::Histograms && self.reads(identity.kind) => {
                self.memory().saw_histograms(&ask.query);
                samples().await.map_err(Unread::failure)
            }
            other => other,
        }
    }

    /// How a question is to be asked.
    fn way(&self, kind: EndpointKind, ask: &Ask) -> Result<Way, Failure> {
        let lookback = self.looks_back_otherwise(kind, ask);
        if !self.reads(kind) {
            let reason = match (ask.marks, lookback) {
                (true, _) => {
                    "the query needs the marks of ended series, which only remote_read has"
                }
                (false, true) => {
                    "it looks back over its own lookback, and the query over another one: only samples as they are \
                     stored can tell, by remote_read"
                }
                (false, false) => return Ok(Way::Query),
            };
            return Err(Failure {
                cause: Cause::Ability,
                reason: reason.to_owned(),
            });
        }
        let prefers = self.config.remote_read == RemoteRead::Prefer && ask.selects;
        Ok(
            match ask.marks || lookback || self.memory().has_histograms(&ask.query) {
                true => Way::Samples,
                false if prefers => Way::SamplesFirst,
                false => Way::Query,
            },
        )
    }

    /// Asks for samples as they are stored, in another format if it does not have the first.
    async fn samples(
        &self,
        context: &Context,
        ask: &Ask,
        identity: &Identity,
        deadline: Instant,
    ) -> Result<Answered, Unread> {
        let replay = |format| self.replay(context, ask, (identity, format), deadline);
        match replay(ReadFormat::Any).await {
            Err(Unread::Format(_)) => replay(ReadFormat::Samples).await,
            other => other,
        }
    }

    /// Whether instant selectors of a question look back over something else than those of the endpoint, and it cannot be
    /// told so.
    fn looks_back_otherwise(&self, kind: EndpointKind, ask: &Ask) -> bool {
        match kind {
            EndpointKind::Cortex | EndpointKind::Mimir => {}
            // They are told, or are asked for windows.
            EndpointKind::Auto
            | EndpointKind::Prometheus
            | EndpointKind::Thanos
            | EndpointKind::VictoriaMetrics => return false,
        }
        self.lookback() != ask.lookback && ask.has_instant_selectors()
    }

    /// Asks for samples as they are stored, and makes the answer of them.
    async fn replay(
        &self,
        context: &Context,
        ask: &Ask,
        (identity, format): (&Identity, ReadFormat),
        deadline: Instant,
    ) -> Result<Answered, Unread> {
        let added = self.added(context, identity.kind).await?;
        let stop = Stop::when(move || Instant::now() >= deadline);
        let replay = Replay::new(ask, identity.dialect, context.max_samples, stop)?;
        let (mut stored, mut bytes) = (Vec::new(), 0_usize);
        for message in replay.requests(&added, format) {
            let _permit = self.permits.acquire().await;
            let transfer = transfer_stored(context, self, &message);
            let answer = self.timed(transfer, Stored::len).await?;
            bytes = bytes.saturating_add(answer.len());
            stored.push(answer);
        }
        let values = spawn_blocking(move || replay.answer(&added, &stored)).await;
        let bug = |_panic| Failure::new("reading its samples failed: this is a bug");
        Ok(Answered {
            values: values.map_err(bug)??,
            bytes,
            stored: true,
        })
    }

    /// What it adds to samples: a Prometheus its external labels, others nothing.
    async fn added(&self, context: &Context, kind: EndpointKind) -> Result<Added, Failure> {
        if !matches!(kind, EndpointKind::Prometheus | EndpointKind::Auto) {
            return Ok(Added::default());
        }
        let now = Instant::now();
        let known = self.state().added.clone();
        if let Some((asked, added)) = known
            && now.duration_since(asked) < IDENTITY_AGE
        {
            return Ok(added);
        }
        let request = Request::get("status/config");
        let unknown =
            |reason: String| Failure::new(format!("its external labels are not known: {reason}"));
        let body = transfer(context, self, request).await;
        let body = body.map_err(|failure| unknown(failure.reason))?;
        let external = external_labels(&body).map_err(unknown)?;
        let config = &self.config;
        let own = |name: &str| {
            config.label_mode == LabelMode::Present && config.partition.contains_key(name)
        };
        let foreign = external.filter_pairs(|name, _| !own(name));
        let added = Added { external, foreign };
        self.state().added = Some((now, added.clone()));
        Ok(added)
    }

    /// Asks a question in as many queries as it takes, one after the other.
    async fn queried(
        &self,
        context: &Context,
        ask: &Ask,
        deadline: Instant,
    ) -> Result<Answered, Failure> {
        if !matches!(ask.times, Times::Grid { .. }) {
            return self.exchange_part(context, ask, deadline).await;
        }
        let mut whole: Option<Answered> = None;
        for part in ask.parts() {
            let answered = self.exchange_part(context, &part, deadline).await?;
            let Some(whole) = &mut whole else {
                whole = Some(answered);
                continue;
            };
            whole.bytes = whole.bytes.saturating_add(answered.bytes);
            whole.values.append(answered.values);
            if whole.values.samples > context.max_samples {
                return Err(too_many(context.max_samples));
            }
        }
        whole.ok_or_else(|| Failure::new("it was asked for no time: this is a bug"))
    }

    async fn exchange_part(
        &self,
        context: &Context,
        ask: &Ask,
        deadline: Instant,
    ) -> Result<Answered, Failure> {
        let kind = self.identity().map_err(Failure::new)?.kind;
        let _permit = self.permits.acquire().await;
        let left = deadline.saturating_duration_since(Instant::now());
        let transfer = transfer(context, self, ask.request(kind, left, &self.told));
        let body = self.timed(transfer, Vec::len).await?;
        let bytes = body.len();
        let values = if bytes > LARGE {
            let ask = ask.clone();
            let max_samples = context.max_samples;
            let read = move || read(&ask, &body, max_samples);
            let read = spawn_blocking(read).await;
            read.unwrap_or_else(|_panic| {
                Err(Failure::new("reading its answer failed: this is a bug"))
            })
        } else {
            read(ask, &body, context.max_samples)
        };
        Ok(Answered {
            values: values?,
            bytes,
            stored: false,
        })
    }
}
