//! The mesh's sockets as a whole: what the core asks is carried out, what happens is told to it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{OwnedSemaphorePermit, Semaphore},
    task::AbortHandle,
};

use super::{
    datagram::{DatagramSession, Datagrams, Envelope, MAX_DATAGRAM},
    dial,
    foreign::Speaker,
    gate::{Gate, GateError, MeshSecurity},
    handshake::{Link, Side, handshake},
    lanes::Overflow,
    newcomers::{MAX_PER_ADDRESS, Newcomer, Newcomers},
    peers::{self, PeerSpec},
    port::GossipPort,
    preamble::{SESSION, VERSIONS},
    refusal::{Dropped, Failure, Refusal},
    stats::MeshSocketStats,
    stream::{Stream, Written},
};
use crate::{
    cluster::{CloseReason, ConnId, MAX_FRAME, MeshEffect, MeshInput},
    io::task,
};

/// Connections that may be in their handshake at one time.
const MAX_HALF_OPEN: usize = 64;

/// Open streams; the mesh has at most 16 nodes, and a few streams may be on their way out.
const MAX_STREAMS: usize = 128;

/// Bytes of datagrams that may wait for the core.
const MAX_UNREAD: usize = 1 << 20;

/// How long a name that datagrams go to is remembered.
const REMEMBER: Duration = Duration::from_secs(15);

/// Names that are remembered.
const MAX_NAMES: usize = 256;

/// Errors of a bound socket pass: too many open files, a peer that went away.
const AFTER_ERROR: Duration = Duration::from_millis(100);

/// How long the end waits for what was sent to be written.
const FAREWELL: Duration = Duration::from_secs(1);

/// How long a stream that cannot be written to is read on.
const LAST_WORD: Duration = Duration::from_millis(50);

/// Hears what happens on the sockets.
pub trait TellMesh: Send + Sync {
    /// Takes an input; the permit is dropped once the input is worked on, and bounds what waits.
    fn tell(&self, input: MeshInput, credit: Option<OwnedSemaphorePermit>);
}

/// What the flags say about the sockets.
#[derive(Debug)]
pub struct MeshSocketsOptions {
    /// `--cluster.label`
    pub label: String,
    /// What protects the mesh.
    pub security: MeshSecurity,
    /// `--cluster.tcp-timeout`
    pub tcp_timeout: Duration,
    /// `--cluster.peer`
    pub peers: Vec<PeerSpec>,
    /// `--cluster.peers-resolve-timeout`
    pub resolve_timeout: Duration,
    /// Where to count.
    pub stats: Arc<MeshSocketStats>,
}

/// The sockets of the mesh. Cheap to clone.
#[derive(Clone)]
pub struct MeshSockets {
    inner: Arc<Inner>,
}

impl std::fmt::Debug for MeshSockets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("MeshSockets")
    }
}

struct Inner {
    core: Arc<dyn TellMesh>,
    gate: Arc<Gate>,
    runtime: runtime::Handle,
    datagrams: Datagrams,
    /// Bytes of datagrams that the core may still be told.
    credit: Arc<Semaphore>,
    half_open: Arc<Semaphore>,
    newcomers: Newcomers,
    accepted: AtomicU64,
    streams: Mutex<BTreeMap<ConnId, Entry>>,
    sessions: Mutex<BTreeMap<[u8; SESSION], Arc<Stream>>>,
    names: Mutex<BTreeMap<Arc<str>, Name>>,
    /// Whether the node is at its end: nothing new is opened.
    ending: AtomicBool,
}

enum Entry {
    Dialing(AbortHandle),
    Open(Arc<Stream>),
}

/// What a name was looked up to.
struct Name {
    addresses: Vec<SocketAddr>,
    /// When to look again.
    again: Instant,
}

impl MeshSockets {
    /// Takes over the port: from now on the core hears of connections, datagrams and peers.
    ///
    /// # Errors
    /// If the label is too long.
    pub fn start(
        port: GossipPort,
        options: MeshSocketsOptions,
        core: Arc<dyn TellMesh>,
        runtime: &runtime::Handle,
    ) -> Result<Self, GateError> {
        Self::start_with(port, options, core, runtime, VERSIONS)
    }

