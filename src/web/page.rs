//! Serves the page and its two assets with a policy that lets nothing else in.

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Response, header},
    routing::get,
};

/// Only files of this node, no inline code, no frames.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of the page.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    const HTML: &str = include_str!("index.html");
    const SCRIPT: &str = include_str!("app.js");
    const STYLE: &str = include_str!("style.css");
    const ICON: &str = include_str!("icon.svg");
    Router::new()
        .route("/", get(async || asset(HTML, "text/html; charset=utf-8")))
        .route(
            "/assets/app.js",
            get(async || asset(SCRIPT, "text/javascript; charset=utf-8")),
        )
        .route(
            "/assets/style.css",
            get(async || asset(STYLE, "text/css; charset=utf-8")),
        )
        .route(
            "/assets/icon.svg",
            get(async || asset(ICON, "image/svg+xml")),
        )
        .route("/favicon.ico", get(async || asset(ICON, "image/svg+xml")))
}

fn asset(text: &'static str, content_type: &'static str) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-cache"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
