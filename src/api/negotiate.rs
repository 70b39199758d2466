//! Content types: what a request sends and what it wants back, judged as go-openapi judges it.

use axum::http::{HeaderMap, StatusCode, header};

use super::error::ApiError;

/// Checks `Content-Type` of a request that has a body.
pub(crate) fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let header = headers
        .get(header::CONTENT_TYPE)
        .map(|value| String::from_utf8_lossy(value.as_bytes()));
    let given = match header.as_deref() {
        None | Some("") => "application/octet-stream",
        Some(given) => given,
    };
    let media_type = given.split(';').next().unwrap_or_default().trim();
    if media_type.is_empty() || media_type.matches('/').count() > 1 {
        let reason = if media_type.is_empty() {
            "no media type"
        } else {
            "unexpected content after media subtype"
        };
        return Err(ApiError::contract(
            StatusCode::BAD_REQUEST,
            format!("parsing Content-Type header from {given:?} failed, because mime: {reason}"),
        ));
    }
    let media_type = media_type.to_ascii_lowercase();
    if media_type == "application/json" {
        return Ok(());
    }
    Err(ApiError::contract(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("unsupported media type {media_type:?}, only [application/json] are allowed"),
    ))
}

/// Checks that `Accept` can be met with JSON.
pub(crate) fn check_accept(headers: &HeaderMap) -> Result<(), ApiError> {
    let mut given = headers.get_all(header::ACCEPT).iter().peekable();
    if given.peek().is_none() {
        return Ok(());
    }
    let accepts = |range: &str| {
        let mut parts = range.split(';').map(str::trim);
        let range = parts.next().unwrap_or_default().to_ascii_lowercase();
        let refused = parts
            .filter_map(|parameter| parameter.strip_prefix("q="))
            .any(|q| q.parse() == Ok(0.0_f64));
        !refused && matches!(range.as_str(), "*/*" | "application/*" | "application/json")
    };
    let ok = given
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(accepts);
    if ok {
        return Ok(());
    }
    Err(ApiError::contract(
        StatusCode::NOT_ACCEPTABLE,
        "unsupported media type requested, only [application/json] are available",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: header::HeaderName, value: Option<&str>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(value) = value {
            headers.insert(name, value.parse().unwrap());
        }
        headers
    }

    #[test]
    fn content_types_as_0_25_judges_them() {
        for (value, expect) in [
            (Some("application/json"), Ok(())),
            (Some("Application/JSON; charset=utf-8"), Ok(())),
            (
                None,
                Err(
                    "unsupported media type \"application/octet-stream\", only [application/json] are allowed",
                ),
            ),
            (
                Some("text/plain"),
                Err("unsupported media type \"text/plain\", only [application/json] are allowed"),
            ),
            (
                Some(";;;"),
                Err("parsing Content-Type header from \";;;\" failed, because mime: no media type"),
            ),
        ] {
            let got = check_content_type(&headers(header::CONTENT_TYPE, value));
            assert_eq!(
                got.map_err(|e| e.to_string()),
                expect.map_err(str::to_owned)
            );
        }
    }

    #[test]
    fn accept_as_0_25_judges_it() {
        for (value, expect) in [
            (None, true),
            (Some("*/*"), true),
            (Some("application/*"), true),
            (Some("text/html,*/*;q=0.1"), true),
            (Some("text/html, application/json"), true),
            (Some("text/html"), false),
            (Some("application/json;q=0"), false),
        ] {
            let got = check_accept(&headers(header::ACCEPT, value));
            assert_eq!(got.is_ok(), expect, "{value:?}");
        }
    }
}
