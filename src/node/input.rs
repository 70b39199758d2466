//! Everything that can happen to a node.

use std::{sync::Arc, time::Duration};

use super::effect::PortableFile;
use crate::{
    alert::Alert,
    cluster::MeshInput,
    config::Config,
    notify::Verdict,
    ruler::{RuleHashes, RuleRecord},
    silence::{SilenceDraft, SilenceError},
    tenant::{TenantJobDone, View},
};

/// Something happened.
#[derive(Debug)]
pub enum Input {
    /// A client, a signal or a timer of the shell asks for something; answered by [`super::Effect::Reply`].
    Command {
        /// What is asked.
        request: Request,
        /// Where the answer goes.
        reply_to: ReplyTo,
    },
    /// A worker finished a job.
    JobDone(TenantJobDone),
    /// An attempt to notify ended.
    NotifyFinished {
        /// The attempt's number.
        attempt: u64,
        /// How it ended.
        verdict: Verdict,
    },
    /// A batch is as durable as it asked to be, or cannot be saved.
    Saved {
        /// The batch's ticket.
        ticket: Ticket,
        /// The store's words if it failed.
        result: Result<(), String>,
    },
    /// A database does not take what it is given, or takes long, or does so again.
    DiskAils {
        /// Which of the two; see [`super::SaveBatch::durable`].
        durable: bool,
        /// Whether it does not.
        ails: bool,
    },
    /// A file of [`super::Effect::WriteFile`] is written, fsynced and in place, or could not be.
    FileWritten {
        /// Which.
        file: PortableFile,
        /// How long it took.
        took: Duration,
        /// Its size in bytes, or the system's words.
        result: Result<u64, String>,
    },
    /// The ruler has these rules, or others from now on: it is told what is known of them and who is there.
    DescribeRules(RuleHashes),
    /// The ruler says what became of rules.
    KeepRules(Vec<RuleRecord>),
    /// The mesh's sockets have something to tell.
    Mesh(MeshInput),
    /// The node shall finish what is in flight, save everything and stop.
    Shutdown,
}

impl Input {
    /// Names the kind of input in logs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Command { request, .. } => match request {
                Request::PostAlerts { .. } => "post alerts",
                Request::SetSilence(_) => "set silence",
                Request::ExpireSilence(_) => "expire silence",
                Request::View => "view",
                Request::Reload(_) => "reload",
            },
            Self::JobDone(_) => "job done",
            Self::NotifyFinished { .. } => "notify finished",
            Self::Saved { .. } => "saved",
            Self::DiskAils { .. } => "disk ails",
            Self::FileWritten { .. } => "file written",
            Self::DescribeRules(_) => "describe rules",
            Self::KeepRules(_) => "keep rules",
            Self::Mesh(_) => "mesh",
            Self::Shutdown => "shutdown",
        }
    }
}

/// What clients ask of a node.
#[derive(Debug)]
pub enum Request {
    /// Takes in alerts that are valid and complete (`alert::Alert::from_post`).
    PostAlerts {
        /// The alerts in the order of the body.
        alerts: Vec<Alert>,
        /// How many more there were that are not valid; they count only.
        invalid: u64,
    },
    /// Creates or edits a silence.
    SetSilence(SilenceDraft),
    /// Ends a silence.
    ExpireSilence(Arc<str>),
    /// Gives a consistent snapshot of everything, for reads.
    View,
    /// Puts a new configuration into force.
    Reload(Arc<Config>),
}

/// Names a waiting client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyTo(pub u64);

/// Names a batch that is being saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Answers to [`Request`]s.
#[derive(Debug)]
pub enum Reply {
    /// The alerts are stored and visible.
    AlertsStored,
    /// The silence's id; durable.
    SilenceSet(Result<Arc<str>, SilenceError>),
    /// The silence is ended; durable.
    SilenceExpired(Result<(), SilenceError>),
    /// The snapshot.
    View(Arc<View>),
    /// The configuration is in force.
    Reloaded,
    /// Refused: the node is going down, or the store failed; says why.
    Refused(String),
}
