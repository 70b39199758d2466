//! Answers with the texts and headers of Go's `net/http`.

use axum::body::Body;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

/// A plain text answer, as `http.Error` gives it.
#[must_use]
pub fn text(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut response = Response::new(Body::from(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// What httprouter answers where the path is known and the method is not: `OPTIONS` tells the methods, others get 405.
#[must_use]
pub fn method_not_allowed<B>(request: &Request<B>, allow: &'static str) -> Response<Body> {
    let mut response = if request.method() == Method::OPTIONS {
        Response::new(Body::empty())
    } else {
        text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n")
    };
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// The router's own 404 and 405 have no words; httprouter's have, and tell `OPTIONS` which methods there are.
pub(super) fn in_words_of_httprouter(method: &Method, response: Response<Body>) -> Response<Body> {
    let headers = response.headers();
    if headers.contains_key(header::CONTENT_TYPE) {
        return response;
    }
    if response.status() == StatusCode::NOT_FOUND {
        return not_found();
    }
    let Some(allow) = headers
        .get(header::ALLOW)
        .filter(|_| response.status() == StatusCode::METHOD_NOT_ALLOWED)
        .and_then(|allow| allow.to_str().ok())
    else {
        return response;
    };
    let mut methods: Vec<&str> = allow.split(',').map(str::trim).collect();
    methods.push("OPTIONS");
    methods.sort_unstable();
    let mut answer = if *method == Method::OPTIONS {
        Response::new(Body::empty())
    } else {
        text(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed\n")
    };
    if let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) {
        answer.headers_mut().insert(header::ALLOW, allow);
    }
    answer
}

pub(super) fn not_found() -> Response<Body> {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

pub(super) fn redirect(status: StatusCode, to: &str) -> Response<Body> {
    let escaped = to
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&#34;");
    let mut response = Response::new(Body::from(format!(
        "<a href=\"{escaped}\">{}</a>.\n\n",
        status.canonical_reason().unwrap_or_default()
    )));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    if let Ok(to) = HeaderValue::from_str(to) {
        headers.insert(header::LOCATION, to);
    }
    response
}
