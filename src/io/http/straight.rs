//! Requests to one server that is reached straight, without TLS and without a proxy.
//!
//! A connection is driven by whoever asks, within the same task: a light request costs no task and wakes no thread. What
//! is asked here must be such that asking it twice does no harm.

use std::{
    io,
    mem::MaybeUninit,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use http::{HeaderValue, StatusCode, header};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpStream, lookup_host},
};
use url::Url;

use super::{
    auth,
    proxy::{Environment, ProxyChoice},
    transport::{CONNECT_TIMEOUT, IDLE_TIMEOUT},
    wire::{self, Body, Head, Part},
};
use crate::config::HttpConfig;

/// How long one of several addresses may take, so that those after it have their turn.
const ONE_ADDRESS: Duration = Duration::from_secs(3);

/// Bytes that are read at a time at first, and what a connection holds that nobody uses.
const READ: usize = 8 * 1024;

/// Bytes that are read at a time at most.
const MOST_READ: usize = 256 * 1024;

/// Bytes of a head.
const LONGEST_HEAD: usize = 64 * 1024;

/// A server that is reached straight, and the connections to it that nobody uses.
#[derive(Debug)]
pub(in crate::io) struct Straight {
    host: String,
    port: u16,
    /// The path of the address, without a `/` at its end.
    path: String,
    /// The lines that every request has: `Host`, and what the configuration adds.
    lines: Vec<u8>,
    idle: Mutex<Vec<Connection>>,
}

/// A connection, and what came over it.
#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    bytes: Vec<u8>,
    /// How many of them were taken.
    taken: usize,
    since: Instant,
}

/// The head of an answer, and the connection from which the rest comes.
#[derive(Debug)]
pub(in crate::io) struct Answer {
    server: Arc<Straight>,
    head: Head,
    connection: Connection,
    /// Whether all of it was read, so that the connection can be used again.
    whole: bool,
}

impl Straight {
    /// The server of an address, if requests with this configuration go straight to it and need nothing that changes.
    pub(super) fn of(
        url: &Url,
        config: &HttpConfig,
        environment: &Arc<Environment>,
    ) -> Option<Self> {
        let is_plain = url.scheme() == "http"
            && url.username().is_empty()
            && url.password().is_none()
            && config.oauth2.is_none()
            && !auth::names_files(config);
        if !is_plain {
            return None;
        }
        let proxy = ProxyChoice::new(&config.proxy, Arc::clone(environment)).ok()?;
        if proxy.of(url).is_some() {
            return None;
        }
        let mut lines = Vec::new();
        let host = HeaderValue::try_from(url.authority()).ok()?;
        push_line(&mut lines, "Host", host.as_bytes());
        for (name, value) in auth::static_headers(config).ok()? {
            // The address wins, as in Go.
            if name != header::HOST {
                push_line(&mut lines, name.as_str(), value.as_bytes());
            }
        }
        let host = url.host_str()?;
        Some(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default()?,
            path: url.path().trim_end_matches('/').to_owned(),
            lines,
            idle: Mutex::default(),
        })
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path of the address, without a `/` at its end.
    pub(in crate::io) fn path(&self) -> &str {
        &self.path
    }

