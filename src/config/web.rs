//! `--web.config.file`: TLS, passwords, headers and rate limit of the HTTP server (exporter-toolkit's `web.Config`).

use std::{collections::BTreeMap, time::Duration};

use super::{
    LoadEnv, LoadErrors, Secret, TlsVersion,
    read::{FilePath, GoDuration, Name, Named, Place, Reader},
    section::section,
};
use crate::yaml::Document;

section! {
    /// The web configuration file.
    #[derive(Eq)]
    pub WebConfig in "web.Config", check check_web {
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
    #[derive(Eq)]
    pub ServerTlsConfig in "web.TLSConfig" {
        /// The certificate chain, in PEM.
        cert: String,
        /// The key, in PEM.
        key: Secret,
        /// Certificates that client certificates must be signed by, in PEM.
        client_ca: String,
        /// A file with the certificate chain; read again for each handshake.
        cert_file: String as FilePath,
        /// A file with the key; read again for each handshake.
        key_file: String as FilePath,
        /// What is asked of clients.
        client_auth ["client_auth_type"]: ClientAuth as Name<ClientAuth>,
        /// A file with certificates that client certificates must be signed by.
        client_ca_file: String as FilePath,
        /// Go's names of the cipher suites allowed below TLS 1.3; empty for all.
        cipher_suites: Vec<String>,
        /// Go's names of the curves allowed, best first; empty for all.
        curve_preferences: Vec<String>,
        /// The lowest version.
        min_version: TlsVersion as Name<TlsVersion> = TlsVersion::Tls12,
        /// The highest version.
        max_version: TlsVersion as Name<TlsVersion> = TlsVersion::Tls13,
        /// Ignored, as Go has since 1.17.
        prefer_server_cipher_suites: bool = true,
        /// One of these names must be in a client certificate; empty allows all.
        client_allowed_sans: Vec<String>,
    }

    /// `http_server_config`
    #[derive(Eq)]
    pub HttpServerConfig in "web.HTTPConfig", check check_headers {
        /// Whether HTTP/2 is offered; with TLS only.
        http2: bool = true,
        /// Headers added to each answer.
        headers: BTreeMap<String, String>,
    }

    /// `rate_limit` of the server as a whole.
    #[derive(Eq)]
    pub RateLimitConfig in "web.RateLimiterConfig" {
        /// How many requests may come at once.
        burst: u64,
        /// The time in which one more request is allowed; zero for no limit.
        interval: Duration as GoDuration,
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

impl Named for ClientAuth {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("", Self::None),
        ("NoClientCert", Self::None),
        ("RequestClientCert", Self::Request),
        ("RequireAnyClientCert", Self::RequireAny),
        ("RequireClientCert", Self::RequireAny),
        ("VerifyClientCertIfGiven", Self::VerifyIfGiven),
        ("RequireAndVerifyClientCert", Self::RequireAndVerify),
    ];

    fn unknown(word: &str) -> String {
        format!("invalid ClientAuth: {word}")
    }
}

/// Headers that may be added, with the values that they may have; `extraHTTPHeaders` of exporter-toolkit.
const EXTRA_HEADERS: [(&str, &[&str]); 5] = [
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

/// Cipher suites that Go knows by name (`tls.CipherSuites`).
const CIPHER_SUITES: [&str; 13] = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
];

/// Curves that Go knows by these names.
const CURVES: [&str; 4] = ["CurveP256", "CurveP384", "CurveP521", "X25519"];

/// Reads a web configuration file.
///
/// # Errors
/// With everything that is wrong with it.
pub fn load_web(text: &[u8], env: &LoadEnv) -> Result<WebConfig, LoadErrors> {
    let document = Document::parse(text).map_err(|error| LoadErrors::syntax(&env.file, &error))?;
    let mut reader = Reader::new(env);
    reader.beside = true;
    let mut web = WebConfig::default();
    reader.document(&document, &mut web);
    match reader.errors() {
        Some(errors) => Err(errors),
        None => Ok(web),
    }
}

/// `validateTLSPaths`, `ConfigToTLSConfig` and `validateUsers` of exporter-toolkit.
fn check_web(web: &mut WebConfig, place: &Place, reader: &mut Reader<'_>) {
    check_server_tls(&web.tls, place, reader);
    for (user, hash) in &web.users {
        if let Some(problem) = hash_problem(hash.reveal()) {
            let message = format!("basic_auth_users: the password of {user:?} {problem}");
            reader.deny(place.of("basic_auth_users"), message);
        }
    }
}

/// What is wrong with the TLS of a server.
pub(super) fn check_server_tls(tls: &ServerTlsConfig, place: &Place, reader: &mut Reader<'_>) {
    let at = place.of("tls_server_config");
    for suite in &tls.cipher_suites {
        if !CIPHER_SUITES.contains(&&**suite) {
            reader.deny(at, format!("unknown cipher: {suite}"));
        }
    }
    for curve in &tls.curve_preferences {
        if !CURVES.contains(&&**curve) {
            reader.deny(at, format!("unknown curve: {curve}"));
        }
    }
    if !tls.is_enabled() {
        return;
    }
    if tls.cert.is_empty() && tls.cert_file.is_empty() {
        reader.deny(at, "missing one of cert or cert_file");
    }
    if tls.key.is_empty() && tls.key_file.is_empty() {
        reader.deny(at, "missing one of key or key_file");
    }
    let authorities = !tls.client_ca.is_empty() || !tls.client_ca_file.is_empty();
    if authorities && tls.client_auth == ClientAuth::None {
        reader.deny(
            at,
            "client CA's have been configured without a Client Auth Policy",
        );
    }
    if tls.max_version < tls.min_version {
        reader.deny(at, "max_version is lower than min_version");
    }
}

fn check_headers(http: &mut HttpServerConfig, place: &Place, reader: &mut Reader<'_>) {
    for (name, value) in &http.headers {
        let at = place.of("headers");
        let Some((_, allowed)) = EXTRA_HEADERS.iter().find(|(known, _)| known == name) else {
            reader.deny(at, format!("HTTP header {name:?} can not be configured"));
            continue;
        };
        if !allowed.is_empty() && !allowed.contains(&&**value) {
            let quoted: Vec<String> = allowed.iter().map(|value| format!("{value:?}")).collect();
            let message = format!(
                "invalid value for {name}. Expected one of: [{}], but got: {value:?}",
                quoted.join(" ")
            );
            reader.deny(at, message);
        }
    }
}

/// Why a text is no bcrypt hash, without showing it.
fn hash_problem(hash: &str) -> Option<&'static str> {
    let bytes = hash.as_bytes();
    if bytes.len() < 60 {
        return Some("is no bcrypt hash: too short");
    }
    let cost = bytes
        .get(4..6)
        .filter(|cost| cost.iter().all(u8::is_ascii_digit));
    let framed =
        bytes.starts_with(b"$2") && bytes[3] == b'$' && bytes[6] == b'$' && bytes.len() == 60;
    match cost {
        Some(cost) if framed && (b"04"..=b"31").contains(&<&[u8; 2]>::try_from(cost).ok()?) => None,
        _ => Some(
            "is no bcrypt hash: it must begin with $2a$, $2b$ or $2y$, a cost from 04 to 31 and another $",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(text: &str) -> Result<WebConfig, String> {
        let env = LoadEnv::for_file("/etc/web.yml");
        load_web(text.as_bytes(), &env).map_err(|errors| errors.to_string())
    }

    #[test]
    fn a_full_file_loads() {
        let web = load(
            "tls_server_config: {cert_file: a.pem, key_file: /b.pem, client_auth_type: RequireAndVerifyClientCert, \
             client_ca_file: ca.pem, min_version: TLS13, cipher_suites: [TLS_AES_128_GCM_SHA256], \
             curve_preferences: [X25519], client_allowed_sans: [a.b]}\n\
             http_server_config: {http2: no, headers: {X-Frame-Options: deny}}\n\
             rate_limit: {burst: 5, interval: 1s}\n\
             basic_auth_users: {ops: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi}\n",
        )
        .unwrap();
        assert!(web.tls.is_enabled() && !web.http.http2);
        assert_eq!(web.tls.cert_file, "/etc/a.pem");
        assert_eq!(web.tls.key_file, "/b.pem");
        assert_eq!(web.tls.min_version, TlsVersion::Tls13);
        assert_eq!(web.rate_limit.interval, Duration::from_secs(1));
        assert_eq!(load("").unwrap(), WebConfig::default());
    }

    #[test]
    fn every_mistake_is_told() {
        let errors = load(
            "tls_server_config:\n  cert_file: a\n  min_version: TLS9\n\
             http_server_config: {headers: {X-A: b, X-Frame-Options: maybe}}\n\
             rate_limit: {burst: many}\n\
             basic_auth_users: {ops: hunter2}\n",
        )
        .unwrap_err();
        assert_eq!(
            errors,
            "/etc/web.yml:3:16: unknown TLS version: TLS9\n\
             /etc/web.yml:4:22: HTTP header \"X-A\" can not be configured\n\
             /etc/web.yml:4:22: invalid value for X-Frame-Options. Expected one of: [\"deny\" \"sameorigin\"], but got: \"maybe\"\n\
             /etc/web.yml:5:21: cannot unmarshal !!str `many` into uint64"
        );
        assert_eq!(
            load("tls_server_config:\n  cert_file: a\nbasic_auth_users: {ops: hunter2}\n")
                .unwrap_err(),
            "/etc/web.yml:1:1: missing one of key or key_file\n\
             /etc/web.yml:3:1: basic_auth_users: the password of \"ops\" is no bcrypt hash: too short"
        );
    }
}
