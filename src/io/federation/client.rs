//! What all queries share: the endpoints of a configuration, what they cost, and what the node measures of itself.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    discovery::{Discovery, Resolve, system_names},
    endpoints::Endpoints,
    limits::Limits,
    own::Meaning,
    ranges::Ranges,
    stats::QueryStats,
};
use crate::{
    config::QueryConfig,
    federation::{Claim, Local, Recurring, local},
    io::{Clock, HttpClients},
    promql::ast::Expr,
};

/// How long a query waits for endpoints that are asked what they are.
pub(super) const LEARNING: Duration = Duration::from_secs(2);

/// Answers queries over the endpoints of a configuration.
#[derive(Debug)]
pub struct Federation {
    pub(super) http: Arc<HttpClients>,
    pub(super) clock: Clock,
    pub(super) stats: Arc<QueryStats>,
    pub(super) ranges: Arc<Ranges>,
    pub(super) limits: Limits,
    pub(super) discovery: Discovery,
    endpoints: Mutex<Arc<Endpoints>>,
    /// What the node measures of itself.
    own: Mutex<Own>,
}

/// What the node measures of itself, and what it means.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    pub(super) series: Vec<Arc<dyn Local>>,
    pub(super) meanings: Arc<[Meaning]>,
}

impl Federation {
    /// Makes a federation of the endpoints of a configuration.
    #[must_use]
    pub fn new(http: Arc<HttpClients>, clock: Clock, config: QueryConfig) -> Self {
        Self::with_names(http, clock, config, system_names())
    }

    /// The same with another way to look names up.
    #[must_use]
    pub(super) fn with_names(
        http: Arc<HttpClients>,
        clock: Clock,
        config: QueryConfig,
        names: Resolve,
    ) -> Self {
        let ranges = Arc::new(Ranges::new(config.cache.clone()));
        let limits = Limits::new(config.limits.clone());
        let discovery = Discovery::new(names, config);
        let endpoints = Endpoints::new(discovery.declared(), &Endpoints::default());
        Self {
            http,
            clock,
            stats: Arc::default(),
            ranges,
            limits,
            discovery,
            endpoints: Mutex::new(Arc::new(endpoints)),
            own: Mutex::default(),
        }
    }

    /// Series about the node itself, each of which answers the selectors that it claims, from now on, and what they mean.
    pub fn set_own(&self, series: Vec<Arc<dyn Local>>, meanings: Vec<Meaning>) {
        let meanings = meanings.into();
        *self.own.lock().unwrap_or_else(PoisonError::into_inner) = Own { series, meanings };
    }

    /// What the node measures of itself.
    pub(super) fn own(&self) -> Own {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.clone()
    }

    /// Whether what the node measures of itself is known, as far as an expression reads it, from one time to another in
    /// Unix milliseconds.
    #[must_use]
    pub fn has_measured(&self, expr: &Expr, from: i64, to: i64) -> bool {
        let own = self.own_of(expr);
        !own.is_empty() && own.iter().all(|own| own.knows(from, to))
    }

    /// Whether an expression reads what endpoints have; otherwise its value depends on none, and waits for none.
    #[must_use]
    pub fn needs_endpoints(&self, expr: &Expr) -> bool {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let claims: Vec<_> = own.series.iter().filter_map(|own| own.claim()).collect();
        !local::are_claimed(&claims, expr)
    }

    /// Those of which an expression reads.
    pub(super) fn own_of(&self, expr: &Expr) -> Vec<Arc<dyn Local>> {
        self.own_claimed(|claim| local::is_claimed(claim, expr))
    }

    /// The same of an expression that is asked again and again.
    pub(super) fn own_of_recurring(&self, known: &Recurring) -> Vec<Arc<dyn Local>> {
        self.own_claimed(|claim| known.is_claimed(claim))
    }

    fn own_claimed(&self, is_claimed: impl Fn(Claim) -> bool) -> Vec<Arc<dyn Local>> {
        let own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        let reads = |own: &&Arc<dyn Local>| own.claim().is_some_and(&is_claimed);
        own.series.iter().filter(reads).map(Arc::clone).collect()
    }

    /// Takes another configuration. Queries that run end with the endpoints with which they began, and nothing is known
    /// any more of earlier ones.
    pub fn reload(&self, config: QueryConfig) {
        let cache = config.cache.clone();
        self.limits.take(config.limits.clone());
        self.discovery.take(config);
        self.use_declared();
        // After that, so that whoever took the endpoints before does not take what it finds for what is found now.
        self.ranges.reset(cache);
    }

    /// Makes those the endpoints that are declared or were found; what is known of those that stay is kept.
    pub(super) fn use_declared(&self) {
        let mut endpoints = self
            .endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *endpoints = Arc::new(Endpoints::new(self.discovery.declared(), &endpoints));
    }

    pub(super) fn endpoints(&self) -> Arc<Endpoints> {
        let endpoints = self
            .endpoints
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&endpoints)
    }
}
