//! Requests to one server that is reached straight, without TLS and without a proxy.
//!
//! A connection is driven by whoever asks, within the same task: a light request costs no task and wakes no thread. What
//! is asked here must be such that asking it twice does no harm.

use std::{
    error::Error as _,
    future::poll_fn,
    net::SocketAddr,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Poll,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
    uri::InvalidUri,
};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, lookup_host};
use url::Url;

use super::{
    auth,
    proxy::{Environment, ProxyChoice},
    transport::{CONNECT_TIMEOUT, IDLE_TIMEOUT},
};
use crate::config::HttpConfig;

/// How long one of several addresses may take, so that those after it have their turn.
const ONE_ADDRESS: Duration = Duration::from_secs(3);

/// A server that is reached straight, and the connections to it that nobody uses.
#[derive(Debug)]
pub(in crate::io) struct Straight {
    host: String,
    port: u16,
    /// The path of the address, without a `/` at its end.
    path: String,
    /// What every request has: `Host`, and what the configuration adds.
    headers: HeaderMap,
    idle: Mutex<Vec<Connection>>,
}

/// A connection as the library has it.
type Driven = http1::Connection<TokioIo<TcpStream>, Full<Bytes>>;

/// What makes a connection go on, until it ends.
struct Driver(Option<Pin<Box<Driven>>>);

/// A connection without a request.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: Driver,
    since: Instant,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// The head of an answer, and the connection from which the rest comes.
pub(in crate::io) struct Answer {
    server: Arc<Straight>,
    response: Response<Incoming>,
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
        let mut headers = HeaderMap::new();
        let authority = url.authority();
        headers.insert(header::HOST, HeaderValue::try_from(authority).ok()?);
        for (name, value) in auth::static_headers(config).ok()? {
            // The address wins, as in Go.
            if name != header::HOST {
                headers.append(name, value);
            }
        }
        let host = url.host_str()?;
        Some(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port_or_known_default()?,
            path: url.path().trim_end_matches('/').to_owned(),
            headers,
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

    /// Makes a request of a path with its parameters, and gives its answer before the body is read. Where a connection
    /// that was used before breaks, the request is made once more on a new one.
    ///
    /// # Errors
    /// When there was no answer, in words.
    pub(in crate::io) async fn send(
        self: &Arc<Self>,
        method: Method,
        path: String,
        headers: impl Iterator<Item = (HeaderName, HeaderValue)>,
        body: &Bytes,
    ) -> Result<Answer, String> {
        let uri = Uri::from_maybe_shared(Bytes::from(path));
        let uri = uri.map_err(|error: InvalidUri| error.to_string())?;
        let mut all = self.headers.clone();
        for (name, value) in headers {
            all.append(name, value);
        }
        let request = |headers: HeaderMap| {
            let mut request = Request::new(Full::new(body.clone()));
            *request.method_mut() = method.clone();
            *request.uri_mut() = uri.clone();
            *request.headers_mut() = headers;
            request
        };
        if let Some(known) = self.take_idle()
            && let Ok(answer) = self.exchange(known, request(all.clone())).await
        {
            return Ok(answer);
        }
        // Boxed, since it is rare and takes much room.
        let connection = Box::pin(self.connect()).await?;
        let answer = self.exchange(connection, request(all)).await;
        answer.map_err(|error| explain(&error))
    }

    /// The connection that was used last, and none that the server may have closed meanwhile.
    fn take_idle(&self) -> Option<Connection> {
        let mut idle = self.idle();
        let connection = idle.pop()?;
        if connection.since.elapsed() < IDLE_TIMEOUT {
            return Some(connection);
        }
        // Those below were used before it.
        idle.clear();
        None
    }

    async fn exchange(
        self: &Arc<Self>,
        mut connection: Connection,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, hyper::Error> {
        let Connection { sender, driver, .. } = &mut connection;
        // One that the server closed is none.
        driver
            .drive(poll_fn(|context| sender.poll_ready(context)))
            .await?;
        let response = driver.drive(sender.send_request(request)).await?;
        Ok(Answer {
            server: Arc::clone(self),
            response,
            connection,
            whole: false,
        })
    }

    async fn connect(&self) -> Result<Connection, String> {
        let connecting = tokio::time::timeout(CONNECT_TIMEOUT, self.stream());
        let stream = connecting
            .await
            .unwrap_or_else(|_elapsed| Err(NOT_IN_TIME.to_owned()))?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (sender, driver) = shaken.map_err(|error| explain(&error))?;
        Ok(Connection {
            sender,
            driver: Driver(Some(Box::pin(driver))),
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

impl Answer {
    pub(in crate::io) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(in crate::io) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The next part of the body; none at its end.
    ///
    /// # Errors
    /// When the body ends early, in words.
    pub(in crate::io) async fn chunk(&mut self) -> Result<Option<Bytes>, String> {
        loop {
            if self.response.body().is_end_stream() {
                self.whole = true;
                return Ok(None);
            }
            let frame = self.response.body_mut().frame();
            match self.connection.driver.drive(frame).await {
                None => {
                    self.whole = true;
                    return Ok(None);
                }
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => return Err(explain(&error)),
            }
        }
    }

    /// Gives the connection back, if all of the answer was read.
    pub(in crate::io) fn finish(mut self) {
        let closes = self.response.headers().get(header::CONNECTION);
        let closes = closes.is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"close"));
        if self.whole && !closes && self.connection.driver.0.is_some() {
            self.connection.since = Instant::now();
            self.server.idle().push(self.connection);
        }
    }
}

impl Driver {
    /// What comes of a future that waits for the connection.
    async fn drive<T>(&mut self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        poll_fn(|context| {
            if let Poll::Ready(done) = future.as_mut().poll(context) {
                return Poll::Ready(done);
            }
            if let Some(connection) = &mut self.0
                && connection.as_mut().poll(context).is_ready()
            {
                // Whoever waits for it hears of its end when it is dropped.
                self.0 = None;
            }
            future.as_mut().poll(context)
        })
        .await
    }
}

/// An error with its causes.
fn explain(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
