//! How an HTTP client of a receiver connects and authenticates (`http_config`).
//!
//! The fields are those of `prometheus/common`'s `HTTPClientConfig`. Deprecated bearer tokens are turned into
//! `authorization`, and files are named by their path as resolved against the directory of the configuration file.

use std::collections::BTreeMap;

use super::{
    Secret,
    read::{
        AnyJson, Boxed, FilePath, Inline, Name, Named, Place, Position, ProxyUrl, Reader, Shown,
    },
    section::section,
};

section! {
    /// `http_config` with the defaults filled in. At most one of `basic_auth`, `authorization` and `oauth2` is there.
    #[derive(Eq)]
    pub HttpConfig in "config.plain", check check_http {
        /// A user and a password with each request.
        basic_auth: Option<BasicAuth>,
        /// An `Authorization` header with each request.
        authorization: Option<Authorization>,
        /// A token fetched from an OAuth 2 server with each request.
        oauth2: Option<Box<OAuth2>> as Option<Boxed<OAuth2>>,
        /// Empty; what the file gives is in `authorization`.
        bearer_token: Secret,
        /// Empty; what the file gives is in `authorization`.
        bearer_token_file: String as FilePath,
        /// TLS to the receiver.
        tls ["tls_config"]: TlsConfig,
        /// Whether redirects are followed.
        follow_redirects: bool as Shown<bool> = true,
        /// Whether HTTP/2 is offered.
        enable_http2: bool as Shown<bool> = true,
        /// The proxy between.
        proxy ["*"]: ProxyConfig as Inline<ProxyConfig>,
        /// Headers added to each request, by name.
        headers ["http_headers"]: BTreeMap<String, HttpHeader>,
    }

    /// `basic_auth`; of each pair at most one is set.
    #[derive(Eq)]
    pub BasicAuth in "config.plain", unknown no_secret_manager {
        /// The user.
        username: String,
        /// A file with the user, read for each request.
        username_file: String as FilePath,
        /// The password.
        password: Secret,
        /// A file with the password, read for each request.
        password_file: String as FilePath,
    }

    /// `authorization`
    #[derive(Eq)]
    pub Authorization in "config.Authorization", unknown no_secret_manager {
        /// The word before the credentials.
        kind ["type"]: String = "Bearer",
        /// The credentials; empty if `credentials_file` is given.
        credentials: Secret,
        /// A file with the credentials, read for each request.
        credentials_file: String as FilePath,
    }

    /// `oauth2`
    #[derive(Eq)]
    pub OAuth2 in "config.plain", unknown no_secret_manager {
        /// The client's name.
        client_id: String,
        /// The client's secret; empty if `client_secret_file` is given.
        client_secret: Secret,
        /// A file with the client's secret.
        client_secret_file: String as FilePath,
        /// `kid` of the JWT; for the JWT grant, as the fields after it.
        client_certificate_key_id: String,
        /// The private key in PEM.
        client_certificate_key: Secret,
        /// A file with the private key.
        client_certificate_key_file: String as FilePath,
        /// Empty or `client_credentials`, or `urn:ietf:params:oauth:grant-type:jwt-bearer`.
        grant_type: String,
        /// `RS256` (also if empty), `RS384` or `RS512`.
        signature_algorithm: String,
        /// `iss` of the JWT; `client_id` if empty.
        iss: String,
        /// `aud` of the JWT; `token_url` if empty.
        audience: String,
        /// Further claims of the JWT.
        claims: BTreeMap<String, serde_json::Value> as BTreeMap<String, AnyJson>,
        /// Scopes asked for.
        scopes: Vec<String>,
        /// Where tokens are fetched.
        token_url: String,
        /// Further parameters of the request for a token.
        endpoint_params: BTreeMap<String, String>,
        /// TLS to the token server.
        tls ["tls_config"]: TlsConfig,
        /// The proxy before the token server.
        proxy ["*"]: ProxyConfig as Inline<ProxyConfig>,
    }

    /// `tls_config` of a client; of `ca`/`ca_file`, `cert`/`cert_file` and `key`/`key_file` at most one each is set.
    #[derive(Eq)]
    pub TlsConfig in "config.plain", check check_tls, unknown no_secret_manager {
        /// Certificates to trust, in PEM; those of the system if this and `ca_file` are empty.
        ca: String,
        /// The client's certificate, in PEM.
        cert: String,
        /// The client's key, in PEM.
        key: Secret,
        /// A file with certificates to trust; read again when it changes.
        ca_file: String as FilePath,
        /// A file with the client's certificate; read again when it changes.
        cert_file: String as FilePath,
        /// A file with the client's key; read again when it changes.
        key_file: String as FilePath,
        /// The name that the server's certificate must bear, if not that of the URL.
        server_name: String,
        /// Whether the server's certificate is not verified.
        insecure_skip_verify: bool as Shown<bool>,
        /// The lowest version; TLS 1.2 if `None`.
        min_version: Option<TlsVersion> as Option<Name<TlsVersion>>,
        /// The highest version.
        max_version: Option<TlsVersion> as Option<Name<TlsVersion>>,
    }

    /// The proxy of a client.
    #[derive(Eq)]
    pub ProxyConfig in "config.ProxyConfig" {
        /// The proxy's URL, which may hold a password; empty for none.
        url ["proxy_url"]: Secret as ProxyUrl,
        /// Hosts, domains and networks reached without the proxy, separated by commas.
        no_proxy: String,
        /// Whether `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` decide.
        from_environment ["proxy_from_environment"]: bool,
        /// Headers of `CONNECT` requests to the proxy.
        connect_header ["proxy_connect_header"]: BTreeMap<String, Vec<Secret>>,
    }

    /// The values of one header of `http_headers`; all are sent.
    #[derive(Eq)]
    pub HttpHeader in "config.Header" {
        /// Values as they are.
        values: Vec<String>,
        /// Values that are not shown.
        secrets: Vec<Secret>,
        /// Files with values, read for each request and trimmed.
        files: Vec<String> as Vec<FilePath>,
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

impl Named for TlsVersion {
    const NAMES: &'static [(&'static str, Self)] = &[
        ("TLS10", Self::Tls10),
        ("TLS11", Self::Tls11),
        ("TLS12", Self::Tls12),
        ("TLS13", Self::Tls13),
    ];

    fn unknown(word: &str) -> String {
        format!("unknown TLS version: {word}")
    }
}

