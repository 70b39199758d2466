//! Everything that happens to a request before the routes see it and to its answer afterwards, in upstream's order.

use std::{pin::pin, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use bytes::Bytes;
use futures_util::future::{Either, select};
use http::{Method, Request, Response, StatusCode, header};
use tokio::sync::{Semaphore, SemaphorePermit};
use tower::ServiceExt;
use tower_http::{
    CompressionLevel,
    compression::{
        CompressionLayer,
        predicate::{DefaultPredicate, Predicate, SizeAbove},
    },
};

use super::{
    ServerOptions, body,
    body::BodyBudget,
    client::Client,
    cors::{self, Cors},
    gate::Gate,
    observe::Observer,
    path::{self, Target},
    respond,
    web_file::WebFile,
};
use crate::time::format_go_duration;

/// What is asked to learn whether the node lives; that must not depend on how many others read.
const PROBES: [&str; 2] = ["/-/healthy", "/-/ready"];
/// Where queries are answered.
const PROMETHEUS: &str = "/prometheus/api/v1/";
/// Where this is asked for waits for endpoints, in turn with all other queries: those that hang must not take the places
/// of requests that the node answers by itself.
const QUERIES: [&str; 5] = ["query", "series", "labels", "label/", "metadata"];
/// What nobody reads: the client is gone.
const GONE: StatusCode = StatusCode::REQUEST_TIMEOUT;
/// Answers shorter than this gain nothing from gzip.
const GZIP_FROM: u64 = 1024;

/// The way of a request.
pub(super) struct Pipeline {
    prefix: String,
    router: Router,
    timeout: Duration,
    gets: Semaphore,
    get_limit: usize,
    get_wait: Duration,
    web: Option<Arc<WebFile>>,
    gate: Gate,
    budget: BodyBudget,
    observer: Arc<dyn Observer>,
}

impl Pipeline {
    pub(super) fn new(router: Router, options: ServerOptions) -> Self {
        let compress = CompressionLayer::new()
            .quality(CompressionLevel::Fastest)
            .compress_when(SizeAbove::new(GZIP_FROM).and(DefaultPredicate::new()));
        Self {
            prefix: path::normal_prefix(&options.route_prefix),
            router: router.layer(compress),
            timeout: options.timeout,
            gets: Semaphore::new(options.get_concurrency),
            get_limit: options.get_concurrency,
            get_wait: options.get_wait,
            gate: Gate::new(),
            web: options.web,
            budget: BodyBudget::default(),
            observer: options.observer,
        }
    }

    /// Answers a request.
    pub(super) async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let Some(web) = &self.web else {
            return self.routed(request).await;
        };
        let loaded = web.current().await;
        let mut response = match self.gate.admit(&loaded.config, request.headers()).await {
            Ok(()) => self.routed(request).await,
            Err(refusal) => refusal,
        };
        for (name, value) in &loaded.headers {
            response
                .headers_mut()
                .entry(name)
                .or_insert_with(|| value.clone());
        }
        response
    }

    async fn routed<B>(&self, mut request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        match path::locate(&self.prefix, request.uri()) {
            Target::Nowhere => return respond::not_found(),
            Target::Redirect(status, to) => return respond::redirect(status, &to),
            Target::Route(path) => path::rewrite(&mut request, path),
        }
        if self.timeout.is_zero() {
            return self.limited(request).await;
        }
        tokio::time::timeout(self.timeout, self.limited(request))
            .await
            .unwrap_or_else(|_| {
                respond::text(
                    StatusCode::SERVICE_UNAVAILABLE,
                    format!(
                        "Exceeded configured timeout of {}.\n",
                        format_go_duration(self.timeout)
                    ),
                )
            })
    }

    async fn limited<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        if request.method() != Method::GET {
            return self.handled(request).await;
        }
        let Some(_place) = self.place(request.uri().path()).await else {
            self.observer.get_refused();
            // `http.Error` ends the line once more.
            return respond::text(
                StatusCode::SERVICE_UNAVAILABLE,
                format!(
                    "Limit of concurrent GET requests reached ({}), try again later.\n\n",
                    self.get_limit
                ),
            );
        };
        self.observer.get_began();
        let _in_flight = InFlight(&*self.observer);
        self.handled(request).await
    }

    /// A place among the GET requests, in turn; `None` if there is none for too long.
    async fn place(&self, path: &str) -> Option<Place<'_>> {
        if PROBES.contains(&path) || is_query(path) {
            return Some(Place::NotNeeded);
        }
        // Upstream refuses at once, also where the places are taken for a millisecond only.
        let waiting = tokio::time::timeout(self.get_wait, self.gets.acquire());
        let permit = waiting.await.ok()?.ok()?;
        Some(Place::Taken { _permit: permit })
    }

    async fn handled<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        if request.uri().path().starts_with(PROMETHEUS) {
            return self.as_prometheus(request).await;
        }
        if !request.uri().path().starts_with("/api/v2/") {
            let method = request.method().clone();
            let response = self.read_and_asked(request).await;
            return respond::in_words_of_httprouter(&method, response);
        }
        if let Some(answer) = cors::preflight(&request) {
            return answer;
        }
        let cors = Cors::of(&request);
        let mut response = self.read_and_asked(request).await;
        // Nobody may keep an answer of the API, so nobody needs to know that it may come zipped.
        response.headers_mut().remove(header::VARY);
        cors.add(&mut response);
        response
    }

    /// An answer of the API of queries.
    async fn as_prometheus<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let (method, origin) = (request.method().clone(), Cors::of(&request));
        let mut response = if method == Method::OPTIONS {
            cors::prometheus_options()
        } else {
            let response = self.asked_while_there(request).await;
            respond::in_words_of_httprouter(&method, response)
        };
        cors::allow_as_prometheus(&origin, &mut response);
        response
    }

    /// Asks for as long as the client is there: what it asks for may take endpoints minutes.
    async fn asked_while_there<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let client = request.extensions().get::<Client>().cloned();
        let Some(client) = client.filter(|_| is_query(request.uri().path())) else {
            return self.read_and_asked(request).await;
        };
        let answer = pin!(self.read_and_asked(request));
        match select(answer, pin!(client.gone())).await {
            Either::Left((response, _)) => response,
            Either::Right(((), _)) => respond::text(GONE, "the client closed the connection\n"),
        }
    }

    async fn read_and_asked<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let (parts, body) = request.into_parts();
        let (bytes, _share) = match body::read(&self.budget, body).await {
            Ok(read) => read,
            Err(refusal) => return refusal,
        };
        let request = Request::from_parts(parts, Body::from(bytes));
        let mut response = match self.router.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        // Hyper writes its own; of two, clients may believe the wrong one.
        response.headers_mut().remove(header::DATE);
        response
    }
}

/// Whether a path is one of those below which endpoints are asked.
fn is_query(path: &str) -> bool {
    let rest = path.strip_prefix(PROMETHEUS);
    rest.is_some_and(|rest| QUERIES.iter().any(|name| rest.starts_with(name)))
}

/// What a GET request holds while it is answered.
enum Place<'s> {
    NotNeeded,
    Taken { _permit: SemaphorePermit<'s> },
}

/// Ends the count also where the request is given up half-way.
struct InFlight<'o>(&'o dyn Observer);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.get_ended();
    }
}
