//! What became of one attempt to notify.

use std::{collections::BTreeMap, time::Duration};

use crate::nflog::ReceiverValue;

/// What an integration keeps from one notification of a group to the next, such as the time stamp of a Slack message;
/// kept with the entry of the notification log, empty when an incident begins.
pub type Memory = BTreeMap<String, ReceiverValue>;

/// What is known of a notification that was taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Receipt {
    /// Of how many groups the message told, if it was a digest; 0 or 1 otherwise.
    pub groups: usize,
    /// Replaces what the integration kept; `None` keeps it.
    pub memory: Option<Memory>,
    /// What an operator should know although it was sent, such as recipients that were refused. Without secrets; empty
    /// if there is nothing.
    pub note: String,
    /// Which templates failed and how, where it went out in plain words instead; empty if none did.
    pub template_problems: String,
}

impl Receipt {
    /// Everything that an operator should know, in one line; empty if there is nothing.
    #[must_use]
    pub fn notes(&self) -> String {
        let digest = match self.groups {
            0 | 1 => String::new(),
            groups => format!("told in a digest of {groups} groups"),
        };
        let mut notes = vec![digest, self.note.clone(), self.template_problems.clone()];
        notes.retain(|note| !note.is_empty());
        notes.join("; ")
    }

    /// Adds to what an operator should know.
    pub fn add_note(&mut self, note: &str) {
        if !self.note.is_empty() {
            self.note.push_str("; ");
        }
        self.note.push_str(note);
    }
}

/// The outcome of one attempt, as read from the answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// The receiver took it.
    Sent(Receipt),
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

impl Verdict {
    /// Taken, and nothing more to say.
    #[must_use]
    pub fn sent() -> Self {
        Self::Sent(Receipt::default())
    }

    /// Whether the receiver took it.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        matches!(self, Self::Sent(_))
    }

    /// A failure of our own (a template, a file, a setting) that another try would not mend.
    #[must_use]
    pub fn unsendable(error: impl Into<String>) -> Self {
        Self::Permanent {
            reason: FailureReason::Other,
            error: error.into(),
        }
    }
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