/// The grant type with which OAuth2 signs a JWT.
const JWT_GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// Headers that the client sets itself; `ReservedHeaders` of prometheus/common.
const RESERVED_HEADERS: [&str; 18] = [
    "Authorization",
    "Host",
    "Content-Encoding",
    "Content-Length",
    "Content-Type",
    "User-Agent",
    "Connection",
    "Keep-Alive",
    "Proxy-Authenticate",
    "Proxy-Authorization",
    "Www-Authenticate",
    "Accept-Encoding",
    "X-Prometheus-Remote-Write-Version",
    "X-Prometheus-Remote-Read-Version",
    "X-Prometheus-Scrape-Timeout-Seconds",
    "X-Amz-Date",
    "X-Amz-Security-Token",
    "X-Amz-Content-Sha256",
];

/// Keys ending in `_ref` name secrets of a manager that there is not.
fn no_secret_manager(key: &str, at: Position, reader: &mut Reader<'_>) {
    if key.ends_with("_ref") {
        reader.deny(at, "cannot use secret ref without manager");
    } else {
        reader.unknown_key(key, "config.plain", at, None);
    }
}

/// `HTTPClientConfig.Validate` of prometheus/common, in its order.
fn check_http(http: &mut HttpConfig, place: &Place, reader: &mut Reader<'_>) {
    let at = |key: &str| place.of(key);
    let problem = bearer_problem(http)
        .or_else(|| credentials_problem(http))
        .map(|(key, message)| (at(key), message));
    if let Some((at, message)) = problem {
        reader.deny(at, message);
        return;
    }
    let old_token = std::mem::take(&mut http.bearer_token);
    let old_file = std::mem::take(&mut http.bearer_token_file);
    if !old_token.is_empty() || !old_file.is_empty() {
        http.authorization = Some(Authorization {
            credentials: old_token,
            credentials_file: old_file,
            ..Authorization::default()
        });
    }
    let problem = http
        .oauth2
        .as_ref()
        .and_then(|oauth2| oauth2_problem(oauth2))
        .map(|message| ("oauth2", message))
        .or_else(|| proxy_problem(&http.proxy));
    if let Some((key, message)) = problem {
        reader.deny(at(key), message);
        return;
    }
    for name in http.headers.keys() {
        let name = canonical_header(name);
        if RESERVED_HEADERS.contains(&&*name) {
            reader.deny(
                at("http_headers"),
                format!("setting header \"{name}\" is not allowed"),
            );
        }
    }
}

