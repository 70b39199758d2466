//! The servers and requests of the tests.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use jiff::SignedDuration;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::{
    config::{HttpConfig, Secret, TlsConfig},
    io::{Clock, HttpClients},
    notify::integration::{HttpRequest, HttpResponse, TransportError},
};

pub(in crate::io) type Answer = Response<Full<bytes::Bytes>>;

/// One request as a server saw it.
#[derive(Debug, Clone)]
pub(in crate::io) struct Seen {
    pub(super) method: Method,
    pub(super) uri: String,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: String,
    pub(super) version: http::Version,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// A server that keeps what it saw.
pub(in crate::io) struct Server {
    pub(super) address: SocketAddr,
    pub(super) seen: Arc<Mutex<Vec<Seen>>>,
    pub(super) connections: Arc<AtomicUsize>,
    pub(super) names: Arc<Mutex<Vec<Option<String>>>>,
}

impl Server {
    pub(in crate::io) async fn start(
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::start_tls(None, answer).await
    }

    pub(super) async fn start_tls(
        tls: Option<ServerConfig>,
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            seen: Arc::default(),
            connections: Arc::default(),
            names: Arc::default(),
        };
        let seen = Arc::clone(&server.seen);
        let connections = Arc::clone(&server.connections);
        let names = Arc::clone(&server.names);
        let answer = Arc::new(answer);
        let tls = tls.map(|tls| TlsAcceptor::from(Arc::new(tls)));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.fetch_add(1, Relaxed);
                let (seen, answer, names) =
                    (Arc::clone(&seen), Arc::clone(&answer), Arc::clone(&names));
                let tls = tls.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                        let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                        async move {
                            let one = Seen::of(request).await;
                            let response = answer(&one);
                            lock(&seen).push(one);
                            Ok::<_, std::convert::Infallible>(response)
                        }
                    });
                    let builder = auto::Builder::new(TokioExecutor::new());
                    match tls {
                        None => {
                            let _ = builder
                                .serve_connection(TokioIo::new(stream), service)
                                .await;
                        }
                        Some(tls) => {
                            let Ok(stream) = tls.accept(stream).await else {
                                return;
                            };
                            let name = stream.get_ref().1.server_name().map(str::to_owned);
                            lock(&names).push(name);
                            let _ = builder
                                .serve_connection(TokioIo::new(stream), service)
                                .await;
                        }
                    }
                });
            }
        });
        server
    }

    pub(in crate::io) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn tls_url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.address.port())
    }

    pub(in crate::io) fn seen(&self) -> Vec<Seen> {
        lock(&self.seen).clone()
    }

    pub(super) fn last(&self) -> Seen {
        self.seen().pop().unwrap()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Seen {
    pub(super) async fn of(request: Request<hyper::body::Incoming>) -> Self {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes());
        let mut headers = BTreeMap::<String, String>::new();
        for (name, value) in &parts.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            headers
                .entry(name.to_string())
                .and_modify(|all| {
                    all.push('|');
                    all.push_str(&value);
                })
                .or_insert_with(|| value.to_string());
        }
        Self {
            method: parts.method,
            uri: parts.uri.to_string(),
            headers,
            body: String::from_utf8_lossy(&body.unwrap_or_default()).into_owned(),
            version: parts.version,
        }
    }
}

pub(in crate::io) fn answer(status: u16, body: impl Into<bytes::Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = StatusCode::from_u16(status).unwrap();
    answer
}

pub(super) fn moved(status: u16, to: &str) -> Answer {
    let mut answer = answer(status, "");
    answer.headers_mut().insert("location", to.parse().unwrap());
    answer
}

pub(in crate::io) fn clients() -> HttpClients {
    HttpClients::new(Clock::start(SignedDuration::ZERO))
}

pub(super) fn request(url: &str, http: &Arc<HttpConfig>) -> HttpRequest {
    HttpRequest {
        method: "POST",
        url: Secret::new(url),
        headers: vec![
            ("Content-Type", "application/json".to_owned()),
            ("Idempotency-Key", "\"K\"".to_owned()),
        ],
        body: Arc::from(b"{}".as_slice()),
        timeout: None,
        http: Arc::clone(http),
    }
}

pub(super) const LONG: Duration = Duration::from_secs(20);

pub(super) async fn post(
    clients: &HttpClients,
    url: &str,
    http: &Arc<HttpConfig>,
) -> Result<HttpResponse, TransportError> {
    clients.send(&request(url, http), LONG).await
}

/// A CA with what it signs.
pub(in crate::io) struct Ca {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Ca {
    pub(in crate::io) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    pub(in crate::io) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate and its key in PEM.
    pub(in crate::io) fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        (cert.pem(), key.serialize_pem())
    }

    pub(in crate::io) fn server(&self, name: &str) -> ServerConfig {
        let (cert, key) = self.sign(name);
        server_config(&cert, &key, None)
    }
}

pub(in crate::io) fn server_config(cert: &str, key: &str, client_ca: Option<&str>) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match client_ca {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(ca.as_bytes()).unwrap())
                .unwrap();
            let roots = Arc::new(roots);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let mut config = builder
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config
}

pub(super) fn with_tls(tls: TlsConfig) -> Arc<HttpConfig> {
    Arc::new(HttpConfig {
        tls,
        ..HttpConfig::default()
    })
}
