//! A mail as plain values: the server, how to log in, the envelope, and the bytes.

use std::{sync::Arc, time::Duration};

use crate::{
    config::{HostPort, HttpConfig, Secret, TlsConfig},
    notify::FailureReason,
};

/// A mail that the shell is to hand to its server.
#[derive(Debug, Clone)]
pub struct MailRequest {
    /// Names the notification: in a later attempt those who have it are passed over.
    pub key: Arc<str>,
    /// The server.
    pub server: HostPort,
    /// The name in `EHLO`.
    pub hello: String,
    /// Whether TLS begins at once.
    pub implicit_tls: bool,
    /// Whether a connection without TLS is refused.
    pub require_tls: bool,
    /// TLS to the server; `None` for the system's roots and the server's name.
    pub tls: Option<Arc<TlsConfig>>,
    /// How to log in, if at all.
    pub login: Option<MailLogin>,
    /// `MAIL FROM`.
    pub from: String,
    /// `RCPT TO`, each once; their domains are ASCII.
    pub to: Vec<String>,
    /// The message, headers included, lines end in CRLF; not dot-stuffed.
    pub message: Arc<[u8]>,
    /// What is sent to a server that finds `message` too long, if that can be shortened.
    pub short: Option<Arc<[u8]>>,
}

/// What may be used to log in, whatever mechanism the server prefers. What could not be read matters only to the
/// mechanism that needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailLogin {
    /// The user.
    pub username: String,
    /// For `PLAIN` and `LOGIN`.
    pub password: Result<Secret, String>,
    /// For `CRAM-MD5`.
    pub secret: Result<Secret, String>,
    /// The identity for `PLAIN`.
    pub identity: String,
    /// A bearer token for `XOAUTH2`.
    pub bearer: Result<Secret, String>,
    /// Where that token is fetched, if it is not given.
    pub oauth2: Option<Arc<HttpConfig>>,
}

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailOutcome {
    /// The server took it for all recipients but those named here with the server's words.
    Taken {
        /// Recipients that were refused for good.
        refused: Vec<(String, String)>,
        /// Recipients that were refused for the time being; another attempt is made for them alone.
        deferred: Vec<(String, String)>,
        /// The server's last words.
        answer: String,
    },
    /// It was not sent.
    Failed {
        /// The class.
        reason: FailureReason,
        /// What happened, without secrets.
        error: String,
        /// Whether another try may succeed.
        retry: bool,
        /// How long to leave the server alone.
        after: Option<Duration>,
        /// Whether the server may have taken it all the same.
        ambiguous: bool,
    },
}
