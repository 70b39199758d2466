//! From a configuration in YAML to verdicts, through the shell of a node.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use watchfire::{
    alert::Alert,
    config::{self, Config, LoadEnv},
    io::{Clock, Senders},
    labels::LabelSet,
    node::NotifyAttempt,
    notify::{FailureReason, Memory, NotificationData, Verdict, sample},
    time::Timestamp,
};

/// Longer than anything takes on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(60);

/// A node's senders with a configuration of one receiver.
#[derive(Clone)]
pub(crate) struct Sender {
    config: Arc<Config>,
    senders: Arc<Senders>,
    clock: Clock,
}

impl Sender {
    /// With the integrations of the only receiver, such as `webhook_configs: [{url: 'http://x'}]`.
    pub(crate) fn new(integrations: &str) -> Self {
        Self::with_clock(integrations, SignedDuration::ZERO)
    }

    /// With a clock that is wrong by so much.
    pub(crate) fn with_clock(integrations: &str, wrong_by: SignedDuration) -> Self {
        let integrations = integrations.replace('\n', "\n  ");
        let text = format!("route: {{receiver: all}}\nreceivers:\n- name: all\n  {integrations}\n");
        let config = config::load(text.as_bytes(), &LoadEnv::default());
        let clock = Clock::start(wrong_by);
        Self {
            config: Arc::new(config.unwrap_or_else(|errors| panic!("{errors}\n{text}"))),
            senders: Arc::new(Senders::new(clock)),
            clock,
        }
    }

    /// The test notification; `name` makes it another one.
    pub(crate) fn data(&self, name: &str) -> NotificationData {
        self.data_of(name, 1)
    }

    /// A notification of so many alerts.
    pub(crate) fn data_of(&self, name: &str, count: usize) -> NotificationData {
        let now = self.clock.now().wall;
        let alerts = (0..count).map(|i| alert(&format!("host-{i}:9100"), now));
        let url = Arc::from("http://am.example.org");
        sample::notification("all", &url, alerts.collect(), name, now)
    }

    pub(crate) async fn tell(&self, data: NotificationData) -> Verdict {
        self.tell_within(data, LONG).await
    }

    pub(crate) async fn tell_within(&self, data: NotificationData, timeout: Duration) -> Verdict {
        let attempt = NotifyAttempt {
            attempt: 0,
            data: Arc::new(data),
            integration: Arc::clone(&self.config.receivers[0].integrations[0]),
            texts: Arc::clone(&self.config.texts),
            memory: Memory::new(),
            timeout,
        };
        let verdict = self.senders.notify(attempt).await;
        let shown = format!("{verdict:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        verdict
    }

    /// Sends the test notification.
    pub(crate) async fn send(&self, name: &str) -> Verdict {
        self.tell(self.data(name)).await
    }
}

fn alert(instance: &str, now: Timestamp) -> Alert {
    let labels = LabelSet::from_pairs([
        ("alertname", "HighLoad"),
        ("instance", instance),
        ("severity", "critical"),
    ]);
    Alert {
        fingerprint: labels.fingerprint(),
        labels,
        annotations: LabelSet::from_pairs([("summary", "负载 <high>")]),
        generator_url: "http://prom/graph?g0".into(),
        ..sample::test_alert("all", now)
    }
}

/// The note of a message that was taken.
pub(crate) fn sent(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Sent(receipt) => {
            assert_eq!(receipt.template_problems, "");
            &receipt.note
        }
        Verdict::Retry { .. } | Verdict::Permanent { .. } => panic!("{verdict:?}"),
    }
}

/// How long the receiver wants to be left alone.
pub(crate) fn limited(verdict: &Verdict) -> Option<Duration> {
    match verdict {
        Verdict::Retry {
            after,
            reason: FailureReason::RateLimited,
            ambiguous: false,
            ..
        } => *after,
        Verdict::Retry { .. } | Verdict::Sent(_) | Verdict::Permanent { .. } => {
            panic!("{verdict:?}")
        }
    }
}

/// The error of what is tried again, and whether the receiver may have taken it.
pub(crate) fn retried(verdict: &Verdict) -> (&str, bool) {
    match verdict {
        Verdict::Retry {
            error, ambiguous, ..
        } => (error, *ambiguous),
        Verdict::Sent(_) | Verdict::Permanent { .. } => panic!("{verdict:?}"),
    }
}

/// The error of what is not tried again.
pub(crate) fn permanent(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Permanent { error, .. } => error,
        Verdict::Sent(_) | Verdict::Retry { .. } => panic!("{verdict:?}"),
    }
}