    pub(super) fn start_with(
        port: GossipPort,
        options: MeshSocketsOptions,
        core: Arc<dyn TellMesh>,
        runtime: &runtime::Handle,
        versions: (u8, u8),
    ) -> Result<Self, GateError> {
        Gate::check_label(&options.label)?;
        let gate = Gate {
            label: options.label,
            security: options.security.0,
            stats: options.stats,
            timeout: options.tcp_timeout,
            versions,
        };
        let inner = Arc::new(Inner {
            core,
            gate: Arc::new(gate),
            runtime: runtime.clone(),
            datagrams: Datagrams::new(port.udp, port.bound),
            credit: Arc::new(Semaphore::new(MAX_UNREAD)),
            half_open: Arc::new(Semaphore::new(MAX_HALF_OPEN)),
            newcomers: Newcomers::default(),
            accepted: AtomicU64::new(0),
            streams: Mutex::default(),
            sessions: Mutex::default(),
            names: Mutex::default(),
            ending: AtomicBool::new(false),
        });
        task::spawn(runtime, "mesh accept", Arc::clone(&inner).accept(port.tcp));
        task::spawn(runtime, "mesh datagrams", Arc::clone(&inner).receive());
        let peers = peers::keep_looking(
            options.peers,
            options.resolve_timeout,
            Arc::clone(&inner.core),
        );
        task::spawn(runtime, "mesh peers", peers);
        Ok(Self { inner })
    }

    /// Carries out what the core asks; does not wait.
    pub fn perform(&self, effect: MeshEffect) {
        match effect {
            MeshEffect::Dial { conn, to } => self.inner.dial(conn, to),
            MeshEffect::Frame {
                conn,
                urgent,
                bytes,
            } => self.inner.send(conn, urgent, bytes),
            MeshEffect::Datagram { conn, to, bytes } => self.inner.send_datagram(conn, &to, &bytes),
            MeshEffect::Close { conn } => self.inner.close(conn),
        }
    }

