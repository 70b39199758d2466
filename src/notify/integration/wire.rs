//! HTTP requests and answers as plain values, so that integrations need no network to be tested.

use std::{collections::BTreeMap, fmt, fmt::Write as _, sync::Arc, time::Duration};

use crate::{
    config::{HttpConfig, Secret},
    notify::Verdict,
    time::Timestamp,
};

/// A request that the shell is to make. Headers and body may hold secrets, so neither is printed.
#[derive(Clone)]
pub struct HttpRequest {
    /// `POST`, `GET`, `PUT`.
    pub method: &'static str,
    /// The address; often holds a secret.
    pub url: Secret,
    /// In order; `Content-Type` among them.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Arc<[u8]>,
    /// Bound on this request; `None` leaves only the notification's deadline.
    pub timeout: Option<Duration>,
    /// How to connect.
    pub http: Arc<HttpConfig>,
}

impl HttpRequest {
    /// A request with a JSON body (or none, if it is empty), bounded by the notification's deadline only.
    pub(super) fn json(
        method: &'static str,
        url: Secret,
        body: String,
        http: &Arc<HttpConfig>,
    ) -> Self {
        Self {
            method,
            url,
            headers: vec![("Content-Type", "application/json".to_owned())],
            body: Arc::from(body.into_bytes()),
            timeout: None,
            http: Arc::clone(http),
        }
    }

    /// A request that posts a form.
    pub(super) fn form(url: Secret, body: &str, http: &Arc<HttpConfig>) -> Self {
        Self {
            headers: vec![(
                "Content-Type",
                "application/x-www-form-urlencoded".to_owned(),
            )],
            ..Self::json("POST", url, body.to_owned(), http)
        }
    }

    /// With one more header.
    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Bounded by an integration's `timeout`, zero for none.
    pub(super) fn within(mut self, timeout: Duration) -> Self {
        self.timeout = (!timeout.is_zero()).then_some(timeout);
        self
    }
}

impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| *name).collect();
        f.debug_struct("HttpRequest")
            .field("method", &self.method)
            .field("url", &self.url)
            .field("headers", &headers)
            .field("body_bytes", &self.body.len())
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// An answer, its body cut at 64 KiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// Lower-case names.
    pub headers: Vec<(String, String)>,
    /// The first 64 KiB.
    pub body: Vec<u8>,
    /// When it came, by our clock.
    pub received_at: Timestamp,
}

impl HttpResponse {
    /// The first value of a header, its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }
}

/// There was no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportError {
    /// What happened, without secrets.
    pub message: String,
    /// Whether the time ran out.
    pub timed_out: bool,
    /// Whether the request may have reached the receiver.
    pub ambiguous: bool,
}

/// Contents of the files that an integration names (`url_file`), or why they could not be read.
pub type FileContents = BTreeMap<String, Result<String, String>>;

/// The address with more at the end of its path, escaped as Go's `URL.String` does.
#[must_use]
pub(super) fn with_path(url: &str, more: &str) -> String {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (before, after) = url.split_at(end);
    let mut out = before.to_owned();
    for byte in more.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out + after
}

/// The address with one more parameter, neither of whose parts needs an escape.
#[must_use]
pub(super) fn with_parameter(url: &str, name: &str, value: &str) -> String {
    let end = url.find('#').unwrap_or(url.len());
    let url = &url[..end];
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}{name}={value}")
}

/// The content of a file that [`super::files`] named, trimmed; `key` is the setting that names it.
///
/// # Errors
/// The verdict, if it could not be read.
pub(super) fn file<'a>(files: &'a FileContents, key: &str, path: &str) -> Result<&'a str, Verdict> {
    untrimmed_file(files, key, path).map(str::trim)
}

/// The content of a file as it is, for the few settings that Alertmanager does not trim.
///
/// # Errors
/// The verdict, if it could not be read.
pub(super) fn untrimmed_file<'a>(
    files: &'a FileContents,
    key: &str,
    path: &str,
) -> Result<&'a str, Verdict> {
    match files.get(path) {
        Some(Ok(content)) => Ok(content),
        Some(Err(error)) => Err(Verdict::unsendable(format!("read {key}: {error}"))),
        None => Err(Verdict::unsendable(format!(
            "read {key}: {path} was not read"
        ))),
    }
}

/// Reads an address from the setting `key`; errors do not quote it, for it is often a secret.
///
/// # Errors
/// The verdict, if it is no HTTP address.
pub(super) fn http_url(key: &str, text: &str) -> Result<url::Url, Verdict> {
    match url::Url::parse(text) {
        Ok(parsed) if matches!(parsed.scheme(), "http" | "https") => Ok(parsed),
        Ok(_) => Err(Verdict::unsendable(format!(
            "the address in {key} must begin with http:// or https://"
        ))),
        Err(error) => Err(Verdict::unsendable(format!(
            "the address in {key} cannot be read: {error}"
        ))),
    }
}
