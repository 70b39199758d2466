//! Nodes without a core, over loopback: what a shell tells is looked at, what it is told is carried out.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "tests look for one input among others"
)]

mod refused;
mod sealed;
mod streams;

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    runtime,
    sync::{OwnedSemaphorePermit, mpsc},
};

use super::{
    GossipOptions, GossipPort, MeshSecurity, MeshSocketStats, MeshSockets, MeshSocketsOptions,
    PeerSpec, TellMesh, preamble::VERSIONS,
};
use crate::cluster::{CloseReason, ConnId, MeshEffect, MeshInput};

/// Everything that a test waits for comes within this time.
const SOON: Duration = Duration::from_secs(20);

type Told = (MeshInput, Option<OwnedSemaphorePermit>);

struct Core(mpsc::UnboundedSender<Told>);

impl TellMesh for Core {
    fn tell(&self, input: MeshInput, credit: Option<OwnedSemaphorePermit>) {
        let _ = self.0.send((input, credit));
    }
}

/// What a node of a test is started with.
#[derive(Clone)]
struct Given {
    listen: String,
    label: String,
    secret: PathBuf,
    tls: PathBuf,
    peers: Vec<PeerSpec>,
    versions: (u8, u8),
    timeout: Duration,
}

impl Default for Given {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:0".to_owned(),
            label: "test".to_owned(),
            secret: PathBuf::new(),
            tls: PathBuf::new(),
            peers: Vec::new(),
            versions: VERSIONS,
            timeout: Duration::from_secs(10),
        }
    }
}

impl Given {
    fn secret(file: &Path) -> Self {
        Self {
            secret: file.to_owned(),
            ..Self::default()
        }
    }

    fn tls(file: &Path) -> Self {
        Self {
            tls: file.to_owned(),
            ..Self::default()
        }
    }
}

/// A shell and the double of its core.
struct Node {
    sockets: MeshSockets,
    stats: Arc<MeshSocketStats>,
    address: Arc<str>,
    told: mpsc::UnboundedReceiver<Told>,
    /// Inputs that others waited past.
    passed: VecDeque<Told>,
    next: u64,
}

impl Node {
    async fn start(given: Given) -> Self {
        let port = GossipPort::bind(GossipOptions {
            listen: &given.listen,
            advertise: "",
            allow_public: false,
        })
        .await
        .unwrap();
        let address = port.advertised.as_str().into();
        let (core, told) = mpsc::unbounded_channel();
        let stats = Arc::<MeshSocketStats>::default();
        let options = MeshSocketsOptions {
            label: given.label,
            security: MeshSecurity::open(&given.secret, &given.tls).unwrap(),
            tcp_timeout: given.timeout,
            peers: given.peers,
            resolve_timeout: Duration::from_secs(5),
            stats: Arc::clone(&stats),
        };
        let runtime = runtime::Handle::current();
        let core = Arc::new(Core(core));
        let sockets =
            MeshSockets::start_with(port, options, core, &runtime, given.versions).unwrap();
        Self {
            sockets,
            stats,
            address,
            told,
            passed: VecDeque::new(),
            next: 0,
        }
    }

    /// Waits for an input that fits; others stay for later.
    async fn expect<T>(&mut self, what: impl Fn(&MeshInput) -> Option<T>) -> T {
        for place in 0..self.passed.len() {
            if let Some(found) = what(&self.passed[place].0) {
                self.passed.remove(place);
                return found;
            }
        }
        let wait = async {
            loop {
                let told = self.told.recv().await.unwrap();
                if let Some(found) = what(&told.0) {
                    return found;
                }
                self.passed.push_back(told);
            }
        };
        tokio::time::timeout(SOON, wait)
            .await
            .unwrap_or_else(|_| panic!("it did not come"))
    }

    fn dial(&mut self, to: &str) -> ConnId {
        let conn = ConnId(self.next);
        self.next += 2;
        self.sockets.perform(MeshEffect::Dial {
            conn,
            to: to.into(),
        });
        conn
    }

    async fn accepted(&mut self) -> ConnId {
        self.expect(|input| match input {
            MeshInput::Accepted { conn, .. } => Some(*conn),
            _ => None,
        })
        .await
    }

    async fn dialed(&mut self, of: ConnId) {
        self.expect(|input| match input {
            MeshInput::Dialed { conn } if *conn == of => Some(()),
            MeshInput::Closed { conn, why } if *conn == of => panic!("{why:?}"),
            _ => None,
        })
        .await;
    }

    async fn closed(&mut self, of: ConnId) -> CloseReason {
        self.expect(|input| match input {
            MeshInput::Closed { conn, why } if *conn == of => Some(why.clone()),
            _ => None,
        })
        .await
    }

    async fn frame(&mut self, of: ConnId) -> Vec<u8> {
        self.expect(|input| match input {
            MeshInput::Frame { conn, bytes } if *conn == of => Some(bytes.clone()),
            MeshInput::Closed { conn, why } if *conn == of => panic!("{why:?}"),
            _ => None,
        })
        .await
    }

    async fn datagram(&mut self, of: ConnId) -> Vec<u8> {
        self.expect(|input| match input {
            MeshInput::Datagram { conn, bytes } if *conn == of => Some(bytes.clone()),
            _ => None,
        })
        .await
    }

    fn send(&self, conn: ConnId, urgent: bool, bytes: impl Into<Arc<[u8]>>) {
        self.sockets.perform(MeshEffect::Frame {
            conn,
            urgent,
            bytes: bytes.into(),
        });
    }

    fn send_datagram(&self, conn: ConnId, to: &Arc<str>, bytes: &[u8]) {
        self.sockets.perform(MeshEffect::Datagram {
            conn,
            to: Arc::clone(to),
            bytes: bytes.to_vec(),
        });
    }

    fn refused(&self, why: &str) -> u64 {
        let mut counts = self.stats.refused();
        counts.find(|(of, _)| *of == why).unwrap().1
    }

    fn dropped(&self, why: &str) -> u64 {
        let mut counts = self.stats.dropped();
        counts.find(|(of, _)| *of == why).unwrap().1
    }
}

/// Two nodes with a stream between them.
async fn joined(a: Given, b: Given) -> (Node, ConnId, Node, ConnId) {
    let mut a = Node::start(a).await;
    let mut b = Node::start(b).await;
    let (from, to) = connect(&mut a, &mut b).await;
    (a, from, b, to)
}

async fn connect(a: &mut Node, b: &mut Node) -> (ConnId, ConnId) {
    let from = a.dial(&b.address);
    a.dialed(from).await;
    (from, b.accepted().await)
}

/// Waits until something holds that no input tells.
async fn until(what: impl Fn() -> bool) {
    let wait = async {
        while !what() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(SOON, wait).await.unwrap();
}

/// Frames and datagrams pass both ways.
async fn talk(a: &mut Node, from: ConnId, b: &mut Node, to: ConnId) {
    a.send(from, true, *b"there");
    assert_eq!(b.frame(to).await, b"there");
    b.send(to, false, *b"back");
    assert_eq!(a.frame(from).await, b"back");
    a.send_datagram(from, &b.address, b"there, maybe");
    assert_eq!(b.datagram(to).await, b"there, maybe");
    b.send_datagram(to, &a.address, b"back, maybe");
    assert_eq!(a.datagram(from).await, b"back, maybe");
}
