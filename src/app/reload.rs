//! Reloads from every side, one after another: `SIGHUP`, `POST /-/reload`, and the watch on the file.
//!
//! The file is read and checked as a whole before the node hears of it; what is wrong changes nothing but the metric.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{Router, body::Body, extract::Request as HttpRequest, routing::post};
use http::{Response, StatusCode};
use tokio::{runtime, sync::Semaphore};

use super::{
    config_file::{ConfigError, ConfigFile},
    queries::Queries,
    ruler::Rules,
};
use crate::{
    api::ReloadStats,
    io::{
        Clock, Handle, Signals, notify_socket,
        server::{method_not_allowed, text},
        spawn,
    },
    node::{Reply, Request},
};

/// Puts new configurations into force.
pub(super) struct Reloader {
    file: ConfigFile,
    queries: Option<Arc<Queries>>,
    rules: Option<Arc<Rules>>,
    node: Handle,
    clock: Clock,
    stats: Arc<ReloadStats>,
    turn: Semaphore,
    runtime: runtime::Handle,
}

impl Reloader {
    pub(super) fn new(
        file: ConfigFile,
        queries: Option<Arc<Queries>>,
        rules: Option<Arc<Rules>>,
        node: Handle,
        clock: Clock,
        stats: Arc<ReloadStats>,
        runtime: runtime::Handle,
    ) -> Arc<Self> {
        Arc::new(Self {
            file,
            queries,
            rules,
            node,
            clock,
            stats,
            turn: Semaphore::new(1),
            runtime,
        })
    }

    /// Reloads and waits for the end. A caller that goes away does not stop it.
    pub(super) async fn reload(self: &Arc<Self>) -> Result<(), ConfigError> {
        let (done, result) = tokio::sync::oneshot::channel();
        let this = Arc::clone(self);
        spawn(&self.runtime, "reload", async move {
            // Whoever asked may have gone.
            let _ = done.send(this.in_turn().await);
        });
        result.await.unwrap_or_else(|_| {
            Err(ConfigError::Refused(
                "the reload failed by a bug".to_owned(),
            ))
        })
    }

    async fn in_turn(&self) -> Result<(), ConfigError> {
        let Ok(_turn) = self.turn.acquire().await else {
            return Err(ConfigError::Refused("the node is shutting down".to_owned()));
        };
        notify_socket::reloading();
        let result = self.apply().await;
        notify_socket::ready();
        match &result {
            Ok(()) => self.stats.succeeded(self.clock.now().wall),
            Err(_) => self.stats.failed(),
        }
        result
    }

    async fn apply(&self) -> Result<(), ConfigError> {
        let path = self.file.path.display();
        tracing::info!(file = %path, "Loading configuration file");
        let file = self.file.clone();
        let loaded = tokio::task::spawn_blocking(move || file.load_and_warn())
            .await
            .unwrap_or_else(|_| Err(ConfigError::Refused("reading failed by a bug".to_owned())));
        let config = loaded.inspect_err(|error| {
            tracing::error!(file = %path, err = %error, "Loading configuration file failed");
        })?;
        let endpoints = self
            .queries
            .as_ref()
            .map(|queries| queries.read())
            .transpose()?;
        let rules = self.rules.as_ref().map(|rules| rules.read()).transpose()?;
        tracing::info!(file = %path, "Completed loading of configuration file");
        match self.node.request(Request::Reload(config)).await {
            Reply::Reloaded => {
                if let (Some(queries), Some(endpoints)) = (&self.queries, endpoints) {
                    queries.take(endpoints);
                }
                if let (Some(ruler), Some(rules)) = (&self.rules, rules) {
                    ruler.take(&rules);
                }
                Ok(())
            }
            Reply::Refused(reason) => {
                tracing::error!(file = %path, err = reason, "the node refused the configuration");
                Err(ConfigError::Refused(reason))
            }
            Reply::AlertsStored
            | Reply::SilenceSet(_)
            | Reply::SilenceExpired(_)
            | Reply::View(_) => Err(ConfigError::Refused(
                "the node answered something else than was asked".to_owned(),
            )),
        }
    }

    /// `/-/reload`.
    pub(super) fn routes(self: &Arc<Self>) -> Router {
        let this = Arc::clone(self);
        let reload = move || {
            let this = Arc::clone(&this);
            async move { this.answer().await }
        };
        let others = async |request: HttpRequest| method_not_allowed(&request, "OPTIONS, POST");
        Router::new().route("/-/reload", post(reload).fallback(others))
    }

    async fn answer(self: &Arc<Self>) -> Response<Body> {
        match self.reload().await {
            Ok(()) => Response::new(Body::empty()),
            Err(error) => text(
                StatusCode::INTERNAL_SERVER_ERROR,
                format!("failed to reload config: {error}\n"),
            ),
        }
    }

    /// Reloads at each `SIGHUP`.
    pub(super) fn reload_on(self: &Arc<Self>, signals: Arc<Signals>) {
        let this = Arc::clone(self);
        spawn(&self.runtime, "reload on signal", async move {
            loop {
                signals.reload().await;
                if let Err(error) = this.reload().await {
                    tracing::error!(err = %error, "configuration reload failed");
                }
            }
        });
    }

    /// Looks at the file every `interval` and reloads it when it changed (`--config.auto-reload-interval`).
    pub(super) fn watch(self: &Arc<Self>, interval: Duration) {
        let this = Arc::clone(self);
        let mut seen = look(&this.file.path);
        spawn(&self.runtime, "config watch", async move {
            let mut ticks = tokio::time::interval(interval);
            loop {
                ticks.tick().await;
                let now = look(&this.file.path);
                if now != seen && now.is_some() {
                    seen = now;
                    // The failure is in the log and in the metric.
                    let _ = this.reload().await;
                }
            }
        });
    }
}

/// Enough of a file to notice a change; `None` while it is not there.
fn look(path: &PathBuf) -> Option<(SystemTime, u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    let file = std::fs::metadata(path).ok()?;
    Some((file.modified().ok()?, file.len(), file.ino()))
}
