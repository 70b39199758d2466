//! What became of one attempt to notify.

use std::time::Duration;

/// The outcome of one attempt, as read from the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The receiver took it.
    Sent,
    /// Worth another try after the usual backoff, or after `after` where the receiver asks for it.
    Retry {
        /// What the receiver asks to wait.
        after: Option<Duration>,
        /// The class for the metric.
        reason: FailureReason,
        /// What happened, without secrets.
        error: String,
        /// Whether the receiver may have taken it all the same (the request was written, the answer never came).
        ambiguous: bool,
    },
    /// Another try would end the same way.
    Permanent {
        /// The class for the metric.
        reason: FailureReason,
        /// What happened, without secrets.
        error: String,
    },
}

/// Classes of failures: the `reason` label of `alertmanager_notifications_failed_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureReason {
    /// Anything that is not below.
    Other,
    /// 4xx.
    ClientError,
    /// 5xx.
    ServerError,
    /// The node shut down or the work was withdrawn.
    ContextCanceled,
    /// No success before the deadline.
    ContextDeadlineExceeded,
    /// 401, 403.
    AuthError,
    /// 429.
    RateLimited,
}

impl FailureReason {
    /// Every class, so that metrics start at zero.
    pub const ALL: [Self; 7] = [
        Self::Other,
        Self::ClientError,
        Self::ServerError,
        Self::ContextCanceled,
        Self::ContextDeadlineExceeded,
        Self::AuthError,
        Self::RateLimited,
    ];

    /// The label value.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::ClientError => "clientError",
            Self::ServerError => "serverError",
            Self::ContextCanceled => "contextCanceled",
            Self::ContextDeadlineExceeded => "contextDeadlineExceeded",
            Self::AuthError => "authError",
            Self::RateLimited => "rateLimited",
        }
    }
}
