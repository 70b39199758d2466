//! The routes below the route prefix, and the recording of every request.

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, Response, StatusCode, header},
    middleware::{self, Next},
    routing::{any, get},
};
use http_body::Body as _;

use super::{error::json_response, state::ApiState, v2};
use crate::{io::server::text, tenant::Phase, web};

/// What Alertmanager answers where its API v1 was.
const V1_GONE: &str = "{\"status\":\"deprecated\",\"error\":\"The Alertmanager v1 API was deprecated in version 0.16.0 \
                       and is removed as of version 0.27.0 - please use the equivalent route in the v2 API\"}\n";

/// Everything below the route prefix but `/-/reload`.
pub fn router(state: ApiState) -> Router {
    let record = middleware::from_fn_with_state(state.clone(), record);
    Router::new()
        .route("/api/v2", any(async || moved()))
        .route("/api/v2/", any(v2_entry))
        .route("/api/v2/{*rest}", any(v2_entry))
        .route("/api/v1/status", get(async || gone()))
        .route("/api/v1/receivers", get(async || gone()))
        .route("/api/v1/alerts", get(async || gone()).post(async || gone()))
        .route(
            "/api/v1/silences",
            get(async || gone()).post(async || gone()),
        )
        .route(
            "/api/v1/silence/{sid}",
            get(async || gone()).delete(async || gone()),
        )
        .nest("/prometheus/api/v1", super::prometheus::router())
        .route("/metrics", get(super::metrics::serve))
        .route("/-/healthy", get(async || "OK"))
        .route("/-/ready", get(ready))
        .merge(web::router())
        .fallback(async || text(StatusCode::NOT_FOUND, "404 page not found\n"))
        .layer(record)
        .with_state(state)
}

async fn v2_entry(State(state): State<ApiState>, request: Request) -> Response<Body> {
    v2::handle(state, request).await
}

/// Ready is a node that notifies: its loop answers, and it knows what its peers know.
async fn ready(State(state): State<ApiState>) -> Result<&'static str, Response<Body>> {
    if state.about().ready_always {
        return Ok("OK");
    }
    let why = match state.view().await.map(|view| view.phase) {
        Ok(Phase::Ready) => return Ok("OK"),
        Ok(Phase::Starting) => "starting: the node looks for its peers\n",
        Ok(Phase::Syncing) => "syncing: the node takes over what its peers know\n",
        Ok(Phase::Draining) => "draining: the node stops\n",
        Err(_) => "the node does not answer\n",
    };
    Err(text(StatusCode::SERVICE_UNAVAILABLE, why))
}

/// Go's mux sends `/api/v2` to `/api/v2/`; a relative address holds under any prefix.
fn moved() -> Response<Body> {
    let mut response = Response::new(Body::from("<a href=\"v2/\">Moved Permanently</a>.\n\n"));
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    let headers = response.headers_mut();
    headers.insert(header::LOCATION, HeaderValue::from_static("v2/"));
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    response
}

fn gone() -> Response<Body> {
    tracing::warn!(
        "API v1 received a request; it was removed in Alertmanager 0.27, use the API v2"
    );
    json_response(StatusCode::GONE, V1_GONE.to_owned())
}

async fn record(State(state): State<ApiState>, request: Request, next: Next) -> Response<Body> {
    let path = request.uri().path();
    let (handler, of_api) = match path.strip_prefix("/api/v2/") {
        Some(rest) => (v2::handler_label(rest), true),
        None => (label(path), false),
    };
    let method = request.method().clone();
    let began = state.now().mono;
    let response = next.run(request).await;
    let took = state.now().mono.saturating_sub(began);
    let size = match (of_api, &method) {
        (true, _) => None,
        (false, &Method::HEAD) => Some(0),
        (false, _) => response.body().size_hint().exact(),
    };
    let code = response.status().as_u16();
    let stats = state.http_stats();
    stats.record(handler, method.as_str(), code, took, size);
    response
}

/// The `handler` label outside the API; unknown paths share one.
fn label(path: &str) -> &'static str {
    const KNOWN: [&str; 9] = [
        "/",
        "/metrics",
        "/-/healthy",
        "/-/ready",
        "/api/v2",
        "/api/v1/status",
        "/api/v1/receivers",
        "/api/v1/alerts",
        "/api/v1/silences",
    ];
    let known = KNOWN.into_iter().find(|known| *known == path);
    let assets = path.starts_with("/assets/").then_some("/assets/*path");
    let silence = path
        .starts_with("/api/v1/silence/")
        .then_some("/api/v1/silence/:sid");
    known.or(assets).or(silence).unwrap_or("/*")
}
