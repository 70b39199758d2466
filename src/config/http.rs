//! How an HTTP client of a receiver connects and authenticates (`http_config`).

/// `http_config` with the defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Whether redirects are followed.
    pub follow_redirects: bool,
    /// Whether HTTP/2 is offered.
    pub enable_http2: bool,
}
