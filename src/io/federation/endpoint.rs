//! One endpoint: what is known of it, and what may be asked of it.

use std::{
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use tokio::{sync::Semaphore, time::Instant};

use super::{
    context::Context,
    endpoints::Declared,
    flight::Flights,
    identity::{Identity, assumed},
    life::Life,
    memory::{Memory, Weight},
    question::{Ask, Cause, Failure},
    read::Added,
    request::told,
    stats::RequestStats,
};
use crate::{
    config::{EndpointConfig, EndpointKind, LabelMode, PushdownLevel, RemoteRead},
    federation::{PartitionMode, Pushdown, Rates, Speech},
    io::{HttpClients, http::Straight},
    time::Timestamp,
};

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
    pub(super) told: String,
    /// The server, if it is reached straight; found out by the first request.
    straight: OnceLock<Option<Arc<Straight>>>,
    /// What it is as long as it does not say.
    pub(super) assumed: Option<Arc<Identity>>,
    pub(super) permits: Semaphore,
    pub(super) flights: Flights,
    state: Mutex<State>,
    memory: Memory,
    /// Held while it is asked what it is.
    pub(super) learning: tokio::sync::Mutex<()>,
    pub(super) life: Life,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) identity: Option<Arc<Identity>>,
    /// Why it did not tell what it is.
    pub(super) unknown: String,
    /// When it told what it is, or did not.
    pub(super) asked: Option<Instant>,
    /// Whether nothing came then for as long as one waits for it.
    pub(super) silent: bool,
    /// Whether a question failed since.
    pub(super) failed: bool,
    /// When its sentinel was there.
    pub(super) sentinel: Option<Instant>,
    /// What it adds to samples, and when that was asked.
    pub(super) added: Option<(Instant, Added)>,
    /// When it was asked a question last.
    pub(super) used: Option<Instant>,
    pub(super) last: Last,
}

/// What came of the last questions.
#[derive(Clone, Debug, Default)]
pub(super) struct Last {
    /// Whether the very last one was answered.
    pub(super) up: Option<bool>,
    pub(super) answer: Option<Timestamp>,
    pub(super) error: Option<(Timestamp, String)>,
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

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
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
    pub(super) fn must_be_there(&self) -> Result<(), Failure> {
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
    pub(super) fn note<T>(&self, context: &Context, result: &Result<T, Failure>) {
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
    pub(super) async fn timed<T>(
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

    /// How far its instant selectors look back unless a query says otherwise; milliseconds.
    pub(super) fn lookback(&self) -> i64 {
        i64::try_from(self.config.lookback.as_millis()).unwrap_or(i64::MAX)
    }

    /// Whether samples may be asked for as they are stored.
    pub(super) fn reads(&self, kind: EndpointKind) -> bool {
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
}
