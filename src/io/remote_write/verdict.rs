//! What an answer of a server means.

use std::time::Duration;

use super::entry::Counts;
use crate::{
    config::RemoteWriteMessage,
    notify::integration::{HttpResponse, TransportError, retry_after},
};

/// Longer waits are not borne, whatever a server asks for.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// How much of an answer is told.
const MAX_TEXT: usize = 512;

/// Words by which servers say that they refuse some samples and not the request as a whole: those of Prometheus, Thanos,
/// Cortex, Mimir and VictoriaMetrics. In lower case.
const SOME: [&str; 14] = [
    "out of order",
    "out-of-order",
    "out of bounds",
    "out_of_order",
    "too old",
    "too far in",
    "duplicate",
    "err-mimir-",
    "already been",
    "same timestamp",
    "label name",
    "label value",
    "invalid label",
    "metric name",
];

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// All was taken, but for what the server says that it did not take.
    Taken {
        /// What it did not take.
        missing: Counts,
    },
    /// Try again.
    Later {
        /// After so long, if the server says so.
        after: Option<Duration>,
        /// What happened.
        why: String,
    },
    /// Never try this again.
    Refused {
        /// What was taken nevertheless.
        written: Counts,
        /// Whether parts of it may be taken.
        apart: bool,
        /// What the server says.
        why: String,
    },
    /// The server does not speak 2.0: try 1.0.
    FirstVersion,
}

/// Judges an answer to a request with `sent` samples.
pub(super) fn judge(version: RemoteWriteMessage, sent: Counts, answer: &HttpResponse) -> Verdict {
    let written = written(answer);
    let why = || said(answer);
    match answer.status {
        200..=299 if is_page(answer) => Verdict::Later {
            after: None,
            why: "the answer is a page for people, perhaps that of a login: the URL does not lead to remote write".to_owned(),
        },
        200..=299 => match (written, version) {
            (Some(written), RemoteWriteMessage::V1) => Verdict::Taken {
                missing: sent.without(written),
            },
            (None, RemoteWriteMessage::V1) => Verdict::Taken {
                missing: Counts::default(),
            },
            (Some(written), RemoteWriteMessage::V2) if written.all() > 0 => Verdict::Taken {
                missing: sent.without(written),
            },
            // Without saying that it wrote anything: Prometheus before 3 and VictoriaMetrics take it for an empty one of 1.0.
            (None, RemoteWriteMessage::V2) => Verdict::FirstVersion,
            (Some(_), RemoteWriteMessage::V2) => Verdict::Refused {
                written: Counts::default(),
                apart: false,
                why: "the server answered with success and says that it wrote nothing".to_owned(),
            },
        },
        415 if version == RemoteWriteMessage::V2 => Verdict::FirstVersion,
        // What a wrong password or path keeps away is taken once somebody mends it; the queue is bounded anyway.
        401 | 403 | 404 | 405 | 407 | 408 | 429 | 500..=599 => Verdict::Later {
            after: retry_after(answer).map(|after| after.min(LONGEST_WAIT)),
            why: why(),
        },
        400..=499 => Verdict::Refused {
            written: written.unwrap_or_default(),
            apart: is_about_some(answer),
            why: why(),
        },
        _ => Verdict::Later {
            after: None,
            why: why(),
        },
    }
}

/// A request without an answer.
pub(super) fn unanswered(error: &TransportError) -> Verdict {
    Verdict::Later {
        after: None,
        why: error.message.clone(),
    }
}

/// Whether this is what a login answers to which a proxy redirected the request.
fn is_page(answer: &HttpResponse) -> bool {
    let kind = answer.header("content-type").unwrap_or_default();
    kind.trim_start()
        .to_ascii_lowercase()
        .starts_with("text/html")
}

/// What a server says that it wrote, if it says anything.
fn written(answer: &HttpResponse) -> Option<Counts> {
    let count = |what: &str| {
        let name = format!("x-prometheus-remote-write-{what}-written");
        let value = answer.header(&name)?.trim();
        Some(value.parse().unwrap_or(0_u64))
    };
    let (numbers, histograms) = (count("samples"), count("histograms"));
    if numbers.is_none() && histograms.is_none() && count("exemplars").is_none() {
        return None;
    }
    Some(Counts {
        numbers: numbers.unwrap_or_default(),
        histograms: histograms.unwrap_or_default(),
    })
}

fn is_about_some(answer: &HttpResponse) -> bool {
    match answer.status {
        // Thanos answers 409 for samples; a smaller request may pass where one was too large.
        409 | 413 => true,
        400 | 422 => {
            let text = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
            SOME.iter().any(|words| text.contains(words))
        }
        _ => false,
    }
}

fn said(answer: &HttpResponse) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    let text: String = text.trim().chars().take(MAX_TEXT).collect();
    let status = answer.status;
    if text.is_empty() {
        format!("server returned HTTP status {status}")
    } else {
        format!("server returned HTTP status {status}: {text}")
    }
}

/// Waits that double.
#[derive(Debug)]
pub(super) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    /// Begins with the shortest.
    pub(super) fn new(shortest: Duration, longest: Duration) -> Self {
        Self {
            next: shortest,
            longest,
        }
    }

    /// How long to wait now; longer if the server asks for that.
    pub(super) fn wait(&mut self, asked: Option<Duration>) -> Duration {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.longest);
        asked.map_or(wait, |asked| asked.max(wait))
    }
}