fn bearer_problem(http: &HttpConfig) -> Option<(&'static str, &'static str)> {
    let bearer = !http.bearer_token.is_empty() || !http.bearer_token_file.is_empty();
    if !http.bearer_token.is_empty() && !http.bearer_token_file.is_empty() {
        return Some((
            "bearer_token_file",
            "at most one of bearer_token & bearer_token_file must be configured",
        ));
    }
    if bearer && (http.basic_auth.is_some() || http.oauth2.is_some()) {
        return Some((
            "bearer_token",
            "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
        ));
    }
    if bearer && http.authorization.is_some() {
        return Some((
            "authorization",
            "authorization is not compatible with bearer_token & bearer_token_file",
        ));
    }
    None
}

fn credentials_problem(http: &mut HttpConfig) -> Option<(&'static str, &'static str)> {
    if let Some(basic) = &http.basic_auth {
        if !basic.username.is_empty() && !basic.username_file.is_empty() {
            return Some((
                "basic_auth",
                "at most one of basic_auth username, username_file & username_ref must be configured",
            ));
        }
        if !basic.password.is_empty() && !basic.password_file.is_empty() {
            return Some((
                "basic_auth",
                "at most one of basic_auth password, password_file & password_ref must be configured",
            ));
        }
    }
    let one_of_three = "at most one of basic_auth, oauth2 & authorization must be configured";
    if let Some(authorization) = &mut http.authorization {
        if !authorization.credentials.is_empty() && !authorization.credentials_file.is_empty() {
            return Some((
                "authorization",
                "at most one of authorization credentials & credentials_file must be configured",
            ));
        }
        authorization.kind = match authorization.kind.trim() {
            "" => "Bearer".to_owned(),
            kind => kind.to_owned(),
        };
        if authorization.kind.eq_ignore_ascii_case("basic") {
            return Some((
                "authorization",
                "authorization type cannot be set to \"basic\", use \"basic_auth\" instead",
            ));
        }
        if http.basic_auth.is_some() || http.oauth2.is_some() {
            return Some(("authorization", one_of_three));
        }
    }
    (http.oauth2.is_some() && http.basic_auth.is_some()).then_some(("oauth2", one_of_three))
}

/// What is wrong with an `oauth2` section.
pub(crate) fn oauth2_problem(oauth2: &OAuth2) -> Option<&'static str> {
    if oauth2.client_id.is_empty() {
        return Some("oauth2 client_id must be configured");
    }
    if oauth2.token_url.is_empty() {
        return Some("oauth2 token_url must be configured");
    }
    if oauth2.grant_type == JWT_GRANT {
        if !oauth2.client_certificate_key.is_empty()
            && !oauth2.client_certificate_key_file.is_empty()
        {
            return Some(
                "at most one of oauth2 client_certificate_key, client_certificate_key_file & \
                 client_certificate_key_ref must be configured using \
                 grant-type=urn:ietf:params:oauth:grant-type:jwt-bearer",
            );
        }
        if !["", "RS256", "RS384", "RS512"].contains(&&*oauth2.signature_algorithm) {
            return Some("valid signature algorithms are RS256, RS384 and RS512");
        }
    } else if !oauth2.client_secret.is_empty() && !oauth2.client_secret_file.is_empty() {
        return Some(
            "at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be \
             configured using grant-type=client_credentials",
        );
    }
    None
}

