//! One request to an endpoint and the bytes of its answer.

use std::{
    borrow::Cow,
    io::{self, Write},
    sync::Arc,
};

use flate2::write::GzDecoder;
use http::{
    HeaderMap, HeaderName,
    header::{CONTENT_ENCODING, CONTENT_TYPE},
};

use super::{
    check::refusal,
    context::Context,
    decode::decode,
    endpoint::Endpoint,
    limits::Budget,
    question::{Cause, Failure},
    request::Request,
};
use crate::{
    config::Secret,
    io::http::{StraightAnswer, explain},
    notify::integration::HttpRequest,
};

/// What an answer may have; it bounds its samples as well.
const MAX_BODY: usize = 256 * 1024 * 1024;

/// What is made room for before it comes, however much a server says that it will send.
const MOST_AT_ONCE: usize = 1024 * 1024;

/// What is looked at of an answer that is none.
const MOST_READ: usize = 64 * 1024;

/// What is shown of it.
const MAX_SHOWN: usize = 120;

/// A header of a request.
type Header = (&'static str, &'static str);

const AGENT: Header = (
    "User-Agent",
    concat!("Watchfire/", env!("CARGO_PKG_VERSION")),
);
const JSON: Header = ("Accept", "application/json");
const GZIP: Header = ("Accept-Encoding", "gzip");
const FORM: Header = ("Content-Type", "application/x-www-form-urlencoded");

/// Makes a request and reads the whole of its answer, whose status is 200.
pub(super) async fn transfer(
    context: &Context,
    endpoint: &Endpoint,
    request: Request,
) -> Result<Vec<u8>, Failure> {
    let headers: &[Header] = match (endpoint.config.gzip, request.form.is_empty()) {
        (true, true) => &[AGENT, JSON, GZIP],
        (true, false) => &[AGENT, JSON, GZIP, FORM],
        (false, true) => &[AGENT, JSON],
        (false, false) => &[AGENT, JSON, FORM],
    };
    let asked = Asked {
        method: request.method,
        path: request.path,
        headers,
        body: request.form.into_bytes(),
    };
    let (kind, body) = exchange(context, endpoint, asked).await?;
    match kind {
        Kind::Json | Kind::Unsaid => Ok(body),
        Kind::Chunks | Kind::Samples | Kind::Other(_) => {
            let kind = kind.as_str();
            let said = said(context, endpoint, &body).await;
            let reason = format!("its answer is {kind:?} and not JSON{}", shown(&said));
            Err(Failure::new(reason))
        }
    }
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
    endpoint: &Endpoint,
    message: &[u8],
) -> Result<Stored, Failure> {
    let body = snap::raw::Encoder::new().compress_vec(message);
    let body = body.map_err(|error| Failure::new(error.to_string()))?;
    let asked = Asked {
        method: "POST",
        path: "read".to_owned(),
        headers: &[
            AGENT,
            ("Content-Type", "application/x-protobuf"),
            ("Content-Encoding", "snappy"),
            ("X-Prometheus-Remote-Read-Version", "0.1.0"),
        ],
        body,
    };
    let (kind, body) = exchange(context, endpoint, asked).await?;
    match kind {
        Kind::Chunks => Ok(Stored::Chunks(body)),
        Kind::Samples => Ok(Stored::Samples(body)),
        Kind::Json | Kind::Unsaid | Kind::Other(_) => {
            let kind = kind.as_str();
            let said = said(context, endpoint, &body).await;
            let reason = format!("its answer is {kind:?} and no samples{}", shown(&said));
            Err(Failure::new(reason))
        }
    }
}

/// A request to an endpoint.
struct Asked {
    method: &'static str,
    /// What follows `/api/v1/`.
    path: String,
    headers: &'static [Header],
    body: Vec<u8>,
}

/// What an answer says that it is.
enum Kind {
    Unsaid,
    Json,
    /// A stream of chunks.
    Chunks,
    /// One message of samples.
    Samples,
    /// In lower case.
    Other(String),
}

const CHUNKS: &str = "application/x-streamed-protobuf";
const SAMPLES: &str = "application/x-protobuf";

