//! Tells one Alertmanager what waits for it.

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::Ordering::Relaxed},
    time::{Duration, Instant},
};

use serde_json::{Map, Value, json};
use tokio::time::{Instant as Due, sleep_until};

use super::stats::AlertmanagerStats;
use crate::{
    alert::Alert,
    config::{AlertmanagerConfig, Secret},
    io::{Clock, HttpClients},
    labels::{LabelSet, relabel},
    notify::integration::{HttpRequest, HttpResponse, retry_after},
};

/// The first wait after a failure, which doubles.
const SHORTEST: Duration = Duration::from_millis(500);

/// The longest wait after a failure: what waits is told again by then anyway.
const LONGEST: Duration = Duration::from_secs(30);

/// How much of an answer is told.
const MAX_TEXT: usize = 512;

/// An Alertmanager and what is known of it.
#[derive(Debug)]
pub(super) struct Sender {
    config: Arc<AlertmanagerConfig>,
    url: Secret,
    http: Arc<HttpClients>,
    clock: Clock,
    stats: Arc<AlertmanagerStats>,
    /// When requests began to fail.
    failing: Mutex<Option<Instant>>,
}

/// What became of a request.
enum Verdict {
    Taken,
    /// Try again, after so long if the server says so.
    Later(Option<Duration>, String),
    /// Never try these again.
    Refused(String),
}

impl Sender {
    pub(super) fn new(
        config: Arc<AlertmanagerConfig>,
        url: &str,
        http: Arc<HttpClients>,
        clock: Clock,
        stats: Arc<AlertmanagerStats>,
    ) -> Self {
        Self {
            config,
            url: Secret::new(url),
            http,
            clock,
            stats,
            failing: Mutex::default(),
        }
    }

    /// The alert as this Alertmanager is told of it; none if its rules drop it.
    pub(super) fn relabelled(&self, alert: &Alert) -> Option<Alert> {
        let rules = &self.config.alert_relabel_configs;
        if rules.is_empty() {
            return Some(alert.clone());
        }
        let labels = relabel(rules, &alert.labels)?;
        Some(Alert {
            fingerprint: labels.fingerprint(),
            labels,
            ..alert.clone()
        })
    }

    /// Gives alerts to the queue.
    pub(super) fn push(&self, alerts: &[Alert]) {
        let alerts = alerts.iter().filter_map(|alert| self.relabelled(alert));
        let dropped = self.stats.queue.push(alerts);
        self.stats.drop_alerts(dropped);
    }

    pub(super) fn stats(&self) -> &Arc<AlertmanagerStats> {
        &self.stats
    }

    /// Tells what comes, for as long as it is not given up.
    pub(super) async fn run(self: Arc<Self>) {
        let mut wait = SHORTEST;
        loop {
            let (batch, over) = self.stats.queue.take(self.clock.now().wall);
            self.stats.drop_alerts(over);
            if batch.is_empty() {
                self.stats.queue.came().await;
                continue;
            }
            let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
            match self.request(&batch).await {
                Verdict::Taken => {
                    wait = SHORTEST;
                    self.works();
                }
                Verdict::Refused(why) => {
                    self.stats.errors.fetch_add(count, Relaxed);
                    self.stats.drop_alerts(batch.len());
                    tracing::error!(
                        alertmanager = self.stats.url,
                        alerts = batch.len(),
                        error = why,
                        "an Alertmanager refused alerts of rules; they are dropped until they are told again"
                    );
                }
                Verdict::Later(asked, why) => {
                    self.stats.errors.fetch_add(count, Relaxed);
                    self.fails(&why);
                    let dropped = self.stats.queue.put_back(batch);
                    self.stats.drop_alerts(dropped);
                    sleep_until(Due::now() + pause(asked, wait)).await;
                    wait = wait.saturating_mul(2).min(LONGEST);
                }
            }
        }
    }

    async fn request(&self, batch: &[Alert]) -> Verdict {
        let body = body(batch);
        let request = HttpRequest {
            method: "POST",
            url: self.url.clone(),
            headers: vec![("Content-Type", "application/json".to_owned())],
            body: Arc::from(body.into_bytes()),
            timeout: None,
            http: Arc::clone(&self.config.http),
        };
        let count = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        self.stats.sent.fetch_add(count, Relaxed);
        let begun = Instant::now();
        let answer = self.http.send(&request, self.config.timeout).await;
        self.stats.took(begun.elapsed());
        match answer {
            Ok(answer) => judge(&answer),
            Err(error) => Verdict::Later(None, error.message),
        }
    }

    fn fails(&self, why: &str) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if failing.is_none() {
            *failing = Some(Instant::now());
            tracing::warn!(
                alertmanager = self.stats.url,
                error = why,
                "an Alertmanager does not take alerts of rules: their latest state waits for it"
            );
        }
    }

    fn works(&self) {
        let mut failing = self.failing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(since) = failing.take() {
            tracing::info!(
                alertmanager = self.stats.url,
                after_s = since.elapsed().as_secs(),
                "the Alertmanager takes alerts of rules again"
            );
        }
    }
}

/// How long to wait after a failure: as long as the server says, but a server that says nothing of use is not asked at once
/// again.
fn pause(asked: Option<Duration>, wait: Duration) -> Duration {
    asked.map_or(wait, |asked| asked.max(wait)).min(LONGEST)
}

fn judge(answer: &HttpResponse) -> Verdict {
    let why = || {
        let text = String::from_utf8_lossy(&answer.body);
        let text: String = text.trim().chars().take(MAX_TEXT).collect();
        format!("HTTP status {}: {text}", answer.status)
    };
    match answer.status {
        200..=299 => Verdict::Taken,
        // What is wrong with the alerts will not get better; a login or an address may be repaired.
        400 | 413 | 422 => Verdict::Refused(why()),
        _ => Verdict::Later(retry_after(answer), why()),
    }
}

/// As Prometheus posts them.
fn body(alerts: &[Alert]) -> String {
    let object = |labels: &LabelSet| {
        let pairs = labels.iter();
        let pairs = pairs.map(|(name, value)| (name.to_owned(), Value::from(value)));
        Value::Object(pairs.collect::<Map<_, _>>())
    };
    let alerts = alerts.iter().map(|alert| {
        json!({
            "labels": object(&alert.labels),
            "annotations": object(&alert.annotations),
            "startsAt": alert.starts_at.to_rfc3339_millis(),
            "endsAt": alert.ends_at.to_rfc3339_millis(),
            "generatorURL": *alert.generator_url,
        })
    });
    Value::Array(alerts.collect()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_may_ask_for_longer_pauses_and_not_for_shorter_ones() {
        let seconds = Duration::from_secs;
        let waits = [None, Some(0), Some(2), Some(7), Some(900)];
        let waits = waits.map(|asked| pause(asked.map(seconds), seconds(4)).as_secs());
        assert_eq!(waits, [4, 4, 4, 7, LONGEST.as_secs()]);
    }
}