fn proxy_problem(proxy: &ProxyConfig) -> Option<(&'static str, &'static str)> {
    if !proxy.connect_header.is_empty() && !proxy.from_environment && proxy.url.is_empty() {
        return Some((
            "proxy_connect_header",
            "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
        ));
    }
    if proxy.from_environment && !proxy.url.is_empty() {
        return Some((
            "proxy_url",
            "if proxy_from_environment is configured, proxy_url must not be configured",
        ));
    }
    if proxy.from_environment && !proxy.no_proxy.is_empty() {
        return Some((
            "no_proxy",
            "if proxy_from_environment is configured, no_proxy must not be configured",
        ));
    }
    if proxy.url.is_empty() && !proxy.no_proxy.is_empty() {
        return Some((
            "no_proxy",
            "if no_proxy is configured, proxy_url must also be configured",
        ));
    }
    None
}

/// `TLSConfig.Validate` of prometheus/common, and its check of the versions when a client is built.
fn check_tls(tls: &mut TlsConfig, place: &Place, reader: &mut Reader<'_>) {
    warn_of_old_versions(tls, place, reader);
    let both = |a: &str, b: &str| !a.is_empty() && !b.is_empty();
    let certificate = !tls.cert.is_empty() || !tls.cert_file.is_empty();
    let key = !tls.key.is_empty() || !tls.key_file.is_empty();
    let (at, message) = if both(&tls.ca, &tls.ca_file) {
        (
            "ca_file",
            "at most one of ca, ca_file & ca_ref must be configured",
        )
    } else if both(&tls.cert, &tls.cert_file) {
        (
            "cert_file",
            "at most one of cert, cert_file & cert_ref must be configured",
        )
    } else if both(tls.key.reveal(), &tls.key_file) {
        (
            "key_file",
            "at most one of key and key_file must be configured",
        )
    } else if certificate && !key {
        (
            "cert_file",
            "exactly one of key or key_file must be configured when a client certificate is configured",
        )
    } else if key && !certificate {
        (
            "key_file",
            "exactly one of cert or cert_file must be configured when a client key is configured",
        )
    } else if tls
        .max_version
        .is_some_and(|max| tls.min_version.is_some_and(|min| max < min))
    {
        (
            "max_version",
            "tls_config.max_version must be greater than or equal to tls_config.min_version if both are specified",
        )
    } else {
        return;
    };
    reader.deny(place.of(at), message);
}

/// Go speaks TLS 1.0 and 1.1 when it is told to.
fn warn_of_old_versions(tls: &TlsConfig, place: &Place, reader: &mut Reader<'_>) {
    let is_old = |version: Option<TlsVersion>| version.is_some_and(|v| v < TlsVersion::Tls12);
    if is_old(tls.max_version) {
        let message = "TLS 1.0 and 1.1 are not supported: no connection comes about with this max_version; raise it";
        reader.warn(place.of("max_version"), message);
    } else if is_old(tls.min_version) {
        let message = "TLS 1.0 and 1.1 are not supported: connections need TLS 1.2 at least";
        reader.warn(place.of("min_version"), message);
    }
}

/// Go's `CanonicalHeaderKey`: upper case at the start and after each hyphen.
pub(crate) fn canonical_header(name: &str) -> String {
    if !name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    {
        return name.to_owned();
    }
    let mut upper = true;
    name.chars()
        .map(|c| {
            let c = if upper {
                c.to_ascii_uppercase()
            } else {
                c.to_ascii_lowercase()
            };
            upper = c == '-';
            c
        })
        .collect()
}
