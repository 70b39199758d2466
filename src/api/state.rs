//! What the handlers are given: the node to ask, and what the shell knows and the node does not.

use std::{future::Future, pin::Pin, sync::Arc};

use tokio::sync::Semaphore;

use super::{
    error::ApiError,
    metrics::{HttpStats, Renderer, Sources},
    prometheus::{Expressions, Querier, RuleReader},
    stream::Writers,
};
use crate::{
    io::{Handle, Senders, alertmanagers::AlertmanagersStats, remote_write::RemoteWriteStats},
    labels::MatcherMode,
    node::{Reply, Request},
    promql::Language,
    tenant::View,
    time::{Now, Timestamp},
};

/// Answers requests to the node; tests put a node or a fake behind it.
pub trait Backend: Send + Sync {
    /// Asks and waits for the answer.
    fn request(&self, request: Request) -> Pin<Box<dyn Future<Output = Reply> + Send + '_>>;
}

impl Backend for Handle {
    fn request(&self, request: Request) -> Pin<Box<dyn Future<Output = Reply> + Send + '_>> {
        Box::pin(self.request(request))
    }
}

/// What the API says about the program and how it was started.
#[derive(Debug, Clone)]
pub struct About {
    /// When the process started.
    pub started_at: Timestamp,
    /// How matchers and label names are read.
    pub matcher_mode: MatcherMode,
    /// What an operator should know that no configuration file is to blame for (flags, store).
    pub warnings: Vec<String>,
    /// `--web.ready-always`: ready even while the node is not.
    pub ready_always: bool,
    /// The parts of PromQL that are on.
    pub language: Language,
}

/// What trying a receiver out needs.
#[derive(Debug)]
pub struct Trials {
    /// Who speaks to receivers.
    pub senders: Arc<Senders>,
    /// `--web.external-url` without a trailing slash.
    pub external_url: Arc<str>,
    /// Tests that may run at the same time.
    pub running: Arc<Semaphore>,
}

/// Shared by all handlers; cheap to clone.
#[derive(Clone)]
pub struct ApiState {
    backend: Arc<dyn Backend>,
    clock: Arc<dyn Fn() -> Now + Send + Sync>,
    query_clock: Arc<dyn Fn() -> Now + Send + Sync>,
    about: Arc<About>,
    sources: Sources,
    http: Arc<HttpStats>,
    renderer: Arc<Renderer>,
    writers: Writers,
    trials: Option<Arc<Trials>>,
    querier: Option<Arc<dyn Querier>>,
    expressions: Arc<Expressions>,
    remote_write: Option<Arc<RemoteWriteStats>>,
    alertmanagers: Option<Arc<AlertmanagersStats>>,
    rules: Option<Arc<dyn RuleReader>>,
}

impl std::fmt::Debug for ApiState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiState")
            .field("about", &self.about)
            .finish_non_exhaustive()
    }
}

impl ApiState {
    /// Puts the parts together; `clock` times requests.
    pub fn new(
        backend: Arc<dyn Backend>,
        clock: impl Fn() -> Now + Send + Sync + 'static,
        about: About,
        sources: Sources,
    ) -> Self {
        let expressions = Arc::new(Expressions::new(about.language.features));
        let clock: Arc<dyn Fn() -> Now + Send + Sync> = Arc::new(clock);
        Self {
            backend,
            query_clock: Arc::clone(&clock),
            clock,
            about: Arc::new(about),
            sources,
            http: Arc::default(),
            renderer: Arc::default(),
            writers: Writers::default(),
            trials: None,
            querier: None,
            expressions,
            remote_write: None,
            alertmanagers: None,
            rules: None,
        }
    }

    /// Queries that name no time are about the time of this clock.
    #[must_use]
    pub fn with_query_clock(mut self, clock: impl Fn() -> Now + Send + Sync + 'static) -> Self {
        self.query_clock = Arc::new(clock);
        self
    }

    /// Lets clients try receivers out.
    #[must_use]
    pub fn with_trials(mut self, trials: Trials) -> Self {
        self.trials = Some(Arc::new(trials));
        self
    }

    /// Shows how remote write does on the metrics page.
    #[must_use]
    pub fn with_remote_write(mut self, stats: Arc<RemoteWriteStats>) -> Self {
        self.remote_write = Some(stats);
        self
    }

    /// Shows on the metrics page how other Alertmanagers are told of alerts of rules.
    #[must_use]
    pub fn with_alertmanagers(mut self, stats: Arc<AlertmanagersStats>) -> Self {
        self.alertmanagers = Some(stats);
        self
    }

    pub(super) fn alertmanagers(&self) -> Option<&AlertmanagersStats> {
        self.alertmanagers.as_deref()
    }

    pub(super) fn remote_write(&self) -> Option<&RemoteWriteStats> {
        self.remote_write.as_deref()
    }

    /// Lets clients query the endpoints.
    #[must_use]
    pub fn with_querier(mut self, querier: Arc<dyn Querier>) -> Self {
        self.querier = Some(querier);
        self
    }

    /// Shows clients the rules.
    #[must_use]
    pub fn with_rules(mut self, rules: Arc<dyn RuleReader>) -> Self {
        self.rules = Some(rules);
        self
    }

    pub(super) fn rule_reader(&self) -> Option<Arc<dyn RuleReader>> {
        self.rules.clone()
    }

    pub(super) fn querier(&self) -> Option<Arc<dyn Querier>> {
        self.querier.clone()
    }

    pub(super) fn trials(&self) -> Option<&Trials> {
        self.trials.as_deref()
    }

    /// Counters of the HTTP server; who limits requests counts there.
    #[must_use]
    pub fn http_stats(&self) -> &Arc<HttpStats> {
        &self.http
    }

    pub(super) fn about(&self) -> &About {
        &self.about
    }

    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }

    pub(super) fn expressions(&self) -> &Expressions {
        &self.expressions
    }

    pub(super) fn writers(&self) -> &Writers {
        &self.writers
    }

    pub(super) fn renderer(&self) -> &Renderer {
        &self.renderer
    }

    pub(super) fn now(&self) -> Now {
        (self.clock)()
    }

    pub(super) fn query_now(&self) -> Now {
        (self.query_clock)()
    }

    pub(super) async fn request(&self, request: Request) -> Reply {
        self.backend.request(request).await
    }

    /// A snapshot of everything.
    pub(super) async fn view(&self) -> Result<Arc<View>, ApiError> {
        let reply = self.request(Request::View).await;
        let Reply::View(view) = reply else {
            return Err(unexpected(&reply));
        };
        Ok(view)
    }
}

/// An answer that says that the request was not carried out.
pub(super) fn unexpected(reply: &Reply) -> ApiError {
    match reply {
        Reply::Refused(reason) => ApiError::internal(reason.clone()),
        Reply::AlertsStored
        | Reply::SilenceSet(_)
        | Reply::SilenceExpired(_)
        | Reply::View(_)
        | Reply::Reloaded => ApiError::internal("the node answered something else than was asked"),
    }
}
