//! Everything that a node can ask of the world.

use std::{sync::Arc, time::Duration};

use super::input::{Reply, ReplyTo, Ticket};
use crate::{
    cluster::MeshEffect,
    config::{Integration, Texts},
    notify::{Memory, NotificationData},
    ruler::RulerNews,
    tenant::TenantJob,
};

/// Something to do.
#[derive(Debug)]
pub enum Effect {
    /// Answer a client.
    Reply {
        /// Which.
        to: ReplyTo,
        /// With what.
        reply: Reply,
    },
    /// Save records.
    Save(SaveBatch),
    /// Run a pure job on a worker and hand its result back as [`super::Input::JobDone`].
    Run(Box<TenantJob>),
    /// Make one attempt to notify and hand its end back as [`super::Input::NotifyFinished`].
    Notify(Box<NotifyAttempt>),
    /// Replace one of Alertmanager's own files and hand the end back as [`super::Input::FileWritten`].
    WriteFile {
        /// Which.
        file: PortableFile,
        /// All of its bytes.
        bytes: Arc<[u8]>,
    },
    /// Tell the ruler; nobody is told if there is none.
    Ruler(RulerNews),
    /// Do something with the mesh's sockets.
    Mesh(MeshEffect),
    /// The node notifies from now on: service managers and load balancers may be told.
    Ready,
    /// Everything that was to be saved is saved: the loop may end. Nothing follows it.
    Stopped,
}

/// The files of an Alertmanager in `--storage.path`, by which a user comes and goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PortableFile {
    /// The notification log.
    Nflog,
    /// The silences.
    Silences,
}

impl PortableFile {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Nflog, Self::Silences];

    /// The file's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nflog => "nflog",
            Self::Silences => "silences",
        }
    }
}

/// Records to save, in order.
#[derive(Debug)]
pub struct SaveBatch {
    /// Whose end is reported by [`super::Input::Saved`]; `None` if nobody waits.
    pub ticket: Option<Ticket>,
    /// To the `state` database, fsynced before it is reported; otherwise to the `bulk` database, written behind.
    pub durable: bool,
    /// What to write.
    pub ops: Vec<StoreOp>,
}

/// One change of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOp {
    /// Sets a key.
    Put {
        /// The key, of `storage::keys`.
        key: Vec<u8>,
        /// The value, under 64 KiB.
        value: Vec<u8>,
    },
    /// Removes a key.
    Delete {
        /// The key, of `storage::keys`.
        key: Vec<u8>,
    },
}

/// One attempt to notify.
#[derive(Debug, Clone)]
pub struct NotifyAttempt {
    /// Names the attempt.
    pub attempt: u64,
    /// What to say.
    pub data: Arc<NotificationData>,
    /// How to say it.
    pub integration: Arc<Integration>,
    /// In which words.
    pub texts: Arc<Texts>,
    /// What the integration kept of the notification before.
    pub memory: Memory,
    /// The attempt must end within this time.
    pub timeout: Duration,
}
