//! Stands before a server and counts what passes.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
};

/// What passed until now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Bytes to clients, heads of answers among them.
    pub(crate) answered: u64,
    pub(crate) requests: u64,
    /// Requests among them for the newest samples, which replicas are asked for beside queries.
    pub(crate) probes: u64,
}

#[derive(Default)]
struct Counters {
    answered: AtomicU64,
    requests: AtomicU64,
    probes: AtomicU64,
}

/// Passes connections on to a server until the process ends.
pub(crate) struct Proxy {
    address: String,
    counters: Arc<Counters>,
}

impl Proxy {
    pub(crate) fn before(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let counters = Arc::<Counters>::default();
        let (server, counting) = (server.to_owned(), Arc::clone(&counters));
        thread::spawn(move || {
            for client in listener.incoming() {
                // A server that is gone refuses; its client sees the connection end.
                if let (Ok(client), Ok(server)) = (client, TcpStream::connect(&server)) {
                    join(&client, &server, &counting);
                }
            }
        });
        Self { address, counters }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn passed(&self) -> Passed {
        Passed {
            answered: self.counters.answered.load(Relaxed),
            requests: self.counters.requests.load(Relaxed),
            probes: self.counters.probes.load(Relaxed),
        }
    }
}

impl Passed {
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            answered: self.answered - before.answered,
            requests: self.requests - before.requests,
            probes: self.probes - before.probes,
        }
    }
}

fn join(client: &TcpStream, server: &TcpStream, counters: &Arc<Counters>) {
    let clones = || (client.try_clone().unwrap(), server.try_clone().unwrap());
    let (from, to) = clones();
    let counting = Arc::clone(counters);
    let mut heads = Signs::of(b" HTTP/1.1\r\n");
    let mut probes = Signs::of(b"max%28timestamp%28up%29%29");
    thread::spawn(move || {
        pass(from, to, |bytes| {
            counting.requests.fetch_add(heads.among(bytes), Relaxed);
            counting.probes.fetch_add(probes.among(bytes), Relaxed);
        });
    });
    let (to, from) = clones();
    let counting = Arc::clone(counters);
    thread::spawn(move || {
        pass(from, to, |bytes| {
            counting.answered.fetch_add(bytes.len() as u64, Relaxed);
        });
    });
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut count: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        // Before it passes: whoever has the answer may look at the counters.
        count(&buffer[..length]);
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // Either may be closed already.
    let _ = to.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

/// Counts a part of the first lines of requests, also of those that arrive in pieces.
struct Signs {
    sign: &'static [u8],
    rest: Vec<u8>,
}

impl Signs {
    fn of(sign: &'static [u8]) -> Self {
        Self {
            sign,
            rest: Vec::new(),
        }
    }

    fn among(&mut self, bytes: &[u8]) -> u64 {
        self.rest.extend_from_slice(bytes);
        let found = self.rest.windows(self.sign.len());
        let found = found.filter(|part| *part == self.sign).count() as u64;
        let rest = self.rest.len().saturating_sub(self.sign.len() - 1);
        self.rest.drain(..rest);
        found
    }
}
