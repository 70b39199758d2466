//! How an HTTP client of a receiver connects and authenticates (`http_config`).
//!
//! The fields are those of `prometheus/common`'s `HTTPClientConfig`. Deprecated bearer tokens are turned into
//! `authorization`, and files are named by their path as resolved against the directory of the configuration file.

use std::collections::BTreeMap;

use super::{Secret, section::section};

section! {
    /// `http_config` with the defaults filled in. At most one of `basic_auth`, `authorization` and `oauth2` is there.
    HttpConfig in "config.plain" {
        /// A user and a password with each request.
        basic_auth: Option<BasicAuth>,
        /// An `Authorization` header with each request.
        authorization: Option<Authorization>,
        /// A token fetched from an OAuth 2 server with each request.
        oauth2: Option<Box<OAuth2>>,
        /// TLS to the receiver.
        tls ["tls_config"]: TlsConfig,
        /// Whether redirects are followed.
        follow_redirects: bool = true,
        /// Whether HTTP/2 is offered.
        enable_http2: bool = true,
        /// The proxy between.
        proxy ["*"]: ProxyConfig,
        /// Headers added to each request, by name.
        headers ["http_headers"]: BTreeMap<String, HttpHeader>,
    }

    /// `basic_auth`; of each pair at most one is set.
    BasicAuth in "config.plain" {
        /// The user.
        username: String,
        /// A file with the user, read for each request.
        username_file: String,
        /// The password.
        password: Secret,
        /// A file with the password, read for each request.
        password_file: String,
    }

    /// `authorization`
    Authorization in "config.Authorization" {
        /// The word before the credentials.
        kind ["type"]: String = "Bearer",
        /// The credentials; empty if `credentials_file` is given.
        credentials: Secret,
        /// A file with the credentials, read for each request.
        credentials_file: String,
    }

    /// `oauth2`
    OAuth2 in "config.plain" {
        /// The client's name.
        client_id: String,
        /// The client's secret; empty if `client_secret_file` is given.
        client_secret: Secret,
        /// A file with the client's secret.
        client_secret_file: String,
        /// `kid` of the JWT; for the JWT grant, as the fields after it.
        client_certificate_key_id: String,
        /// The private key in PEM.
        client_certificate_key: Secret,
        /// A file with the private key.
        client_certificate_key_file: String,
        /// Empty or `client_credentials`, or `urn:ietf:params:oauth:grant-type:jwt-bearer`.
        grant_type: String,
        /// `RS256` (also if empty), `RS384` or `RS512`.
        signature_algorithm: String,
        /// `iss` of the JWT; `client_id` if empty.
        iss: String,
        /// `aud` of the JWT; `token_url` if empty.
        audience: String,
        /// Further claims of the JWT.
        claims: BTreeMap<String, serde_json::Value>,
        /// Scopes asked for.
        scopes: Vec<String>,
        /// Where tokens are fetched.
        token_url: String,
        /// Further parameters of the request for a token.
        endpoint_params: BTreeMap<String, String>,
        /// TLS to the token server.
        tls ["tls_config"]: TlsConfig,
        /// The proxy before the token server.
        proxy ["*"]: ProxyConfig,
    }

    /// `tls_config` of a client; of `ca`/`ca_file`, `cert`/`cert_file` and `key`/`key_file` at most one each is set.
    TlsConfig in "config.plain" {
        /// Certificates to trust, in PEM; those of the system if this and `ca_file` are empty.
        ca: String,
        /// The client's certificate, in PEM.
        cert: String,
        /// The client's key, in PEM.
        key: Secret,
        /// A file with certificates to trust; read again when it changes.
        ca_file: String,
        /// A file with the client's certificate; read again when it changes.
        cert_file: String,
        /// A file with the client's key; read again when it changes.
        key_file: String,
        /// The name that the server's certificate must bear, if not that of the URL.
        server_name: String,
        /// Whether the server's certificate is not verified.
        insecure_skip_verify: bool,
        /// The lowest version; TLS 1.2 if `None`.
        min_version: Option<TlsVersion>,
        /// The highest version.
        max_version: Option<TlsVersion>,
    }

    /// The proxy of a client.
    ProxyConfig in "config.ProxyConfig" {
        /// The proxy's URL, which may hold a password; empty for none.
        url ["proxy_url"]: Secret,
        /// Hosts, domains and networks reached without the proxy, separated by commas.
        no_proxy: String,
        /// Whether `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` decide.
        from_environment ["proxy_from_environment"]: bool,
        /// Headers of `CONNECT` requests to the proxy.
        connect_header ["proxy_connect_header"]: BTreeMap<String, Vec<Secret>>,
    }

    /// The values of one header of `http_headers`; all are sent.
    HttpHeader in "config.Header" {
        /// Values as they are.
        values: Vec<String>,
        /// Values that are not shown.
        secrets: Vec<Secret>,
        /// Files with values, read for each request and trimmed.
        files: Vec<String>,
    }
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// `TLS10`
    Tls10,
    /// `TLS11`
    Tls11,
    /// `TLS12`
    Tls12,
    /// `TLS13`
    Tls13,
}

impl TlsVersion {
    /// Every version with its name in the file.
    pub(crate) const NAMES: [(&'static str, Self); 4] = [
        ("TLS10", Self::Tls10),
        ("TLS11", Self::Tls11),
        ("TLS12", Self::Tls12),
        ("TLS13", Self::Tls13),
    ];
}
