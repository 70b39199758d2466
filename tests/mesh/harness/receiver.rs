//! A webhook server that keeps every request, and can be slow, refuse, or break connections.

use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::{
    network::{OUTSIDE, node_at},
    web::RUNTIME,
};

/// What was asked of the receiver, and how that ended.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// When it had come in whole.
    pub(crate) at: Instant,
    /// Who sent it.
    pub(crate) node: usize,
    /// Whether the receiver took it: it acts on it, whatever the sender learns of that.
    pub(crate) taken: bool,
    /// Whether the answer was written.
    pub(crate) answered: bool,
    /// `Idempotency-Key`
    pub(crate) key: Option<String>,
    /// `X-Notification-Seq`
    pub(crate) sequence: Option<String>,
    pub(crate) body: Value,
}

/// What becomes of requests from now on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    /// Time until the answer.
    pub(crate) delay: Duration,
    pub(crate) status: u16,
    /// The connection breaks instead of the answer, though the request was taken.
    pub(crate) breaks: bool,
}

impl Manner {
    /// Answers 200 at once.
    pub(crate) const WELL: Self = Self {
        delay: Duration::ZERO,
        status: 200,
        breaks: false,
    };
}

struct State {
    requests: Vec<Request>,
    manner: Manner,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The server; it runs until the program ends.
pub(crate) struct Receiver {
    shared: Arc<Shared>,
    address: SocketAddr,
}

impl Receiver {
    pub(crate) fn start() -> Result<Self> {
        let listener = RUNTIME.block_on(TcpListener::bind((IpAddr::V4(OUTSIDE), 0)))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                requests: Vec::new(),
                manner: Manner::WELL,
            }),
            changed: Condvar::new(),
        });
        let serving = Arc::clone(&shared);
        RUNTIME.spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                let shared = Arc::clone(&serving);
                tokio::spawn(async move {
                    // A sender that went away is what many rows are about.
                    let _gone = serve(stream, peer.ip(), &shared).await;
                });
            }
        });
        Ok(Self { shared, address })
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(crate) fn behave(&self, manner: Manner) {
        self.shared.lock().manner = manner;
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.shared.lock().requests.clone()
    }

    /// Waits until the requests fit; `false` when they did not within `bound`.
    pub(crate) fn wait(&self, bound: Duration, fits: impl Fn(&[Request]) -> bool) -> bool {
        let until = Instant::now() + bound;
        let mut state = self.shared.lock();
        while !fits(&state.requests) {
            let Some(left) = until.checked_duration_since(Instant::now()) else {
                return false;
            };
            state = self
                .shared
                .changed
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    /// How many requests of each node wait for their answer.
    pub(crate) fn in_flight(requests: &[Request]) -> BTreeMap<usize, usize> {
        let mut waiting = BTreeMap::new();
        for request in requests.iter().filter(|request| !request.answered) {
            *waiting.entry(request.node).or_default() += 1;
        }
        waiting
    }
}

/// Takes requests of one connection until it ends.
async fn serve(mut stream: TcpStream, peer: IpAddr, shared: &Shared) -> Result<()> {
    let IpAddr::V4(peer) = peer else {
        return Ok(());
    };
    let mut bytes = Vec::new();
    loop {
        let (headers, body) = read(&mut stream, &mut bytes).await?;
        let (index, manner) = {
            let mut state = shared.lock();
            let manner = state.manner;
            state.requests.push(Request {
                at: Instant::now(),
                node: node_at(peer),
                taken: manner.breaks || manner.status / 100 == 2,
                answered: false,
                key: headers.get("idempotency-key").cloned(),
                sequence: headers.get("x-notification-seq").cloned(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            });
            shared.changed.notify_all();
            (state.requests.len() - 1, manner)
        };
        tokio::time::sleep(manner.delay).await;
        if manner.breaks {
            stream.set_zero_linger()?;
            shared.lock().requests[index].answered = true;
            return Ok(());
        }
        let answer = format!("HTTP/1.1 {} X\r\nContent-Length: 0\r\n\r\n", manner.status);
        let written = stream.write_all(answer.as_bytes()).await;
        shared.lock().requests[index].answered = true;
        shared.changed.notify_all();
        written?;
    }
}

type Headers = BTreeMap<String, String>;

/// The next request of a connection; `bytes` keeps what came after it.
async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<(Headers, Vec<u8>)> {
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        fill(stream, bytes).await?;
    };
    let rest = bytes.split_off(end);
    let head = String::from_utf8(std::mem::replace(bytes, rest))?;
    let headers: Headers = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers
        .get("content-length")
        .context("no Content-Length")?
        .parse()?;
    while bytes.len() < length {
        fill(stream, bytes).await?;
    }
    let rest = bytes.split_off(length);
    Ok((headers, std::mem::replace(bytes, rest)))
}

async fn fill(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<()> {
    let read = stream.read_buf(bytes).await?;
    (read > 0 && bytes.len() < 1 << 24)
        .then_some(())
        .context("the connection ended")
}
