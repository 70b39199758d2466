//! Route prefix and redirects: which path the routes see, or what is answered in their place.

use http::{Request, StatusCode, Uri, uri::PathAndQuery};

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To the route of this path and query, without the prefix.
    Route(PathAndQuery),
    /// Elsewhere.
    Redirect(StatusCode, String),
    /// Outside the prefix.
    Nowhere,
}

/// `/x/y` for anything that `--web.route-prefix` may say; `/` for none.
pub(crate) fn normal_prefix(prefix: &str) -> String {
    format!("/{}", prefix.trim_matches('/'))
}

/// Finds the target as Go's `ServeMux` and httprouter do together.
pub(super) fn locate(prefix: &str, uri: &Uri) -> Target {
    let path = uri.path();
    if prefix == "/"
        && is_clean(path)
        && path != "/api/v2"
        && let Some(whole) = uri.path_and_query()
    {
        return Target::Route(whole.clone());
    }
    let query = uri
        .query()
        .map(|query| format!("?{query}"))
        .unwrap_or_default();
    if !path.starts_with('/') {
        return Target::Nowhere;
    }
    let clean = cleaned(path);
    if clean != path {
        return Target::Redirect(StatusCode::MOVED_PERMANENTLY, clean + &query);
    }
    let inner = if prefix == "/" {
        path
    } else if path == "/" {
        return Target::Redirect(StatusCode::FOUND, prefix.to_owned());
    } else if path == prefix {
        return Target::Redirect(StatusCode::MOVED_PERMANENTLY, format!("{path}/{query}"));
    } else {
        match path.strip_prefix(prefix) {
            Some(inner) if inner.starts_with('/') => inner,
            Some(_) | None => return Target::Nowhere,
        }
    };
    if inner == "/api/v2" {
        return Target::Redirect(StatusCode::MOVED_PERMANENTLY, format!("{path}/{query}"));
    }
    format!("{inner}{query}")
        .parse()
        .map_or(Target::Nowhere, Target::Route)
}

/// Whether a path is as [`cleaned`] makes it.
fn is_clean(path: &str) -> bool {
    let mut parts = path.split('/');
    let begins = parts.next() == Some("");
    let mut parts = parts.rev();
    let last = parts.next();
    let word = |part: &str| !matches!(part, "" | "." | "..");
    begins && last.is_some_and(|last| last.is_empty() || word(last)) && parts.all(word)
}

/// Puts the target's path into the request.
pub(super) fn rewrite<B>(request: &mut Request<B>, path: PathAndQuery) {
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.path_and_query = Some(path);
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
}

/// The path without `//`, `/./` and `/../`; one slash at the end stays.
fn cleaned(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut clean = format!("/{}", parts.join("/"));
    if clean.len() > 1 && (path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..")) {
        clean.push('/');
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(prefix: &str, uri: &str, expect: &str) {
        let target = match locate(&normal_prefix(prefix), &uri.parse().unwrap()) {
            Target::Route(path) => path.to_string(),
            Target::Redirect(status, to) => format!("{} {to}", status.as_u16()),
            Target::Nowhere => "404".to_owned(),
        };
        assert_eq!(target, expect, "{prefix} {uri}");
    }

    #[test]
    fn paths_go_where_upstream_sends_them() {
        check("", "/", "/");
        check("/", "/api/v2/alerts?x=1", "/api/v2/alerts?x=1");
        check("/", "/api/v2", "301 /api/v2/");
        check("/", "//-/healthy", "301 /-/healthy");
        check("/", "/a/../-/ready?x=%2F", "301 /-/ready?x=%2F");
        check("am/", "/", "302 /am");
        check("/am", "/am", "301 /am/");
        check("/am", "/am/", "/");
        check("/am", "/am/api/v2?a=b", "301 /am/api/v2/?a=b");
        check("/am", "/am/-/healthy", "/-/healthy");
        check("/am", "/amx", "404");
        check("/am", "/-/healthy", "404");
        check("/a/b", "/a/b/metrics", "/metrics");
        check("/", "*", "404");
    }
}
