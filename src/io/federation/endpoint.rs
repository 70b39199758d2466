//! One endpoint: what it is, how it does, and how it is asked.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::{
    context::Context,
    endpoints::Declared,
    flight::Flights,
    identity::{Identity, assumed, external_labels, has_histograms, identify},
    life::Life,
    memory::{LARGE, Memory, Weight},
    question::{Ask, Cause, Failure, Request, Times, Values, read, told, too_many},
    read::{Added, Replay, Unread},
    stats::RequestStats,
    transfer::{Stored, transfer, transfer_stored},
};
use crate::{
    config::{EndpointConfig, EndpointKind, LabelMode, PushdownLevel, RemoteRead},
    federation::{PartitionMode, Pushdown, Rates, ReadFormat, Speech},
    io::{HttpClients, http::Straight},
    promql::engine::Stop,
    time::Timestamp,
};

/// How long what an endpoint said of itself is believed.
const IDENTITY_AGE: Duration = Duration::from_mins(5);

/// How long an endpoint that did not tell is not asked again.
const IDENTITY_PAUSE: Duration = Duration::from_secs(5);

/// How long one that did not tell may take when it is asked again, beside queries.
const ASIDE: Duration = Duration::from_secs(5);

/// How long a query waits for that.
const GLANCE: Duration = Duration::from_millis(250);

/// One that told nothing for so long is silent.
const SILENT: Duration = Duration::from_secs(1);

/// How long a sentinel that was there is believed.
const SENTINEL_AGE: Duration = Duration::from_secs(15);

/// A server that answers PromQL.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) config: EndpointConfig,
    /// Its name and its replica, which are told of each request.
    pub(super) name: Arc<str>,
    pub(super) replica: Arc<str>,
    /// Why it is not there, if it stands for those that are to be found.
    pub(super) absent: Option<String>,
    pub(super) stats: Arc<RequestStats>,
    /// See [`told`].
    told: String,
    /// The server, if it is reached straight; found out by the first request.
    straight: OnceLock<Option<Arc<Straight>>>,
    /// What it is as long as it does not say.
    assumed: Option<Arc<Identity>>,
    permits: Semaphore,
    flights: Flights,
    state: Mutex<State>,
    memory: Memory,
    /// Held while it is asked what it is.
    learning: tokio::sync::Mutex<()>,
    pub(super) life: Life,
}

#[derive(Debug, Default)]
struct State {
    identity: Option<Arc<Identity>>,
    /// Why it did not tell what it is.
    unknown: String,
    /// When it told what it is, or did not.
    asked: Option<Instant>,
    /// Whether nothing came then for as long as one waits for it.
    silent: bool,
    /// Whether a question failed since.
    failed: bool,
    /// When its sentinel was there.
    sentinel: Option<Instant>,
    /// What it adds to samples, and when that was asked.
    added: Option<(Instant, Added)>,
    /// When it was asked a question last.
    used: Option<Instant>,
    last: Last,
}

/// What came of the last questions.
#[derive(Clone, Debug, Default)]
pub(super) struct Last {
    /// Whether the very last one was answered.
    pub(super) up: Option<bool>,
    pub(super) answer: Option<Timestamp>,
    pub(super) error: Option<(Timestamp, String)>,
}

/// What came of a question.
#[derive(Clone, Debug)]
pub(super) struct Answered {
    pub(super) values: Values,
    /// The bytes of the answer.
    pub(super) bytes: usize,
    /// Whether it was made of samples as they are stored.
    pub(super) stored: bool,
}

