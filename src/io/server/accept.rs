//! Takes connections within bounds, speaks TLS where the web configuration says so, serves HTTP/1.1 and HTTP/2, and
//! lets requests finish at the end.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{Router, extract::ConnectInfo};
use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::graceful::{GracefulConnection, GracefulShutdown, Watcher},
};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

use super::{
    Bound, Observer,
    client::{Client, Watched},
    line::Escaping,
    pipeline::Pipeline,
    web_file::WebFile,
};

/// How long a client may take for a request's head, and sit on an idle connection. Prometheus sends every minute at
/// least, so its connections stay open.
const HEAD_WITHIN: Duration = Duration::from_secs(90);
/// The same while more than half of all connections are in use.
const HEAD_WITHIN_CROWD: Duration = Duration::from_secs(10);
/// Longest TLS handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Files that the store, the log and outgoing requests may need beside connections.
const SPARE_FILES: u64 = 256;
/// More connections than this are of no use on one node.
const MAX_CONNECTIONS: usize = 32_768;
/// Largest head of a request; Go's default is 1 MiB, of which nobody needs this much.
const MAX_HEAD: usize = 256 << 10;

/// The first byte of every TLS connection.
const TLS_HANDSHAKE: u8 = 0x16;
/// What Go tells a client that does not speak TLS where it should.
const NOT_TLS: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// How requests are served.
pub struct ServerOptions {
    /// Put before every route; empty or `/` for none.
    pub route_prefix: String,
    /// GET requests at once.
    pub get_concurrency: usize,
    /// How long a GET request waits for its turn before it is refused.
    pub get_wait: Duration,
    /// Longest request; zero for no limit.
    pub timeout: Duration,
    /// TLS, passwords, headers, rate limit.
    pub web: Option<Arc<WebFile>>,
    /// Where requests are counted.
    pub observer: Arc<dyn Observer>,
    /// How many files the process may open ([`super::raise_file_limit`]).
    pub file_limit: u64,
}

/// A server that takes connections.
pub struct RunningServer {
    accepting: Vec<JoinHandle<()>>,
    shared: Arc<Shared>,
}

/// What every connection needs.
struct Shared {
    pipeline: Pipeline,
    web: Option<Arc<WebFile>>,
    places: Arc<Semaphore>,
    limit: usize,
    refused: AtomicU64,
    /// Knows the connections that have requests; `None` once the server stops.
    connections: Mutex<Option<GracefulShutdown>>,
}

impl Shared {
    fn connections(&self) -> MutexGuard<'_, Option<GracefulShutdown>> {
        self.connections
            .lock()
            .expect("nothing panics under the lock")
    }
}

/// Serves `router` on every listener.
#[must_use]
pub fn start(listeners: Vec<Bound>, router: Router, options: ServerOptions) -> RunningServer {
    let room = options.file_limit.saturating_sub(SPARE_FILES).max(64);
    let limit = usize::try_from(room)
        .unwrap_or(MAX_CONNECTIONS)
        .min(MAX_CONNECTIONS);
    let shared = Arc::new(Shared {
        web: options.web.clone(),
        pipeline: Pipeline::new(router, options),
        places: Arc::new(Semaphore::new(limit)),
        limit,
        refused: AtomicU64::new(0),
        connections: Mutex::new(Some(GracefulShutdown::new())),
    });
    let accepting = listeners
        .into_iter()
        .map(|bound| {
            tracing::info!(address = %bound.address, "Listening on");
            let (tls, http2) = shared
                .web
                .as_ref()
                .map_or((false, false), |web| web.speaks());
            if tls {
                tracing::info!(http2, address = %bound.address, "TLS is enabled.");
            } else {
                tracing::info!(http2, address = %bound.address, "TLS is disabled.");
            }
            tokio::spawn(accept(bound.listener, Arc::clone(&shared)))
        })
        .collect();
    RunningServer { accepting, shared }
}

