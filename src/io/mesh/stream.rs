//! An open stream: one task reads, one writes, and whichever ends first ends both.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    sync::Semaphore,
    task::AbortHandle,
    time::timeout,
};

use super::{
    datagram::DatagramSession,
    frame::{FrameReader, FrameWriter},
    lanes::Lanes,
    newcomers::Newcomer,
    shell::TellMesh,
    stats::MeshSocketStats,
};
use crate::cluster::{CloseReason, ConnId, MeshInput};

/// Bytes of frames that may wait for the core; then the stream is not read until it has taken some.
const MAX_UNREAD: usize = 4 << 20;

/// Bytes read at once.
const READ: usize = 64 << 10;

/// A stream to a node of this mesh.
pub(super) struct Stream {
    pub(super) conn: ConnId,
    /// Where the other end is.
    pub(super) peer: SocketAddr,
    /// Whether this node opened it: then `peer` is where the other listens.
    pub(super) dialed: bool,
    pub(super) lanes: Lanes,
    pub(super) datagrams: DatagramSession,
    core: Arc<dyn TellMesh>,
    /// Bytes that the core may still be told.
    credit: Arc<Semaphore>,
    /// Whether the core hears no more of it.
    muted: Mutex<bool>,
    tasks: Mutex<Vec<AbortHandle>>,
}

impl Stream {
    pub(super) fn new(
        conn: ConnId,
        peer: SocketAddr,
        dialed: bool,
        datagrams: DatagramSession,
        core: Arc<dyn TellMesh>,
        stats: &MeshSocketStats,
    ) -> Self {
        Self {
            conn,
            peer,
            dialed,
            lanes: Lanes::counted_in(stats.queue()),
            datagrams,
            core,
            credit: Arc::new(Semaphore::new(MAX_UNREAD)),
            muted: Mutex::new(false),
            tasks: Mutex::default(),
        }
    }

    pub(super) fn add_task(&self, task: AbortHandle) {
        lock(&self.tasks).push(task);
    }

    /// Reads frames until there are no more. With the first, the other side is no newcomer any more.
    pub(super) async fn read(
        &self,
        from: Box<dyn AsyncRead + Send + Unpin>,
        mut frames: FrameReader,
        mut newcomer: Option<Newcomer>,
    ) -> CloseReason {
        let mut from = BufReader::with_capacity(READ, from);
        loop {
            let bytes = match frames.read(&mut from).await {
                Ok(bytes) => bytes,
                Err(error) if error.is_end() => return CloseReason::Finished(error.to_string()),
                Err(error) => return CloseReason::Ended(error.to_string()),
            };
            drop(newcomer.take());
            let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            let Ok(credit) = Arc::clone(&self.credit).acquire_many_owned(size).await else {
                return CloseReason::Ended("the node goes down".to_owned());
            };
            let conn = self.conn;
            self.tell(MeshInput::Frame { conn, bytes }, Some(credit));
        }
    }

    /// Writes frames until the lanes are closed and empty.
    pub(super) async fn write(
        &self,
        mut to: Box<dyn AsyncWrite + Send + Unpin>,
        mut frames: FrameWriter,
        within: Duration,
    ) -> Written {
        let mut bytes = Vec::new();
        while let Some(batch) = self.lanes.take().await {
            bytes.clear();
            for frame in &batch {
                frames.append(frame, &mut bytes);
            }
            match write_all(&mut to, &bytes, within).await {
                Written::All => {}
                end @ (Written::Stalled | Written::Failed(_)) => return end,
            }
        }
        // What is written arrives, whether or not the farewell does.
        let _ = timeout(within, to.shutdown()).await;
        Written::All
    }

    /// Tells the core, unless it was told the end.
    pub(super) fn tell(&self, input: MeshInput, credit: Option<tokio::sync::OwnedSemaphorePermit>) {
        let muted = lock(&self.muted);
        if !*muted {
            self.core.tell(input, credit);
        }
    }

    /// The core wants to hear no more of it.
    pub(super) fn mute(&self) {
        *lock(&self.muted) = true;
    }

    /// Tells the core the end and stops both tasks, of which one may be the caller's.
    pub(super) fn end(&self, why: CloseReason) {
        let mut muted = lock(&self.muted);
        *muted = true;
        let conn = self.conn;
        self.core.tell(MeshInput::Closed { conn, why }, None);
        drop(muted);
        for task in lock(&self.tasks).drain(..) {
            task.abort();
        }
    }
}

/// How writing ended.
pub(super) enum Written {
    All,
    /// The other side takes nothing.
    Stalled,
    Failed(std::io::Error),
}

async fn write_all(
    to: &mut (impl AsyncWrite + Unpin + ?Sized),
    mut bytes: &[u8],
    within: Duration,
) -> Written {
    while !bytes.is_empty() {
        match timeout(within, to.write(bytes)).await {
            Ok(Ok(0)) => return Written::Failed(std::io::ErrorKind::WriteZero.into()),
            Ok(Ok(written)) => bytes = &bytes[written..],
            Ok(Err(error)) => return Written::Failed(error),
            Err(_elapsed) => return Written::Stalled,
        }
    }
    match timeout(within, to.flush()).await {
        Ok(Ok(())) => Written::All,
        Ok(Err(error)) => Written::Failed(error),
        Err(_elapsed) => Written::Stalled,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
