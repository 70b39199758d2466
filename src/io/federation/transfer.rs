//! One request to an endpoint and the bytes of its answer.

use std::{
    io::{self, Write},
    sync::Arc,
};

use flate2::write::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::{
    context::Context,
    decode::decode,
    limits::Budget,
    question::{Cause, Failure, Request, refusal},
};
use crate::{
    config::{EndpointConfig, Secret},
    io::http::explain,
    notify::integration::HttpRequest,
};

/// What an answer may have; it bounds its samples as well.
const MAX_BODY: usize = 256 * 1024 * 1024;

/// What is shown of an answer that is none.
const MAX_SHOWN: usize = 120;

/// Makes a request and reads the whole of its answer, whose status is 200.
pub(super) async fn transfer(
    context: &Context,
    endpoint: &EndpointConfig,
    request: Request,
) -> Result<Vec<u8>, Failure> {
    let mut headers = vec![("accept", "application/json".to_owned())];
    if endpoint.gzip {
        headers.push(("accept-encoding", "gzip".to_owned()));
    }
    if !request.form.is_empty() {
        headers.push((
            "content-type",
            "application/x-www-form-urlencoded".to_owned(),
        ));
    }
    let (method, path) = (request.method, &*request.path);
    let form = request.form.into_bytes();
    let (kind, body) = exchange(context, endpoint, method, path, headers, form).await?;
    if kind.is_empty() || kind.contains("json") {
        return Ok(body);
    }
    let reason = format!("its answer is {kind:?} and not JSON{}", shown(&body));
    Err(Failure::new(reason))
}

/// An answer to a request for samples as they are stored.
pub(super) enum Stored {
    /// A stream of chunks.
    Chunks(Vec<u8>),
    /// One compressed message.
    Samples(Vec<u8>),
}

impl Stored {
    /// How many bytes it has.
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Chunks(body) | Self::Samples(body) => body.len(),
        }
    }
}

/// Asks for samples as they are stored.
pub(super) async fn transfer_stored(
    context: &Context,
    endpoint: &EndpointConfig,
    message: &[u8],
) -> Result<Stored, Failure> {
    let body = snap::raw::Encoder::new().compress_vec(message);
    let body = body.map_err(|error| Failure::new(error.to_string()))?;
    let headers = vec![
        ("content-type", "application/x-protobuf".to_owned()),
        ("content-encoding", "snappy".to_owned()),
        ("x-prometheus-remote-read-version", "0.1.0".to_owned()),
    ];
    let (kind, body) = exchange(context, endpoint, "POST", "read", headers, body).await?;
    if kind.starts_with("application/x-streamed-protobuf") {
        return Ok(Stored::Chunks(body));
    }
    if kind.starts_with("application/x-protobuf") {
        return Ok(Stored::Samples(body));
    }
    let reason = format!("its answer is {kind:?} and no samples{}", shown(&body));
    Err(Failure::new(reason))
}

/// The kind and the whole of an answer whose status is 200.
async fn exchange(
    context: &Context,
    endpoint: &EndpointConfig,
    method: &'static str,
    path: &str,
    mut headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
) -> Result<(String, Vec<u8>), Failure> {
    let agent = concat!("Watchfire/", env!("CARGO_PKG_VERSION"));
    headers.push(("user-agent", agent.to_owned()));
    let base = endpoint.url.as_str().trim_end_matches('/');
    let request = HttpRequest {
        method,
        url: Secret::new(format!("{base}/api/v1/{path}")),
        headers,
        body: Arc::from(body),
        timeout: None,
        http: Arc::clone(&endpoint.http),
    };
    let response = context.http.open(&request).await.map_err(Failure::new)?;
    let status = response.status().as_u16();
    let kind = header(&response, &CONTENT_TYPE);
    let body = read(response, &context.budget).await?;
    if status == 200 {
        return Ok((kind, body));
    }
    Err(refused(status, &body))
}

fn header(response: &reqwest::Response, name: &http::HeaderName) -> String {
    let value = response.headers().get(name);
    let value = value.and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

/// Errors of the API say what they are in their body.
fn refused(status: u16, body: &[u8]) -> Failure {
    match decode(body) {
        Ok(body) if body.status == "error" => refusal(&body),
        Ok(_) | Err(_) => Failure::new(format!("it answers {status}{}", shown(body))),
    }
}

/// The beginning of a body.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..MAX_SHOWN).unwrap_or(body));
    let text = text.trim();
    if text.is_empty() {
        return String::new();
    }
    format!(": {text:?}")
}

async fn read(mut response: reqwest::Response, budget: &Budget) -> Result<Vec<u8>, Failure> {
    let bounded = Bounded {
        bytes: Vec::new(),
        budget,
    };
    let mut sink = match &*header(&response, &CONTENT_ENCODING) {
        // Messages of samples are unpacked by whoever reads them.
        "" | "identity" | "snappy" => Sink::Plain(bounded),
        "gzip" => Sink::Gzip(Box::new(GzDecoder::new(bounded))),
        other => {
            let reason = format!("its answer has the unknown Content-Encoding {other:?}");
            return Err(Failure::new(reason));
        }
    };
    loop {
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(|error| {
            let error = explain(error);
            Failure::new(format!("its answer ends early: {error}"))
        })?;
        let Some(chunk) = chunk else { break };
        sink.write(&chunk)
            .map_err(|error| over(budget, format!("its answer: {error}")))?;
    }
    sink.finish()
        .map_err(|error| over(budget, format!("its answer ends early: {error}")))
}

/// A failure; of the limits if there is no room for the answer.
fn over(budget: &Budget, reason: String) -> Failure {
    let cause = if budget.is_exceeded() {
        Cause::Limit
    } else {
        Cause::Endpoint
    };
    Failure { reason, cause }
}

enum Sink<'b> {
    Plain(Bounded<'b>),
    Gzip(Box<GzDecoder<Bounded<'b>>>),
}

impl Sink<'_> {
    fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(bounded) => bounded.write_all(chunk),
            Self::Gzip(decoder) => decoder.write_all(chunk),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(bounded) => Ok(bounded.bytes),
            Self::Gzip(decoder) => decoder.finish().map(|bounded| bounded.bytes),
        }
    }
}

/// Bytes up to [`MAX_BODY`] and to what the query may hold.
struct Bounded<'b> {
    bytes: Vec<u8>,
    budget: &'b Budget,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if !self.budget.take(bytes.len()) {
            return Err(io::Error::other("max_response_bytes leaves no room for it"));
        }
        if self.bytes.len() + bytes.len() > MAX_BODY {
            return Err(io::Error::other(format!(
                "it has more than {} MiB",
                MAX_BODY >> 20
            )));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
