//! Why a connection or a datagram does not get in.

use std::fmt;

/// What is wrong with the other side of a connection; the name of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Refusal {
    /// `--cluster.label` differs.
    Label,
    /// No version of the transport is spoken by both.
    Version,
    /// One is plain, the other has a secret or TLS.
    Mode,
    /// There is no key that both have, or one side does not hold the key it names.
    Key,
    /// TLS could not agree.
    Certificate,
    /// It speaks Alertmanager's protocol.
    Foreign,
    /// It speaks something else.
    Garbage,
    /// It said nothing in time.
    Silent,
    /// Too many connections.
    Crowded,
    /// Too many from its address that have not said a word.
    Address,
}

impl Refusal {
    pub(super) const ALL: [Self; 10] = [
        Self::Label,
        Self::Version,
        Self::Mode,
        Self::Key,
        Self::Certificate,
        Self::Foreign,
        Self::Garbage,
        Self::Silent,
        Self::Crowded,
        Self::Address,
    ];

    /// What is said of the other side, before the reason.
    pub(super) fn verdict(self) -> &'static str {
        match self {
            // It may well be one that has waited for too long.
            Self::Silent | Self::Crowded | Self::Address => "is not let in",
            Self::Label
            | Self::Version
            | Self::Mode
            | Self::Key
            | Self::Certificate
            | Self::Foreign
            | Self::Garbage => "is no node of this mesh",
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Version => "version",
            Self::Mode => "mode",
            Self::Key => "key",
            Self::Certificate => "certificate",
            Self::Foreign => "foreign",
            Self::Garbage => "garbage",
            Self::Silent => "silent",
            Self::Crowded => "crowded",
            Self::Address => "address",
        }
    }
}

/// Why a datagram is dropped; the name of a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dropped {
    /// No datagram of ours.
    Garbage,
    /// Alertmanager's.
    Foreign,
    /// No stream has this session (any more).
    Session,
    /// It cannot be opened.
    Seal,
    /// It came before.
    Replay,
    /// The node does not keep up.
    Full,
}

impl Dropped {
    pub(super) const ALL: [Self; 6] = [
        Self::Garbage,
        Self::Foreign,
        Self::Session,
        Self::Seal,
        Self::Replay,
        Self::Full,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::Foreign => "foreign",
            Self::Session => "session",
            Self::Seal => "seal",
            Self::Replay => "replay",
            Self::Full => "full",
        }
    }
}

/// A handshake that did not end in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The other side does not belong here, in words.
    Refused(Refusal, String),
    /// The connection broke.
    Broken(String),
}

impl Failure {
    pub(super) fn refused(why: Refusal, text: impl Into<String>) -> Self {
        Self::Refused(why, text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Refused(_, text) | Self::Broken(text)) = self;
        f.write_str(text)
    }
}
