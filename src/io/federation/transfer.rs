//! One request to an endpoint and the bytes of its answer.

use std::{
    io::{self, Write},
    sync::Arc,
};

use flate2::write::GzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use super::{
    decode::decode,
    question::{Failure, Request, refusal},
};
use crate::{
    config::{EndpointConfig, Secret},
    io::{HttpClients, http::explain},
    notify::integration::HttpRequest,
};

/// What an answer may have; it bounds its samples as well.
const MAX_BODY: usize = 256 * 1024 * 1024;

/// What is shown of an answer that is none.
const MAX_SHOWN: usize = 120;

/// Makes a request and reads the whole of its answer, whose status is 200.
pub(super) async fn transfer(
    http: &HttpClients,
    endpoint: &EndpointConfig,
    request: Request,
) -> Result<Vec<u8>, Failure> {
    let mut headers = vec![
        (
            "user-agent",
            concat!("Watchfire/", env!("CARGO_PKG_VERSION")).to_owned(),
        ),
        ("accept", "application/json".to_owned()),
    ];
    if endpoint.gzip {
        headers.push(("accept-encoding", "gzip".to_owned()));
    }
    if !request.form.is_empty() {
        headers.push((
            "content-type",
            "application/x-www-form-urlencoded".to_owned(),
        ));
    }
    let base = endpoint.url.as_str().trim_end_matches('/');
    let request = HttpRequest {
        method: request.method,
        url: Secret::new(format!("{base}/api/v1/{}", request.path)),
        headers,
        body: Arc::from(request.form.into_bytes()),
        timeout: None,
        http: Arc::clone(&endpoint.http),
    };
    let response = http.open(&request).await.map_err(Failure::new)?;
    let status = response.status().as_u16();
    let kind = header(&response, &CONTENT_TYPE);
    let body = read(response).await?;
    if status == 200 {
        return if kind.is_empty() || kind.contains("json") {
            Ok(body)
        } else {
            Err(Failure::new(format!(
                "its answer is {kind:?} and not JSON{}",
                shown(&body)
            )))
        };
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

async fn read(mut response: reqwest::Response) -> Result<Vec<u8>, Failure> {
    let mut sink = match &*header(&response, &CONTENT_ENCODING) {
        "" | "identity" => Sink::Plain(Bounded::default()),
        "gzip" => Sink::Gzip(Box::new(GzDecoder::new(Bounded::default()))),
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
            .map_err(|error| Failure::new(format!("its answer: {error}")))?;
    }
    sink.finish()
        .map_err(|error| Failure::new(format!("its answer ends early: {error}")))
}

enum Sink {
    Plain(Bounded),
    Gzip(Box<GzDecoder<Bounded>>),
}

impl Sink {
    fn write(&mut self, chunk: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(bounded) => bounded.write_all(chunk),
            Self::Gzip(decoder) => decoder.write_all(chunk),
        }
    }

    fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(bounded) => Ok(bounded.0),
            Self::Gzip(decoder) => decoder.finish().map(|bounded| bounded.0),
        }
    }
}

/// Bytes up to [`MAX_BODY`].
#[derive(Default)]
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_BODY {
            return Err(io::Error::other(format!(
                "it has more than {} MiB",
                MAX_BODY >> 20
            )));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