impl Kind {
    /// Of a `Content-Type` in lower case.
    fn of(text: &str) -> Self {
        match text {
            "" => Self::Unsaid,
            text if text.contains("json") => Self::Json,
            text if text.starts_with(CHUNKS) => Self::Chunks,
            text if text.starts_with(SAMPLES) => Self::Samples,
            other => Self::Other(other.to_owned()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Unsaid => "",
            Self::Json => "application/json",
            Self::Chunks => CHUNKS,
            Self::Samples => SAMPLES,
            Self::Other(text) => text,
        }
    }
}

/// The kind and the whole of an answer whose status is 200.
async fn exchange(
    context: &Context,
    endpoint: &Endpoint,
    asked: Asked,
) -> Result<(Kind, Vec<u8>), Failure> {
    let is_answer = asked.path.starts_with("query") || asked.path.starts_with("read");
    let mut answer = open(context, endpoint, asked).await?;
    endpoint.life.hear(is_answer);
    let status = answer.status();
    let kind = Kind::of(&answer.kind());
    let body = read(&mut answer, &context.budget).await?;
    answer.finish();
    if status == 200 {
        return Ok((kind, body));
    }
    match refused(&body) {
        Some(refusal) => Err(refusal),
        None => {
            let said = said(context, endpoint, &body).await;
            Err(Failure::new(format!("it answers {status}{}", shown(&said))))
        }
    }
}

/// The beginning of what an endpoint says, without secrets that it repeats: a part of one would not be known as such.
async fn said(context: &Context, endpoint: &Endpoint, body: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(body.get(..MOST_READ).unwrap_or(body));
    let (url, config) = (endpoint.config.url.as_str(), &endpoint.config.http);
    let hidden = context.http.without_secrets(text.into_owned(), url, config);
    hidden.await.into_bytes()
}

/// An answer whose body is still to be read.
enum Opened {
    Straight(StraightAnswer),
    Pooled(reqwest::Response),
}

/// Asks straight where that is possible and leads to no other place, and by the client for everything else.
async fn open(context: &Context, endpoint: &Endpoint, asked: Asked) -> Result<Opened, Failure> {
    stays_below(&asked.path)?;
    if let Some(straight) = endpoint.straight(&context.http)
        && is_plain(&asked.path)
    {
        let path = [straight.path(), "/api/v1/", &asked.path];
        let sent = straight.send(asked.method, &path, asked.headers, &asked.body);
        let answer = sent.await.map_err(Failure::new)?;
        if !answer.status().is_redirection() {
            return Ok(Opened::Straight(answer));
        }
    }
    let headers = asked.headers.iter();
    let base = endpoint.config.url.as_str().trim_end_matches('/');
    let request = HttpRequest {
        method: asked.method,
        url: Secret::new(format!("{base}/api/v1/{}", asked.path)),
        headers: headers
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect(),
        body: Arc::from(asked.body),
        timeout: None,
        http: Arc::clone(&endpoint.config.http),
    };
    // Boxed, so that those that go straight have no room for it.
    let response = Box::pin(context.http.open(&request)).await;
    let response = response.map_err(Failure::new)?;
    Ok(Opened::Pooled(response))
}

/// Fails if a path may lead out of the API: whatever a client sends becomes part of no other request.
fn stays_below(path: &str) -> Result<(), Failure> {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    let leads_up = |part: &str| part == "." || part == "..";
    let has = |escaped: &str| path.contains(escaped);
    if path.split('/').any(leads_up) || has("%2F") || has("%2E") || has("\\") || has("#") {
        let reason = format!("it is not asked for {path:?}, which leads elsewhere: this is a bug");
        return Err(Failure::new(reason));
    }
    Ok(())
}

/// Characters of a path that is as it is written on the wire.
static PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 128_u8 {
        let mark = matches!(
            byte,
            b'!' | b'$'..=b'/' | b':' | b';' | b'=' | b'?' | b'@' | b'_' | b'~'
        );
        plain[byte as usize] = mark || byte.is_ascii_alphanumeric();
        byte += 1;
    }
    plain
};

