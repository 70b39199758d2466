//! `--web.config.file`: TLS, passwords, headers and rate limit of the HTTP server (exporter-toolkit's `web.Config`).

use std::{collections::BTreeMap, time::Duration};

use super::{Secret, TlsVersion, section::section};

section! {
    /// The web configuration file.
    WebConfig in "web.Config" {
        /// TLS; plain HTTP unless [`ServerTlsConfig::is_enabled`].
        tls ["tls_server_config"]: ServerTlsConfig,
        /// What the server offers and adds.
        http ["http_server_config"]: HttpServerConfig,
        /// Requests per client-independent time.
        rate_limit: RateLimitConfig,
        /// Bcrypt hashes by user; empty for no authentication.
        users ["basic_auth_users"]: BTreeMap<String, Secret>,
    }

    /// `tls_server_config`; of `cert`/`cert_file`, `key`/`key_file` and `client_ca`/`client_ca_file` the file wins.
    ServerTlsConfig in "web.TLSConfig" {
        /// The certificate chain, in PEM.
        cert: String,
        /// The key, in PEM.
        key: Secret,
        /// Certificates that client certificates must be signed by, in PEM.
        client_ca: String,
        /// A file with the certificate chain; read again for each handshake.
        cert_file: String,
        /// A file with the key; read again for each handshake.
        key_file: String,
        /// What is asked of clients.
        client_auth ["client_auth_type"]: ClientAuth,
        /// A file with certificates that client certificates must be signed by.
        client_ca_file: String,
        /// Go's names of the cipher suites allowed below TLS 1.3; empty for all.
        cipher_suites: Vec<String>,
        /// Go's names of the curves allowed, best first; empty for all.
        curve_preferences: Vec<String>,
        /// The lowest version.
        min_version: TlsVersion = TlsVersion::Tls12,
        /// The highest version.
        max_version: TlsVersion = TlsVersion::Tls13,
        /// Ignored, as Go has since 1.17.
        prefer_server_cipher_suites: bool = true,
        /// One of these names must be in a client certificate; empty allows all.
        client_allowed_sans: Vec<String>,
    }

    /// `http_server_config`
    HttpServerConfig in "web.HTTPConfig" {
        /// Whether HTTP/2 is offered; with TLS only.
        http2: bool = true,
        /// Headers added to each answer.
        headers: BTreeMap<String, String>,
    }

    /// `rate_limit` of the server as a whole.
    RateLimitConfig in "web.RateLimiterConfig" {
        /// How many requests may come at once.
        burst: u64,
        /// The time in which one more request is allowed; zero for no limit.
        interval: Duration,
    }
}

/// `client_auth_type`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate is asked for.
    #[default]
    None,
    /// `RequestClientCert`: asked for, taken as it is.
    Request,
    /// `RequireAnyClientCert`: there must be one, taken as it is.
    RequireAny,
    /// `VerifyClientCertIfGiven`
    VerifyIfGiven,
    /// `RequireAndVerifyClientCert`
    RequireAndVerify,
}

impl ServerTlsConfig {
    /// Whether the server speaks TLS: any field about certificates is set.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        let texts = [
            &self.cert,
            &self.cert_file,
            &self.key_file,
            &self.client_ca,
            &self.client_ca_file,
        ];
        !self.key.is_empty()
            || texts.into_iter().any(|text| !text.is_empty())
            || self.client_auth != ClientAuth::None
    }
}
