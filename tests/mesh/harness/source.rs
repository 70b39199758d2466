//! A source of alerts as Prometheus is one: it posts what changes at once to every node, and all of it again and again.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use super::web::{self, RUNTIME};

/// Between two posts of the same alerts.
const RESEND: Duration = Duration::from_secs(5);

/// A change at the source that is to be told once: alert name, `firing` or `resolved`, start.
pub(crate) type Change = (String, &'static str, String);

#[derive(Clone)]
struct Alert {
    starts: String,
    /// When it was over.
    ended: Option<String>,
}

struct Held {
    targets: Vec<String>,
    alerts: BTreeMap<String, Alert>,
    /// What a firing alert's end lies ahead.
    life: SignedDuration,
    /// What happened, and when.
    changes: BTreeMap<Change, Instant>,
}

/// The source; it re-sends until the program ends.
pub(crate) struct Source(Arc<Mutex<Held>>);

impl Source {
    /// A source that tells these base URLs.
    pub(crate) fn start(targets: Vec<String>) -> Self {
        let held = Arc::new(Mutex::new(Held {
            targets,
            alerts: BTreeMap::new(),
            life: SignedDuration::from_mins(4),
            changes: BTreeMap::new(),
        }));
        let resending = Arc::clone(&held);
        RUNTIME.spawn(async move {
            loop {
                tokio::time::sleep(RESEND).await;
                let (targets, body) = {
                    let held = resending.lock().unwrap_or_else(PoisonError::into_inner);
                    (held.targets.clone(), held.body())
                };
                post(&targets, body).await;
            }
        });
        Self(held)
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long an alert lives that is not sent again.
    pub(crate) fn set_life(&self, life: SignedDuration) {
        self.lock().life = life;
    }

    /// Alerts of these names, each of a group of its own, begin now. Every node is told once; one that does not answer
    /// is waited for as long as a request may take.
    pub(crate) fn fire(&self, names: impl IntoIterator<Item = String>) {
        let targets = self.lock().targets.clone();
        self.fire_to(names, &targets);
    }

    /// As [`Self::fire`], and only one node ever hears of it.
    pub(crate) fn fire_only_to(&self, names: impl IntoIterator<Item = String>, node: usize) {
        let target = self.lock().targets[node].clone();
        self.lock().targets = vec![target.clone()];
        self.fire_to(names, &[target]);
    }

    fn fire_to(&self, names: impl IntoIterator<Item = String>, targets: &[String]) {
        let starts = format!("{:.3}", Timestamp::now());
        let body = {
            let mut held = self.lock();
            for name in names {
                let alert = Alert {
                    starts: starts.clone(),
                    ended: None,
                };
                held.alerts.insert(name.clone(), alert);
                held.changes
                    .insert((name, "firing", starts.clone()), Instant::now());
            }
            held.body()
        };
        RUNTIME.block_on(post(targets, body));
    }

    /// All alerts whose names begin so end now, and everyone is told.
    pub(crate) fn resolve(&self, prefix: &str) {
        self.end(prefix);
        let (targets, body) = {
            let held = self.lock();
            (held.targets.clone(), held.body())
        };
        RUNTIME.block_on(post(&targets, body));
    }

    /// All alerts end now, and nobody is ever told.
    pub(crate) fn forget(&self) {
        self.end("");
        self.lock().alerts.clear();
    }

    fn end(&self, prefix: &str) {
        let ended = format!("{:.3}", Timestamp::now());
        let held = &mut *self.lock();
        let ending = held.alerts.iter_mut();
        for (name, alert) in ending.filter(|(name, _)| name.starts_with(prefix)) {
            alert.ended = Some(ended.clone());
            held.changes.insert(
                (name.clone(), "resolved", alert.starts.clone()),
                Instant::now(),
            );
        }
    }

    /// What changed at the source, with the moment.
    pub(crate) fn changes(&self) -> BTreeMap<Change, Instant> {
        self.lock().changes.clone()
    }
}

impl Held {
    fn body(&self) -> Value {
        let ahead = format!("{:.3}", Timestamp::now() + self.life);
        self.alerts
            .iter()
            .map(|(name, alert)| {
                json!({
                    "labels": {"alertname": name, "severity": "page"},
                    "annotations": {"summary": "a row of faults"},
                    "startsAt": alert.starts,
                    "endsAt": alert.ended.as_ref().unwrap_or(&ahead),
                })
            })
            .collect()
    }
}

/// Posts to all at the same time; who is not there is not told.
async fn post(targets: &[String], body: Value) {
    if body.as_array().is_none_or(Vec::is_empty) {
        return;
    }
    let body = Arc::new(body);
    let posts: Vec<_> = targets
        .iter()
        .map(|target| {
            let (url, body) = (format!("{target}/api/v2/alerts"), Arc::clone(&body));
            tokio::spawn(async move { web::request(Method::POST, &url, Some(&body)).await })
        })
        .collect();
    for post in posts {
        let _not_there = post.await;
    }
}
