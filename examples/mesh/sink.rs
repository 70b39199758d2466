//! A webhook that notes when it is told of what.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use axum::{Router, body::Bytes, extract::State, routing};

use super::web::RUNTIME;

#[derive(Default)]
struct Seen {
    /// All times at which an alert name was told.
    told: Mutex<BTreeMap<String, Vec<Instant>>>,
    changed: Condvar,
}

/// The webhook; it serves until the program ends.
pub(crate) struct Sink {
    pub(crate) url: String,
    seen: Arc<Seen>,
}

async fn receive(State(seen): State<Arc<Seen>>, body: Bytes) {
    let at = Instant::now();
    let Ok(message) = serde_json::from_slice::<serde_json::Value>(&body) else {
        return;
    };
    let name = message["groupLabels"]["alertname"]
        .as_str()
        .unwrap_or_default();
    let mut told = seen.told.lock().unwrap_or_else(PoisonError::into_inner);
    told.entry(name.to_owned()).or_default().push(at);
    seen.changed.notify_all();
}

impl Sink {
    pub(crate) fn start() -> Result<Self> {
        let seen = Arc::new(Seen::default());
        let router = Router::new()
            .route("/", routing::post(receive))
            .with_state(Arc::clone(&seen));
        let listener = RUNTIME.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
        let url = format!("http://{}/", listener.local_addr()?);
        RUNTIME.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, seen })
    }

    /// Waits until all names were told; returns when each was told first.
    pub(crate) fn wait(&self, names: &[String]) -> Result<Vec<Instant>> {
        let until = Instant::now() + Duration::from_secs(60);
        let mut told = self
            .seen
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            let first = names.iter().map(|name| told.get(name)?.first().copied());
            if let Some(first) = first.collect() {
                return Ok(first);
            }
            let left = until.saturating_duration_since(Instant::now());
            ensure!(!left.is_zero(), "not everything was told within a minute");
            told = self
                .seen
                .changed
                .wait_timeout(told, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// How many notifications came beyond the first of each name.
    pub(crate) fn repeated(&self) -> usize {
        let told = self
            .seen
            .told
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        told.values().map(|times| times.len() - 1).sum()
    }
}