impl Endpoint {
    pub(super) fn new(declared: Declared, stats: Arc<RequestStats>) -> Self {
        let Declared { config, absent } = declared;
        let permits = usize::try_from(config.max_concurrency).unwrap_or(usize::MAX);
        Self {
            permits: Semaphore::new(permits.clamp(1, Semaphore::MAX_PERMITS)),
            straight: OnceLock::new(),
            told: told(&config),
            assumed: assumed(config.kind).map(Arc::new),
            flights: Flights::default(),
            state: Mutex::default(),
            memory: Memory::default(),
            name: (&*config.name).into(),
            replica: (&*config.replica).into(),
            learning: tokio::sync::Mutex::default(),
            life: Life::default(),
            config,
            absent,
            stats,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What it is, or why that is not known.
    pub(super) fn identity(&self) -> Result<Arc<Identity>, String> {
        let state = self.state();
        if let Some(absent) = &self.absent {
            return Err(absent.clone());
        }
        let known = state.identity.as_ref().or(self.assumed.as_ref());
        known.map(Arc::clone).ok_or_else(|| match &*state.unknown {
            "" => "what it is, is not known yet".to_owned(),
            why => format!("what it is, is not known: {why}"),
        })
    }

    /// Whether nothing else is known of what it is than this.
    pub(super) fn is_still(&self, known: Option<&Arc<Identity>>) -> bool {
        let state = self.state();
        let now = match self.absent {
            Some(_) => None,
            None => state.identity.as_ref().or(self.assumed.as_ref()),
        };
        match (now, known) {
            (Some(now), Some(known)) => Arc::ptr_eq(now, known),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// How it is spoken to, or why that is not known.
    pub(super) fn speech(&self) -> Result<Speech, String> {
        let identity = self.identity()?;
        let pushdown = match self.config.pushdown {
            PushdownLevel::Aggregate if identity.mistakes_histograms => Pushdown::Selector,
            PushdownLevel::Selector => Pushdown::Selector,
            PushdownLevel::Aggregate => Pushdown::Aggregate,
            PushdownLevel::Full => Pushdown::Full,
        };
        Ok(Speech {
            dialect: identity.dialect,
            mode: self.label_mode(),
            pushdown,
        })
    }

    /// Where the labels of its partition are.
    pub(super) fn label_mode(&self) -> PartitionMode {
        match self.config.label_mode {
            LabelMode::Attach => PartitionMode::Attach,
            LabelMode::Present => PartitionMode::Present,
        }
    }

    /// The server, if it is reached straight.
    pub(super) fn straight(&self, http: &HttpClients) -> Option<&Arc<Straight>> {
        let straight = self.straight.get_or_init(|| {
            let config = &self.config;
            http.straight(config.url.as_str(), &config.http)
        });
        straight.as_ref()
    }

    /// Fails if there is nobody to ask.
    fn must_be_there(&self) -> Result<(), Failure> {
        match &self.absent {
            Some(absent) => Err(Failure::new(absent.clone())),
            None => Ok(()),
        }
    }

    /// Whether its last question was answered.
    pub(super) fn is_well(&self) -> bool {
        !self.state().failed
    }

    /// What came of the last questions.
    pub(super) fn last(&self) -> Last {
        self.state().last.clone()
    }

    /// Whether it was not asked for so long.
    pub(super) fn is_idle(&self, now: Instant, pause: Duration) -> bool {
        let used = self.state().used;
        used.is_none_or(|used| now.duration_since(used) >= pause)
    }

    /// Notes what came of a question; one that cannot be answered by anybody tells nothing of this endpoint.
    fn note<T>(&self, context: &Context, result: &Result<T, Failure>) {
        let now = context.clock.now().wall;
        let mut state = self.state();
        state.used = Some(Instant::now());
        match result {
            Ok(_) => {
                state.last.up = Some(true);
                state.last.answer = Some(now);
            }
            Err(failure) if failure.cause == Cause::Endpoint => {
                state.last.up = Some(false);
                state.last.error = Some((now, failure.reason.clone()));
                self.stats.failed();
            }
            Err(_) => {}
        }
    }

    /// Times a request, and counts the bytes of its answer.
    async fn timed<T>(
        &self,
        request: impl Future<Output = Result<T, Failure>>,
        size: impl FnOnce(&T) -> usize,
    ) -> Result<T, Failure> {
        let timed = self.stats.begin();
        let answer = request.await?;
        drop(timed);
        self.stats.received(size(&answer));
        Ok(answer)
    }

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
        let _ = tokio::time::timeout_at(deadline.min(now + GLANCE), asked).await;
    }

    /// Asks what it is, if that is due. Who has to know it waits while somebody else asks.
    pub(super) async fn learn(&self, context: &Context, deadline: Instant) {
        let asking = match self.learning.try_lock() {
            Ok(asking) => Ok(asking),
            Err(_busy) if self.identity().is_ok() => return,
            Err(_busy) => tokio::time::timeout_at(deadline, self.learning.lock()).await,
        };
        if asking.is_err() || !self.is_to_be_asked(Instant::now()) {
            return;
        }
        let request = Request {
            method: "GET",
            path: "status/buildinfo".to_owned(),
            form: String::new(),
        };
        let began = Instant::now();
        let asked = tokio::time::timeout_at(deadline, transfer(context, self, request)).await;
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
        let request = Request {
            method: "GET",
            path: "status/flags".to_owned(),
            form: String::new(),
        };
        let asked = transfer(context, self, request);
        // The query that waits is to have time left if it tells what it is and nothing more.
        let now = Instant::now();
        let until = now + deadline.saturating_duration_since(now) / 4;
        let flags = tokio::time::timeout_at(until, asked).await;
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
            true => tokio::time::timeout_at(deadline, flight.land())
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
        let result = self.heeded(context, asked, deadline).await;
        let cause = result.as_ref().err().map(|failure| failure.cause);
        if cause != Some(Cause::Time) {
            self.state().failed = cause == Some(Cause::Endpoint);
        }
        result
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
        let replay = |format| self.replay(context, ask, (&*identity, format), deadline);
        // Boxed, since most answers are those of queries.
        let whole = || {
            Box::pin(async {
                match replay(ReadFormat::Any).await {
                    Err(Unread::Format(_)) => replay(ReadFormat::Samples).await,
                    other => other,
                }
            })
        };
        let reads = self.reads(identity.kind);
        if ask.marks && !reads {
            return Err(Failure {
                cause: Cause::Ability,
                reason: "the query needs the marks of ended series, which only remote_read has"
                    .to_owned(),
            });
        }
        if self.looks_back_otherwise(identity.kind, ask) {
            if !reads {
                let reason = "it looks back over its own lookback, and the query over another one: only samples as \
                              they are stored can tell, by remote_read";
                return Err(Failure {
                    cause: Cause::Ability,
                    reason: reason.to_owned(),
                });
            }
            return whole().await.map_err(Unread::failure);
        }
        let known = self.memory.has_histograms(&ask.query);
        let prefers = self.config.remote_read == RemoteRead::Prefer && ask.selects;
        if reads && (ask.marks || known || prefers) {
            match whole().await {
                Err(Unread::Hollow(_)) if !ask.marks && !known => {}
                other => return other.map_err(Unread::failure),
            }
        }
        match self.queried(context, ask, deadline).await {
            Err(failure) if failure.cause == Cause::Histograms && reads => {
                self.memory.saw_histograms(&ask.query);
                whole().await.map_err(Unread::failure)
            }
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

    /// How far its instant selectors look back unless a query says otherwise; milliseconds.
    pub(super) fn lookback(&self) -> i64 {
        i64::try_from(self.config.lookback.as_millis()).unwrap_or(i64::MAX)
    }

    /// Whether samples may be asked for as they are stored.
    fn reads(&self, kind: EndpointKind) -> bool {
        let has = !matches!(kind, EndpointKind::Thanos | EndpointKind::VictoriaMetrics);
        has && self.config.remote_read != RemoteRead::Never
    }

    /// What is remembered of the questions that it was asked.
    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Whether a question may be asked together with others: its answers are light, and come from a query.
    pub(super) fn is_light(&self, ask: &Ask) -> bool {
        let stored = self.config.remote_read == RemoteRead::Prefer && ask.selects;
        !stored && self.memory.is_light(&ask.query)
    }

    /// Whether it may be asked for rates at all.
    fn has_rates(&self) -> bool {
        let rates = self.identity().map_or(Rates::Never, |one| one.rates());
        rates != Rates::Never
    }

    /// What is known of a window of which it may be asked for the rates instead of the samples; nothing if it may not.
    pub(super) fn weight_of(&self, window: &Ask) -> Weight {
        match self.has_rates() {
            true => self.memory.weight_of(&window.query),
            false => Weight::default(),
        }
    }

    /// Whether the samples of a window are few, and rates over it may be asked for instead.
    pub(super) fn has_light_rates(&self, window: &Ask) -> bool {
        self.memory.has_few(&window.query) && self.has_rates()
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
        let values = tokio::task::spawn_blocking(move || replay.answer(&added, &stored)).await;
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
        let request = Request {
            method: "GET",
            path: "status/config".to_owned(),
            form: String::new(),
        };
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
            let read = tokio::task::spawn_blocking(read).await;
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