impl RunningServer {
    /// Takes no more connections and lets requests finish; `false` if some did not within the time.
    pub async fn stop(self, within: Duration) -> bool {
        for task in self.accepting {
            task.abort();
        }
        let Some(connections) = self.shared.connections().take() else {
            return true;
        };
        timeout(within, connections.shutdown()).await.is_ok()
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Of one client, or of the system: too many files, no memory. The latter passes with time only.
                if !matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
                ) {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot accept a connection"
                    );
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                continue;
            }
        };
        let Ok(place) = Arc::clone(&shared.places).try_acquire_owned() else {
            let refused = shared.refused.fetch_add(1, Ordering::Relaxed);
            if refused.is_power_of_two() || refused == 0 {
                tracing::warn!(
                    limit = shared.limit,
                    refused = refused + 1,
                    "too many connections: a new one is closed"
                );
            }
            continue;
        };
        tokio::spawn(connection(stream, peer, Arc::clone(&shared), place));
    }
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    shared: Arc<Shared>,
    _place: OwnedSemaphorePermit,
) {
    tune(&stream);
    let crowded = shared.places.available_permits() < shared.limit / 2;
    let head_within = if crowded {
        HEAD_WITHIN_CROWD
    } else {
        HEAD_WITHIN
    };
    // Until the first byte a connection costs no buffers.
    if !matches!(timeout(head_within, stream.readable()).await, Ok(Ok(()))) {
        return;
    }
    let watcher = match &*shared.connections() {
        Some(connections) => connections.watcher(),
        None => return,
    };
    let tls = match &shared.web {
        Some(web) => Box::pin(web.current()).await.tls.clone(),
        None => None,
    };
    // What serves is large and on the heap, so that a connection that says nothing stays small.
    let Some(tls) = tls else {
        let stream = Watched::new(stream);
        let caller = Caller::new(peer, &stream);
        let serving = serve_http1(Escaping::new(stream), caller, shared, watcher, head_within);
        return Box::pin(serving).await;
    };
    let mut first = [0];
    if matches!(stream.peek(&mut first).await, Ok(1)) && first != [TLS_HANDSHAKE] {
        // What is left unread would reset the connection before the client reads the answer.
        let _ = stream.try_read(&mut [0; 4096]);
        let _ = stream.try_write(NOT_TLS);
        return;
    }
    let stream = Watched::new(stream);
    let caller = Caller::new(peer, &stream);
    let handshake = Box::pin(TlsAcceptor::from(tls).accept(stream));
    let stream = match timeout(HANDSHAKE_WITHIN, handshake).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::debug!(%peer, error = &error as &dyn std::error::Error, "TLS handshake failed");
            return;
        }
        Err(_) => return,
    };
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        Box::pin(serve_http2(TokioIo::new(stream), peer, shared, watcher)).await;
    } else {
        let serving = serve_http1(Escaping::new(stream), caller, shared, watcher, head_within);
        Box::pin(serving).await;
    }
}

/// Who asks on a connection.
#[derive(Clone)]
struct Caller {
    peer: SocketAddr,
    client: Client,
}

impl Caller {
    fn new(peer: SocketAddr, stream: &Watched) -> Self {
        let client = stream.client();
        Self { peer, client }
    }
}

async fn serve_http1<S>(
    stream: Escaping<S>,
    caller: Caller,
    shared: Arc<Shared>,
    watcher: Watcher,
    head_within: Duration,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let peer = caller.peer;
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(caller.client.clone());
        Box::pin(answer(Arc::clone(&shared), peer, request))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(head_within)
        .max_buf_size(MAX_HEAD)
        .half_close(true)
        // As Go writes them; no client should mind, but scripts do.
        .title_case_headers(true)
        .serve_connection(TokioIo::new(stream), service);
    finish(watcher, connection, peer).await;
}

async fn serve_http2<I>(io: I, peer: SocketAddr, shared: Arc<Shared>, watcher: Watcher)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let service = service_fn(move |request| Box::pin(answer(Arc::clone(&shared), peer, request)));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(30))
        .max_concurrent_streams(128)
        .max_header_list_size(u32::try_from(MAX_HEAD).unwrap_or(u32::MAX))
        .serve_connection(io, service);
    finish(watcher, connection, peer).await;
}

async fn finish<C>(watcher: Watcher, connection: C, peer: SocketAddr)
where
    C: GracefulConnection<Error = hyper::Error>,
{
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, error = &error as &dyn std::error::Error, "connection ended");
    }
}

async fn answer(
    shared: Arc<Shared>,
    peer: SocketAddr,
    mut request: http::Request<Incoming>,
) -> Result<http::Response<axum::body::Body>, std::convert::Infallible> {
    request.extensions_mut().insert(ConnectInfo(peer));
    Ok(shared.pipeline.answer(request).await)
}

/// As Go sets up connections: no delay, and probes that notice a dead peer.
fn tune(stream: &TcpStream) {
    let keepalive = TcpKeepalive::new()
        .with_time(Duration::from_secs(15))
        .with_interval(Duration::from_secs(15));
    // A socket without these works as well.
    let _ = stream.set_nodelay(true);
    let _ = SockRef::from(stream).set_tcp_keepalive(&keepalive);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_that_says_nothing_costs_little() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let _client = TcpStream::connect(address).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let shared = Arc::new(Shared {
            web: None,
            pipeline: Pipeline::new(Router::new(), crate::io::server::tests::options()),
            places: Arc::new(Semaphore::new(1)),
            limit: 1,
            refused: AtomicU64::new(0),
            connections: Mutex::new(None),
        });
        let place = Arc::clone(&shared.places).try_acquire_owned().unwrap();
        let size = size_of_val(&connection(stream, peer, shared, place));
        assert!(size < 2048, "{size} bytes");
    }
}
