//! One request with its redirects, and the reading of its answer.

use std::{
    error::Error as _,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, header};
use http_body::{Body, Frame, SizeHint};
use percent_encoding::percent_decode_str;
use url::Url;

use super::{
    auth::{self, Headers},
    clients::Client,
};
use crate::{
    notify::integration::{HttpRequest, HttpResponse},
    time::Timestamp,
};

/// As Alertmanager names itself to receivers.
pub(super) const USER_AGENT: &str = "Alertmanager/0.34.0";

/// As Go's client.
const MAX_REDIRECTS: usize = 10;

/// What integrations see of an answer.
const MAX_BODY: usize = 64 * 1024;

/// What is read and thrown away beyond, so that the connection can be used again.
const MAX_DRAIN: usize = 1024 * 1024;

/// How long an answer's body may take once its status is known.
const BODY_TIMEOUT: Duration = Duration::from_secs(5);

const MAX_HEADERS: usize = 100;

/// Sends the request and follows redirects, up to the head of the answer.
pub(super) async fn run(
    client: &Client,
    request: &HttpRequest,
    mut url: Url,
    written: &Arc<AtomicBool>,
) -> Result<reqwest::Response, String> {
    let configured = auth::headers(&client.config, client.tokens.as_ref()).await?;
    let mut hop = Hop {
        method: Method::from_bytes(request.method.as_bytes()).map_err(|error| error.to_string())?,
        body: Bytes::from_owner(Arc::clone(&request.body)),
        headers: own_headers(request)?,
        secrets: configured,
    };
    let mut renewed = false;
    for _ in 0..=MAX_REDIRECTS {
        let response = hop.send(client, &url, written).await?;
        if let Some(tokens) = &client.tokens
            && response.status() == reqwest::StatusCode::UNAUTHORIZED
            && !renewed
        {
            // The server may have forgotten a token before its time.
            renewed = true;
            tokens.forget().await;
            hop.secrets = auth::headers(&client.config, client.tokens.as_ref()).await?;
            written.store(false, Relaxed);
            continue;
        }
        match redirect(&response, &url) {
            Some(next) if client.config.follow_redirects => {
                hop.turn(response.status().as_u16(), &url, &next);
                url = next;
                // The server before has answered; what counts is the next.
                written.store(false, Relaxed);
            }
            Some(_) | None => return Ok(response),
        }
    }
    Err(format!("stopped after {MAX_REDIRECTS} redirects"))
}

fn own_headers(request: &HttpRequest) -> Result<Headers, String> {
    let mut headers = Headers::new();
    if request
        .headers
        .iter()
        .all(|(name, _)| !name.eq_ignore_ascii_case(header::USER_AGENT.as_str()))
    {
        headers.push((header::USER_AGENT, HeaderValue::from_static(USER_AGENT)));
    }
    for (name, value) in &request.headers {
        let name = HeaderName::try_from(*name).map_err(|error| error.to_string())?;
        headers.push((name, auth::secret_value(value)?));
    }
    Ok(headers)
}

/// Where a redirect leads, if the answer is one.
fn redirect(response: &reqwest::Response, url: &Url) -> Option<Url> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(header::LOCATION)?.to_str().ok()?;
    let next = url.join(location).ok()?;
    matches!(next.scheme(), "http" | "https").then_some(next)
}

/// One request on its way through redirects.
struct Hop {
    method: Method,
    body: Bytes,
    headers: Headers,
    /// Of the configuration, for the server that it names only.
    secrets: Headers,
}

