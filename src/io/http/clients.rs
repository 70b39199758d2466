//! The clients of all receivers, one per distinct `http_config`, kept over reloads with their connections.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::Semaphore;
use url::Url;

use super::{
    exchange, mask, oauth2::TokenSource, proxy::Environment, straight::Straight,
    transport::Transport,
};
use crate::{
    config::{HttpConfig, Secret},
    io::clock::Clock,
    notify::integration::{HttpRequest, HttpResponse, TransportError},
};

/// Requests to one server at a time; more wait, within their own limits. One that hangs must not use up the process's
/// files, and must not hold up any other.
const MAX_PER_SERVER: usize = 64;

/// A client that was not used for this long is dropped: its configuration is gone.
const KEEP_UNUSED: Duration = Duration::from_secs(12 * 3600);

/// Sends requests to receivers.
#[derive(Debug)]
pub struct HttpClients {
    clock: Clock,
    environment: Arc<Environment>,
    clients: Mutex<Vec<Entry>>,
    servers: Mutex<BTreeMap<String, Arc<Semaphore>>>,
}

#[derive(Debug)]
struct Entry {
    config: Arc<HttpConfig>,
    client: Arc<Client>,
    used: Instant,
}

/// What one `http_config` makes.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) config: Arc<HttpConfig>,
    pub(super) transport: Transport,
    pub(super) tokens: Option<TokenSource>,
}

impl HttpClients {
    /// Makes an empty set. The environment's proxies are read here.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self {
            clock,
            environment: Arc::new(Environment::read()),
            clients: Mutex::default(),
            servers: Mutex::default(),
        }
    }

    /// Makes one request within `timeout`, or its own limit if that is shorter.
    ///
    /// # Errors
    /// When there was no answer. The status of an answer is the integration's matter.
    pub async fn send(
        &self,
        request: &HttpRequest,
        timeout: Duration,
    ) -> Result<HttpResponse, TransportError> {
        let timeout = request.timeout.map_or(timeout, |own| own.min(timeout));
        let deadline = tokio::time::Instant::now() + timeout;
        let written = Arc::<AtomicBool>::default();
        let exchange = self.head(request, &written);
        let response = match tokio::time::timeout_at(deadline, exchange).await {
            Ok(response) => response.map_err(|message| TransportError {
                message,
                timed_out: false,
                ambiguous: written.load(Relaxed),
            })?,
            Err(_elapsed) => {
                return Err(TransportError {
                    message: "context deadline exceeded".to_owned(),
                    timed_out: true,
                    ambiguous: written.load(Relaxed),
                });
            }
        };
        Ok(exchange::read(response, deadline, || self.clock.now().wall).await)
    }

    /// Makes one request and gives its answer before its body is read. Whoever calls bounds both.
    ///
    /// # Errors
    /// When there was no answer.
    pub(in crate::io) async fn open(
        &self,
        request: &HttpRequest,
    ) -> Result<reqwest::Response, String> {
        self.head(request, &Arc::default()).await
    }

    /// The server of an address, if requests go straight to it: without TLS, proxies, and credentials that change.
    pub(in crate::io) fn straight(&self, url: &str, config: &HttpConfig) -> Option<Arc<Straight>> {
        let url = Url::parse(url).ok()?;
        Straight::of(&url, config, &self.environment).map(Arc::new)
    }

    /// A text of a server without the secrets that it was sent: some repeat them where they refuse them.
    pub(in crate::io) async fn without_secrets(
        &self,
        text: String,
        url: &str,
        config: &Arc<HttpConfig>,
    ) -> String {
        let token = config.oauth2.as_ref().and_then(|_| {
            let client = self.client(config);
            client.tokens.as_ref().and_then(TokenSource::known)
        });
        let (url, config) = (url.to_owned(), Arc::clone(config));
        let hide = move || mask::without_secrets(text, &url, &config, token);
        let hidden = tokio::task::spawn_blocking(hide).await;
        hidden.unwrap_or_else(|_panic| "what it says is not shown: this is a bug".to_owned())
    }

    /// The token that the OAuth 2 section of a configuration gives, if it has one.
    ///
    /// # Errors
    /// When the server of tokens gives none.
    pub(in crate::io) async fn token(
        &self,
        config: &Arc<HttpConfig>,
    ) -> Result<Option<Secret>, String> {
        let client = self.client(config);
        let Some(tokens) = &client.tokens else {
            return Ok(None);
        };
        let header = tokens.token().await?;
        Ok(header.split_once(' ').map(|(_, token)| Secret::new(token)))
    }

    /// Makes the next use of that token fetch another one.
    pub(in crate::io) async fn forget_token(&self, config: &Arc<HttpConfig>) {
        if let Some(tokens) = &self.client(config).tokens {
            tokens.forget().await;
        }
    }

    async fn head(
        &self,
        request: &HttpRequest,
        written: &Arc<AtomicBool>,
    ) -> Result<reqwest::Response, String> {
        let url = Url::parse(request.url.reveal()).map_err(|error| error.to_string())?;
        let server = self.server(&url);
        let _permit = server.acquire().await.map_err(|error| error.to_string())?;
        let client = self.client(&request.http);
        exchange::run(&client, request, url, written).await
    }

    fn server(&self, url: &Url) -> Arc<Semaphore> {
        let origin = url.origin().ascii_serialization();
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if !servers.contains_key(&origin) {
            servers.retain(|_, used| Arc::strong_count(used) > 1);
        }
        let new = || Arc::new(Semaphore::new(MAX_PER_SERVER));
        Arc::clone(servers.entry(origin).or_insert_with(new))
    }

    fn client(&self, config: &Arc<HttpConfig>) -> Arc<Client> {
        let now = Instant::now();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let known = clients
            .iter_mut()
            .find(|entry| Arc::ptr_eq(&entry.config, config) || entry.config == *config);
        if let Some(entry) = known {
            entry.used = now;
            // After a reload the equal configuration is another allocation; the next look is by pointer again.
            entry.config = Arc::clone(config);
            return Arc::clone(&entry.client);
        }
        clients.retain(|entry| now - entry.used < KEEP_UNUSED);
        let environment = &self.environment;
        let client = Arc::new(Client {
            config: Arc::clone(config),
            transport: Transport::new(
                &config.tls,
                &config.proxy,
                config.enable_http2,
                Arc::clone(environment),
            ),
            tokens: config.oauth2.as_ref().map(|oauth2| {
                TokenSource::new(
                    oauth2,
                    config.enable_http2,
                    Arc::clone(environment),
                    self.clock,
                )
            }),
        });
        clients.push(Entry {
            config: Arc::clone(config),
            client: Arc::clone(&client),
            used: now,
        });
        client
    }
}
