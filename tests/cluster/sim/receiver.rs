//! A receiver of notifications that remembers everything and fails on command.

use std::time::Duration;

use watchfire::{
    alert::AlertStatus,
    node::NotifyAttempt,
    notify::{FailureReason, Receipt, Verdict},
};

/// One notification as the receiver saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// Virtual seconds since the world began.
    pub(crate) at: u64,
    /// `webhook[0]`.
    pub(crate) integration: String,
    /// Why it was sent.
    pub(crate) reason: &'static str,
    /// Values of the label `alertname` of the alerts that fire.
    pub(crate) firing: Vec<String>,
    /// Likewise of those that are resolved.
    pub(crate) resolved: Vec<String>,
    /// The idempotency key.
    pub(crate) key: String,
    /// The sequence number.
    pub(crate) seq: u64,
    /// Whether it was answered with success.
    pub(crate) accepted: bool,
}

impl Told {
    pub(crate) fn new(attempt: &NotifyAttempt, at: u64, accepted: bool) -> Self {
        let names = |status: AlertStatus| {
            let data = &attempt.data;
            let of_status = data
                .alerts
                .iter()
                .filter(|alert| alert.status_at(data.at) == status);
            of_status.map(|alert| alert.name().to_owned()).collect()
        };
        let integration = &attempt.integration;
        Self {
            at,
            integration: format!("{}[{}]", integration.kind.as_str(), integration.index),
            reason: attempt.data.reason.as_str(),
            firing: names(AlertStatus::Firing),
            resolved: names(AlertStatus::Resolved),
            key: attempt.data.idempotency_key.to_string(),
            seq: attempt.data.seq,
            accepted,
        }
    }

    /// `firing A B resolved C`, for assertions.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} {}:", self.at, self.reason);
        for (word, names) in [("firing", &self.firing), ("resolved", &self.resolved)] {
            if !names.is_empty() {
                text.push_str(&format!(" {word} {}", names.join(" ")));
            }
        }
        text
    }
}

/// How the receiver answers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Behaviour {
    /// With success, after this long.
    Accept(Duration),
    /// With success, but the template failed.
    InPlainWords,
    /// With a 5xx.
    Fail,
    /// With a 5xx, after this long.
    FailLate(Duration),
    /// With a 4xx.
    Refuse,
    /// With a 429 that asks for a pause.
    Limit(Duration),
    /// Not, although the request was written.
    Unknown,
    /// Not at all: the attempt is lost inside the process.
    Vanish,
}

impl Behaviour {
    /// How long it takes, and what comes of it.
    pub(crate) fn answer(self) -> (Duration, Verdict) {
        let soon = Duration::from_millis(5);
        let retry = |after, reason| Verdict::Retry {
            after,
            reason,
            error: "as scripted".to_owned(),
            ambiguous: false,
        };
        match self {
            Self::Accept(after) => (after, Verdict::sent()),
            Self::InPlainWords => {
                let receipt = Receipt {
                    template_problems: "template of text failed: no such thing".to_owned(),
                    ..Receipt::default()
                };
                (soon, Verdict::Sent(receipt))
            }
            Self::Fail | Self::Vanish => (soon, retry(None, FailureReason::ServerError)),
            Self::FailLate(after) => (after, retry(None, FailureReason::ServerError)),
            Self::Unknown => (
                soon,
                Verdict::Retry {
                    after: None,
                    reason: FailureReason::Other,
                    error: "as scripted".to_owned(),
                    ambiguous: true,
                },
            ),
            Self::Limit(pause) => (soon, retry(Some(pause), FailureReason::RateLimited)),
            Self::Refuse => {
                let error = "as scripted".to_owned();
                (
                    soon,
                    Verdict::Permanent {
                        reason: FailureReason::ClientError,
                        error,
                    },
                )
            }
        }
    }
}
