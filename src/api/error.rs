//! Everything that can be wrong with a request, and the one place where it becomes a status and a body.
//!
//! Alertmanager has two shapes: what its handlers refuse is a JSON string, what go-openapi refuses is an object with a
//! code. Texts were compared with Alertmanager 0.25 and read from the source of 0.34.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};

use super::body::BodyError;
use crate::json;

/// A request cannot be answered as asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    /// A handler refuses; the text is the whole body.
    #[error("{text}")]
    Handler { status: StatusCode, text: String },
    /// There is no such thing; the body is empty.
    #[error("not found")]
    Missing,
    /// The request breaks the contract.
    #[error("{message}")]
    Contract {
        status: StatusCode,
        code: u16,
        message: String,
    },
    /// The path exists, the method does not.
    #[error("method {method} is not allowed, but [{allowed}] are")]
    Method {
        method: String,
        allowed: &'static str,
    },
}

impl ApiError {
    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        Self::Handler {
            status: StatusCode::BAD_REQUEST,
            text: text.into(),
        }
    }

    pub(crate) fn internal(text: impl Into<String>) -> Self {
        Self::Handler {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            text: text.into(),
        }
    }

    pub(crate) fn contract(status: StatusCode, message: impl Into<String>) -> Self {
        Self::Contract {
            status,
            code: status.as_u16(),
            message: message.into(),
        }
    }

    /// A body that cannot be taken; `name` is the name of the parameter in the contract.
    pub(crate) fn body(name: &str, error: BodyError) -> Self {
        match error {
            BodyError::Json(reason) => Self::contract(
                StatusCode::BAD_REQUEST,
                format!("parsing {name} body from \"\" failed, because {reason}"),
            ),
            BodyError::Invalid(error) => Self::Contract {
                status: StatusCode::UNPROCESSABLE_ENTITY,
                code: error.code,
                message: error.message,
            },
        }
    }

    /// The answer.
    pub(crate) fn into_response(self) -> Response<Body> {
        let (status, code, message, allow) = match self {
            Self::Handler { status, text } => {
                let mut body = String::new();
                json::push_str(&mut body, &text, false);
                body.push('\n');
                return json_response(status, body);
            }
            Self::Missing => {
                let mut response = Response::new(Body::empty());
                *response.status_mut() = StatusCode::NOT_FOUND;
                return response;
            }
            Self::Contract {
                status,
                code,
                message,
            } => (status, code, message, None),
            Self::Method { allowed, .. } => {
                let message = self.to_string();
                (StatusCode::METHOD_NOT_ALLOWED, 405, message, Some(allowed))
            }
        };
        let mut body = format!("{{\"code\":{code},\"message\":");
        json::push_str(&mut body, &message, false);
        body.push('}');
        let mut response = json_response(status, body);
        if let Some(allow) = allow {
            response
                .headers_mut()
                .insert(header::ALLOW, HeaderValue::from_static(allow));
        }
        response
    }
}

/// A JSON answer.
pub(crate) fn json_response(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        let error = ApiError::Method {
            method: "PUT".to_owned(),
            allowed: "POST,GET",
        };
        assert_eq!(
            error.to_string(),
            "method PUT is not allowed, but [POST,GET] are"
        );
        let response = error.into_response();
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "POST,GET");
        assert_eq!(
            ApiError::Missing
                .into_response()
                .headers()
                .get("content-type"),
            None
        );
    }
}
