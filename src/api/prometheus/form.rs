//! The parameters of a request as Go reads them (`http.Request.FormValue`): of a posted form first, then of the address; a
//! form of several parts comes after the address.

use axum::{
    body::{Body, to_bytes},
    extract::{FromRequest, Request},
    http::{Method, Response, header},
};

use super::{ApiFailure, respond::failure};
use crate::api::query::Query;

/// A larger form is refused, as by Go; bytes.
const LARGEST: usize = 10 << 20;

/// The parameters of a request.
pub(super) struct Params(pub(super) Query);

impl<S: Send + Sync> FromRequest<S> for Params {
    type Rejection = Response<Body>;

    async fn from_request(request: Request, _: &S) -> Result<Self, Self::Rejection> {
        let (parts, body) = request.into_parts();
        let address = parts.uri.query().unwrap_or_default();
        if parts.method != Method::POST {
            return Ok(Self(Query::parse(address)));
        }
        let kind = parts.headers.get(header::CONTENT_TYPE);
        let kind = kind.map_or("", |kind| kind.to_str().unwrap_or_default());
        let posted = to_bytes(body, LARGEST).await.map_err(|_too_large| {
            let why = "error parsing form values: http: POST too large";
            failure(&ApiFailure::bad_data(why))
        })?;
        Ok(Self(read(kind, address, &String::from_utf8_lossy(&posted))))
    }
}

/// The parameters of a form of this type, and of an address.
fn read(kind: &str, address: &str, posted: &str) -> Query {
    let (essence, rest) = kind.split_once(';').unwrap_or((kind, ""));
    match essence.trim().to_ascii_lowercase().as_str() {
        "" | "application/x-www-form-urlencoded" => Query::parse(&format!("{posted}&{address}")),
        "multipart/form-data" => {
            let mut query = Query::parse(address);
            for (name, value) in parts(rest, posted) {
                query.push(name, value);
            }
            query
        }
        _ => Query::parse(address),
    }
}

/// The fields of a form of several parts, which are texts; files are none.
fn parts<'a>(parameters: &str, posted: &'a str) -> Vec<(&'a str, &'a str)> {
    let Some(boundary) = parameter(parameters, "boundary").filter(|one| !one.is_empty()) else {
        return Vec::new();
    };
    let boundary = format!("--{boundary}");
    let all = posted.split(boundary.as_str()).skip(1);
    let fields = all.filter_map(|part| {
        let (head, value) = part.split_once("\r\n\r\n")?;
        let is_disposition = |line: &&str| {
            let name = line.split_once(':').map(|(name, _)| name);
            name.is_some_and(|name| name.eq_ignore_ascii_case("content-disposition"))
        };
        let disposition = head.lines().find(is_disposition)?;
        let is_file = parameter(disposition, "filename").is_some();
        let name = parameter(disposition, "name").filter(|_| !is_file)?;
        Some((name, value.strip_suffix("\r\n").unwrap_or(value)))
    });
    fields.collect()
}

/// A parameter of a header: `name=value` or `name="value"`.
fn parameter<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let mut pairs = header.split(';').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
    Some(value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_form_counts_before_the_address() {
        let form = "application/x-www-form-urlencoded; charset=utf-8";
        let of = |kind: &str, address: &str, posted: &str| {
            let query = read(kind, address, posted);
            query.first("query").unwrap_or_default().to_owned()
        };
        assert_eq!(of(form, "query=c", "query=a&query=b"), "a");
        assert_eq!(of(form, "query=c&query=d", ""), "c");
        assert_eq!(of("", "", "query=a"), "a");
        assert_eq!(of("application/json", "query=c", "query=a"), "c");
        let parts = "--x\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nsum(up)\r\n--x\r\n\
                     content-disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\nb\r\n--x--\r\n";
        for kind in [
            "multipart/form-data; boundary=x",
            "Multipart/Form-Data; boundary=\"x\"",
        ] {
            assert_eq!(of(kind, "", parts), "sum(up)");
            assert_eq!(of(kind, "query=c", parts), "c");
            assert_eq!(read(kind, "", parts).first("file"), None);
        }
        for broken in ["", "; boundary=", "; boundary=y"] {
            assert_eq!(of(&format!("multipart/form-data{broken}"), "", parts), "");
        }
    }
}