    /// Closes all streams and waits a moment until what was sent is written. Must not be called within a runtime.
    pub fn finish(&self) {
        self.inner.ending.store(true, Relaxed);
        let conns: Vec<ConnId> = self.inner.streams().keys().copied().collect();
        for conn in conns {
            self.inner.close(conn);
        }
        let inner = Arc::clone(&self.inner);
        self.inner.runtime.block_on(async move {
            let written = async {
                while !inner.streams().is_empty() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            // A peer that takes nothing is told nothing.
            let _ = tokio::time::timeout(FAREWELL, written).await;
        });
    }
}

impl Inner {
    fn streams(&self) -> MutexGuard<'_, BTreeMap<ConnId, Entry>> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<[u8; SESSION], Arc<Stream>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn accept(self: Arc<Self>, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((tcp, from)) => self.accepted(tcp, canonical(from)),
                Err(error) => {
                    tracing::debug!(component = "cluster", %error, "a connection could not be accepted");
                    tokio::time::sleep(AFTER_ERROR).await;
                }
            }
        }
    }

    fn accepted(self: &Arc<Self>, tcp: TcpStream, from: SocketAddr) {
        if self.ending.load(Relaxed) {
            return;
        }
        let Some(newcomer) = self.newcomers.admit(from.ip()) else {
            let text = format!(
                "{MAX_PER_ADDRESS} connections from its address have not said yet whose they are"
            );
            let flooding = Failure::refused(Refusal::Address, text);
            return self.gate.report(from, None, &flooding);
        };
        let place = Arc::clone(&self.half_open).try_acquire_owned();
        let Ok(place) = place.map_err(drop).and_then(|place| {
            let is_full = self.streams().len() >= MAX_STREAMS;
            if is_full { Err(()) } else { Ok(place) }
        }) else {
            let text = "there are too many connections to the mesh's port already";
            let crowded = Failure::refused(Refusal::Crowded, text);
            return self.gate.report(from, None, &crowded);
        };
        dial::prepare(&tcp, self.gate.timeout);
        let this = Arc::clone(self);
        task::spawn(&self.runtime, "mesh handshake", async move {
            match handshake(tcp, Side::Acceptor, &this.gate).await {
                Ok(link) => {
                    let conn = ConnId(this.accepted.fetch_add(2, Relaxed) + 1);
                    this.open(conn, link, from, Some(newcomer));
                }
                Err(failure) => this.gate.report(from, None, &failure),
            }
            drop(place);
        });
    }

    fn dial(self: &Arc<Self>, conn: ConnId, to: Arc<str>) {
        let this = Arc::clone(self);
        // Held so that the task finds its entry.
        let mut streams = self.streams();
        let task = task::spawn(&self.runtime, "mesh dial", async move {
            match dial::dial(&to, &this.gate).await {
                Ok((link, address)) => this.open(conn, link, canonical(address), None),
                Err(why) => this.end(conn, why),
            }
        });
        streams.insert(conn, Entry::Dialing(task.abort_handle()));
    }

    /// Makes a stream of a link; whoever was not dialled keeps its place among newcomers until it says something.
    fn open(
        self: &Arc<Self>,
        conn: ConnId,
        link: Link,
        peer: SocketAddr,
        newcomer: Option<Newcomer>,
    ) {
        let dialed = newcomer.is_none();
        let Link {
            read,
            write,
            reader,
            writer,
            datagrams,
        } = link;
        let datagrams = DatagramSession::new(datagrams);
        let core = Arc::clone(&self.core);
        let stream = Arc::new(Stream::new(
            conn,
            peer,
            dialed,
            datagrams,
            core,
            &self.gate.stats,
        ));
        let mut streams = self.streams();
        let is_unwanted = dialed && !streams.contains_key(&conn);
        if is_unwanted || self.ending.load(Relaxed) {
            // The core closed it meanwhile, or is gone.
            streams.remove(&conn);
            return;
        }
        streams.insert(conn, Entry::Open(Arc::clone(&stream)));
        let opened = if dialed {
            MeshInput::Dialed { conn }
        } else {
            MeshInput::Accepted { conn, from: peer }
        };
        // Held so that a datagram that comes at once waits for its stream.
        let mut sessions = self.sessions();
        stream.tell(opened, None);
        sessions.insert(stream.datagrams.id(), Arc::clone(&stream));
        drop(sessions);
        self.gate.stats.works(peer.ip());

        let (this, of) = (Arc::clone(self), Arc::clone(&stream));
        let reading = task::spawn(&self.runtime, "mesh reader", async move {
            let why = of.read(read, reader, newcomer).await;
            this.end(conn, why);
        });
        let (this, of) = (Arc::clone(self), Arc::clone(&stream));
        let writing = task::spawn(&self.runtime, "mesh writer", async move {
            let within = this.gate.timeout;
            let why = match of.write(write, writer, within).await {
                Written::All => "closed by this node".to_owned(),
                Written::Failed(error) => {
                    // What the other side's system said before is the reader's to tell.
                    tokio::time::sleep(LAST_WORD).await;
                    error.to_string()
                }
                Written::Stalled => {
                    this.gate.stats.count_overflow();
                    format!("the other side took nothing for {within:?}")
                }
            };
            this.end(conn, CloseReason::Ended(why));
        });
        stream.add_task(reading.abort_handle());
        stream.add_task(writing.abort_handle());
    }

    /// Ends a stream, or an attempt to open one; whoever comes first says why.
    fn end(&self, conn: ConnId, why: CloseReason) {
        let entry = self.streams().remove(&conn);
        match entry {
            None => {}
            Some(Entry::Dialing(task)) => {
                self.core.tell(MeshInput::Closed { conn, why }, None);
                task.abort();
            }
            Some(Entry::Open(stream)) => {
                self.sessions().remove(&stream.datagrams.id());
                stream.end(why);
            }
        }
    }

    fn close(&self, conn: ConnId) {
        let stream = match self.streams().get(&conn) {
            None => return,
            Some(Entry::Open(stream)) => Some(Arc::clone(stream)),
            Some(Entry::Dialing(_)) => None,
        };
        match stream {
            Some(stream) => {
                stream.mute();
                stream.lanes.close();
            }
            None => self.end(conn, CloseReason::Ended("closed by this node".to_owned())),
        }
    }

    fn send(&self, conn: ConnId, urgent: bool, bytes: Arc<[u8]>) {
        debug_assert!(bytes.len() <= MAX_FRAME, "the core bounds its frames");
        let Some(Entry::Open(stream)) = self.streams().get(&conn).map(Entry::share) else {
            return;
        };
        if stream.lanes.push(urgent, bytes) == Err(Overflow) {
            self.gate.stats.count_overflow();
            let text = "the other side is 64 MiB behind";
            self.end(conn, CloseReason::Ended(text.to_owned()));
        }
    }

    fn send_datagram(self: &Arc<Self>, conn: ConnId, to: &Arc<str>, bytes: &[u8]) {
        let Some(Entry::Open(stream)) = self.streams().get(&conn).map(Entry::share) else {
            return;
        };
        let Some(address) = self.address(to, &stream) else {
            return;
        };
        let sealed = stream.datagrams.seal(bytes);
        // Datagrams may be lost; the core has streams beside them.
        if let Err(error) = self.datagrams.send(&sealed, address) {
            tracing::debug!(component = "cluster", %address, %error, "a datagram could not be sent");
        }
    }

    /// Where datagrams to `to` go.
    fn address(self: &Arc<Self>, to: &Arc<str>, stream: &Stream) -> Option<SocketAddr> {
        if let Ok(address) = to.parse() {
            return Some(address);
        }
        let (_, port) = to.rsplit_once(':')?;
        let beside = SocketAddr::new(stream.peer.ip(), port.parse().ok()?);
        if stream.dialed {
            // It listens there.
            return Some(beside);
        }
        let found = self.remembered(to);
        let is_beside = found.is_empty() || found.contains(&beside);
        Some(if is_beside { beside } else { found[0] })
    }

    /// What a name was looked up to last; looks again if that is long ago.
    fn remembered(self: &Arc<Self>, to: &Arc<str>) -> Vec<SocketAddr> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if names.len() >= MAX_NAMES && !names.contains_key(to) {
            names.clear();
        }
        let name = names.entry(Arc::clone(to)).or_insert_with(|| Name {
            addresses: Vec::new(),
            again: now,
        });
        if name.again <= now {
            name.again = now + REMEMBER;
            let (this, to) = (Arc::clone(self), Arc::clone(to));
            task::spawn(&self.runtime, "mesh name", async move {
                let Ok(found) = dial::look_up(&to).await else {
                    return;
                };
                let mut names = this.names.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(name) = names.get_mut(&to) {
                    name.addresses = found;
                }
            });
        }
        name.addresses.clone()
    }

    async fn receive(self: Arc<Self>) {
        let mut bytes = [0; MAX_DATAGRAM + 1];
        loop {
            match self.datagrams.socket.recv_from(&mut bytes).await {
                Ok((size, from)) => {
                    if let Err(why) = self.received(&bytes[..size]) {
                        self.gate.stats.count_dropped(why);
                        if why == Dropped::Foreign {
                            let text = Speaker::Memberlist.to_string();
                            self.gate.report_datagram(canonical(from).ip(), &text);
                        }
                    }
                }
                Err(_) => tokio::time::sleep(AFTER_ERROR).await,
            }
        }
    }

    fn received(&self, bytes: &[u8]) -> Result<(), Dropped> {
        let envelope = Envelope::decode(bytes)?;
        let stream = self.sessions().get(&envelope.session).cloned();
        let stream = stream.ok_or(Dropped::Session)?;
        let bytes = stream.datagrams.open(&envelope)?;
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let credit = Arc::clone(&self.credit).try_acquire_many_owned(size);
        let credit = credit.ok().ok_or(Dropped::Full)?;
        let conn = stream.conn;
        stream.tell(MeshInput::Datagram { conn, bytes }, Some(credit));
        Ok(())
    }
}

impl Entry {
    fn share(&self) -> Self {
        match self {
            Self::Dialing(task) => Self::Dialing(task.clone()),
            Self::Open(stream) => Self::Open(Arc::clone(stream)),
        }
    }
}

/// An IPv4 address that came through an IPv6 socket is one of IPv4.
fn canonical(address: SocketAddr) -> SocketAddr {
    match address.ip().to_canonical() {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), address.port()),
        IpAddr::V6(_) => address,
    }
}
