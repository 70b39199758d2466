//! A webhook receiver that records what it is sent, with the moment it answered; it can also serve a metric.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Router, body::Bytes, extract::State, http::HeaderMap, routing};
use serde_json::Value;

use crate::{http::RUNTIME, process::wait_for};

/// One recorded notification.
#[derive(Clone, Debug)]
pub(crate) struct Notification {
    /// Just before the answer went out: the sender knows of it a little later.
    pub(crate) at: Instant,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    /// The body as it came.
    pub(crate) text: String,
}

impl Notification {
    pub(crate) fn status(&self) -> &str {
        self.body["status"].as_str().unwrap()
    }

    pub(crate) fn group_key(&self) -> &str {
        self.body["groupKey"].as_str().unwrap()
    }
}

#[derive(Default)]
struct Record {
    notifications: Mutex<Vec<Notification>>,
    metric: Mutex<f64>,
}

/// A webhook receiver on a port of its own, until the end of the test program.
pub(crate) struct Sink {
    address: String,
    record: Arc<Record>,
}

impl Sink {
    pub(crate) fn start() -> Self {
        let record = Arc::new(Record::default());
        let router = Router::new()
            .route("/", routing::post(receive))
            .route("/metrics", routing::get(metric))
            .with_state(Arc::clone(&record));
        let listener = RUNTIME
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let address = listener.local_addr().unwrap().to_string();
        RUNTIME.spawn(async move { axum::serve(listener, router).await });
        Self { address, record }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn notifications(&self) -> Vec<Notification> {
        self.record.notifications.lock().unwrap().clone()
    }

    /// Waits for a notification that fits.
    pub(crate) fn wait(
        &self,
        what: &str,
        bound: Duration,
        fits: impl Fn(&Notification) -> bool,
    ) -> Notification {
        wait_for(what, bound, || self.notifications().into_iter().find(&fits))
    }

    /// Sets the value of `peers_test_value` under `/metrics`.
    pub(crate) fn set_metric(&self, value: f64) {
        *self.record.metric.lock().unwrap() = value;
    }
}

async fn receive(State(record): State<Arc<Record>>, headers: HeaderMap, body: Bytes) {
    let text = String::from_utf8(body.to_vec()).unwrap();
    let body = serde_json::from_str(&text).unwrap();
    record.notifications.lock().unwrap().push(Notification {
        at: Instant::now(),
        headers,
        body,
        text,
    });
}

async fn metric(State(record): State<Arc<Record>>) -> String {
    format!("peers_test_value {}\n", record.metric.lock().unwrap())
}
