//! A mail as plain values: the server, how to log in, the envelope, and the bytes.

use std::sync::Arc;

use crate::{
    config::{HostPort, Secret, TlsConfig},
    notify::FailureReason,
};

/// A mail that the shell is to hand to its server.
#[derive(Debug, Clone)]
pub struct MailRequest {
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
    /// `RCPT TO`, each once.
    pub to: Vec<String>,
    /// The message, headers included, lines end in CRLF; not dot-stuffed.
    pub message: Arc<[u8]>,
}

/// What may be used to log in, whatever mechanism the server prefers.
#[derive(Debug, Clone)]
pub struct MailLogin {
    /// The user.
    pub username: String,
    /// For `PLAIN` and `LOGIN`.
    pub password: Secret,
    /// For `CRAM-MD5`.
    pub secret: Secret,
    /// The identity for `PLAIN`.
    pub identity: String,
    /// A bearer token for `XOAUTH2`.
    pub bearer: Secret,
}

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailOutcome {
    /// The server took it for all recipients but those named here with the server's words.
    Taken {
        /// Recipients that were refused.
        refused: Vec<(String, String)>,
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
        /// Whether the server may have taken it all the same.
        ambiguous: bool,
    },
}
