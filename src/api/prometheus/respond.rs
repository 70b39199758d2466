//! The envelope of all answers: `status`, `data`, `errorType`, `error`, `warnings`, `infos`.

use axum::{
    body::Body,
    http::{HeaderValue, Response, StatusCode, header},
};

use crate::json::{document, push_object};

/// What Prometheus calls the kinds of errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// The request is wrong.
    BadData,
    /// The query cannot be evaluated.
    Execution,
    /// It took too long.
    Timeout,
    /// The node, or all endpoints, cannot answer.
    Unavailable,
    /// There is no such thing.
    NotFound,
    /// A bug.
    Internal,
}

impl ErrorType {
    fn name(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Timeout => "timeout",
            Self::Unavailable => "unavailable",
            Self::NotFound => "not_found",
            Self::Internal => "internal",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::BadData => StatusCode::BAD_REQUEST,
            Self::Execution => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Timeout | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A request that has no result.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct ApiFailure {
    /// Which kind of error.
    pub kind: ErrorType,
    /// What is wrong.
    pub text: String,
}

impl ApiFailure {
    /// Makes a failure.
    pub fn new(kind: ErrorType, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
        }
    }

    pub(super) fn bad_data(text: impl Into<String>) -> Self {
        Self::new(ErrorType::BadData, text)
    }
}

/// Warnings and remarks beside a result, as texts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Remarks {
    pub(super) warnings: Vec<String>,
    pub(super) infos: Vec<String>,
}

/// An answer with data; `write` appends the value of `data`.
pub(super) fn success(write: impl FnOnce(&mut String), remarks: &Remarks) -> Response<Body> {
    let mut body = String::with_capacity(1024);
    push_object(&mut body, |object| {
        object.text("status", "success");
        write(object.member("data"));
        if !remarks.warnings.is_empty() {
            object.texts("warnings", &remarks.warnings);
        }
        if !remarks.infos.is_empty() {
            object.texts("infos", &remarks.infos);
        }
    });
    json(StatusCode::OK, body)
}

/// An answer without data.
pub(super) fn failure(failure: &ApiFailure) -> Response<Body> {
    let mut body = document(|object| {
        object.text("status", "error");
        object.text("errorType", failure.kind.name());
        object.text("error", &failure.text);
    });
    body.pop();
    json(failure.kind.status(), body)
}

fn json(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