    /// Makes a request of a path with its parameters, in parts as they are written on the wire, and gives its answer before the body is
    /// read. Where a connection that was used before breaks, the request is made once more on a new one.
    ///
    /// # Errors
    /// When there was no answer, in words.
    pub(in crate::io) async fn send(
        self: &Arc<Self>,
        method: &str,
        path: &[&str],
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, String> {
        let request = self.request(method, path, headers, body);
        // One that the server closed meanwhile is none.
        if let Some(known) = self.take_idle(Instant::now())
            && let Ok(answer) = self.exchange(known, &request).await
        {
            return Ok(answer);
        }
        // Boxed, since it is rare and takes much room.
        let connection = Box::pin(self.connect()).await?;
        self.exchange(connection, &request).await
    }

    /// A request as it is written.
    fn request(
        &self,
        method: &str,
        path: &[&str],
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Vec<u8> {
        let length: usize = path.iter().map(|part| part.len()).sum();
        let mut request = Vec::with_capacity(length + self.lines.len() + body.len() + 256);
        request.extend_from_slice(method.as_bytes());
        request.push(b' ');
        for part in path {
            request.extend_from_slice(part.as_bytes());
        }
        request.extend_from_slice(b" HTTP/1.1\r\n");
        request.extend_from_slice(&self.lines);
        for (name, value) in headers {
            push_line(&mut request, name, value.as_bytes());
        }
        if !body.is_empty() || method != "GET" {
            let length = body.len().to_string();
            push_line(&mut request, "Content-Length", length.as_bytes());
        }
        request.extend_from_slice(b"\r\n");
        request.extend_from_slice(body);
        request
    }

    /// The connection that was used last, and none that the server may have closed meanwhile.
    fn take_idle(&self, now: Instant) -> Option<Connection> {
        let last = {
            let mut idle = self.idle();
            // Whatever was used later stands behind; a burst must not leave connections that are never looked at again.
            let is_old =
                |one: &Connection| now.saturating_duration_since(one.since) >= IDLE_TIMEOUT;
            let old = idle.partition_point(is_old);
            idle.drain(..old);
            idle.pop()
        };
        // It asks the system, which nobody else need wait for.
        last.filter(Connection::is_quiet)
    }

    async fn exchange(
        self: &Arc<Self>,
        mut connection: Connection,
        request: &[u8],
    ) -> Result<Answer, String> {
        let broke = |error: io::Error| format!("the connection broke: {error}");
        connection.stream.write_all(request).await.map_err(broke)?;
        loop {
            let rest = connection.rest();
            match wire::head(rest)? {
                Some((head, length)) => {
                    connection.taken += length;
                    // What is said before the answer says nothing.
                    if !head.status.is_informational() {
                        return Ok(Answer {
                            server: Arc::clone(self),
                            head,
                            connection,
                            whole: false,
                        });
                    }
                }
                None if rest.len() > LONGEST_HEAD => {
                    return Err("the head of its answer is too long".to_owned());
                }
                None if connection.fill().await.map_err(broke)? == 0 => {
                    return Err("the connection ended before an answer came".to_owned());
                }
                None => {}
            }
        }
    }

    async fn connect(&self) -> Result<Connection, String> {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, self.stream());
        let stream = connecting
            .await
            .unwrap_or_else(|_elapsed| Err(NOT_IN_TIME.to_owned()))?;
        Ok(Connection {
            stream,
            bytes: Vec::with_capacity(READ),
            taken: 0,
            since: Instant::now(),
        })
    }

    async fn stream(&self) -> Result<TcpStream, String> {
        let found = lookup_host((&*self.host, self.port)).await;
        let found: Vec<SocketAddr> = found
            .map_err(|error| format!("dns error: {error}"))?
            .collect();
        let mut failure = "no address".to_owned();
        for address in &found {
            let connecting = TcpStream::connect(address);
            let within = if found.len() > 1 {
                ONE_ADDRESS
            } else {
                CONNECT_TIMEOUT
            };
            match tokio::time::timeout(within, connecting).await {
                Ok(Ok(stream)) => {
                    // Without it an answer waits for what the kernel might send together.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Ok(Err(error)) => failure = format!("tcp connect error: {error}"),
                Err(_elapsed) => failure = NOT_IN_TIME.to_owned(),
            }
        }
        Err(failure)
    }
}

const NOT_IN_TIME: &str = "tcp connect error: it did not answer in time";

impl Connection {
    /// Whether nothing came that nobody asked for, and it did not end: an answer that is late must not be taken for the next.
    fn is_quiet(&self) -> bool {
        let mut byte = [MaybeUninit::uninit()];
        let came = SockRef::from(&self.stream).peek(&mut byte);
        came.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// What came and was not taken yet.
    fn rest(&self) -> &[u8] {
        self.bytes.get(self.taken..).unwrap_or_default()
    }

    /// Waits for more; how many bytes came, none if it ended.
    async fn fill(&mut self) -> io::Result<usize> {
        let room = self.bytes.capacity();
        let was_full = self.bytes.len() == room;
        self.bytes.drain(..self.taken);
        self.taken = 0;
        if was_full && room < MOST_READ || self.bytes.len() == room {
            self.bytes.reserve(room * 2);
        }
        self.stream.read_buf(&mut self.bytes).await
    }
}

impl Answer {
    pub(in crate::io) fn status(&self) -> StatusCode {
        self.head.status
    }

    /// `Content-Type`, in lower case; empty if it does not say.
    pub(in crate::io) fn kind(&self) -> &str {
        &self.head.kind
    }

    /// `Content-Encoding`, in lower case; empty if it does not say.
    pub(in crate::io) fn encoding(&self) -> &str {
        &self.head.encoding
    }

    /// How many bytes of the body are to come, if it says.
    pub(in crate::io) fn length(&self) -> Option<u64> {
        match &self.head.body {
            Body::Sized(left) => Some(*left),
            Body::Chunked(_) | Body::UntilClose => None,
        }
    }

    /// The next part of the body; none at its end.
    ///
    /// # Errors
    /// When the body ends early, in words.
    pub(in crate::io) async fn chunk(&mut self) -> Result<Option<&[u8]>, String> {
        let length = loop {
            match self.head.body.next(self.connection.rest())? {
                Part::Data(length) => break length,
                Part::Other(length) => self.connection.taken += length,
                Part::End => {
                    self.whole = true;
                    return Ok(None);
                }
                Part::More => {
                    let came = self.connection.fill().await;
                    let came = came.map_err(|error| {
                        format!("the connection broke within the body: {error}")
                    })?;
                    if came > 0 {
                        continue;
                    }
                    if self.head.body == Body::UntilClose {
                        return Ok(None);
                    }
                    return Err("the connection ended before the body did".to_owned());
                }
            }
        };
        let from = self.connection.taken;
        self.connection.taken += length;
        Ok(self.connection.bytes.get(from..self.connection.taken))
    }

    /// Gives the connection back, if all of the answer was read and nothing but it came.
    pub(in crate::io) fn finish(mut self) {
        if !self.whole || !self.head.lasts || !self.connection.rest().is_empty() {
            return;
        }
        let connection = &mut self.connection;
        connection.bytes.clear();
        connection.bytes.shrink_to(READ);
        connection.taken = 0;
        connection.since = Instant::now();
        self.server.idle().push(self.connection);
    }
}

/// Appends a header as it is written.
fn push_line(lines: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        lines.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn all_connections_that_nobody_uses_grow_old() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Straight {
            host: address.ip().to_string(),
            port: address.port(),
            path: String::new(),
            lines: Vec::new(),
            idle: Mutex::default(),
        };
        let mut accepted = Vec::new();
        let now = Instant::now();
        let moment = Duration::from_millis(1);
        for age in [IDLE_TIMEOUT, IDLE_TIMEOUT, moment * 2, moment] {
            let mut connection = server.connect().await.unwrap();
            connection.since = now + IDLE_TIMEOUT - age;
            server.idle().push(connection);
            accepted.push(listener.accept().await.unwrap());
        }
        // The one that was used last, while those below it that are old go.
        let last = server.take_idle(now + IDLE_TIMEOUT).unwrap();
        assert_eq!(last.since, now + IDLE_TIMEOUT - moment);
        assert_eq!(server.idle().len(), 1);
        assert!(server.take_idle(now + IDLE_TIMEOUT * 2).is_none());
        assert_eq!(server.idle().len(), 0);
    }
}