/// Whether a path is as it is written on the wire; others are escaped by the client.
fn is_plain(path: &str) -> bool {
    let plain = |byte: u8| PLAIN.get(usize::from(byte)).is_some_and(|plain| *plain);
    path.bytes().all(plain)
}

impl Opened {
    fn status(&self) -> u16 {
        match self {
            Self::Straight(answer) => answer.status().as_u16(),
            Self::Pooled(response) => response.status().as_u16(),
        }
    }

    /// In lower case.
    fn kind(&self) -> Cow<'_, str> {
        match self {
            Self::Straight(answer) => Cow::Borrowed(answer.kind()),
            Self::Pooled(response) => Cow::Owned(header(response.headers(), &CONTENT_TYPE)),
        }
    }

    /// In lower case.
    fn encoding(&self) -> Cow<'_, str> {
        match self {
            Self::Straight(answer) => Cow::Borrowed(answer.encoding()),
            Self::Pooled(response) => Cow::Owned(header(response.headers(), &CONTENT_ENCODING)),
        }
    }

    /// How many bytes are to come, if that is said.
    fn length(&self) -> Option<u64> {
        match self {
            Self::Straight(answer) => answer.length(),
            Self::Pooled(response) => response.content_length(),
        }
    }

    /// Writes the next part of the body; whether there was one.
    async fn write_to(&mut self, sink: &mut Sink<'_>, budget: &Budget) -> Result<bool, Failure> {
        let early = |error: String| Failure::new(format!("its answer ends early: {error}"));
        let pooled;
        let part = match self {
            Self::Straight(answer) => answer.chunk().await.map_err(early)?,
            Self::Pooled(response) => {
                let came = response.chunk().await;
                pooled = came.map_err(|error| early(explain(error)))?;
                pooled.as_deref()
            }
        };
        let Some(part) = part else {
            return Ok(false);
        };
        let written = sink.write(part);
        written.map_err(|error| over(budget, format!("its answer: {error}")))?;
        Ok(true)
    }

    /// Its connection may be used again.
    fn finish(self) {
        match self {
            Self::Straight(answer) => answer.finish(),
            // Its client sees to that.
            Self::Pooled(_) => {}
        }
    }
}

fn header(headers: &HeaderMap, name: &HeaderName) -> String {
    let value = headers.get(name);
    let value = value.and_then(|value| value.to_str().ok());
    value.unwrap_or_default().to_ascii_lowercase()
}

/// Errors of the API say what they are in their body.
fn refused(body: &[u8]) -> Option<Failure> {
    let body = decode(body).ok().filter(|body| body.status == "error")?;
    Some(refusal(&body))
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

async fn read(answer: &mut Opened, budget: &Budget) -> Result<Vec<u8>, Failure> {
    let length = answer.length().map(usize::try_from);
    let length = length.map_or(0, |length| length.unwrap_or(usize::MAX));
    let bounded = Bounded {
        bytes: Vec::with_capacity(length.min(MOST_AT_ONCE)),
        budget,
    };
    let mut sink = match &*answer.encoding() {
        // Messages of samples are unpacked by whoever reads them.
        "" | "identity" | "snappy" => Sink::Plain(bounded),
        "gzip" => Sink::Gzip(Box::new(GzDecoder::new(bounded))),
        other => {
            let reason = format!("its answer has the unknown Content-Encoding {other:?}");
            return Err(Failure::new(reason));
        }
    };
    while answer.write_to(&mut sink, budget).await? {}
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_path_leads_out_of_the_api() {
        for path in [
            "query",
            "label/a.b/values?match[]=..%2F",
            "label/a%3Fb/values",
        ] {
            assert!(stays_below(path).is_ok(), "{path}");
        }
        for path in [
            "label/../admin/tsdb/delete_series?match[]=x",
            "label/..%2Fadmin/values",
            "label/%2E%2E/values",
            "./query",
            "label/..\\values",
            "query#",
        ] {
            assert!(stays_below(path).is_err(), "{path}");
        }
    }
}