impl Hop {
    async fn send(
        &self,
        client: &Client,
        url: &Url,
        written: &Arc<AtomicBool>,
    ) -> Result<reqwest::Response, String> {
        let (url, user) = without_user(url)?;
        let (http, url, host) = client.transport.client(url).await?;
        let mut request = http.request(self.method.clone(), url);
        // As in Go, the address wins over the integration's own header, which wins over the configuration.
        let is_own = |(name, _): &&(HeaderName, HeaderValue)| name == header::AUTHORIZATION;
        let user_given = user.is_some();
        let own_given = self.headers.iter().any(|header| is_own(&header));
        let own = self.headers.iter();
        let own = own.filter(|header| !(user_given && is_own(header)));
        let configured = self.secrets.iter();
        let configured = configured.filter(|header| !((user_given || own_given) && is_own(header)));
        for (name, value) in own.chain(configured) {
            request = request.header(name.clone(), value.clone());
        }
        if let Some(user) = user {
            request = request.header(header::AUTHORIZATION, user);
        }
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        if self.body.is_empty() {
            written.store(true, Relaxed);
        } else {
            request = request.body(reqwest::Body::wrap(Tracked {
                bytes: Some(self.body.clone()),
                started: Arc::clone(written),
            }));
        }
        request.send().await.map_err(|error| {
            if error.is_connect() || error.is_builder() {
                written.store(false, Relaxed);
            }
            explain(error)
        })
    }

    /// Changes method, body and headers as Go's client does, but for one thing: where a server only asks for TLS, the
    /// notification is not turned into an empty GET, whose success would be taken for delivery.
    fn turn(&mut self, status: u16, from: &Url, to: &Url) {
        let same_host = from.host_str() == to.host_str();
        let asks_for_tls = from.scheme() == "http"
            && to.scheme() == "https"
            && same_host
            && from.path() == to.path()
            && from.query() == to.query();
        if matches!(status, 301..=303) && !asks_for_tls && self.method != Method::HEAD {
            self.method = Method::GET;
            self.body = Bytes::new();
            self.headers
                .retain(|(name, _)| name != header::CONTENT_TYPE);
        }
        let loses_tls = from.scheme() == "https" && to.scheme() == "http";
        if !same_host || loses_tls {
            self.secrets.clear();
            self.headers
                .retain(|(name, _)| name != header::AUTHORIZATION);
        }
    }
}

/// Takes user and password out of an address: Go's client sends them as basic authentication.
pub(super) fn without_user(url: &Url) -> Result<(Url, Option<HeaderValue>), String> {
    if url.username().is_empty() && url.password().is_none() {
        return Ok((url.clone(), None));
    }
    let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
    let username = decoded(url.username());
    let password = decoded(url.password().unwrap_or_default());
    let value = auth::basic_header(&username, &password)?;
    let mut url = url.clone();
    // Both fail only for addresses without a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Ok((url, Some(value)))
}

/// The causes of an error without addresses.
pub(in crate::io) fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        // hyper-util's own level says only that it is one.
        if !text.starts_with("client error (") && causes.last() != Some(&text) {
            causes.push(text);
        }
        next = cause.source();
    }
    if causes.is_empty() {
        error.to_string()
    } else {
        causes.join(": ")
    }
}

/// A body that tells when the first of it is asked for: the connection stands and the request is being written.
struct Tracked {
    bytes: Option<Bytes>,
    started: Arc<AtomicBool>,
}

impl Body for Tracked {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.started.store(true, Relaxed);
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.bytes.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(left).unwrap_or(u64::MAX))
    }
}

/// Reads the answer. Its status is known and counts, so a body that does not come is no error.
pub(super) async fn read(
    mut response: reqwest::Response,
    deadline: tokio::time::Instant,
    now: impl Fn() -> Timestamp,
) -> HttpResponse {
    let headers = response.headers().iter().take(MAX_HEADERS);
    let mut read = HttpResponse {
        status: response.status().as_u16(),
        headers: headers
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes());
                (name.as_str().to_owned(), value.into_owned())
            })
            .collect(),
        body: Vec::new(),
        received_at: now(),
    };
    let until = deadline.min(tokio::time::Instant::now() + BODY_TIMEOUT);
    let mut seen = 0;
    let drain = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = MAX_BODY - read.body.len();
            read.body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            seen += chunk.len();
            if seen > MAX_DRAIN {
                return;
            }
        }
    };
    // What came until then is kept.
    let _ = tokio::time::timeout_at(until, drain).await;
    read
}
