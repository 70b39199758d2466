//! Serves the page, the one to which alerts of rules link, and their assets with a policy that lets nothing else in.

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
    const GRAPH: &str = include_str!("graph.html");
    const GRAPH_SCRIPT: &str = include_str!("graph.js");
    const STYLE: &str = include_str!("style.css");
    const ICON: &str = include_str!("icon.svg");
    Router::new()
        .route("/", get(async || asset(HTML, "text/html; charset=utf-8")))
        .route(
            "/assets/app.js",
            get(async || asset(SCRIPT, "text/javascript; charset=utf-8")),
        )
        .route(
            "/prometheus/graph",
            get(async || asset(GRAPH, "text/html; charset=utf-8")),
        )
        .route(
            "/assets/graph.js",
            get(async || asset(GRAPH_SCRIPT, "text/javascript; charset=utf-8")),
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

#[cfg(test)]
mod tests {
    use axum::http::{Request, Response};
    use tower::ServiceExt;

    use super::*;

    async fn get(path: &str) -> (Response<()>, String) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let response = router::<()>().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        (Response::from_parts(parts, ()), text)
    }

    #[tokio::test]
    async fn pages_name_their_files_relatively_and_they_are_there() {
        for (page, up) in [("/", ""), ("/prometheus/graph", "../")] {
            names_its_files(page, up).await;
        }
    }

    /// `up` leads from the page to the place of the files.
    async fn names_its_files(page: &str, up: &str) {
        let (response, html) = get(page).await;
        assert_eq!(response.headers()["content-security-policy"], POLICY);
        assert!(!html.contains("<style") && !html.contains("style=") && !html.contains("onclick"));
        let files: Vec<_> = ["href=\"", "src=\""]
            .iter()
            .flat_map(|attribute| html.split(attribute).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .filter(|address| !address.starts_with('#'))
            .collect();
        assert!(files.len() >= 3, "{files:?}");
        for file in files {
            assert!(!file.starts_with('/') && !file.contains(':'), "{file}");
            let file = file.strip_prefix(up).unwrap();
            let file = file.split('#').next().unwrap_or_default();
            assert_eq!(get(&format!("/{file}")).await.0.status(), 200, "{file}");
        }
    }

    #[tokio::test]
    async fn scripts_never_write_html_and_ask_relative_addresses() {
        for (path, asks) in [
            ("/assets/app.js", "fetch(`api/v2/${path}`"),
            ("/assets/graph.js", "fetch(`api/v1/${path}`"),
        ] {
            let (response, script) = get(path).await;
            assert_eq!(
                response.headers()["content-type"],
                "text/javascript; charset=utf-8"
            );
            for forbidden in [
                "innerHTML",
                "outerHTML",
                "insertAdjacentHTML",
                "document.write",
                "eval(",
                "\"/api",
            ] {
                assert!(!script.contains(forbidden), "{path}: {forbidden}");
            }
            assert!(script.contains(asks), "{path}");
        }
    }
}
