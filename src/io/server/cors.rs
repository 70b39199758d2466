//! CORS on the API as rs/cors 1.11 does it with its defaults: every origin; GET, POST and HEAD only.

use axum::body::Body;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};

const ALLOWED_HEADERS: [&str; 3] = ["accept", "content-type", "x-requested-with"];

/// What the request says that its answer depends on.
pub(super) struct Cors {
    has_origin: bool,
}

impl Cors {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        Self {
            has_origin: request
                .headers()
                .get(header::ORIGIN)
                .is_some_and(|origin| !origin.is_empty()),
        }
    }

    /// Adds the headers of an actual request's answer, and those of every answer of the API.
    pub(super) fn add(&self, response: &mut Response<Body>) {
        let headers = response.headers_mut();
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if self.has_origin {
            allow_any(headers);
        }
        headers
            .entry(header::CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
    }
}

/// The answer if this is a preflight.
pub(super) fn preflight<B>(request: &Request<B>) -> Option<Response<Body>> {
    let asked = request.headers();
    let method = asked
        .get(header::ACCESS_CONTROL_REQUEST_METHOD)
        .filter(|method| request.method() == Method::OPTIONS && !method.is_empty())?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(
        header::VARY,
        HeaderValue::from_static(
            "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        ),
    );
    let wanted = asked.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let headers_allowed = wanted
        .and_then(|wanted| wanted.to_str().ok())
        .unwrap_or_default()
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .all(|name| name.is_empty() || ALLOWED_HEADERS.contains(&name.as_str()));
    let method_allowed = matches!(method.as_bytes(), b"GET" | b"POST" | b"HEAD" | b"OPTIONS");
    if Cors::of(request).has_origin && method_allowed && headers_allowed {
        allow_any(headers);
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, method.clone());
        if let Some(wanted) = wanted.filter(|wanted| !wanted.is_empty()) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone());
        }
    }
    Some(response)
}

/// The answer to `OPTIONS` of Prometheus's API, which says what is allowed.
pub(super) fn prometheus_options() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// What Prometheus adds to every answer of its API (`util/httputil/cors.go`).
pub(super) fn allow_as_prometheus(origin: &Cors, response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if !origin.has_origin {
        return;
    }
    let allowed = [
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Accept, Authorization, Content-Type, Origin",
        ),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date"),
    ];
    for (name, value) in allowed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    allow_any(headers);
}

fn allow_any(headers: &mut HeaderMap) {
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(headers: &[(&'static str, &str)]) -> Request<()> {
        let mut request = Request::new(());
        *request.method_mut() = Method::OPTIONS;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        request
    }

    #[test]
    fn preflights_allow_what_rs_cors_allows() {
        let check = |headers: &[(&'static str, &str)]| {
            preflight(&options(headers)).map(|response| {
                response
                    .headers()
                    .get(header::ACCESS_CONTROL_ALLOW_METHODS)
                    .map(|method| method.to_str().unwrap().to_owned())
            })
        };
        let origin = ("origin", "http://e");
        assert_eq!(check(&[]), None);
        assert_eq!(check(&[origin]), None);
        let post = ("access-control-request-method", "POST");
        assert_eq!(check(&[origin, post]), Some(Some("POST".to_owned())));
        assert_eq!(check(&[post]), Some(None));
        assert_eq!(
            check(&[origin, ("access-control-request-method", "DELETE")]),
            Some(None)
        );
        assert_eq!(
            check(&[
                origin,
                post,
                ("access-control-request-headers", "content-type")
            ]),
            Some(Some("POST".to_owned()))
        );
        assert_eq!(
            check(&[origin, post, ("access-control-request-headers", "x-secret")]),
            Some(None)
        );
    }

    #[test]
    fn answers_vary_and_are_not_kept() {
        for (request, allow) in [
            (Request::new(()), None),
            (options(&[("origin", "x")]), Some("*")),
        ] {
            let mut response = Response::new(Body::empty());
            Cors::of(&request).add(&mut response);
            let get = |name| response.headers().get(name).map(|v| v.to_str().unwrap());
            assert_eq!(get(header::ACCESS_CONTROL_ALLOW_ORIGIN), allow);
            assert_eq!(get(header::VARY), Some("Origin"));
            assert_eq!(get(header::CACHE_CONTROL), Some("no-store"));
        }
    }
}
