//! Finds the handler of a request, in the order in which go-openapi looks at one: path, method, content type, `Accept`,
//! and only then what the request says.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, Method, Request, Response, StatusCode, header},
};
use http_body::Body as _;

use super::{
    alerts, cluster, endpoints, explain, groups, notifications, post_alerts, receivers, silences,
    status, trial,
};
use crate::api::{
    error::ApiError,
    negotiate::{check_accept, check_content_type},
    query::Query,
    state::ApiState,
};

/// A path of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Path<'p> {
    Status,
    Cluster,
    Endpoints,
    Receivers,
    Silences,
    Silence(&'p str),
    Alerts,
    Groups,
    Explain(&'p str),
    Notifications,
    TestRoutes,
    TestReceiver(&'p str),
    RenderTemplate,
    Contract,
}

impl<'p> Path<'p> {
    /// Reads what follows `/api/v2/`.
    fn parse(rest: &'p str) -> Option<Self> {
        let rest = rest.trim_end_matches('/');
        match rest {
            "status" => Some(Self::Status),
            "cluster" => Some(Self::Cluster),
            "endpoints" => Some(Self::Endpoints),
            "receivers" => Some(Self::Receivers),
            "silences" => Some(Self::Silences),
            "alerts" => Some(Self::Alerts),
            "alerts/groups" => Some(Self::Groups),
            "notifications" => Some(Self::Notifications),
            "routes/test" => Some(Self::TestRoutes),
            "templates/render" => Some(Self::RenderTemplate),
            "openapi.yaml" => Some(Self::Contract),
            rest => {
                let (kind, rest) = rest.split_once('/')?;
                let (path, id) = match kind {
                    "silence" => (Self::Silence(rest), rest),
                    "alerts" => {
                        let id = rest.strip_suffix("/explain")?;
                        (Self::Explain(id), id)
                    }
                    "receivers" => {
                        let name = rest.strip_suffix("/test")?;
                        (Self::TestReceiver(name), name)
                    }
                    _ => return None,
                };
                (!id.is_empty() && !id.contains('/')).then_some(path)
            }
        }
    }

    /// As the `Allow` header lists them.
    fn methods(&self) -> &'static str {
        match self {
            Self::Silences | Self::Alerts => "POST,GET",
            Self::Silence(_) => "DELETE,GET",
            Self::TestRoutes | Self::TestReceiver(_) | Self::RenderTemplate => "POST",
            Self::Status
            | Self::Cluster
            | Self::Endpoints
            | Self::Receivers
            | Self::Groups
            | Self::Explain(_)
            | Self::Notifications
            | Self::Contract => "GET",
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Status => "/api/v2/status",
            Self::Cluster => "/api/v2/cluster",
            Self::Endpoints => "/api/v2/endpoints",
            Self::Receivers => "/api/v2/receivers",
            Self::Silences => "/api/v2/silences",
            Self::Silence(_) => "/api/v2/silence/{silenceID}",
            Self::Alerts => "/api/v2/alerts",
            Self::Groups => "/api/v2/alerts/groups",
            Self::Explain(_) => "/api/v2/alerts/{fingerprint}/explain",
            Self::Notifications => "/api/v2/notifications",
            Self::TestRoutes => "/api/v2/routes/test",
            Self::TestReceiver(_) => "/api/v2/receivers/{name}/test",
            Self::RenderTemplate => "/api/v2/templates/render",
            Self::Contract => "/api/v2/openapi.yaml",
        }
    }
}

/// The `handler` label of metrics for a path below `/api/v2/`; unknown paths share one.
pub(in crate::api) fn handler_label(rest: &str) -> &'static str {
    Path::parse(rest).map_or("/api/v2/", |path| path.label())
}

/// Answers a request to a path below `/api/v2/`.
pub(in crate::api) async fn handle(state: ApiState, request: Request<Body>) -> Response<Body> {
    let mut response = match answer(&state, request).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    };
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn answer(state: &ApiState, request: Request<Body>) -> Result<Response<Body>, ApiError> {
    let (parts, body) = request.into_parts();
    let full = parts.uri.path();
    let found = full.strip_prefix("/api/v2/").and_then(Path::parse);
    let Some(path) = found else {
        let message = format!("path {full} was not found");
        return Err(ApiError::contract(StatusCode::NOT_FOUND, message));
    };
    let allowed = path.methods();
    if !allowed.split(',').any(|method| method == parts.method) {
        return Err(ApiError::Method {
            method: parts.method.to_string(),
            allowed,
        });
    }
    if body.is_end_stream() {
        // What a request with a body sends is what it gets back if it wants nothing else.
        if path != Path::Contract {
            check_accept(&parts.headers)?;
        }
    } else {
        check_content_type(&parts.headers)?;
    }
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let posted = parts.method == Method::POST;
    match path {
        Path::Status => status::get(state).await,
        Path::Cluster => cluster::get(state).await,
        Path::Endpoints => Ok(endpoints::get(state)),
        Path::Receivers => receivers::get(state, &query).await,
        Path::Silences if posted => silences::post(state, body).await,
        Path::Silences => silences::list(state, &query).await,
        Path::Silence(id) if parts.method == Method::DELETE => silences::delete(state, id).await,
        Path::Silence(id) => silences::get(state, id).await,
        Path::Alerts if posted => post_alerts::post(state, body).await,
        Path::Alerts => alerts::get(state, &query).await,
        Path::Groups => groups::get(state, &query).await,
        Path::Explain(fingerprint) => explain::explain(state, fingerprint).await,
        Path::Notifications => notifications::get(state, &query).await,
        Path::TestRoutes => explain::test_routes(state, body).await,
        Path::TestReceiver(name) => trial::test(state, name, body).await,
        Path::RenderTemplate => trial::render(state, body).await,
        Path::Contract => Ok(contract()),
    }
}

fn contract() -> Response<Body> {
    let mut response = Response::new(Body::from(include_str!("../openapi.yaml")));
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/yaml"),
    );
    response
}

/// Reads a body of at most `limit` bytes; `name` is its name in the contract.
pub(super) async fn read_body(body: Body, limit: usize, name: &str) -> Result<Bytes, ApiError> {
    let too_large = || {
        ApiError::contract(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!(
                "{name} body is larger than {} MiB; send it in parts",
                limit / (1024 * 1024)
            ),
        )
    };
    if body.size_hint().lower() > u64::try_from(limit).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    match axum::body::to_bytes(body, limit).await {
        Ok(bytes) => Ok(bytes),
        Err(error) => {
            let source = std::error::Error::source(&error);
            if source.is_some_and(|source| source.is::<http_body_util::LengthLimitError>()) {
                return Err(too_large());
            }
            Err(ApiError::contract(
                StatusCode::BAD_REQUEST,
                format!("parsing {name} body from \"\" failed, because {error}"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (rest, expect) in [
            ("status", "/api/v2/status"),
            ("alerts/", "/api/v2/alerts"),
            ("alerts/groups", "/api/v2/alerts/groups"),
            ("silence/x", "/api/v2/silence/{silenceID}"),
            ("alerts/x/explain", "/api/v2/alerts/{fingerprint}/explain"),
            ("receivers/a%2Fb/test", "/api/v2/receivers/{name}/test"),
            ("receivers/test", "/api/v2/"),
            ("templates/render", "/api/v2/templates/render"),
            ("alerts//explain", "/api/v2/"),
            ("silence/", "/api/v2/"),
            ("silence/x/y", "/api/v2/"),
            ("", "/api/v2/"),
            ("foo", "/api/v2/"),
        ] {
            assert_eq!(handler_label(rest), expect, "{rest}");
        }
    }
}
