//! Why a mail was not sent, and whether that is worth another try.
//!
//! Upstream tries again whatever a server said. Here a refusal of the mail itself (5xx) ends the attempt; the group's
//! next flush makes a new one. Everything about the connection, and each 4xx, is tried again.

use std::{error::Error as _, time::Duration};

use lettre::transport::smtp::Error;

use crate::notify::{FailureReason, integration::MailOutcome};

/// Wrong credentials are tried slowly: many servers lock accounts after a few failures.
const AFTER_REFUSED_LOGIN: Duration = Duration::from_secs(60);

/// What went wrong in one step.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    /// Upstream's name of the step, such as `send MAIL command`; empty where it names none.
    pub(super) step: &'static str,
    pub(super) cause: Cause,
    /// What happened, without secrets.
    pub(super) text: String,
    /// Whether the server may have taken the mail all the same.
    pub(super) ambiguous: bool,
}

/// The kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// The server answered with this code.
    Answer(u16),
    /// The connection, TLS, or words that are no SMTP.
    Connection,
    /// A limit of ours or the attempt's ran out.
    TimedOut,
    /// No mechanism to log in may be used.
    Login,
    /// A setting that cannot be used.
    Setting,
}

impl Failure {
    pub(super) fn new(step: &'static str, cause: Cause, text: impl Into<String>) -> Self {
        Self {
            step,
            cause,
            text: text.into(),
            ambiguous: false,
        }
    }

    /// Reads an error of the protocol; `heard` are the lines of the server's answer.
    pub(super) fn of(step: &'static str, error: &Error, heard: &[String]) -> Self {
        let Some(code) = error.status() else {
            return Self::new(step, Cause::Connection, explain(error));
        };
        let code = u16::from(code);
        // Where the protocol has already said goodbye, the last answer is another.
        let text = match heard.last() {
            Some(line) if line.starts_with(&code.to_string()) => joined(heard),
            Some(_) | None => format!("{code} {}", explain(error)),
        };
        Self::new(step, Cause::Answer(code), text)
    }

    pub(super) fn timed_out(step: &'static str) -> Self {
        Self::new(step, Cause::TimedOut, "the server did not answer in time")
    }

    /// Whether the connection is of no use any more.
    pub(super) fn ends_connection(&self) -> bool {
        match self.cause {
            Cause::Answer(code) => code == 421,
            Cause::Connection | Cause::TimedOut | Cause::Login | Cause::Setting => true,
        }
    }

    pub(super) fn outcome(self) -> MailOutcome {
        let login = self.step == super::login::STEP;
        let refusal = matches!(
            self.step,
            "send MAIL command" | "send RCPT command" | "send DATA command" | "delivery failure"
        );
        let (reason, retry) = match self.cause {
            Cause::Answer(530 | 534 | 535 | 538) => (FailureReason::AuthError, login || !refusal),
            Cause::Answer(500..) if login => (FailureReason::AuthError, true),
            Cause::Answer(500..) => (FailureReason::ClientError, !refusal),
            Cause::Answer(_) => (FailureReason::ServerError, true),
            Cause::Connection => (FailureReason::Other, true),
            Cause::TimedOut => (FailureReason::ContextDeadlineExceeded, true),
            Cause::Login => (FailureReason::AuthError, true),
            Cause::Setting => (FailureReason::Other, false),
        };
        let slowly = login && reason == FailureReason::AuthError && self.cause != Cause::Login;
        MailOutcome::Failed {
            reason,
            error: match self.step {
                "" => self.text,
                step => format!("{step}: {}", self.text),
            },
            retry,
            after: slowly.then_some(AFTER_REFUSED_LOGIN),
            ambiguous: self.ambiguous,
        }
    }
}

/// An answer on one line: `550 5.1.1 no such user; try another`.
pub(super) fn joined(heard: &[String]) -> String {
    let mut out = String::new();
    for (i, line) in heard.iter().enumerate() {
        let (code, text) = line.split_at(line.floor_char_boundary(3));
        out.push_str(if i == 0 { code } else { ";" });
        out.push(' ');
        out.push_str(text.get(1..).unwrap_or_default());
        if out.len() > 512 {
            out.truncate(out.floor_char_boundary(512));
            out.push('…');
            break;
        }
    }
    out
}

fn explain(error: &Error) -> String {
    let mut text = String::new();
    let mut next = error.source();
    while let Some(cause) = next {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    match &*text {
        "" => error.to_string(),
        "incomplete response" => "the server closed the connection".to_owned(),
        _ => text,
    }
}
