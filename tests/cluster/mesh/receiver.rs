//! Receivers that remember everything they took, some of which recognise what they took before.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use watchfire::{
    alert::AlertStatus,
    node::NotifyAttempt,
    notify::{FailureReason, Verdict},
    time::Timestamp,
};

/// How a receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With success, after this long.
    Accept(Duration),
    /// With a 5xx.
    Fail,
    /// With a 4xx.
    Refuse,
    /// Takes it, and the connection ends without an answer.
    ResetAfterAccept,
    /// Takes it and never answers.
    SilentAfterAccept,
    /// Never answers and does not take it either.
    Silent,
    /// Nobody listens.
    Down,
}

impl Answer {
    /// Whether the request becomes effective.
    pub(crate) fn takes(self) -> bool {
        matches!(
            self,
            Self::Accept(_) | Self::ResetAfterAccept | Self::SilentAfterAccept
        )
    }

    /// When the sender learns what, if it waits no longer than `timeout`.
    pub(crate) fn verdict(self, timeout: Duration) -> (Duration, Verdict) {
        let soon = Duration::from_millis(3);
        let retry = |reason, ambiguous| Verdict::Retry {
            after: None,
            reason,
            error: "as scripted".to_owned(),
            ambiguous,
        };
        match self {
            Self::Accept(after) if after < timeout => (after, Verdict::sent()),
            Self::Accept(_) | Self::SilentAfterAccept | Self::Silent => {
                (timeout, retry(FailureReason::Other, true))
            }
            Self::Fail => (soon, retry(FailureReason::ServerError, false)),
            Self::Refuse => {
                let error = "as scripted".to_owned();
                let reason = FailureReason::ClientError;
                (soon, Verdict::Permanent { reason, error })
            }
            Self::ResetAfterAccept => (soon, retry(FailureReason::Other, true)),
            Self::Down => (soon, retry(FailureReason::Other, false)),
        }
    }
}

/// A request as it was made.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// Which host made it, and which process there.
    pub(crate) host: usize,
    pub(crate) life: u64,
    pub(crate) began: Duration,
    pub(crate) integration: usize,
    pub(crate) group: String,
    pub(crate) key: String,
    pub(crate) seq: u64,
    pub(crate) reason: &'static str,
    /// The alerts by name: whether they fire, and since when.
    pub(crate) alerts: BTreeMap<String, (bool, Timestamp)>,
    /// When the receiver took it.
    pub(crate) taken: Option<Duration>,
    /// When the sender learnt what came of it.
    pub(crate) answered: Option<Duration>,
    /// The sender does not know whether it was taken.
    pub(crate) unknown: bool,
    /// The receiver took the same before and told nobody again.
    pub(crate) repeated: bool,
    /// Which hosts know of it for sure, and since when; those that lost their disks know nothing.
    pub(crate) known: BTreeMap<usize, Duration>,
    /// Which hosts may have heard of it and keep what they heard.
    pub(crate) heard: BTreeSet<usize>,
    /// All of them ended before their disks took anything of it.
    pub(crate) lost: bool,
    /// Other hosts with which the sender had a stream for a second at least.
    pub(crate) streams: usize,
    /// Whether the sender never heard of any other host.
    pub(crate) stranger: bool,
    /// Whether the sender knew who votes.
    pub(crate) has_voters: bool,
}

impl Sent {
    pub(crate) fn new(host: usize, life: u64, began: Duration, attempt: &NotifyAttempt) -> Self {
        let data = &attempt.data;
        let alerts = data.alerts.iter().map(|alert| {
            let fires = alert.status_at(data.at) == AlertStatus::Firing;
            (alert.name().to_owned(), (fires, alert.starts_at))
        });
        Self {
            host,
            life,
            began,
            integration: usize::try_from(attempt.integration.index).unwrap(),
            group: format!("{}/{}", data.receiver, data.group_key),
            key: data.idempotency_key.to_string(),
            seq: data.seq,
            reason: data.reason.as_str(),
            alerts: alerts.collect(),
            taken: None,
            answered: None,
            unknown: false,
            repeated: false,
            known: BTreeMap::from([(host, began)]),
            heard: BTreeSet::from([host]),
            lost: false,
            streams: 0,
            stranger: false,
            has_voters: true,
        }
    }

    /// `12.345 n1 [0] first notification 5: firing A, resolved B`.
    pub(crate) fn text(&self) -> String {
        let alerts: Vec<_> = self
            .alerts
            .iter()
            .map(|(name, (fires, _))| {
                let word = if *fires { "firing" } else { "resolved" };
                format!("{word} {name}")
            })
            .collect();
        let fate = match (self.taken, self.unknown, self.repeated) {
            (None, _, _) => "not taken",
            (Some(_), _, true) => "recognised",
            (Some(_), true, false) => "taken, sender does not know",
            (Some(_), false, false) => "taken",
        };
        format!(
            "{:.3} n{} [{}] {} {}: {} ({fate})",
            self.began.as_secs_f64(),
            self.host + 1,
            self.integration,
            self.reason,
            self.seq,
            alerts.join(", "),
        )
    }
}

/// One receiver, which is one integration of the configuration.
#[derive(Debug)]
pub(crate) struct Receiver {
    pub(crate) answer: Answer,
    /// Recognises keys it has seen.
    pub(crate) idempotent: bool,
    /// A request whose outcome is unknown counts as taken.
    pub(crate) drops: bool,
    seen: BTreeSet<String>,
}

impl Receiver {
    pub(crate) fn new(idempotent: bool, drops: bool) -> Self {
        Self {
            answer: Answer::Accept(Duration::from_millis(5)),
            idempotent,
            drops,
            seen: BTreeSet::new(),
        }
    }

    /// Takes a request; tells whether it is a repetition.
    pub(crate) fn take(&mut self, sent: &Sent) -> bool {
        let new = self.seen.insert(format!("{} {}", sent.group, sent.key));
        self.idempotent && !new
    }
}
